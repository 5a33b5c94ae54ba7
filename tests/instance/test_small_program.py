import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize, nnls

from sktransfer.instance._small_program import solve_on_simplex, solve_small_program


def problem(seed, m=4, n=15, rank=4):
    rng = np.random.RandomState(seed)
    B = rng.normal(size=(m, rank))
    return (
        B @ B.T + 1e-6 * np.eye(m),
        rng.normal(size=m),
        np.abs(rng.normal(size=(n, m))),
    )


@pytest.mark.parametrize("slack", [0.0, 0.2])
@pytest.mark.parametrize("seed", range(6))
def test_optimum_of_a_general_solver(seed, slack):
    P, linear, G = problem(seed)
    upper, total = np.full(15, 1.2), G.sum(axis=0)
    low, high = 9.0, 9.0 + slack * 5
    args = G, upper, total, low, high
    a = solve_small_program(P, linear, *args, start=np.full(4, 0.2))
    assert (G @ a).min() >= -1e-10
    assert (G @ a).max() <= 1.2 + 1e-10
    assert low - 1e-9 <= total @ a <= high + 1e-9
    reference = minimize(
        lambda a: 0.5 * a @ P @ a - linear @ a,
        np.full(4, 9.0 / total.sum()),
        jac=lambda a: P @ a - linear,
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda a: G @ a},
            {"type": "ineq", "fun": lambda a: upper - G @ a},
            {"type": "ineq", "fun": lambda a: high - total @ a},
            {"type": "ineq", "fun": lambda a: total @ a - low},
        ],
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert_allclose(0.5 * a @ P @ a - linear @ a, reference.fun, rtol=1e-6, atol=1e-8)


def test_without_active_bounds_it_is_least_squares():
    rng = np.random.RandomState(0)
    A, b = rng.normal(size=(30, 5)), rng.normal(size=30)
    shares = np.abs(nnls(A, b)[0]) + 0.1
    b = A @ shares
    a = solve_small_program(
        A.T @ A, A.T @ b, np.eye(5), np.full(5, 9.0), np.ones(5), 0.0, 9.0,
        start=np.ones(5),
    )  # fmt: skip
    assert_allclose(a, shares, rtol=1e-6)


def test_simplex_programmes_at_once_and_one_by_one():
    rng = np.random.RandomState(1)
    P = np.stack([problem(seed, m=3, rank=3)[0] for seed in range(40)])
    linear = rng.normal(size=(40, 3))
    q = solve_on_simplex(P, linear)
    assert_allclose(q.sum(axis=1), 1, rtol=1e-9)
    assert q.min() >= 0
    assert 5 < np.count_nonzero(q.min(axis=1) > 1e-6) < 35
    # A fine grid over the triangle holds nothing better.
    i, j = np.meshgrid(np.linspace(0, 1, 101), np.linspace(0, 1, 101))
    inside = i + j <= 1
    grid = np.c_[i[inside], j[inside], 1 - i[inside] - j[inside]]
    for A, c, found in zip(P, linear, q, strict=True):
        values = 0.5 * np.einsum("ij,jk,ik->i", grid, A, grid) - grid @ c
        assert 0.5 * found @ A @ found - c @ found <= values.min() + 1e-8


def test_bounds_of_the_simplex():
    P, linear = np.eye(3), np.array([[5.0, 0.0, 0.0]])
    assert_allclose(
        solve_on_simplex(P, linear, np.array([0.5, 1, 1])), [[0.5, 0.25, 0.25]]
    )
    loose = solve_on_simplex(P, linear, low=0.5, high=1.5)
    assert_allclose(loose, [[1.5, 0, 0]], atol=1e-8)
