"""The checks pass what is right and catch each kind of broken method."""

import numpy as np
import pytest

from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter
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


@pytest.mark.parametrize("estimator", [Centerer(), UniformWeighter(), Everything()])
@pytest.mark.filterwarnings("ignore")
def test_right_methods_pass(estimator):
    check_transfer_estimator(estimator)


@pytest.mark.parametrize(
    ("estimator", "promise"),
    [
        (ByPosition(), "check_row_order"),
        (InPlace(), "check_inputs_unchanged"),
        (ReadsTarget(), "check_target_labels_unread"),
        (Upcasting(), "check_float32"),
        (GlobalRandom(), "check_reproducible"),
        (Broken(), "check_degenerate_data"),
        (Disagreeing(), "check_transform_agrees"),
        (Negative(), "check_weights"),
        (Losing(), "check_no_shift_adapter"),
    ],
)
def test_broken_methods_are_caught(estimator, promise):
    checks = {
        check.function.__name__: check for check in yield_transfer_checks(estimator)
    }
    with pytest.raises((AssertionError, ValueError)):
        checks[promise]()


def test_a_failure_names_the_promise():
    with pytest.raises(AssertionError, match="ByPosition:check_row_order failed"):
        check_transfer_estimator(ByPosition())
