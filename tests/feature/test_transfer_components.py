"""The generalised eigen-equation, solved independently and by its limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, sparse

from sktransfer._kernels import kernel_matrix
from sktransfer.feature._discrepancy import domain_gap, marginal_discrepancy
from sktransfer.feature._row_space import row_space
from sktransfer.feature._transfer_components import (
    kernel_components,
    linear_components,
)


def draw(n_source=40, n_target=30, p=6, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[rng.normal(size=(n_source, p)), 0.7 * rng.normal(size=(n_target, p)) + 1]
    return X @ rng.normal(size=(p, p)), domain_gap(n_source, n_target)


def marginal(gap):
    """The discrepancy of the means; the vector says how many rows are source."""
    return marginal_discrepancy(np.sum(gap > 0), np.sum(gap < 0))


def from_gram(K, gap, mu, n_components, start):
    found = kernel_components(K, marginal(gap), mu, n_components, start)
    return found.values, found.projection


def from_rows(X, gap, mu, n_components, *, primal):
    space = row_space(X)
    found = linear_components(space, marginal(gap), mu, n_components, primal=primal)
    return found.values, found.projection


def matrices(K, gap, mu):
    """Both sides of the generalised eigen-equation, written out."""
    n = len(K)
    H = np.eye(n) - np.ones((n, n)) / n
    L = np.outer(gap, gap)
    return K @ H @ K, K @ L @ K + mu * np.eye(n)


def subspace_angle(A, B):
    return np.max(linalg.subspace_angles(A, B))


def test_gap_has_unit_norm_and_sums_to_zero():
    gap = domain_gap(7, 3)
    assert_allclose([gap.sum(), np.linalg.norm(gap)], [0, 1], atol=1e-15)
    # L = e e' divided by its Frobenius norm, as the published codes have it.
    e = np.r_[np.full(7, 1 / 7), np.full(3, -1 / 3)]
    L = np.outer(e, e)
    assert_allclose(np.outer(gap, gap), L / np.linalg.norm(L), atol=1e-15)


@pytest.mark.parametrize("mu", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "poly", "linear"])
def test_kernel_components_against_a_general_solver(kernel, mu):
    X, gap = draw()
    K = kernel_matrix(X, kernel=kernel, gamma=0.02)
    values, W = from_gram(K, gap, mu, 3, X[:, 0])
    left, right = matrices(K, gap, mu)
    # scipy's solver for general matrices, on the non-symmetric product.
    raw_values, raw_vectors = linalg.eig(np.linalg.solve(right, left))
    order = np.argsort(-raw_values.real)[:3]
    assert_allclose(values, raw_values.real[order], rtol=1e-6)
    assert subspace_angle(K @ W, K @ raw_vectors.real[:, order]) < 1e-5


@pytest.mark.parametrize("dense_rows", [0, 10_000])
def test_residual_by_lanczos_and_by_lapack(monkeypatch, dense_rows):
    from sktransfer.feature import _transfer_components as module

    monkeypatch.setattr(module, "_DENSE_ROWS", dense_rows)
    X, gap = draw(120, 90)
    K = kernel_matrix(X, gamma=0.02)
    values, W = from_gram(K, gap, 0.5, 8, X @ np.ones(6))
    left, right = matrices(K, gap, 0.5)
    residual = left @ W - (right @ W) * values
    relative = np.linalg.norm(residual, axis=0) / np.linalg.norm(left @ W, axis=0)
    assert relative.max() < 1e-6
    assert_allclose(W.T @ right @ W, np.eye(8), atol=1e-6)


@pytest.mark.parametrize("p", [4, 120])
def test_primal_against_scipy(p):
    X, gap = draw(p=p)
    n = len(X)
    values, V = from_rows(X, gap, 2.0, 3, primal=True)
    centred = X - X.mean(axis=0)
    u = X.T @ gap
    right = np.outer(u, u) + 2.0 * np.eye(p)
    expected = linalg.eigh(centred.T @ centred, right)[0][::-1]
    assert_allclose(values, expected[:3], rtol=1e-8)
    residual = centred.T @ (centred @ V) - right @ V * values
    assert np.linalg.norm(residual) < 1e-8 * np.linalg.norm(centred.T @ centred @ V)
    assert n == 70


@pytest.mark.parametrize("p", [4, 120])
def test_low_rank_dual_equals_the_gram_matrix(p):
    X, gap = draw(p=p)
    values, V = from_rows(X, gap, 0.3, 3, primal=False)
    dual_values, W = from_gram(X @ X.T, gap, 0.3, 3, X[:, 0])
    assert_allclose(values, dual_values, rtol=1e-8)
    assert subspace_angle(X @ V, X @ X.T @ W) < 1e-6
    # Up to sign the very same components, scale included.
    assert_allclose(np.abs(X @ V), np.abs(X @ X.T @ W), rtol=1e-5, atol=1e-8)


def test_sparse_features():
    X, gap = draw(p=30)
    X[np.abs(X) < 4.0] = 0
    for primal in (True, False):
        dense = from_rows(X, gap, 1.0, 4, primal=primal)
        thin = from_rows(sparse.csr_array(X), gap, 1.0, 4, primal=primal)
        assert_allclose(dense[0], thin[0])
        assert_allclose(np.abs(dense[1]), np.abs(thin[1]), atol=1e-8)


def test_large_mu_is_kernel_pca():
    X, gap = draw()
    K = kernel_matrix(X, gamma=0.02)
    _, W = from_gram(K, gap, 1e12, 3, X[:, 0])
    centred = K - K.mean(axis=0)
    # Without the domains' term W are the right singular vectors of H K.
    expected = linalg.svd(centred)[2][:3].T
    assert subspace_angle(W, expected) < 1e-5


def test_small_mu_closes_the_gap():
    X, gap = draw()
    gaps = []
    for mu in (100.0, 1.0, 1e-2, 1e-4, 1e-6):
        _, V = from_rows(X, gap, mu, 5, primal=True)
        Z = X @ V
        gaps.append(np.linalg.norm(Z.T @ gap) / np.linalg.norm(Z - Z.mean(axis=0)))
    assert np.all(np.diff(gaps) < 0)
    assert gaps[-1] < 1e-4


def test_fewer_components_than_asked_for():
    X, gap = draw(p=2)
    assert len(from_rows(X, gap, 1.0, 9, primal=True)[0]) == 2
    assert len(from_gram(X @ X.T, gap, 1.0, 9, X[:, 0])[0]) == 2
    equal = np.ones((70, 2))
    assert len(from_rows(equal, gap, 1.0, 2, primal=True)[0]) == 0
