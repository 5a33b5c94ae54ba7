"""Each solver against its conditions of optimality, a limit case or another solver."""

import numpy as np
import ot
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import LinearConstraint, linprog, minimize

from sktransfer.feature._class_transport import (
    class_l1l2_plan,
    class_lpl1_plan,
    group_penalty,
)
from sktransfer.feature._laplace_transport import (
    DisplacementPenalty,
    laplace_plan,
    neighbour_laplacian,
)
from sktransfer.feature._transport_costs import RowScale, contrast, reduced_costs
from sktransfer.feature._transport_solvers import (
    partial_plan,
    sinkhorn_plan,
    unbalanced_plan,
)

LIMITS = {"n_iter": 2000, "tol": 1e-10}


def problem(n_source=12, n_target=9, seed=0):
    rng = np.random.RandomState(seed)
    source, target = rng.normal(size=(n_source, 2)), rng.normal(size=(n_target, 2))
    return source, target, squared_distances(source, target)


def squared_distances(source, target):
    return np.square(source[:, None] - target).sum(axis=2)


def sums_are_uniform(plan, tol=1e-9):
    n_source, n_target = plan.shape
    assert_allclose(n_source * plan.sum(axis=1), 1, atol=tol)
    assert_allclose(n_target * plan.sum(axis=0), 1, atol=tol)


def polytope(n_source, n_target):
    """Equations of the plans with uniform sums, on raveled plans."""
    rows = np.kron(np.eye(n_source), np.ones(n_target))
    columns = np.kron(np.ones(n_source), np.eye(n_target))
    sums = np.r_[np.full(n_source, 1 / n_source), np.full(n_target, 1 / n_target)]
    return np.r_[rows, columns], sums


def least(objective, shape):
    """Minimise over the plans by a solver that knows nothing of transport."""
    equations, sums = polytope(*shape)
    found = minimize(
        lambda plan: objective(np.maximum(plan, 0).reshape(shape)),
        np.full(np.prod(shape), 1 / np.prod(shape)),
        bounds=[(1e-12, None)] * np.prod(shape),
        constraints=LinearConstraint(equations[:-1], sums[:-1], sums[:-1]),
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    return found.fun


def entropy_sum(plan):
    return np.sum(plan * np.log(np.maximum(plan, 1e-300)))


def test_contrast_is_the_deviation_of_centred_costs():
    source, target, costs = problem()
    centred = costs - costs.mean(axis=0) - costs.mean(axis=1, keepdims=True)
    assert_allclose(contrast(source, target), (centred + costs.mean()).std())
    assert_allclose(contrast(source + 7, target - 3), contrast(source, target))
    assert contrast(source[:1], target) == 1.0


def test_reduced_costs_have_a_zero_in_every_row_and_column():
    _, _, costs = problem()
    reduced, by_column = reduced_costs(costs)
    assert reduced.min() == 0
    assert_allclose(reduced.min(axis=0), 0)
    assert_allclose(reduced.min(axis=1), 0)
    by_row = costs - reduced - by_column
    assert_allclose(by_row, by_row[:, :1] + np.zeros_like(costs))


@pytest.mark.parametrize("factor", [1e-200, 1.0, 1e200])
def test_row_scale_goes_there_and_back(factor):
    source, target, _ = problem()
    source, target = factor * source, factor * (target + 5)
    for together in (True, False):
        scale = RowScale(source, target, together=together)
        S, T = scale.of_source(source), scale.of_target(target)
        squares = (np.square(S).sum() + np.square(T).sum()) / (len(S) + len(T))
        assert_allclose(squares, 1)
        assert_allclose(T.mean(axis=0), 0, atol=1e-12)
        assert_allclose(scale.to_target(T), target)
        if together:
            assert_allclose(S.mean(axis=0), 0, atol=1e-12)
        else:
            assert_allclose(scale.to_target(S), source)


def test_row_scale_of_equal_rows():
    ones = np.full((3, 2), 0.1)
    scale = RowScale(ones, ones, together=False)
    assert_allclose(scale.of_source(ones), 0, atol=1e-12)
    assert_allclose(scale.to_target(scale.of_target(ones)), ones)


@pytest.mark.parametrize("regularization", [0.05, 1.0, 20.0])
def test_sinkhorn_is_optimal(regularization):
    _, _, costs = problem()
    plan, potential, converged = sinkhorn_plan(costs, regularization, **LIMITS)
    assert converged
    sums_are_uniform(plan)
    # P = exp((f + g - C) / eps): log P + C / eps is a sum of a row and a column part.
    dual = regularization * np.log(plan) + costs - potential
    assert_allclose(dual, dual[:, :1] + np.zeros_like(costs), atol=1e-8)


def test_sinkhorn_gives_neither_nan_nor_a_wrong_mass():
    # More than 1,000 rows: there POT's own threshold gives plans of mass 1e-6.
    rng = np.random.RandomState(0)
    source, target = rng.normal(size=(1100, 3)), rng.normal(size=(1050, 3))
    source[:3] += 30
    costs = squared_distances(source, target)
    plan, _, converged = sinkhorn_plan(costs, 5.0, n_iter=2000, tol=1e-6)
    assert converged
    sums_are_uniform(plan, 1e-3)
    for regularization in (1e-2, 1e-8):
        plan, _, converged = sinkhorn_plan(costs, regularization, n_iter=20, tol=1e-6)
        assert not converged
        assert np.isfinite(plan).all()
        assert_allclose(plan.sum(), 1)


@pytest.mark.parametrize("relaxation", [0.3, 3.0])
def test_unbalanced_is_optimal(relaxation):
    _, _, costs = problem()
    plan, converged = unbalanced_plan(costs, 0.2, relaxation, **LIMITS)
    assert converged
    assert_allclose(plan.sum(), 1)
    # Stationarity: C + eps log P + rho log(row sum) + rho log(column sum) is constant.
    slopes = costs + 0.2 * np.log(plan)
    slopes += relaxation * np.log(plan.sum(axis=1, keepdims=True))
    slopes += relaxation * np.log(plan.sum(axis=0))
    assert_allclose(slopes, slopes[0, 0], atol=1e-8)
    uniform = np.full(12, 1 / 12), np.full(9, 1 / 9)
    other = ot.unbalanced.sinkhorn_unbalanced(
        *uniform, costs, 0.2, relaxation, numItermax=5000, stopThr=1e-14
    )
    assert_allclose(plan, other / other.sum(), atol=1e-6)
    # A constant in the costs is nothing but mass.
    moved, _ = unbalanced_plan(costs + 1e4, 0.2, relaxation, **LIMITS)
    assert_allclose(moved, plan, atol=1e-8)


def test_unbalanced_limits():
    _, _, costs = problem()
    plan, _ = unbalanced_plan(costs, 0.2, 1e7, **LIMITS)
    assert_allclose(plan, sinkhorn_plan(costs, 0.2, **LIMITS)[0], atol=1e-6)
    far = costs.copy()
    far[0] += 1e5
    plan, converged = unbalanced_plan(far, 0.2, 1.0, **LIMITS)
    assert converged
    assert plan[0].sum() < 1e-12
    without, _ = unbalanced_plan(costs[1:], 0.2, 1.0, **LIMITS)
    assert_allclose(plan[1:], without, atol=1e-9)


@pytest.mark.parametrize("mass", [0.3, 0.75, 1.0])
def test_partial_is_optimal(mass):
    _, _, costs = problem()
    plan = partial_plan(costs, mass).toarray()
    assert_allclose(plan.sum(), mass)
    assert plan.min() >= 0
    assert plan.sum(axis=1).max() <= 1 / 12 + 1e-12
    assert plan.sum(axis=0).max() <= 1 / 9 + 1e-12
    equations, sums = polytope(12, 9)
    found = linprog(costs.ravel(), equations, sums, np.ones((1, 108)), [mass])
    assert_allclose(np.sum(plan * costs), found.fun)


def classes(n, n_classes=3):
    return np.eye(n_classes)[np.arange(n) % n_classes]


@pytest.mark.parametrize("solver", [class_lpl1_plan, class_l1l2_plan])
def test_class_penalty_of_zero_is_sinkhorn(solver):
    _, _, costs = problem()
    plan, converged = solver(costs, classes(12), 0.3, 0.0, n_rounds=5, **LIMITS)
    assert converged
    assert_allclose(plan, sinkhorn_plan(costs, 0.3, **LIMITS)[0], atol=1e-9)


def test_each_round_lowers_the_concave_objective():
    _, _, costs = problem()
    onehot, penalty = classes(12), 1.5

    def objective(plan):
        shares = 9 * plan.T @ onehot
        return (
            np.sum(plan * costs)
            + 0.3 * entropy_sum(plan)
            + penalty * np.sqrt(shares + 1e-3).sum() / 9
        )

    plans = [
        class_lpl1_plan(costs, onehot, 0.3, penalty, n_rounds=n, **LIMITS)[0]
        for n in range(1, 9)
    ]
    values = [objective(plan) for plan in plans]
    assert np.all(np.diff(values) < 1e-9)
    assert values[-1] < values[0] - 1e-3
    sums_are_uniform(plans[-1])
    # Target rows draw on fewer classes.
    largest = [(9 * plan.T @ onehot).max(axis=1).mean() for plan in plans]
    assert largest[-1] > largest[0] + 0.1


def test_group_lasso_reaches_the_least_objective():
    _, _, costs = problem(6, 5)
    onehot, penalty = classes(6, 2), 2.0

    def objective(plan):
        groups = [np.linalg.norm(plan[mask], axis=0) for mask in onehot.T > 0]
        return np.sum(plan * costs) + 0.3 * entropy_sum(plan) + penalty * np.sum(groups)

    plan, converged = class_l1l2_plan(
        costs, onehot, 0.3, penalty, n_rounds=50, **LIMITS
    )
    assert converged
    sums_are_uniform(plan)
    assert_allclose(
        group_penalty(plan, onehot),
        objective(plan) / penalty
        - (np.sum(plan * costs) + 0.3 * entropy_sum(plan)) / penalty,
    )
    assert_allclose(objective(plan), least(objective, (6, 5)), rtol=1e-4)
    sinkhorn = sinkhorn_plan(costs, 0.3, **LIMITS)[0]
    assert objective(plan) < objective(sinkhorn) - 1e-3


def test_classes_do_not_count_by_their_numbers():
    _, _, costs = problem()
    onehot = classes(12)
    for solver in (class_lpl1_plan, class_l1l2_plan):
        one = solver(costs, onehot, 0.3, 1.0, n_rounds=5, **LIMITS)[0]
        other = solver(costs, onehot[:, [2, 0, 1]], 0.3, 1.0, n_rounds=5, **LIMITS)[0]
        assert_allclose(one, other, atol=1e-12)


def test_laplacian_is_half_the_mean_over_edges():
    X = np.array([[0.0], [1.0], [1.5], [10.0]])
    values = np.array([[1.0], [4.0], [0.0], [2.0]])
    laplacian = neighbour_laplacian(X, 1)
    # Nearest: 0 -> 1, 1 -> 2, 2 -> 1, 3 -> 2.
    squares = [9.0, 16.0, 16.0, 4.0]
    assert_allclose((values.T @ (laplacian @ values)).item(), np.mean(squares) / 2)
    assert neighbour_laplacian(X[:1], 5).shape == (1, 1)
    assert_allclose(neighbour_laplacian(X, 50).toarray().sum(axis=0), 0, atol=1e-15)


def test_slopes_of_the_displacement_penalty():
    source, target, _ = problem(6, 5)
    moves = DisplacementPenalty(source, target, 2)
    rng = np.random.RandomState(1)
    plan, step = rng.uniform(size=(2, 6, 5))
    numeric = (moves.value(plan + 1e-6 * step) - moves.value(plan - 1e-6 * step)) / 2e-6
    assert_allclose(np.sum(moves.slopes(plan) * step), numeric, rtol=1e-6)
    curvature = moves.value(plan + step) + moves.value(plan - step)
    curvature -= 2 * moves.value(plan)
    assert_allclose(curvature, 2 * moves.value(step, moved=0.0))


def test_equal_moves_cost_nothing():
    source, _, _ = problem(8, 8)
    moves = DisplacementPenalty(source, source + np.array([3, -1]), 3)
    assert_allclose(moves.value(np.eye(8) / 8), 0, atol=1e-12)


def test_laplace_is_exact_without_penalty_and_near_the_least_with_one():
    source, target, costs = problem(6, 5)
    moves = DisplacementPenalty(source, target, 2)
    plan, gap = laplace_plan(costs, moves, 0.0, n_rounds=5, tol=1e-9)
    assert gap < 1e-9
    exact = ot.emd2(np.full(6, 1 / 6), np.full(5, 1 / 5), costs)
    assert_allclose((plan * costs).sum(), exact)

    def objective(plan):
        return np.sum(plan * costs) + 0.5 * moves.value(plan)

    plan, gap = laplace_plan(costs, moves, 0.5, n_rounds=200, tol=5e-3)
    assert 0 <= gap < 5e-3
    sums_are_uniform(plan)
    best, reached = least(objective, (6, 5)), objective(plan.toarray())
    assert best * (1 - 1e-6) <= reached <= best / (1 - gap) * (1 + 1e-6)
