import numpy as np
import ot
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import linprog, minimize
from scipy.spatial.distance import cdist
from scipy.special import logsumexp, softmax

from sktransfer.joint._class_offsets import offsets_that_agree, offsets_to_shares
from sktransfer.joint._class_shares import (
    domain_rows,
    proportional_transport,
    uniform_transport,
)
from sktransfer.joint._entropic_transport import self_potentials

TIGHT = {"tol": 1e-10, "max_iter": 20000}


def classes(counts, rng, *, spread=1.0, gap=3.0):
    """Rows of three classes at the corners of a triangle."""
    labels = np.repeat(np.arange(3), counts)
    corners = gap * np.array([[0, 0], [1, 0], [0, 1]])
    return corners[labels] + spread * rng.normal(size=(len(labels), 2)), labels


@pytest.fixture
def shifted():
    """Three sources and a target whose class proportions differ."""
    rng = np.random.RandomState(0)
    sources = [classes(n, rng) for n in ([5, 9, 16], [12, 10, 8], [6, 18, 6])]
    X_target, _ = classes([15, 4, 6], rng)
    costs = [cdist(X, X_target, "sqeuclidean") / 10 for X, _ in sources]
    return costs, [labels for _, labels in sources]


def counts_of(labels):
    return np.array([np.bincount(own, minlength=3) for own in labels])


def test_one_source_is_sinkhorn():
    rng = np.random.RandomState(0)
    (X, labels), (X_target, _) = classes([8, 7, 5], rng), classes([4, 9, 11], rng)
    costs = cdist(X, X_target, "sqeuclidean")
    expected = ot.sinkhorn(
        [], [], costs, 0.7, method="sinkhorn_log", stopThr=1e-13, numItermax=50000
    )
    (kernel,), (plan,), _, moved = uniform_transport(costs / 0.7, labels, 3, **TIGHT)
    assert moved <= 1e-10
    assert_allclose(plan, expected, atol=1e-9)
    assert_allclose(plan.sum(axis=0), 1 / 24, rtol=1e-12)
    g = np.log(plan[0]) + costs[0] / 0.7 - kernel.f[0]
    assert_allclose(plan, np.exp(kernel.f[:, None] + g - costs / 0.7), rtol=1e-10)


def test_a_small_entropy_gives_the_least_cost():
    rng = np.random.RandomState(1)
    costs = rng.uniform(size=(6, 9))
    rows = np.kron(np.eye(6), np.ones(9))
    columns = np.kron(np.ones(6), np.eye(9))
    sums = np.r_[np.full(6, 1 / 6), np.full(9, 1 / 9)]
    best = linprog(costs.ravel(), A_eq=np.r_[rows, columns], b_eq=sums).fun
    labels = np.arange(6) % 2
    _, (plan,), *_ = uniform_transport(costs / 5e-3, labels, 2, tol=1e-6, max_iter=5000)
    assert abs((plan * costs).sum() - best) < 5e-3 * np.log(54)


def test_classes_that_lie_apart_take_few_iterations():
    rng = np.random.RandomState(0)
    X, labels = classes([20, 20, 20], rng, gap=8)
    X_target, _ = classes([20, 20, 20], rng, gap=8)
    costs = cdist(X, X_target, "sqeuclidean") / 5
    limits = {"tol": 1e-6, "max_iter": 1000}
    _, (plan,), n_iter, moved = uniform_transport(costs, labels, 3, **limits)
    # One class: the same plan by scaling rows and columns alone.
    _, (plain,), slowly, _ = uniform_transport(costs, 0 * labels, 1, **limits)
    assert moved <= 1e-6
    assert n_iter < slowly / 10
    assert_allclose(plan.sum(axis=1), 1 / 60, atol=1e-6)
    assert_allclose(plan, plain, atol=5e-5)


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e3, 1e7])
def test_costs_of_any_size(scale):
    rng = np.random.RandomState(0)
    costs = [scale * rng.uniform(size=(12, 15)) for _ in range(2)]
    labels = [np.arange(12) % 3] * 2
    limits = {"tol": 1e-6, "max_iter": 200}
    shares, (kernels, plans, *_) = proportional_transport(
        costs, labels, counts_of(labels), [False, False], **limits
    )
    assert_allclose(shares.sum(), 1)
    for kernel, plan in zip(kernels, plans, strict=True):
        assert np.isfinite(kernel.f).all()
        assert_allclose(plan.sum(axis=0), 1 / 15)
    assert np.isfinite(
        self_potentials(scale * cdist(costs[0], costs[0]), **limits)
    ).all()


def entropic_cost(costs, weights):
    """Least ``KL(plan | exp(-costs))`` by plain Sinkhorn iterations in logarithms."""
    f = np.zeros(len(costs))
    for _ in range(500):
        g = -np.log(costs.shape[1]) - logsumexp(f[:, None] - costs, axis=0)
        new = np.log(weights) - logsumexp(g - costs, axis=1)
        if np.abs(new - f).max() < 1e-10:
            break
        f = new
    plan = np.exp(f[:, None] + g - costs)
    return np.sum(plan * (f[:, None] + g)) - plan.sum()


def mean_cost(shares, costs, labels):
    return np.mean(
        [
            entropic_cost(c, (shares / np.bincount(own))[own])
            for c, own in zip(costs, labels, strict=True)
        ]
    )


@pytest.mark.parametrize("n_sources", [1, 2])
def test_proportions_are_those_of_the_least_cost(shifted, n_sources):
    costs = [c / 0.5 for c in shifted[0][:n_sources]]
    labels = shifted[1][:n_sources]
    shares, (_, plans, _, moved) = proportional_transport(
        costs, labels, counts_of(labels), [False] * n_sources, **TIGHT
    )
    best = minimize(
        lambda z: mean_cost(softmax(np.r_[0, z]), costs, labels),
        np.zeros(2),
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-11},
    )
    assert_allclose(shares, softmax(np.r_[0, best.x]), atol=5e-5)
    for plan, own in zip(plans, labels, strict=True):
        assert_allclose(plan.sum(axis=0), 1 / 25)
        assert_allclose(plan.sum(axis=1), (shares / np.bincount(own))[own], atol=1e-8)
    assert moved <= 1e-10


def test_proportions_are_the_fixed_point_of_plain_projections(shifted):
    costs, labels = [c / 0.5 for c in shifted[0]], shifted[1]
    plans = [np.exp(-c) for c in costs]
    for _ in range(2000):
        plans = [g / g.sum(axis=0) / 25 for g in plans]
        logs = [np.log(g.sum(axis=1)) for g in plans]
        sums = [
            [np.mean(r[own == c]) + np.log(np.sum(own == c)) for c in range(3)]
            for r, own in zip(logs, labels, strict=True)
        ]
        shares = np.exp(np.mean(sums, axis=0))
        weights = [(shares / np.bincount(own))[own] for own in labels]
        rows = zip(plans, weights, strict=True)
        plans = [g * (a / g.sum(axis=1))[:, None] for g, a in rows]
    found, _ = proportional_transport(
        costs, labels, counts_of(labels), [False] * 3, **TIGHT
    )
    assert_allclose(found, shares, atol=1e-7)


def test_the_published_update_stops_near_by_but_higher():
    rng = np.random.RandomState(3)
    pairs = [classes(n, rng) for n in ([5, 9, 16], [12, 10, 8])]
    X_target, _ = classes([15, 4, 6], rng)
    labels = [own for _, own in pairs]
    costs = [cdist(X, X_target, "sqeuclidean") for X, _ in pairs]
    published = ot.bregman.jcpot_barycenter(
        [X for X, _ in pairs],
        [own.copy() for own in labels],
        X_target,
        reg=2.0,
        numItermax=3000,
        stopThr=1e-12,
    )
    costs = [c / 2.0 for c in costs]
    found, _ = proportional_transport(
        costs, labels, counts_of(labels), [False] * 2, **TIGHT
    )
    assert_allclose(found, published, atol=0.02)
    assert mean_cost(found, costs, labels) < mean_cost(published, costs, labels)


def test_a_source_that_lacks_a_class_moves_what_it_has(shifted):
    costs, labels = [c / 0.5 for c in shifted[0]], list(shifted[1])
    kept = labels[1] != 2
    costs[1], labels[1] = costs[1][kept], labels[1][kept]
    counts = counts_of(labels)
    shares, (_, plans, _, moved) = proportional_transport(
        costs, labels, counts, [False, True, False], **TIGHT
    )
    others, _ = proportional_transport(
        costs[::2], labels[::2], counts[::2], [False] * 2, **TIGHT
    )
    assert moved <= 1e-10
    assert_allclose(shares, others, atol=1e-7)
    weights = (shares / np.maximum(counts[1], 1))[labels[1]]
    assert_allclose(plans[1].sum(axis=1), weights, atol=1e-8)
    sums = plans[1].sum(axis=0)
    assert (sums <= 1 / 25 + 1e-12).all()
    # Of least divergence: potentials are zero where a column is not full.
    left = np.log(plans[1]) + costs[1]
    f = (left - left[:, [sums.argmin()]]).mean(axis=1)
    assert_allclose(f, 0, atol=40)
    g = left[0] - left[0, sums.argmin()]
    free = sums < 1 / 25 - 1e-6
    assert free.any()
    assert_allclose(g[free], 0, atol=1e-6)
    assert (g <= 1e-6).all()


def test_sources_count_as_one_where_all_lack_a_class():
    domain, labels = np.array([1, 1, 2, 2, 2]), np.array([0, 1, 1, 2, 2])
    rows, counts = domain_rows(domain, labels, 3)
    assert [i.tolist() for i in rows] == [[0, 1, 2, 3, 4]]
    assert counts.tolist() == [[1, 2, 2]]
    rows, counts = domain_rows(domain, np.array([0, 1, 1, 0, 0]), 2)
    assert [i.tolist() for i in rows] == [[0, 1], [2, 3, 4]]
    assert counts.tolist() == [[1, 1], [2, 1]]


@pytest.mark.parametrize("scale", [0.1, 5.0])
def test_self_potentials_give_every_row_its_weight(scale):
    X = np.random.RandomState(0).normal(size=(20, 3))
    costs = scale * cdist(X, X, "sqeuclidean")
    f = self_potentials(costs.copy(), tol=1e-9, max_iter=20000)
    np.fill_diagonal(costs, np.inf)
    plan = np.exp(f[:, None] + f - costs)
    assert_allclose(plan.sum(axis=1), 1 / 20, rtol=1e-3)
    assert_allclose(self_potentials(np.zeros((1, 1)), **TIGHT), 0)


def test_offsets_give_the_shares():
    rng = np.random.RandomState(0)
    masses = softmax(8 * rng.normal(size=(50, 4)), axis=1)
    shares = np.array([0.1, 0.2, 0.3, 0.4])
    moved = masses * np.exp(offsets_to_shares(masses, shares))
    assert_allclose((moved / moved.sum(axis=1, keepdims=True)).mean(axis=0), shares)


def test_offsets_make_sources_agree():
    rng = np.random.RandomState(0)
    masses = [softmax(5 * rng.normal(size=(50, 4)) + b, axis=1) for b in np.eye(4)[:3]]
    offsets = offsets_that_agree(masses)
    assert_allclose(offsets.sum(axis=0), 0, atol=1e-10)
    moved = [m * np.exp(d) for m, d in zip(masses, offsets, strict=True)]
    shares = [(m / m.sum(axis=1, keepdims=True)).mean(axis=0) for m in moved]
    assert_allclose(shares, [shares[0]] * 3, atol=1e-9)
