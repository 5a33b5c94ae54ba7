from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from sktransfer._kernels import kernel_matrix, kernel_mean
from sktransfer.instance._landmarks import landmark_weights, project_simplex


def problem(n=12, n_target=40, *, seed=0, gamma=0.5, n_classes=2):
    rng = np.random.RandomState(seed)
    X, X_target = rng.normal(size=(n, 2)), rng.normal(size=(n_target, 2)) * 0.5 + 0.7
    K = kernel_matrix(X, gamma=gamma)
    kappa = kernel_mean(X, X_target, kernel="rbf", gamma=gamma)
    return K, kappa, rng.permutation(np.arange(n) % n_classes)


def objective(b, K, kappa):
    return b @ K @ b / 2 - kappa @ b


@given(
    arrays(float, st.integers(1, 30), elements=st.floats(-100, 100)),
    st.floats(0.01, 10),
)
def test_projection_is_on_the_simplex_and_nearest(v, mass):
    p = project_simplex(v, mass)
    assert p.min() >= 0
    np.testing.assert_allclose(p.sum(), mass, rtol=1e-9, atol=1e-9)
    # Obtuse angle at the projection with every corner: what makes it the nearest.
    corners = mass * np.eye(len(v))
    assert np.max((corners - p) @ (v - p)) <= 1e-8 * (1 + np.abs(v).max())


def test_projection_leaves_points_of_the_simplex():
    v = np.array([0.2, 0.0, 0.8])
    np.testing.assert_allclose(project_simplex(v), v, atol=1e-15)
    v = np.array([2.0, -1.0, 2.0])
    np.testing.assert_allclose(project_simplex(v), [0.5, 0, 0.5])


@pytest.mark.parametrize("seed", range(5))
def test_equals_scipy(seed):
    K, kappa, classes = problem(seed=seed)
    b = landmark_weights(K, kappa, classes, tol=1e-10)
    constraints = [
        {"type": "eq", "fun": lambda w, rows=classes == c: w[rows].sum() - 0.5}
        for c in (0, 1)
    ]
    reference = minimize(
        objective,
        np.full(12, 1 / 12),
        args=(K, kappa),
        jac=lambda w, K, kappa: K @ w - kappa,
        bounds=[(0, None)] * 12,
        constraints=constraints,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert abs(objective(b, K, kappa) - reference.fun) < 1e-9
    np.testing.assert_allclose(b, reference.x, atol=1e-4)


@pytest.mark.parametrize(("n", "gamma"), [(30, 0.5), (200, 20.0)])
def test_karush_kuhn_tucker(n, gamma):
    K, kappa, classes = problem(n, n_classes=3, gamma=gamma)
    b = landmark_weights(K, kappa, classes, tol=1e-9)
    gradient = K @ b - kappa
    assert b.min() >= 0
    for c in range(3):
        rows = classes == c
        np.testing.assert_allclose(b[rows].sum(), rows.mean(), rtol=1e-10)
        # One multiplier a class: the gradient is it where b > 0, and no less elsewhere.
        multiplier = np.average(gradient[rows], weights=b[rows])
        np.testing.assert_allclose(gradient[rows & (b > 1e-3)], multiplier, atol=1e-5)
        assert gradient[rows].min() > multiplier - 1e-5


def test_stops_within_the_gap():
    K, kappa, classes = problem(100)
    best = objective(landmark_weights(K, kappa, classes, tol=1e-10), K, kappa)
    for tol in (1e-2, 1e-4, 1e-6):
        found = objective(landmark_weights(K, kappa, classes, tol=tol), K, kappa)
        assert -1e-10 <= found - best <= tol


@pytest.mark.parametrize("with_classes", [True, False])
def test_relaxation_is_below_every_subset(with_classes):
    K, kappa, classes = problem(10)
    if not with_classes:
        classes = None
    b = landmark_weights(K, kappa, classes, tol=1e-10)
    found = objective(b, K, kappa)
    best = np.inf
    for size in range(1, 11):
        for subset in combinations(range(10), size):
            rows = list(subset)
            if with_classes and 2 * np.sum(classes[rows]) != size:
                continue
            w = np.zeros(10)
            w[rows] = 1 / size
            best = min(best, objective(w, K, kappa))
    assert found <= best + 1e-9


def test_linear_kernel_meets_the_mean():
    # The target's mean lies within the source's hull, so the optimum meets it.
    rng = np.random.RandomState(0)
    X, X_target = rng.normal(size=(60, 3)), 0.2 * rng.normal(size=(20, 3)) + 0.3
    b = landmark_weights(X @ X.T, X @ X_target.mean(axis=0), tol=1e-12)
    np.testing.assert_allclose(b @ X, X_target.mean(axis=0), atol=1e-5)


def test_target_equal_to_source_gives_equal_weights():
    K, _, classes = problem(20, gamma=2.0)
    b = landmark_weights(K, K.mean(axis=1), classes, tol=1e-12)
    np.testing.assert_allclose(b, 1 / 20, atol=1e-6)


@pytest.mark.parametrize("K", [np.zeros((4, 4)), np.ones((4, 4)), np.eye(4)])
def test_degenerate_kernels(K):
    b = landmark_weights(K, K.mean(axis=1))
    np.testing.assert_allclose(b, 0.25)
    np.testing.assert_array_equal(landmark_weights(K[:1, :1], K[:1, 0]), [1.0])


def test_warns_if_not_converged():
    K, kappa, classes = problem(50)
    with pytest.warns(ConvergenceWarning, match="did not converge in 3 steps"):
        b = landmark_weights(K, kappa, classes, tol=1e-12, max_iter=3)
    np.testing.assert_allclose(b.sum(), 1)
