import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import optimize
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer._box_slab import (
    check_feasible,
    project_box_slab,
    projected_gradient_norm,
)
from sktransfer._solvers import solve_by_columns, solve_dense


def problem(seed, n, gamma=0.5):
    """Kernel mean matching on a few shifted rows."""
    rng = np.random.RandomState(seed)
    X, Y = rng.normal(size=(n, 3)), 0.7 * rng.normal(size=(n, 3)) + 0.5
    K = rbf_kernel(X, gamma=gamma) + 1e-5 * np.eye(n)
    return K, rbf_kernel(X, Y, gamma=gamma).sum(axis=1)


def by_dense(K, linear, bounds, *, exact=True, **options):
    matrix = K if exact else None
    product = K.__matmul__
    return solve_dense(product, linear, np.trace(K), *bounds, matrix=matrix, **options)


def by_columns(K, linear, bounds, **options):
    return solve_by_columns(
        lambda rows, values: K[:, rows] @ values,
        lambda rows: K[np.ix_(rows, rows)],
        linear,
        np.trace(K),
        *bounds,
        **options,
    )


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 25),
    upper=st.sampled_from([1.0, 2.0, 10.0, 1000.0]),
    eps=st.sampled_from([0.0, 0.1, 0.9]),
    exact=st.booleans(),
)
def test_small_problems_against_slsqp(seed, n, upper, eps, exact):
    K, linear = problem(seed, n)
    bounds = (upper, n * (1 - eps), n * (1 + eps))
    result = by_dense(K, linear, bounds, exact=exact, tol=1e-7, max_iter=20_000)
    w = result.weights
    assert w.min() >= 0
    assert w.max() <= upper
    assert bounds[1] * (1 - 1e-9) <= w.sum() <= bounds[2] * (1 + 1e-9)
    assert result.converged
    gradient = K @ w - linear
    norm = projected_gradient_norm(
        w, gradient, np.trace(K), np.linalg.norm(linear), *bounds
    )
    assert norm <= 1.1e-7
    assert_allclose(result.objective, 0.5 * w @ K @ w - linear @ w)
    reference = optimize.minimize(
        lambda v: 0.5 * v @ K @ v - linear @ v,
        np.ones(n),
        jac=lambda v: K @ v - linear,
        method="SLSQP",
        bounds=[(0, upper)] * n,
        constraints=[
            {"type": "ineq", "fun": lambda v: v.sum() - bounds[1]},
            {"type": "ineq", "fun": lambda v: bounds[2] - v.sum()},
        ],
        options={"ftol": 1e-12, "maxiter": 1000},
    )
    assert result.objective <= reference.fun + 1e-6 * max(1.0, abs(reference.fun))


@pytest.mark.parametrize("upper", [4.0, 20.0, 1000.0])
@pytest.mark.parametrize("eps", [0.0, 0.2, 0.95])
def test_working_set_and_whole_matrix_agree(upper, eps):
    n = 500
    K, linear = problem(0, n)
    bounds = (upper, n * (1 - eps), n * (1 + eps))
    whole = by_dense(K, linear, bounds)
    parts = by_columns(K, linear, bounds, max_rows=499)
    assert whole.converged
    assert parts.converged
    assert_allclose(parts.objective, whole.objective, rtol=1e-6)
    # The weights themselves are less certain: K is nearly singular.
    close = np.linalg.norm(K @ (parts.weights - whole.weights))
    assert close < 1e-4 * np.linalg.norm(linear)
    # Unless all rows must agree to the last: then the solution is a single one.
    parts = by_columns(K, linear, bounds, max_rows=499, tol=1e-12)
    if parts is not None:
        assert_allclose(parts.weights, whole.weights, atol=1e-6 * whole.weights.max())


def test_working_set_looks_at_few_rows():
    n = 900
    K, linear = problem(1, n)
    seen = []
    result = solve_by_columns(
        lambda rows, values: K[:, rows] @ values,
        lambda rows: seen.append(len(rows)) or K[np.ix_(rows, rows)],
        linear,
        float(n),
        1000.0,
        0.1 * n,
        1.9 * n,
        max_rows=800,
    )
    assert result.converged
    assert max(seen) < n / 2


def test_working_set_gives_up_where_it_would_be_large():
    K, linear = problem(0, 400)
    assert by_columns(K, linear, (1.1, 360, 440), max_rows=300) is None


def test_known_solutions():
    # Bounds that leave a single point.
    K, linear = problem(2, 12)
    assert_allclose(by_dense(K, linear, (1.0, 12, 12)).weights, np.ones(12))
    # An identity matrix: the solution is a projection.
    c = np.array([3.0, 1.0, -1.0, 0.5])
    result = by_dense(np.eye(4), c, (2.0, 0.0, 3.0), tol=1e-12)
    assert_allclose(result.weights, project_box_slab(c, 2.0, 0.0, 3.0), atol=1e-10)
    # Nothing active: the solution of the linear system.
    K = np.diag([1.0, 2.0, 4.0])
    result = by_dense(K, np.array([1.0, 1.0, 1.0]), (9.0, 0.0, 9.0), tol=1e-12)
    assert_allclose(result.weights, [1.0, 0.5, 0.25], atol=1e-10)


def test_equal_rows_share_their_weight():
    K, linear = problem(3, 20)
    twice = np.tile(np.arange(20), 2)
    K2, linear2 = K[np.ix_(twice, twice)], 2 * linear[twice]
    w = by_dense(K2, linear2, (1000.0, 4, 76), tol=1e-8, max_iter=20_000).weights
    assert_allclose(w[:20], w[20:], atol=1e-4 * w.max())


def test_stopping_early_is_reported():
    K, linear = problem(0, 200)
    result = by_dense(K, linear, (1000.0, 20, 380), exact=False, max_iter=3)
    assert not result.converged
    assert result.norm > 1e-6
    assert result.n_iter == 3


def test_order_of_the_rows():
    K, linear = problem(4, 300)
    bounds = (50.0, 30, 570)
    order = np.random.RandomState(0).permutation(300)
    for solve, options in ((by_dense, {}), (by_columns, {"max_rows": 299})):
        w = solve(K, linear, bounds, **options).weights
        again = solve(K[np.ix_(order, order)], linear[order], bounds, **options).weights
        assert_allclose(again, w[order], atol=1e-6 * w.max())


def test_infeasible():
    with pytest.raises(ValueError, match=r"no 3 weights between 0 and 0\.5 whose sum"):
        check_feasible(3, 0.5, 2.0, 4.0)
    with pytest.raises(ValueError, match="There are no 2 weights"):
        by_dense(np.eye(2), np.ones(2), (1.0, 3.0, 4.0))


def test_zero_matrix_is_no_division_by_zero():
    result = by_dense(np.zeros((3, 3)), np.zeros(3), (2.0, 1.0, 3.0))
    assert np.isfinite(result.weights).all()
    assert_array_equal(result.objective, 0.0)


@pytest.mark.parametrize("reach", [0.0, 1e-300, 1e-12])
def test_linear_term_out_of_reach(reach):
    K, linear = problem(0, 20)
    found = by_dense(K, reach * linear, (10.0, 15.0, 25.0))
    assert found.converged
    # The least of w'Kw / 2 at the least sum that is allowed.
    assert_allclose(found.weights.sum(), 15)
    gradient = (K @ found.weights)[found.weights > 0]
    assert_allclose(gradient, gradient.mean(), rtol=1e-3)
