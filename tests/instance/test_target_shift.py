"""Target shift by kernel means: of classes, and of values."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.stats import norm, spearmanr
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer.instance import _class_kernel_means
from sktransfer.instance._class_kernel_means import (
    class_kernel_means,
    landmark_kernel_means,
)
from sktransfer.instance._kernel_target_shift import fit_mixture
from sktransfer.instance._value_target_shift import (
    fit_value_weights,
    kernel_sums,
    landmark_sums,
    smoother,
)

RBF = {"kernel": "rbf", "gamma": 0.3}


def classes(seed=0, n_source=50, n_target=40):
    rng = np.random.RandomState(seed)
    centres, labels = 2 * rng.normal(size=(3, 2)), np.arange(n_source) % 3
    target = rng.choice(3, n_target, p=[0.6, 0.3, 0.1])
    noise = rng.normal(size=(n_source + n_target, 2))
    return (
        centres[labels] + noise[:n_source],
        labels,
        centres[target] + noise[n_source:],
    )


def without_itself(K, labels):
    """Mean kernel values with each class, a row's own value left out."""
    return np.column_stack(
        [
            [
                K[i, (labels == c) & (np.arange(len(K)) != i)].mean()
                for i in range(len(K))
            ]
            for c in range(3)
        ]
    )


def test_means_by_class_in_tiles(monkeypatch):
    X, labels, X_target = classes()
    members = np.eye(3)[labels] / np.bincount(labels)
    K, cross = rbf_kernel(X, gamma=0.3), rbf_kernel(X_target, X, gamma=0.3)
    for tile in (7, 1024):
        monkeypatch.setattr(_class_kernel_means, "_TILE", tile)
        means = class_kernel_means(X, labels, X_target, 3, **RBF)
        assert_allclose(means.source, without_itself(K, labels))
        assert_allclose(means.target, cross @ members)
        assert_allclose(means.attraction, cross.mean(axis=0))
    rng = np.random.RandomState(0)
    # With all rows as landmarks the approximation is exact on the source.
    near = landmark_kernel_means(X, labels, X_target, 3, 50, rng, **RBF)
    assert_allclose(near.source, means.source, atol=1e-6)
    assert_allclose(near.target, means.target, atol=2e-2)
    # The only row of a class has nobody but itself.
    alone = np.where(np.arange(50) == 0, 2, labels % 2)
    means = class_kernel_means(X, alone, X_target, 3, **RBF)
    assert_allclose(means.source[0, 2], 1)


@pytest.mark.parametrize("seed", range(3))
def test_mixture_of_a_general_solver(seed):
    # The dense form: weights of rows that are equal within the classes.
    X, labels, X_target = classes(seed)
    members, K = np.eye(3)[labels], rbf_kernel(X, gamma=0.3)
    counts = members.sum(axis=0)
    kappa = rbf_kernel(X, X_target, gamma=0.3).mean(axis=1) * len(X)
    # Pairs of a row with itself count as the other pairs of their class.
    others = without_itself(K, labels)
    A = np.where(np.eye(50) > 0, others[np.arange(50), labels][:, None], K)
    prior = counts / 50

    def objective(ratios):
        beta = members @ ratios
        return 0.5 * beta @ A @ beta - kappa @ beta

    best = minimize(
        objective,
        np.ones(3),
        method="SLSQP",
        bounds=[(0, 1.9)] * 3,
        constraints={"type": "eq", "fun": lambda ratios: prior @ ratios - 1},
        options={"ftol": 1e-13},
    )
    means = class_kernel_means(X, labels, X_target, 3, **RBF)
    between = (members / counts).T @ means.source
    shares = fit_mixture(
        between[None], means.target.mean(axis=0)[None], prior, upper_bound=1.9, eps=0.0
    )[0]
    assert_allclose(shares / prior, best.x, atol=1e-3)
    assert objective(shares / prior) <= best.fun + 1e-7


def test_many_columns_do_not_even_the_shares_out():
    found = []
    for seed in range(10):
        rng = np.random.RandomState(seed)
        labels, target = np.arange(100) % 2, np.arange(100) % 5 == 0
        X = rng.normal(size=(200, 500)) + 0.2 * np.r_[labels, target][:, None]
        params = {"kernel": "rbf", "gamma": 1e-3}
        means = class_kernel_means(X[:100], labels, X[100:], 2, **params)
        between = (np.eye(2)[labels] / 50).T @ means.source
        bounds = {"upper_bound": 10.0, "eps": 0.0}
        linear = means.target.mean(axis=0)[None]
        found.append(fit_mixture(between[None], linear, np.full(2, 0.5), **bounds)[0])
    # Twenty in a hundred; pairs of rows with themselves would make it forty.
    assert_allclose(np.mean(found, axis=0)[1], 0.2, atol=0.05)


def test_a_target_that_is_a_mixture():
    between = rbf_kernel(np.array([[0.0], [1.0], [3.0]]))
    shares, prior = np.array([0.7, 0.1, 0.2]), np.array([0.2, 0.3, 0.5])
    bounds = {"upper_bound": 100.0, "eps": 0.0}
    found = fit_mixture(between[None], (between @ shares)[None], prior, **bounds)
    assert_allclose(found[0], shares, atol=1e-7)
    # Classes that are all alike: nothing says otherwise than the source.
    same = fit_mixture(np.ones((1, 3, 3)), np.ones((1, 3)), prior, **bounds)
    assert_allclose(same[0], prior, atol=1e-6)
    # No share is more than twice that of the source.
    bounds["upper_bound"] = 2.0
    held = fit_mixture(between[None], (between @ shares)[None], prior, **bounds)
    assert_allclose(held[0][0], 0.4, atol=1e-8)


def values(n, seed=0, p=4, noise=0.4):
    rng = np.random.RandomState(seed)
    y, y_target = rng.normal(size=n), 1 + 0.7 * rng.normal(size=n)
    direction = rng.normal(size=p)
    draw = [
        np.outer(v, direction) + noise * rng.normal(size=(n, p)) for v in (y, y_target)
    ]
    return draw[0], y, draw[1], norm.pdf(y, 1, 0.7) / norm.pdf(y)


def fit_values(X, y, X_target, *, gamma=0.2, upper_bound=1000.0, eps=0.0, n_knots=100):
    basis = smoother(y, 1.0, 0.01, n_knots)
    sums = kernel_sums(X, X_target, basis.vectors, kernel="rbf", gamma=gamma)
    return fit_value_weights(basis, *sums, y, upper_bound=upper_bound, eps=eps)


def test_smoother_is_kernel_ridge_regression():
    y, goal = np.random.RandomState(0).normal(size=(2, 30))
    basis = smoother(y, 0.8, 0.01, 100)
    smooth = basis.vectors @ (basis.damping * (basis.vectors.T @ goal))
    # With an intercept: that of the centred kernel on centred values, plus the mean.
    H = np.eye(30) - 1 / 30
    L = H @ rbf_kernel(y[:, None], gamma=0.8) @ H
    expected = L @ np.linalg.solve(L + 0.3 * np.eye(30), H @ goal) + goal.mean()
    assert_allclose(smooth, expected, atol=1e-6)
    few = smoother(y, 0.8, 0.01, 20)
    near = few.vectors @ (few.damping * (few.vectors.T @ goal))
    assert_allclose(near, expected, atol=1e-2)
    assert_allclose(smoother(np.full(5, 2.0), 0.8, 0.01, 10).vectors, 1 / np.sqrt(5))


@pytest.mark.parametrize("upper_bound", [1.6, 50.0])
def test_dense_form_of_a_general_solver(upper_bound):
    X, y, X_target, _ = values(25)
    H = np.eye(25) - 1 / 25
    L = H @ rbf_kernel(y[:, None], gamma=1.0) @ H
    R = L @ np.linalg.inv(L + 0.25 * np.eye(25)) + 1 / 25
    P = R.T @ R @ rbf_kernel(X, gamma=0.2) @ R @ R
    linear = R.T @ R @ rbf_kernel(X, X_target, gamma=0.2).mean(axis=1) * 25
    rank = smoother(y, 1.0, 0.01, 100).vectors.shape[1]
    penalty = 3 / np.sqrt(25) * np.trace(P) / rank

    def objective(alpha):
        even = 0.5 * penalty * np.square(alpha - 1).sum()
        return 0.5 * alpha @ P @ alpha - linear @ alpha + even

    best = minimize(
        objective,
        np.ones(25),
        jac=lambda a: P @ a - linear + penalty * (a - 1),
        method="SLSQP",
        constraints=[
            {"type": "ineq", "fun": lambda a: R @ a, "jac": lambda a: R},
            {"type": "ineq", "fun": lambda a: upper_bound - R @ a, "jac": lambda a: -R},
            {"type": "eq", "fun": lambda a: (R @ a).sum() - 25},
        ],
        options={"ftol": 1e-13, "maxiter": 500},
    )
    weights = fit_values(X, y, X_target, upper_bound=upper_bound)
    assert_allclose(weights, R @ best.x, atol=1e-4)
    assert weights.max() <= upper_bound


@pytest.mark.parametrize("seed", range(3))
def test_follows_the_true_ratio(seed):
    X, y, X_target, ratio = values(400, seed)
    weights = fit_values(X, y, X_target)
    assert spearmanr(weights, ratio)[0] > 0.9
    assert_allclose(weights.mean(), 1)
    assert_allclose(np.average(y, weights=weights), 1, atol=0.15)
    # Landmarks and few knots change little.
    basis = smoother(y, 1.0, 0.01, 30)
    rng = np.random.RandomState(0)
    sums = landmark_sums(X, X_target, basis.vectors, 200, rng, kernel="rbf", gamma=0.2)
    near = fit_value_weights(basis, *sums, y, upper_bound=1000.0, eps=0.0)
    assert_allclose(near, weights, atol=0.1 * weights.max())


def test_limits_for_values():
    X, y, _, _ = values(200)
    # No shift: the weights of the source against itself are one.
    assert_allclose(fit_values(X, y, X), 1, atol=0.05)
    _, _, X_target, _ = values(200, 1)
    assert_allclose(fit_values(X, y, X_target, upper_bound=1.0), 1, rtol=1e-4)
    loose = fit_values(X, y, X_target, eps=0.3)
    assert 0.7 - 1e-6 <= loose.mean() <= 1.3 + 1e-6
