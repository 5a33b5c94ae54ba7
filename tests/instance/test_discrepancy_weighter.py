import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog, minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, Ridge

from sktransfer import DiscrepancyWeighter, TransferRegressor
from sktransfer.instance import _discrepancy_program as program
from sktransfer.instance._discrepancy_program import least_discrepancy
from sktransfer.instance._moment_systems import solver_of

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)


def draw(n_source=60, n_target=40, p=3, seed=0, scale=1.3, shift=0.5):
    rng = np.random.RandomState(seed)
    source = rng.normal(size=(n_source, p))
    return source, scale * rng.normal(size=(n_target, p)) + shift


def fit(X_source, X_target, **params):
    X = np.r_[X_source, X_target]
    domain = np.repeat([1, -1], [len(X_source), len(X_target)])
    return DiscrepancyWeighter(**params).fit(X, sample_domain=domain)


def norm_of(w, X, Y):
    M = np.einsum("i,ij,ik->jk", w, X, X) - Y.T @ Y / len(Y)
    return np.linalg.norm(M, 2)


def by_cutting_planes(X, Y, n_rounds=200):
    """Kelley's method: a linear programme, and cuts by eigenvectors."""
    n, p = X.shape
    A = Y.T @ Y / len(Y)
    cuts = [*np.eye(p)]
    for _ in range(n_rounds):
        V = np.array(cuts)
        forms, target = (X @ V.T).T ** 2, np.einsum("ij,jk,ik->i", V, A, V)
        left = np.r_[np.c_[forms, -np.ones(len(V))], np.c_[-forms, -np.ones(len(V))]]
        solved = linprog(
            np.r_[np.zeros(n), 1],
            A_ub=left,
            b_ub=np.r_[target, -target],
            A_eq=[np.r_[np.ones(n), 0]],
            b_eq=[1],
            bounds=[(0, None)] * n + [(None, None)],
        )
        M = X.T @ (solved.x[:n, None] * X) - A
        values, vectors = np.linalg.eigh(M)
        if np.abs(values).max() - solved.fun < 1e-7:
            break
        cuts += [vectors[:, 0], vectors[:, -1]]
    return np.abs(values).max()


@pytest.mark.parametrize(("n", "p"), [(6, 2), (30, 2), (20, 3), (60, 3)])
def test_equals_cutting_planes(n, p):
    for seed in (0, 1):
        X, Y = draw(n, p=p, seed=seed)
        result = least_discrepancy(X, Y, tol=1e-7)
        expected = by_cutting_planes(X, Y)
        assert_allclose(result.after, expected, atol=2e-6 * result.before)
        assert result.bound <= expected + 1e-6


def test_equals_a_fine_grid():
    X, Y = draw(3, p=2, scale=0.6)
    grid = [
        np.array([i, j, 150 - i - j]) / 150
        for i, j in itertools.product(range(151), repeat=2)
        if i + j <= 150
    ]
    expected = min(norm_of(w, X, Y) for w in grid)
    result = least_discrepancy(X, Y, tol=1e-6)
    assert expected - 0.04 < result.after <= expected + 1e-6


def test_equals_sequential_programming():
    # The largest eigenvalue of a definite matrix is smooth where it is single.
    X, Y = draw(8, p=2, seed=3, scale=2.0)
    solved = minimize(
        norm_of,
        np.full(8, 1 / 8),
        args=(X, Y),
        method="SLSQP",
        bounds=[(0, 1)] * 8,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"maxiter": 500, "ftol": 1e-12},
    )
    result = least_discrepancy(X, Y, tol=1e-7)
    assert_allclose(result.after, solved.fun, rtol=1e-4)


@pytest.mark.parametrize(
    ("target", "expected"), [(0.5, 0.75), (2.0, 0.0), (5.0, 25.0 - 9.0)]
)
def test_one_column_in_closed_form(target, expected):
    # Weighted means of squares reach from the least square, 1, to the largest, 9.
    weighter = fit(
        np.array([[1.0], [-2.0], [3.0]]),
        np.array([[target]]),
        fit_intercept=False,
        regularization=0.0,
        tol=1e-6,
    )
    assert_allclose(weighter.discrepancy_, expected, atol=1e-4)
    assert_allclose(weighter.discrepancy_before_, abs(14 / 3 - target**2))
    if expected:
        assert_allclose(weighter.discrepancy_bound_, expected, atol=1e-4)


def test_reported_figures():
    X, Y = draw(p=4)
    for intercept in (False, True):
        weighter = fit(X, Y, fit_intercept=intercept)
        ones = [np.ones((len(rows), 1)) for rows in (X, Y)]
        design = [np.hstack(pair) for pair in zip((X, Y), ones, strict=True)]
        design = design if intercept else (X, Y)
        w = weighter.sample_weight_[:60] / 60
        assert_allclose(weighter.discrepancy_, norm_of(w, *design))
        assert_allclose(
            weighter.discrepancy_before_, norm_of(np.full(60, 1 / 60), *design)
        )
        assert weighter.gap_ <= 1e-4 * weighter.discrepancy_before_
        assert weighter.converged_
        assert weighter.discrepancy_bound_ <= weighter.discrepancy_


def test_regularization_is_even_at_no_loss():
    # Fewer second moments than rows: many weights have discrepancy zero.
    X, Y = draw(300, p=3, scale=0.6)
    plain = fit(X, Y, regularization=0.0)
    even = fit(X, Y)
    assert even.discrepancy_ < 1e-3 * even.discrepancy_before_
    assert even.effective_sample_size_ > 1.5 * plain.effective_sample_size_
    # The evenest weights of discrepancy zero, by another solver.
    G = np.c_[X, np.ones(300)]
    G = np.stack([np.outer(g, g)[np.triu_indices(4)] for g in G], axis=1)
    H = np.c_[Y, np.ones(40)]
    h = (H.T @ H / 40)[np.triu_indices(4)]
    solved = minimize(
        lambda w: 300 * w @ w,
        np.full(300, 1 / 300),
        jac=lambda w: 600 * w,
        method="SLSQP",
        bounds=[(0, None)] * 300,
        constraints={"type": "eq", "fun": lambda w: G @ w - h, "jac": lambda w: G},
    )
    weights = even.sample_weight_[:300] / 300
    assert_allclose(300 * weights @ weights, solved.fun, rtol=2e-2)


def test_both_newton_systems_agree():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 4))
    pairs = []
    for _ in range(2):
        Z, T = (rng.normal(size=(4, 4)) for _ in range(2))
        pairs.append((Z @ Z.T + np.eye(4), T @ T.T + np.eye(4)))
    d, B = rng.uniform(0.1, 2, size=40), rng.normal(size=(40, 2))
    H = np.diag(d)
    for i, j in itertools.product(range(40), repeat=2):
        H[i, j] += sum((X[i] @ Z @ X[j]) * (X[i] @ T @ X[j]) for Z, T in pairs)
    expected = np.linalg.solve(H, B)
    assert_allclose(solver_of(X, pairs, d)(B), expected, rtol=1e-8)
    wide = np.hstack([X, np.zeros((40, 6))])
    padded = [
        tuple(
            np.block([[M, np.zeros((4, 6))], [np.zeros((6, 4)), np.eye(6)]]) for M in m
        )
        for m in pairs
    ]
    assert_allclose(solver_of(wide, padded, d)(B), expected, rtol=1e-8)


@pytest.mark.parametrize("regularization", [0.0, 1e-2])
def test_working_sets_come_to_the_same(monkeypatch, regularization):
    X, Y = draw(800, p=12, scale=1.1)
    params = {"regularization": regularization, "tol": 1e-3}
    whole = least_discrepancy(X, Y, **params)
    monkeypatch.setattr(program, "_MAX_MOMENTS", 10)
    monkeypatch.setattr(program, "_MAX_ROWS", 300)
    parts = least_discrepancy(X, Y, **params)
    assert parts.converged
    assert_allclose(parts.after, whole.after, rtol=0.05)


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 5),
    n_source=st.integers(1, 30),
    n_target=st.integers(1, 20),
    scale=st.sampled_from([0.3, 1.0, 2.0]),
    repeat=st.booleans(),
)
def test_weights_for_any_rows(seed, p, n_source, n_target, scale, repeat):
    X, Y = draw(n_source, n_target, p, seed, scale)
    if repeat:
        X, Y = np.round(X), np.round(Y)
    weighter = fit(X, Y)
    weights = weighter.sample_weight_[:n_source]
    assert weights.min() >= 0
    assert_allclose(weights.mean(), 1)
    assert weighter.converged_
    tolerance = 1e-4 * weighter.discrepancy_before_ + 1e-12
    assert weighter.discrepancy_ <= weighter.discrepancy_before_ + tolerance
    order = np.random.RandomState(seed).permutation(n_source)
    again = fit(X[order], np.r_[Y, Y])
    assert_allclose(again.discrepancy_, weighter.discrepancy_, atol=tolerance)
    assert_allclose(again.sample_weight_[:n_source], weights[order], atol=1e-4)
    scaled = fit(64 * X, 64 * Y, fit_intercept=False)
    plain = fit(X, Y, fit_intercept=False)
    assert_allclose(scaled.sample_weight_, plain.sample_weight_, atol=1e-6)


def test_no_shift_and_few_rows():
    X, _ = draw()
    same = fit(X, X)
    assert same.discrepancy_before_ < 1e-12
    assert_allclose(same.sample_weight_, 1)
    two = fit(np.array([[0.0]]), np.array([[1.0]]))
    assert_array_equal(two.sample_weight_, [1, 1])
    equal = fit(np.ones((4, 2)), np.ones((3, 2)))
    assert_allclose(equal.sample_weight_, 1)
    zero = fit(np.zeros((4, 2)), np.zeros((3, 2)), fit_intercept=False)
    assert_allclose(zero.sample_weight_, 1)


def test_more_columns_than_rows():
    X, Y = draw(25, 15, p=1000)
    weighter = fit(X, Y)
    assert weighter.converged_
    assert weighter.discrepancy_ <= weighter.discrepancy_before_


def test_helps_a_linear_regression():
    # A line fitted to a parabola: the target lies to the right.
    rng = np.random.RandomState(0)
    X = np.r_[rng.uniform(-2, 2, size=(300, 1)), rng.uniform(0.5, 1.5, size=(200, 1))]
    domain, y = np.repeat([1, -1], [300, 200]), X[:, 0] ** 2
    known = np.where(domain > 0, y, np.nan)
    errors = [
        np.mean(
            (
                TransferRegressor(Ridge(1e-6), adapter)
                .fit(X, known, sample_domain=domain)
                .predict(X[300:])
                - y[300:]
            )
            ** 2
        )
        for adapter in (None, DiscrepancyWeighter())
    ]
    best = LinearRegression().fit(X[300:], y[300:])
    assert errors[1] < 0.1 * errors[0]
    assert errors[1] < 1.5 * np.mean((best.predict(X[300:]) - y[300:]) ** 2)


def test_stopping_early_is_said():
    with pytest.warns(ConvergenceWarning, match="objective is within") as caught:
        weighter = fit(*draw(), max_iter=1)
    assert not weighter.converged_
    assert weighter.gap_ > 1e-4 * weighter.discrepancy_before_
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"fit_intercept": "yes"}, "`fit_intercept` must be one of True, False"),
        ({"regularization": -1.0}, "`regularization` must be a finite number"),
        ({"tol": 0.0}, "`tol` must be a finite number"),
        ({"max_iter": 0}, "`max_iter` must be an integer"),
    ],
)
def test_bad_parameters(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        fit(*draw(), **params)
