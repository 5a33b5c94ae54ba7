"""A target, or a source, whose rows are all given several times changes no weights."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import KNeighborsClassifier

import sktransfer
from sktransfer import (
    BalancedWeighter,
    DensityWeighter,
    DiscrepancyWeighter,
    DiscriminativeWeighter,
    GaussianWeighter,
    KernelMeanMatchingWeighter,
    LabelShiftWeighter,
    NearestNeighborWeighter,
)
from sktransfer.base import BaseWeighter
from sktransfer.instance._neighbor_counts import neighbor_counts

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning",
    "ignore::sktransfer.exceptions.UninformativeClassifierWarning",
)

PUBLIC = [
    cls
    for name in sktransfer.__all__
    if inspect.isclass(cls := getattr(sktransfer, name))
    and issubclass(cls, BaseWeighter)
    and not inspect.isabstract(cls)
]
# It gives the labelled target rows a share of the loss, on a scale of its own.
DEFAULTS = [cls() for cls in PUBLIC if cls is not BalancedWeighter]
BY_X = [w for w in DEFAULTS if not isinstance(w, LabelShiftWeighter)]
OTHERS = [
    GaussianWeighter("diag"),
    GaussianWeighter("shared"),
    DensityWeighter("cv", max_centers=10),
    NearestNeighborWeighter(4),
    DiscriminativeWeighter(KNeighborsClassifier(1)),
    DiscriminativeWeighter(cv=2, calibration="isotonic"),
    KernelMeanMatchingWeighter(kernel="laplacian"),
    KernelMeanMatchingWeighter(solver="nystroem", n_landmarks=10),
    DiscrepancyWeighter(regularization=0.0),
    LabelShiftWeighter(method="em"),
    LabelShiftWeighter(method="kmm"),
    LabelShiftWeighter(method="rlls"),
]


def draw(n_source=40, n_target=30, p=3, seed=0, ties=False, dtype=np.float64):
    rng = np.random.RandomState(seed)
    y = np.arange(n_source) % 2
    source = rng.normal(size=(n_source, p))
    source[:, 0] += 3 * y
    target = 0.8 * rng.normal(size=(n_target, p)) + 0.5
    target[:, 0] += 3 * (rng.uniform(size=n_target) < 0.7)
    X, labels = np.r_[source, target], np.r_[y, np.full(n_target, -1)]
    X = np.round(X) if ties else X
    return X.astype(dtype), labels, np.repeat([1, -1], [n_source, n_target])


def source_weights(weighter, X, y, domain):
    fitted = weighter.fit(X, y, sample_domain=domain)
    assert fitted.sample_weight_.dtype == X.dtype
    return fitted.sample_weight_[domain > 0]


def with_copies(rows, times, X, y, domain):
    more = np.tile(np.flatnonzero(rows), times - 1)
    return tuple(np.concatenate([part, part[more]]) for part in (X, y, domain))


def test_all_weighters_are_looked_at():
    assert len(DEFAULTS) >= 9
    assert DiscriminativeWeighter in PUBLIC


@pytest.mark.parametrize(
    ("weighter", "moment", "largest"),
    [
        (GaussianWeighter(), 20.05613215, 3.43653213),
        (GaussianWeighter("diag"), 19.76289937, 3.50642528),
        (GaussianWeighter("shared"), 21.38648306, 3.16324898),
        (DensityWeighter(), 20.01518255, 4.52928547),
        (NearestNeighborWeighter(), 19.94139194, 3.42857143),
        (NearestNeighborWeighter(4), 20.10897436, 2.75),
        (DiscriminativeWeighter(), 21.74594917, 4.02933616),
        (DiscriminativeWeighter(calibration="isotonic", cv=2), 20.80818618, 2.60089927),
        (KernelMeanMatchingWeighter(upper_bound=5.0), 20.27603097, 4.98487002),
        (KernelMeanMatchingWeighter(kernel="laplacian"), 20.82653938, 4.21354644),
        (DiscrepancyWeighter(), 20.78190606, 3.78522663),
    ],
    ids=str,
)
def test_rows_without_copies_have_the_weights_of_before(weighter, moment, largest):
    # Values of the weighters at commit d1eb444, which counted copies as rows.
    X, _, domain = draw()
    weights = source_weights(weighter, X, None, domain)
    assert_allclose(weights @ np.linspace(0, 1, 40), moment, rtol=1e-5)
    assert_allclose(weights.max(), largest, rtol=1e-5)


@pytest.mark.parametrize("weighter", DEFAULTS + OTHERS, ids=str)
@settings(deadline=None, max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    n_target=st.integers(1, 30),
    p=st.integers(1, 4),
    times=st.integers(2, 4),
    ties=st.booleans(),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_a_repeated_target_changes_nothing(
    weighter, seed, n_target, p, times, ties, dtype
):
    rows = draw(40, n_target, p, seed, ties, dtype)
    once = source_weights(weighter, *rows)
    repeated = with_copies(rows[2] < 0, times, *rows)
    several = source_weights(weighter, *repeated)
    atol = (1e-9 if dtype == np.float64 else 1e-6) * once.max()
    assert_allclose(several, once, rtol=0, atol=atol)


@pytest.mark.parametrize("weighter", BY_X + OTHERS[:9], ids=str)
@settings(deadline=None, max_examples=5)
@given(
    seed=st.integers(0, 10**6),
    n_source=st.integers(1, 40),
    n_target=st.integers(1, 30),
    times=st.integers(2, 4),
    ties=st.booleans(),
    dtype=st.sampled_from([np.float64, np.float32]),
)
def test_a_repeated_source_changes_nothing(
    weighter, seed, n_source, n_target, times, ties, dtype
):
    X, _, domain = rows = draw(n_source, n_target, 2, seed, ties, dtype)
    once = source_weights(weighter, X, None, domain)
    X, _, domain = with_copies(domain > 0, times, *rows)
    several = source_weights(weighter, X, None, domain)
    atol = 1e-5 * once.max()
    assert_allclose(several, np.tile(once, times), rtol=0, atol=atol)


@pytest.mark.parametrize("weighter", BY_X, ids=str)
def test_a_repeated_source_domain_does_not_touch_another(weighter):
    X, y, domain = draw(60, 30)
    domain[20:60] = 2
    once = source_weights(weighter, X, None, domain)
    rows = with_copies(domain == 1, 2, X, y, domain)
    several = source_weights(weighter, rows[0], None, rows[2])
    assert_allclose(several, np.r_[once, once[:20]], atol=1e-6)


@pytest.mark.parametrize("weighter", BY_X, ids=str)
def test_copies_among_the_rows(weighter):
    X, y, domain = draw()
    once = source_weights(weighter, X, None, domain)
    rows = with_copies(np.ones(len(X), bool), 2, X, y, domain)
    order = np.random.RandomState(1).permutation(len(rows[0]))
    several = weighter.fit(rows[0][order], sample_domain=rows[2][order])
    expected = np.r_[once, np.ones(30), once, np.ones(30)][order]
    assert_allclose(several.sample_weight_, expected, atol=1e-4)


def test_the_share_of_the_target_does_not_depend_on_its_copies():
    X, y, domain = draw()
    y[40:50] = 1

    def share(X, y, domain):
        weights = BalancedWeighter().fit(X, y, sample_domain=domain).sample_weight_
        labelled = weights[(domain < 0) & (y >= 0)].sum()
        return labelled / (labelled + weights[domain > 0].sum())

    assert_allclose(share(X, y, domain), 0.5)
    assert_allclose(share(*with_copies(domain < 0, 3, X, y, domain)), 0.5)
    unlabelled = with_copies((domain < 0) & (y < 0), 3, X, y, domain)
    weights = source_weights(BalancedWeighter(), *unlabelled)
    assert_array_equal(weights, source_weights(BalancedWeighter(), X, y, domain))


def test_rows_of_few_values_are_many_rows():
    # Four columns of yes and no: 16 different rows among 20,000, which say as much as
    # 20,000 rows do.
    rng = np.random.RandomState(0)
    source, target = np.array([0.3, 0.5, 0.6, 0.4]), np.array([0.6, 0.4, 0.7, 0.4])
    X = rng.uniform(size=(40000, 4)) < np.repeat([source, target], 20000, axis=0)
    X, domain = X.astype(np.float64), np.repeat([1, -1], 20000)
    yes, no = target / source, (1 - target) / (1 - source)
    ratio = np.where(X[:20000] == 1, yes, no).prod(axis=1)
    weights = source_weights(DiscriminativeWeighter(cv=None), X, None, domain)
    assert np.abs(weights - ratio / ratio.mean()).mean() < 0.03
    # Loog's votes, smoothed by one of the 20,000 and not by one of the 16.
    _, point_of, votes = neighbor_counts(X[:20000], X[20000:], 1)
    expected = 1 + votes[point_of]
    weights = source_weights(NearestNeighborWeighter(), X, None, domain)
    assert_allclose(weights, expected / expected.mean())
