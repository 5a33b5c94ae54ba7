"""The three bases, with tiny adapters whose result is known."""

import warnings

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import OneToOneFeatureMixin, clone
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags

from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter
from sktransfer.exceptions import (
    ClassLostWarning,
    NoTargetWarning,
    WeightCollapseWarning,
)
from tests.adapters import ByFirstColumn, Centerer, PositiveRows


class Doubler(BaseAligner):
    """Put target rows beside themselves, source rows beside zeros; say so in fit."""

    def __init__(self, at_once=True):
        self.at_once = at_once

    def _fit(self, X_source, y_source, X_target, y_target):
        self._n_features_out = 2 * X_source.shape[1]
        self.seen_ = (X_source, y_source, X_target, y_target)
        if self.at_once:
            return self._map_source(X_source), self._map_target(X_target)
        return None

    def _map_source(self, X):
        return np.hstack([X, np.zeros_like(X)])

    def _map_target(self, X):
        # In double precision: the base brings it back to the dtype of X.
        return np.hstack([X, X]).astype(np.float64)


class Shifter(OneToOneFeatureMixin, BaseAligner):
    """Add one to target rows; columns stay the same ones."""

    def _fit(self, X_source, y_source, X_target, y_target):
        return None

    def _map_source(self, X):
        return X

    def _map_target(self, X):
        return X + 1


class Fixed(BaseWeighter):
    """Return the weights that are given."""

    def __init__(self, weights=None):
        self.weights = weights

    def _weights(self, X_source, y_source, X_target, y_target):
        return np.asarray(self.weights, dtype=float)


class Masked(BaseSelector):
    """Keep the source rows that are given."""

    def __init__(self, mask=None):
        self.mask = mask

    def _select(self, X_source, y_source, X_target, y_target):
        mask = np.asarray(self.mask, dtype=bool)
        return mask, mask * 2.0


def rows(n=6, dtype=np.float64):
    X = np.arange(2.0 * n, dtype=dtype).reshape(n, 2)
    domain = np.where(np.arange(n) % 3 == 1, -1, 1)
    return X, np.where(domain > 0, np.arange(n) % 2, -1), domain


@settings(deadline=None)
@given(
    st.lists(st.sampled_from([1, 2, -1, -2]), min_size=2, max_size=12).filter(
        lambda signs: min(signs) < 0 < max(signs)
    ),
    st.booleans(),
)
def test_fit_transform_puts_rows_back_in_their_places(signs, at_once):
    domain = np.array(signs)
    X = np.random.RandomState(0).normal(size=(len(domain), 2))
    expected = np.hstack([X, np.where(domain[:, None] < 0, X, 0)])
    aligner = Doubler(at_once)
    mapped = aligner.fit_transform(X, sample_domain=domain)
    np.testing.assert_array_equal(mapped, expected)
    np.testing.assert_array_equal(
        aligner.fit(X, sample_domain=domain).transform(X, sample_domain=domain),
        expected,
    )
    np.testing.assert_array_equal(aligner.transform(X), np.hstack([X, X]))
    only_source = aligner.transform(X, sample_domain=np.ones(len(X)))
    np.testing.assert_array_equal(only_source, np.hstack([X, 0 * X]))


def test_hooks_get_explicit_arrays_and_class_numbers():
    X, _, domain = rows()
    y = np.array(["b", "", "a", "b", "b", "a"])
    aligner = Doubler().fit(X, y, sample_domain=domain)
    X_source, y_source, X_target, y_target = aligner.seen_
    np.testing.assert_array_equal(X_source, X[domain > 0])
    np.testing.assert_array_equal(X_target, X[domain < 0])
    np.testing.assert_array_equal(y_source, [1, 0, 1, 0])
    np.testing.assert_array_equal(y_target, [-1, 1])


def test_labels_alone_say_which_rows_are_target():
    X, y, domain = rows()
    np.testing.assert_array_equal(
        Centerer().fit_transform(X, y),
        Centerer().fit_transform(X, None, sample_domain=domain),
    )


@pytest.mark.parametrize("adapter", [Centerer(), Doubler(), Doubler(at_once=False)])
def test_aligner_without_target_is_the_identity(adapter):
    X = rows()[0]
    with pytest.warns(NoTargetWarning, match="found no target row, so it adapts"):
        adapter.fit(X, np.array([0, 1, 0, 1, 0, 1]))
    assert adapter.is_identity_
    mapped = adapter.transform(X)
    np.testing.assert_array_equal(mapped, X)
    assert not np.shares_memory(mapped, X)
    frame = pd.DataFrame(X, columns=["a", "b"])
    with pytest.warns(NoTargetWarning):
        adapter.fit(frame, [0, 1, 0, 1, 0, 1])
    assert adapter.get_feature_names_out().tolist() == ["a", "b"]


def test_the_warning_points_at_the_line_of_the_caller():
    for adapter in (Centerer(), ByFirstColumn(), PositiveRows()):
        with pytest.warns(NoTargetWarning) as caught:
            adapter.fit(np.ones((2, 2)), [0, 1])
        assert caught[0].filename == __file__


def test_feature_names_and_set_output():
    X, y, domain = rows()
    frame = pd.DataFrame(X, columns=["a", "b"], index=list("uvwxyz"))
    doubler = Doubler().set_output(transform="pandas")
    mapped = doubler.fit_transform(frame, y, sample_domain=domain)
    assert mapped.columns.tolist() == [f"doubler{i}" for i in range(4)]
    assert mapped.index.tolist() == list("uvwxyz")
    assert doubler.transform(frame.iloc[:2]).index.tolist() == ["u", "v"]
    shifter = Shifter().set_output(transform="pandas").fit(frame, y)
    assert shifter.transform(frame).columns.tolist() == ["a", "b"]
    assert shifter.get_feature_names_out().tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="input_features is not equal to feat"):
        shifter.get_feature_names_out(["a", "c"])


def test_other_columns_and_unfitted_are_refused():
    X, y, _ = rows()
    with pytest.raises(NotFittedError):
        Centerer().transform(X)
    with pytest.raises(NotFittedError):
        Centerer().get_feature_names_out()
    fitted = Centerer().fit(X, y)
    with pytest.raises(ValueError, match="X has 3 features, but Centerer is exp"):
        fitted.transform(np.ones((2, 3)))
    with pytest.raises(ValueError, match="one entry for each of the 6 rows of X"):
        fitted.transform(X, sample_domain=[1, -1])
    for bad in (np.nan, np.inf):
        broken = X.copy()
        broken[0, 0] = bad
        with pytest.raises(ValueError, match=r"NaN|infinity"):
            Centerer().fit(broken, y)


@pytest.mark.parametrize("adapter", [Centerer(), Doubler(), Doubler(False), Shifter()])
def test_aligners_keep_float32(adapter):
    X, y, domain = rows(dtype=np.float32)
    assert adapter.fit_transform(X, y).dtype == np.float32
    assert adapter.transform(X).dtype == np.float32
    assert adapter.transform(X, sample_domain=domain).dtype == np.float32
    assert adapter.fit_transform(X.astype(np.int64), y).dtype == np.float64
    assert get_tags(adapter).transformer_tags.preserves_dtype == ["float64", "float32"]


def test_inputs_are_unchanged():
    X, y, domain = rows()
    for array in (X, y, domain):
        array.setflags(write=False)
    for adapter in (Doubler(), Shifter(), ByFirstColumn(), PositiveRows()):
        adapter.fit(X / 100, y, sample_domain=domain)


@settings(deadline=None)
@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=10), st.booleans())
def test_weights_have_mean_one_on_the_source(weights, single):
    n = len(weights)
    X = np.ones((n + 2, 1), dtype=np.float32 if single else np.float64)
    domain = np.r_[-1, np.ones(n), -1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", WeightCollapseWarning)
        weighter = Fixed(weights).fit(X, sample_domain=domain)
    got = weighter.sample_weight_
    assert got.dtype == X.dtype
    np.testing.assert_allclose(got[1:-1].mean(), 1, rtol=1e-5)
    np.testing.assert_allclose(got[1:-1] * np.mean(weights), weights, rtol=1e-4)
    np.testing.assert_array_equal(got[[0, -1]], 1)
    assert 1 - 1e-6 <= weighter.effective_sample_size_ <= n * (1 + 1e-6)


def test_weighter_without_target_weighs_all_alike():
    with pytest.warns(NoTargetWarning):
        weighter = Fixed([1, 2]).fit(np.ones((2, 1)), [0, 1])
    np.testing.assert_array_equal(weighter.sample_weight_, [1, 1])
    assert weighter.effective_sample_size_ == 2


@pytest.mark.parametrize("bad", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_weights_of_no_use_are_refused(bad):
    X, domain = np.ones((3, 1)), [1, 1, -1]
    with pytest.raises(ValueError, match="Fixed gave no source row a positive"):
        Fixed(bad).fit(X, sample_domain=domain)


def test_negative_weights_are_refused():
    with pytest.raises(ValueError, match=r"finite and >= 0 .* got values from -2"):
        Fixed([-1, 2]).fit(np.ones((3, 1)), sample_domain=[1, 1, -1])


def test_collapse_is_told_with_the_effective_sample_size():
    n = 200
    X, domain = np.ones((n + 1, 1)), np.r_[np.ones(n), -1]
    heavy = np.r_[np.ones(3), np.zeros(n - 3)]
    with pytest.warns(
        WeightCollapseWarning, match="effective sample size is 3.0 of 200 source rows"
    ) as caught:
        Fixed(heavy).fit(X, sample_domain=domain)
    assert caught[0].filename == __file__
    enough = np.r_[np.ones(20), np.zeros(n - 20)]
    Fixed(enough).fit(X, sample_domain=domain)  # a warning would be an error here


def test_a_single_source_row_is_no_collapse():
    Fixed([3.0]).fit(np.ones((2, 1)), sample_domain=[1, -1])
    Fixed([1.0, 0.0]).fit(np.ones((3, 1)), sample_domain=[1, 1, -1])


def test_selector_keeps_target_rows_and_says_so_in_weights():
    X = np.array([[0.0, 1], [0, -1], [0, 3], [0, -2]], dtype=np.float32)
    selector = PositiveRows().fit(X, sample_domain=[1, 1, -1, -1])
    np.testing.assert_array_equal(selector.support_, [True, False, True, True])
    np.testing.assert_array_equal(selector.sample_weight_, [1, 0, 1, 1])
    np.testing.assert_array_equal(selector.scores_, [1, -1, np.nan, np.nan])
    assert selector.support_.dtype == bool
    assert selector.sample_weight_.dtype == np.float32


def test_selector_without_target_keeps_all():
    with pytest.warns(NoTargetWarning):
        selector = Masked([False]).fit(np.ones((2, 1)), [0, 1])
    assert selector.support_.all()
    np.testing.assert_array_equal(selector.scores_, [1, 1])


def test_empty_selection_is_refused():
    with pytest.raises(ValueError, match=r"Masked left no source row\. Loosen"):
        Masked([False, False]).fit(np.ones((3, 1)), sample_domain=[1, 1, -1])


@pytest.mark.parametrize(
    ("y", "lost"),
    [
        ([0, 1, 1, -1], "0"),
        (["cat", "dog", "dog", ""], "'cat'"),
        (np.array(["cat", "dog", "dog", None], object), "'cat'"),
        (pd.Series([7, 8, 8, pd.NA], dtype="Int64"), "7"),
        ([True, False, False, False], "True"),
    ],
)
def test_a_lost_class_is_named(y, lost):
    with pytest.warns(ClassLostWarning, match=f"every source row of class {lost}. K"):
        Masked([False, True, True]).fit(np.ones((4, 1)), y, sample_domain=[1, 1, 1, -1])


def test_no_class_is_lost():
    X, domain = np.ones((4, 1)), [1, 1, 1, -1]
    keep = Masked([False, True, True])
    for y in ([1, 1, 0, -1], [-1, 1, 0, -1], [0.5, 1.5, 2.5, np.nan], None):
        keep.fit(X, y, sample_domain=domain)  # a warning would be an error here


@pytest.mark.parametrize("adapter", [Centerer(), ByFirstColumn(), PositiveRows()])
def test_domains_are_checked(adapter):
    X, y, domain = rows()
    for bad, sentence in (
        (domain[:-1], "one entry for each of the 6 rows"),
        (abs(domain), "names source rows only"),
        (0 * domain, "holds 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            clone(adapter).fit(X, y, sample_domain=bad)


@pytest.mark.parametrize("base", [BaseAligner, BaseWeighter, BaseSelector])
def test_bases_are_abstract(base):
    with pytest.raises(TypeError, match="abstract"):
        base()
