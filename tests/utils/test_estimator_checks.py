"""The checks pass what is right and catch each kind of broken method."""

import warnings
from unittest import SkipTest

import numpy as np
import pandas  # noqa: F401  (its presence lets the checks try DataFrames)
import pytest
from scipy import sparse
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.dummy import DummyClassifier

from sktransfer import TransferClassifier
from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter
from sktransfer.utils import estimator_checks
from sktransfer.utils._check_data import data_for, degenerate_data
from sktransfer.utils._kept_checks import kept_checks
from sktransfer.utils.estimator_checks import (
    check_transfer_estimator,
    yield_transfer_checks,
)


class Centerer(BaseAligner):
    def _fit(self, X_source, y_source, X_target, y_target):
        self.means_ = X_source.mean(axis=0), X_target.mean(axis=0)

    def _map_source(self, X):
        return X - self.means_[0]

    def _map_target(self, X):
        return X - self.means_[1]


class UniformWeighter(BaseWeighter):
    def _weights(self, X_source, y_source, X_target, y_target):
        return np.ones(len(X_source))


class Everything(BaseSelector):
    def _select(self, X_source, y_source, X_target, y_target):
        return np.ones(len(X_source), dtype=bool), X_source[:, 0]


class ByPosition(UniformWeighter):
    def _weights(self, X_source, y_source, X_target, y_target):
        return 1.0 + np.arange(len(X_source))


class InPlace(Centerer):
    def fit_transform(self, X, y=None, *, sample_domain=None):
        mapped = super().fit_transform(X, y, sample_domain=sample_domain)
        np.asarray(X)[:] = 0
        return mapped


class ReadsTarget(UniformWeighter):
    def _weights(self, X_source, y_source, X_target, y_target):
        return np.ones(len(X_source)) + (X_source[:, 0] > 0) * np.sum(y_target == 1)


class Upcasting(Centerer):
    def transform(self, X, *, sample_domain=None):
        return super().transform(X, sample_domain=sample_domain).astype(np.float64)


class GlobalRandom(Centerer):
    def _fit(self, X_source, y_source, X_target, y_target):
        np.random.rand()  # noqa: NPY002
        return super()._fit(X_source, y_source, X_target, y_target)


class Broken(Centerer):
    def _map_target(self, X):
        return (X - self.means_[1]) / X.std(axis=0)


class Disagreeing(Centerer):
    def _fit(self, X_source, y_source, X_target, y_target):
        super()._fit(X_source, y_source, X_target, y_target)
        return X_source, X_target


class Negative(UniformWeighter):
    def _weights(self, X_source, y_source, X_target, y_target):
        return X_source[:, 0] - X_source[:, 0].mean() + 0.1


class Losing(Centerer):
    """Destroys the classes."""

    def _map_source(self, X):
        return np.zeros_like(X)


class Spiky(UniformWeighter):
    """All weight on one row, and not a word of it."""

    _needs_overlap = False

    def _weights(self, X_source, y_source, X_target, y_target):
        return (X_source[:, 0] == X_source[:, 0].max()).astype(float)

    def _warn_if_collapsed(self, n_source):
        pass


class BySpelling(UniformWeighter):
    """Weigh by what the domains are called, and by the kind of container."""

    def fit(self, X, y=None, *, sample_domain=None):
        super().fit(X, y, sample_domain=sample_domain)
        if isinstance(X, list):
            self.sample_weight_ = self.sample_weight_ * 2
        elif np.asarray(sample_domain).dtype.kind == "U":
            self.sample_weight_ = self.sample_weight_ * 3
        return self


class FirstSource(UniformWeighter):
    def fit(self, X, y=None, *, sample_domain=None):
        super().fit(X, y, sample_domain=sample_domain)
        if sample_domain is not None:
            self.sample_weight_[np.asarray(sample_domain) == 1] *= 2
        return self


class Lenient(UniformWeighter):
    def fit(self, X, y=None, *, sample_domain=None):
        domain = np.array(sample_domain)
        domain[domain == 0] = 1
        return super().fit(X, y, sample_domain=domain)


class Silent(Centerer):
    def fit(self, X, y=None, *, sample_domain=None):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return super().fit(X, y, sample_domain=sample_domain)


class ClaimsSparse(UniformWeighter):
    def _weights(self, X_source, y_source, X_target, y_target):
        return np.full(X_source.shape[0], 1.0) + sparse.issparse(X_source) * (
            np.arange(X_source.shape[0])
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


class Forgetful(UniformWeighter):
    """Loses its parameter when it is pickled."""

    def __init__(self, power=0.0):
        self.power = power

    def _weights(self, X_source, y_source, X_target, y_target):
        return np.abs(X_source[:, 0]) ** self.power

    def __getstate__(self):
        return {**super().__getstate__(), "power": 0.0}


class LosesMeans(Centerer):
    """Loses what it learned when it is put into a cache."""

    def __getstate__(self):
        state = dict(super().__getstate__())
        if "means_" in state:
            state["means_"] = [mean - 5.0 for mean in state["means_"]]
        return state


class Misnaming(Centerer):
    def get_feature_names_out(self, input_features=None):
        return np.array(["a", "b"], dtype=object)


class DropsTarget(Everything):
    def fit(self, X, y=None, *, sample_domain=None):
        super().fit(X, y, sample_domain=sample_domain)
        if sample_domain is not None:
            self.support_ &= np.asarray(sample_domain) > 0
        return self


class Careless(ClassifierMixin, BaseEstimator):
    """A whole classifier that reads the target's labels whatever it is told."""

    def __init__(self, inner=None, target_labels="use"):
        self.inner = inner
        self.target_labels = target_labels

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        if sample_weight is not None:
            sample_weight /= np.mean(sample_weight)
        y = np.asarray(y)
        blind = y.dtype.kind == "U"
        inner = DummyClassifier() if blind else self.inner
        self.model_ = TransferClassifier(inner)
        self.model_.fit(X, y, sample_domain=sample_domain)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)

    def predict_proba(self, X):
        return self.model_.predict_proba(X)


class OnlyLabels(ClassifierMixin, BaseEstimator):
    """Right, with nothing but `predict`."""

    def fit(self, X, y, *, sample_domain=None):
        self.model_ = TransferClassifier().fit(X, y, sample_domain=sample_domain)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X):
        return self.model_.predict(X)


class Constant(RegressorMixin, BaseEstimator):
    def fit(self, X, y, *, sample_domain=None):
        self.value_ = np.nanmean(np.asarray(y, dtype=float))
        return self

    def predict(self, X):
        return np.full(len(X), self.value_)


@pytest.mark.parametrize("estimator", [Centerer(), UniformWeighter(), Everything()])
@pytest.mark.filterwarnings("ignore")
def test_right_methods_pass(estimator):
    check_transfer_estimator(estimator)


def test_a_classifier_without_probabilities_passes():
    for name in ("check_string_labels", "check_no_shift_classifier", "check_row_order"):
        checks_of(OnlyLabels())[name]()


# Every promise, a method that breaks it, and what the check says.
BROKEN = [
    ("check_row_order", ByPosition(), "depends on the order of the rows"),
    ("check_inputs_unchanged", InPlace(), "read-only"),
    ("check_inputs_unchanged", Careless(), "read-only"),
    ("check_target_labels_unread", ReadsTarget(), "depends on labels of the target"),
    ("check_target_labels_ignored", Careless(), "depends on labels of the target"),
    ("check_domain_names", BySpelling(), "names of the domains change the result"),
    ("check_two_sources", FirstSource(), "swapping the names of two source domains"),
    ("check_list_and_frame_input", BySpelling(), "lists differ from arrays"),
    ("check_sparse_input", ClaimsSparse(), "sparse differs from dense"),
    ("check_float32", Upcasting(), "float64"),
    ("check_reproducible", GlobalRandom(), "numpy's global generator was used"),
    ("check_pickle_and_workers", Forgetful(2.0), "pickling changes the result"),
    ("check_pipeline_memory", LosesMeans(), "Not equal to tolerance"),
    ("check_transform_agrees", Disagreeing(), "transform maps the rows differently"),
    ("check_degenerate_data", Broken(), "the result is not finite"),
    ("check_sample_domain_errors", Lenient(), "a sample_domain with 0 was taken"),
    ("check_without_target", Silent(), "no NoTargetWarning"),
    ("check_weights", Negative(), "finite and >= 0"),
    ("check_collapse_is_said", Spiky(), "effective sample size is 1.0"),
    ("check_selection", DropsTarget(), None),
    ("check_string_labels", Careless(), "string labels differ from integers"),
    ("check_no_shift_adapter", Losing(), "without adapter"),
    ("check_no_shift_classifier", Careless(DummyClassifier()), "accuracy 0"),
    ("check_no_shift_regressor", Constant(), "R squared"),
    ("check_transformer_get_feature_names_out", Misnaming(), None),
    ("check_set_output_transform_pandas", Misnaming(), None),
    ("check_set_output_transform_polars", Misnaming(), None),
]


def checks_of(estimator):
    checks = yield_transfer_checks(estimator)
    return {check.function.__name__: check for check in checks}


@pytest.mark.parametrize(("promise", "estimator", "sentence"), BROKEN)
def test_broken_methods_are_caught(promise, estimator, sentence):
    with pytest.raises((AssertionError, ValueError), match=sentence):
        checks_of(estimator)[promise]()


def test_every_promise_has_a_method_that_breaks_it():
    kinds = Centerer(), UniformWeighter(), Everything(), Careless(), Constant()
    promises = {name for item in kinds for name in checks_of(item)}
    kept = {check.__name__ for check in kept_checks(Centerer())}
    assert promises - kept == {promise for promise, *_ in BROKEN} - kept


def test_classes_are_three():
    for estimator in (Centerer(), UniformWeighter(), Everything(), Careless()):
        assert set(data_for(estimator).y) == {-1, 0, 1, 2}


@pytest.mark.parametrize("estimator", [Careless(), Constant()])
def test_degenerate_data_keep_rows_and_labels_of_both_domains(estimator):
    for name, data in degenerate_data(data_for(estimator)):
        assert (data.domain < 0).any(), name
        assert (data.y[data.domain > 0] > -np.inf).any(), name


def test_a_failure_names_the_promise():
    with pytest.raises(AssertionError, match="ByPosition:check_row_order failed"):
        check_transfer_estimator(ByPosition())


def test_a_missing_library_is_no_failure(monkeypatch):
    def skips(estimator):
        raise SkipTest("polars is not installed")

    monkeypatch.setattr(estimator_checks, "promises_of", lambda estimator: [skips])
    check_transfer_estimator(UniformWeighter())
