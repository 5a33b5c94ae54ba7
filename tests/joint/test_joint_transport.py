import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog
from scipy.spatial.distance import cdist

from sktransfer.joint._joint_transport import (
    SquaredDistances,
    class_losses,
    restore_rows,
    transport_plan,
)
from sktransfer.joint._priced_transport import dense_plan, priced_plan


@pytest.fixture
def rows():
    rng = np.random.RandomState(0)
    return rng.normal(size=(90, 3)), rng.normal(size=(70, 3)) + 0.5


def test_distances_are_those_of_scipy(rows):
    source, target = rows
    distances = SquaredDistances(source + 1e4, target + 1e4)
    expected = cdist(source, target, "sqeuclidean")
    assert_allclose(distances(slice(None)), expected, atol=1e-9)
    assert_allclose(distances(np.array([3, 1])), expected[[3, 1]], atol=1e-9)
    assert_allclose(distances.largest(), expected.max())


def loss_by_hand(loss, shown, label):
    signs = np.where(np.arange(len(shown)) == label, 1, -1)
    if loss == "log_loss":
        return -np.log(shown[label])
    if loss == "squared":
        return np.sum((shown - (signs + 1) / 2) ** 2)
    return np.maximum(0, 1 - signs * shown).sum()


@pytest.mark.parametrize("loss", ["log_loss", "squared", "hinge"])
def test_losses_of_classes_pair_by_pair(loss):
    shown = np.random.RandomState(0).dirichlet(np.ones(4), size=5)
    shown = 4 * shown - 1 if loss == "hinge" else shown
    expected = [[loss_by_hand(loss, row, label) for label in range(4)] for row in shown]
    assert_allclose(class_losses(shown, loss), expected)


def test_plan_is_that_of_the_linear_programme(rows):
    costs = cdist(rows[0][:12], rows[1][:9], "sqeuclidean")
    plan, prices = transport_plan(lambda rows: costs[rows], costs.shape)
    sums = np.r_[np.kron(np.eye(12), np.ones(9)), np.kron(np.ones(12), np.eye(9))]
    exact = linprog(costs.ravel(), A_eq=sums, b_eq=np.repeat([1 / 12, 1 / 9], [12, 9]))
    assert_allclose((plan * costs).sum(), exact.fun)
    reduced = costs - prices[0][:, None] - prices[1]
    assert reduced.min() > -1e-9
    assert abs(plan.toarray()[reduced > 1e-9]).max() < 1e-12


@pytest.mark.parametrize("shape", [(90, 70), (70, 90), (80, 80), (1, 5), (5, 1)])
def test_plan_by_pricing_is_the_plan_of_all_costs(rows, shape, monkeypatch):
    # Small blocks, few arcs and few first rows: every branch is gone through.
    module = "sktransfer.joint._priced_transport."
    for name, value in (("_BLOCK_ENTRIES", 500), ("_ARCS", 2), ("_FIRST_ROWS", 8)):
        monkeypatch.setattr(module + name, value)
    rng = np.random.RandomState(1)
    costs = cdist(rng.normal(size=(shape[0], 2)), rng.normal(size=(shape[1], 2)))
    plan, prices = priced_plan(lambda rows: costs[rows], shape)
    expected, _ = dense_plan(costs)
    assert_allclose(plan.toarray(), expected.toarray(), atol=1e-9)
    again, _ = priced_plan(lambda rows: costs[rows], shape, prices)
    assert_allclose(again.toarray(), plan.toarray(), atol=1e-9)


def test_equal_rows_are_priced_too():
    plan, _ = priced_plan(lambda rows: np.zeros((60, 50))[rows], (60, 50))
    assert_allclose(plan.sum(axis=1), 1 / 60)
    assert_allclose(plan.sum(axis=0), 1 / 50)


@pytest.mark.parametrize("method", ["emd", "sinkhorn"])
def test_marginals_are_uniform(rows, method):
    distances = SquaredDistances(*rows)
    plan, _ = transport_plan(distances, distances.shape, method, 1.0)
    assert_allclose(plan.sum(axis=1), 1 / 90, rtol=1e-3)
    assert_allclose(plan.sum(axis=0), 1 / 70, rtol=1e-3)


def test_little_entropy_is_near_the_best_plan(rows):
    distances = SquaredDistances(rows[0][:20], rows[1][:20])
    costs = distances(slice(None))
    best, _ = transport_plan(distances, distances.shape)
    blurred, _ = transport_plan(distances, distances.shape, "sinkhorn", 0.5)
    gap = (blurred * costs).sum() - (best * costs).sum()
    assert 0 < gap < 0.5 * np.log(400)


def test_rows_are_put_back():
    rng = np.random.RandomState(0)
    plan, by_source, by_target = (
        rng.rand(4, 3),
        rng.permutation(4),
        rng.permutation(3),
    )
    sorted_plan = plan[by_source][:, by_target]
    assert_array_equal(restore_rows(sorted_plan, by_source, by_target), plan)
