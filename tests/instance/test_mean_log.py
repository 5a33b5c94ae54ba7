import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize, nnls
from scipy.special import logsumexp

from sktransfer.instance._mean_log import maximize_mean_log
from sktransfer.instance._simplex_steps import solve_from_few


def kernels(n, m, gamma, p=2, seed=0):
    """Return kernels of n rows at m of them, scaled as KLIEP scales them."""
    rng = np.random.RandomState(seed)
    X, Y = rng.normal(size=(n, p)), 0.7 * rng.normal(size=(n, p)) + 0.5
    squares = ((np.r_[X, Y][:, None] - Y[None, :m]) ** 2).sum(axis=2)
    logs = -gamma * squares
    logs = logs[n:] - logsumexp(logs[:n], axis=0)
    return np.exp(logs - logs.max(axis=1, keepdims=True))


def shares(n, seed=0):
    w = np.random.RandomState(seed).randint(1, 4, n)
    return w / w.sum()


def by_slsqp(A, w):
    """Solve with an independent solver, from equal shares."""
    m = A.shape[1]
    return minimize(
        lambda b: -w @ np.log(A @ b),
        np.full(m, 1 / m),
        jac=lambda b: -A.T @ (w / (A @ b)),
        bounds=[(0, None)] * m,
        constraints={"type": "eq", "fun": lambda b: b.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )


@pytest.mark.parametrize("gamma", [0.05, 0.5, 5.0, 50.0])
@pytest.mark.parametrize("p", [1, 3])
def test_equals_an_independent_solver(gamma, p):
    A, w = kernels(80, 25, gamma, p), shares(80)
    found, other = maximize_mean_log(A, w), by_slsqp(A, w)
    assert_allclose(found.objective, -other.fun, atol=2e-8)
    assert found.objective >= -other.fun - 1e-8
    assert found.gap <= 1e-8
    assert found.coefficients.min() >= 0
    assert_allclose(found.coefficients.sum(), 1, rtol=1e-12)
    assert_allclose(found.objective, w @ np.log(A @ found.coefficients), rtol=1e-12)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 60),
    m=st.integers(1, 30),
    log_gamma=st.floats(-4, 5),
    p=st.integers(1, 5),
)
def test_reaches_the_optimum(seed, n, m, log_gamma, p):
    A, w = kernels(n, min(n, m), np.exp(log_gamma), p, seed), shares(n, seed)
    found = maximize_mean_log(A, w)
    gradient = A.T @ (w / (A @ found.coefficients))
    # Optimal: no partial derivative above one, and one where there is weight.
    assert gradient.max() <= 1 + 2e-8
    assert found.gap <= 1e-8
    assert_allclose(found.coefficients @ gradient, 1, rtol=1e-9)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 300),
    m=st.integers(2, 30),
    log_gamma=st.floats(-4, 5),
    p=st.integers(1, 5),
)
def test_any_start_will_do(seed, n, m, log_gamma, p):
    A, w = kernels(n, min(n, m), np.exp(log_gamma), p, seed), shares(n, seed)
    rng = np.random.RandomState(seed)
    start = rng.exponential(size=A.shape[1]) * (rng.uniform(size=A.shape[1]) < 0.5)
    start[rng.randint(A.shape[1])] += 1.0
    found = maximize_mean_log(A, w, start=start / start.sum())
    assert found.gap <= 1e-8
    assert_allclose(found.objective, maximize_mean_log(A, w).objective, atol=2e-8)


def test_units_of_the_rows_do_not_matter():
    A, w = kernels(300, 40, 2.0), shares(300)
    units = 10.0 ** np.random.RandomState(0).uniform(-200, 200, size=(300, 1))
    found, other = maximize_mean_log(A, w), maximize_mean_log(units * A, w)
    assert other.gap <= 1e-8
    assert_allclose(other.coefficients, found.coefficients, atol=1e-6)
    assert_allclose(other.objective, found.objective + w @ np.log(units[:, 0]))


def test_limits():
    # Columns apart from each other: the share of the rows that each one holds.
    A = np.kron(np.eye(3), np.ones((2, 1)))
    w = np.array([0.1, 0.2, 0.3, 0.1, 0.2, 0.1])
    found = maximize_mean_log(A, w)
    assert_allclose(found.coefficients, [0.3, 0.4, 0.3], atol=1e-8)
    # Two equal columns: any mixture of them is as good.
    found = maximize_mean_log(A[:, [0, 1, 2, 2]], w)
    assert_allclose(found.coefficients[2:].sum(), 0.3, atol=1e-8)
    one = maximize_mean_log(np.ones((4, 1)), np.full(4, 0.25))
    assert_array_equal(one.coefficients, [1])
    assert one.gap == 0
    assert one.objective == 0


def test_a_start_is_used():
    A, w = kernels(200, 40, 2.0), shares(200)
    found = maximize_mean_log(A, w)
    again = maximize_mean_log(A, w, start=found.coefficients, tol=1e-7)
    assert again.n_iter == 0
    assert_array_equal(again.coefficients, found.coefficients)
    # One that no row is within the reach of does no harm.
    A = np.kron(np.eye(2), np.ones((3, 1)))
    lost = maximize_mean_log(A, np.full(6, 1 / 6), start=np.array([1.0, 0.0]))
    assert_allclose(lost.coefficients, 0.5, atol=1e-8)


def test_bound_on_the_steps():
    A, w = kernels(200, 40, 2.0), shares(200)
    best = maximize_mean_log(A, w).objective
    early = maximize_mean_log(A, w, tol=1e-12, max_iter=1)
    assert early.n_iter == 1
    assert best - early.objective <= early.gap


@pytest.mark.parametrize("rank", [5, 30])
def test_quadratic_programme(rank):
    rng = np.random.RandomState(rank)
    B, c = rng.normal(size=(rank, 30)), rng.normal(size=30)
    H = B.T @ B + 1e-9 * np.eye(30)
    y = solve_from_few(H, c)
    assert y.min() >= 0
    assert_allclose(y.sum(), 1, rtol=1e-12)
    gradient = H @ y - c
    assert_allclose(gradient[y > 0], gradient.min(), atol=1e-8)
    # Least squares with a heavy row that holds the sum.
    factor = np.linalg.cholesky(H + 1e-6 * np.eye(30)).T
    goal = np.linalg.solve(factor.T, c)
    other = nnls(np.r_[factor, 1e5 * np.ones((1, 30))], np.r_[goal, 1e5])[0]
    value, least = (0.5 * z @ H @ z - c @ z for z in (y, other / other.sum()))
    assert value <= least + 1e-8
