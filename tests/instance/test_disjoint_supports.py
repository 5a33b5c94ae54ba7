"""Where the domains do not overlap every weighter by rows says so."""

import warnings

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import ConvergenceWarning

import sktransfer
from sktransfer import (
    BalancedWeighter,
    DiscrepancyWeighter,
    DiscriminativeWeighter,
    GaussianWeighter,
    LabelShiftWeighter,
    NearestNeighborWeighter,
    ULSIFWeighter,
)
from sktransfer._separation import lie_apart
from sktransfer.base import BaseWeighter
from sktransfer.exceptions import WeightCollapseWarning

WEIGHTERS = [
    sktransfer.KernelMeanMatchingWeighter(),
    DiscriminativeWeighter(),
    DiscriminativeWeighter(cv=None),
    DiscriminativeWeighter(RandomForestClassifier(10, min_samples_leaf=9)),
    GaussianWeighter(),
    sktransfer.DensityWeighter(),
    sktransfer.KLIEPWeighter(),
    ULSIFWeighter(),
    ULSIFWeighter(alpha=0.5),
    NearestNeighborWeighter(),
    NearestNeighborWeighter(n_neighbors=50),
    DiscrepancyWeighter(),
    *(LabelShiftWeighter(method=m) for m in ("bbse", "rlls", "em", "kmm")),
]


def draw(shift, p=2, n_source=100, n_target=80, seed=0):
    rng = np.random.RandomState(seed)
    source, target = rng.normal(size=(n_source, p)), rng.normal(size=(n_target, p))
    X, y = np.r_[source, target], np.full(n_source + n_target, -1)
    y[:n_source] = np.arange(n_source) % 2
    X[:, 0] += 2 * (np.arange(len(X)) % 2)
    X[n_source:] += shift
    return X, y, np.repeat([1, -1], [n_source, n_target])


def said(weighter, X, y, domain):
    """Fit; return the warnings, errors among them."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            weighter.fit(X, y, sample_domain=domain)
        except ValueError as error:
            return [str(error)]
    return [
        str(w.message) for w in caught if not issubclass(w.category, ConvergenceWarning)
    ]


def test_no_weighter_is_forgotten():
    family = {
        value
        for value in vars(sktransfer).values()
        if isinstance(value, type) and issubclass(value, BaseWeighter)
    }
    assert family - {BaseWeighter, BalancedWeighter} == set(map(type, WEIGHTERS))


@pytest.mark.parametrize("weighter", WEIGHTERS, ids=repr)
def test_disjoint_domains_are_told(weighter):
    messages = said(weighter, *draw(50.0))
    assert len(messages) == 1
    assert "do not overlap" in messages[0]
    assert "aligner" in messages[0]
    if hasattr(weighter, "effective_sample_size_"):
        assert f"size is {weighter.effective_sample_size_:.1f} of 100" in messages[0]


@pytest.mark.parametrize("weighter", WEIGHTERS, ids=repr)
def test_overlapping_domains_are_not(weighter):
    assert said(weighter, *draw(0.5)) == []


def test_a_warning_of_its_own_class_at_the_line_of_the_caller():
    X, _, domain = draw(50.0)
    with pytest.warns(WeightCollapseWarning) as caught:
        ULSIFWeighter().fit(X, sample_domain=domain)
    assert caught[0].filename == __file__


def test_certain_classifier_where_there_is_no_gap():
    # The target's rows start where the source's end.
    X, y, domain = draw(0.0, p=1, n_source=400, n_target=400)
    X = np.sort(X, axis=0)
    messages = said(DiscriminativeWeighter(), X, y, domain)
    assert len(messages) == 1
    assert "do not overlap" in messages[0]


def test_one_source_of_two():
    X, _, domain = draw(0.5)
    far, _, _ = draw(0.0, seed=1)
    X, domain = np.r_[X, far[:50] + 50.0], np.r_[domain, np.full(50, 2)]
    for weighter in (GaussianWeighter(), DiscrepancyWeighter()):
        assert "do not overlap" in said(weighter, X, None, domain)[0]
    # As one source they do overlap with the target.
    assert said(DiscrepancyWeighter(), X, None, np.sign(domain)) == []


def test_balance_does_not_look_at_rows():
    X, y, domain = draw(50.0)
    y[100:140] = 1
    assert said(BalancedWeighter(0.5), X, y, domain) == []


def apart(X, domain):
    return lie_apart(X, domain > 0, domain < 0)


@pytest.mark.parametrize("p", [1, 5, 200])
@pytest.mark.parametrize("n", [10, 300])
def test_gap(p, n):
    X, _, domain = draw(0.0, p, n, n)
    one_column = np.outer(domain < 0, np.eye(1, p)[0])
    assert not apart(X, domain)
    assert not apart(X + 2.0 * one_column, domain)
    assert apart(X + 50.0 * one_column, domain)


@pytest.mark.parametrize("shift", [3.0, 50.0])
def test_units_order_and_sparse_rows_do_not_matter(shift):
    X, _, domain = draw(shift, n_source=500)
    expected = shift == 50.0
    assert apart(X * [1e-150, 1e150], domain) == expected
    assert apart(X + 1e6, domain) == expected
    assert apart(X.astype(np.float32), domain) == expected
    assert apart(sparse.csr_matrix(X), domain) == expected
    order = np.random.RandomState(0).permutation(len(X))
    assert apart(X[order], domain[order]) == expected
    constant = np.c_[X, np.ones(len(X))]
    assert apart(constant, domain) == expected


def test_rows_of_no_spread_heavy_tails_few_rows():
    domain = np.repeat([1, -1], 40)
    assert not apart(np.ones((80, 2)), domain)
    assert not apart(np.eye(2)[(domain > 0).astype(int)], domain)
    binary = np.zeros((80, 1))
    binary[0] = binary[40:79] = 1
    assert not apart(binary, domain)
    tails = np.random.RandomState(0).standard_cauchy(size=(80, 3))
    assert not apart(tails, domain)
    few = np.r_[np.zeros((2, 1)), np.arange(40.0)[:, None] + 1e3]
    assert not apart(few, np.repeat([1, -1], [2, 40]))
    one = np.r_[np.zeros((30, 1)), np.arange(40.0)[:, None] + 1e3]
    assert apart(one, np.repeat([1, -1], [30, 40]))
