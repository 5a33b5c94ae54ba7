"""Weights of least mean or moment discrepancy, of several source domains."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sktransfer import DiscrepancyWeighter, KernelMeanMatchingWeighter
from sktransfer.exceptions import NoTargetWarning, WeightCollapseWarning
from sktransfer.metrics import effective_sample_size

OF_DOMAINS = {
    KernelMeanMatchingWeighter: [
        "objective_",
        "mmd_before_",
        "mmd_after_",
        "projected_gradient_norm_",
        "n_iter_",
        "converged_",
        "gamma_",
    ],
    DiscrepancyWeighter: [
        "discrepancy_",
        "discrepancy_before_",
        "discrepancy_bound_",
        "gap_",
        "n_iter_",
        "converged_",
    ],
}
WEIGHTERS = [
    KernelMeanMatchingWeighter(upper_bound=5.0),
    KernelMeanMatchingWeighter(kernel="linear", clip=2.0, flatten=0.5),
    KernelMeanMatchingWeighter(solver="nystroem", n_landmarks=20),
    DiscrepancyWeighter(),
    DiscrepancyWeighter(clip=1.5, flatten=0.5),
]
SIZES = (80, 40, 1)


def draw(seed=0, dtype=np.float64):
    rng = np.random.RandomState(seed)
    means = (-0.6, 0.8, 0.1, 0.3)
    sizes = (*SIZES, 60)
    parts = [rng.normal(m, 1, size=(n, 2)) for m, n in zip(means, sizes, strict=True)]
    order = rng.permutation(sum(sizes))
    domain = np.repeat([7, 2, 30, -1], sizes)[order]
    return np.concatenate(parts)[order].astype(dtype), domain


@pytest.mark.parametrize("weighter", WEIGHTERS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_each_source_is_weighted_by_itself(weighter, dtype):
    X, domain = draw(dtype=dtype)
    weights = weighter.fit(X, sample_domain=domain).sample_weight_
    assert weights.dtype == dtype
    assert_array_equal(weighter.source_domains_, [2, 7, 30])
    assert_array_equal(weights[domain < 0], 1)
    size = effective_sample_size(weights[domain > 0])
    assert_allclose(weighter.effective_sample_size_, size)
    names = OF_DOMAINS[type(weighter)]
    found = {name: getattr(weighter, name) for name in names}
    for k, number in enumerate((2, 7, 30)):
        rows = (domain == number) | (domain < 0)
        alone = weighter.fit(X[rows], sample_domain=domain[rows])
        mine = domain == number
        assert_array_equal(weights[mine], alone.sample_weight_[mine[rows]])
        assert_allclose(weights[mine].mean(), 1, rtol=1e-6)
        for name in names:
            assert np.ndim(getattr(alone, name)) == 0
            assert_array_equal(found[name][k], getattr(alone, name))


def test_coefficients_in_the_order_of_the_rows():
    X, domain = draw()
    weighter = KernelMeanMatchingWeighter().fit(X, sample_domain=domain)
    numbers = domain[domain > 0]
    expected = np.empty(len(numbers))
    for number in weighter.source_domains_:
        rows = (domain == number) | (domain < 0)
        alone = KernelMeanMatchingWeighter().fit(X[rows], sample_domain=domain[rows])
        expected[numbers == number] = alone.coefficients_
    assert_array_equal(weighter.coefficients_, expected)


@pytest.mark.parametrize("weighter", WEIGHTERS, ids=str)
def test_what_domains_are_called_does_not_matter(weighter):
    X, domain = draw()
    weights = weighter.fit(X, sample_domain=domain).sample_weight_
    name = OF_DOMAINS[type(weighter)][0]
    values = getattr(weighter, name)
    renamed = np.select([domain == 7, domain == 2, domain == 30], [1, 9, 3], -4)
    again = weighter.fit(X, sample_domain=renamed)
    assert_array_equal(again.sample_weight_, weights)
    assert_array_equal(getattr(again, name), values[[1, 2, 0]])


@pytest.mark.parametrize("weighter", WEIGHTERS, ids=str)
def test_permuted_rows(weighter):
    X, domain = draw()
    weights = weighter.fit(X, sample_domain=domain).sample_weight_
    order = np.random.RandomState(3).permutation(len(X))
    again = weighter.fit(X[order], sample_domain=domain[order])
    assert_allclose(again.sample_weight_, weights[order], atol=1e-5)


@pytest.mark.parametrize("weighter", WEIGHTERS, ids=str)
def test_each_source_comes_nearer_to_the_target(weighter):
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(400, 2)), 0.8 * rng.normal(size=(300, 2)) + 0.4]
    domain = np.repeat([1, 2, -1], [200, 200, 300])
    weights = weighter.fit(X, sample_domain=domain).sample_weight_
    target = X[domain < 0].mean(axis=0)
    for number in (1, 2):
        mine = domain == number
        before = X[mine].mean(axis=0) - target
        after = np.average(X[mine], axis=0, weights=weights[mine]) - target
        assert np.linalg.norm(after) < 0.7 * np.linalg.norm(before)


def test_sparse_rows():
    X, domain = draw()
    X[np.abs(X) < 0.4] = 0
    dense = KernelMeanMatchingWeighter().fit(X, sample_domain=domain)
    thin = KernelMeanMatchingWeighter().fit(sparse.csr_array(X), sample_domain=domain)
    assert_allclose(thin.sample_weight_, dense.sample_weight_, atol=1e-5)


@pytest.mark.parametrize("cls", OF_DOMAINS)
def test_a_source_that_lies_apart_is_said(cls):
    X, domain = draw()
    X, domain = X[domain != 30], domain[domain != 30]
    X[domain == 2] += 12
    with pytest.warns(WeightCollapseWarning, match="do not overlap"):
        cls().fit(X, sample_domain=domain)


@pytest.mark.parametrize("cls", OF_DOMAINS)
def test_stopping_early_is_said_where_it_was_asked_for(cls):
    X, domain = draw()
    params = {"kernel": "poly"} if cls is KernelMeanMatchingWeighter else {}
    with pytest.warns(ConvergenceWarning, match="stopped after") as caught:
        weighter = cls(max_iter=1, **params).fit(X, sample_domain=domain)
    assert not weighter.converged_[:2].any()
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize("cls", OF_DOMAINS)
def test_a_later_fit_without_target_forgets(cls):
    X, domain = draw()
    weighter = cls().fit(X, sample_domain=domain)
    with pytest.warns(NoTargetWarning):
        weighter.fit(X, np.arange(len(X)) % 2)
    assert not any(hasattr(weighter, name) for name in OF_DOMAINS[cls])
    assert not hasattr(weighter, "source_domains_")
