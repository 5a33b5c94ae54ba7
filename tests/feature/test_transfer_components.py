"""The generalised eigen-equation, solved independently and by its limits."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import linalg, sparse

from sktransfer._kernels import kernel_matrix
from sktransfer.feature._discrepancy import (
    class_discrepancy,
    domain_gap,
    joint_discrepancy,
    marginal_discrepancy,
)
from sktransfer.feature._row_space import gram_space, row_space
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


def forms(n_source, n_target):
    """One L of each conditional form, with labels that one would not guess."""
    rng = np.random.RandomState(1)
    labels = rng.randint(3, size=n_source), rng.randint(3, size=n_target)
    return {
        "JDA": class_discrepancy(*labels, 3),
        "BDA": class_discrepancy(*labels, 3, balance=0.9),
        "W-BDA": class_discrepancy(*labels, 3, class_weighted=True),
        "DJP": joint_discrepancy(*labels, 3, discrimination=0.4),
    }


def residual(K, L, mu, G, values, W):
    """Relative residual of K H K w = lambda (K L K + mu G) w, in the row space of K.

    Rows beyond the rank of K are nowhere seen, so both sides are compared by K w.
    """
    n = len(K)
    H = np.eye(n) - np.ones((n, n)) / n
    left, right = K @ H @ K @ W, (K @ L @ K + mu * np.diag(G)) @ W * values
    return np.linalg.norm(left - right) / np.linalg.norm(left)


@pytest.mark.parametrize("kind", ["tall", "wide", "sparse", "gram"])
def test_coordinates_by_part(kind):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 60 if kind == "wide" else 7))
    space = gram_space(X @ X.T) if kind == "gram" else row_space(X)
    if kind == "sparse":
        space = row_space(sparse.csr_matrix(X))
    # One part of six has no row.
    parts, values = rng.choice([0, 1, 2, 4, 5], size=40), rng.normal(size=(6, 3))
    expected = space.coordinates(values[parts])
    assert_allclose(expected, space.rows.T @ values[parts], atol=1e-12)
    assert_allclose(space.coordinates_by_part(parts, values), expected, atol=1e-12)


FORMS = ["JDA", "BDA", "W-BDA", "DJP"]


@pytest.mark.parametrize("penalised", [False, True])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kernel", ["rbf", "linear"])
def test_conditional_eigen_equation(kernel, form, penalised):
    X, _ = draw(120, 90)
    K = kernel_matrix(X, kernel=kernel, gamma=0.02)
    G = np.exp(np.random.RandomState(2).normal(size=210)) if penalised else np.ones(210)
    found = forms(120, 90)[form]
    L = found.vectors @ np.diag(found.weights) @ found.vectors.T
    space = gram_space(K) if kernel == "rbf" else row_space(X)
    components = linear_components(space, found, 0.5, 4, primal=False, penalties=G)
    W = components.coefficients
    assert residual(K, L, 0.5, G, components.values, W) < 1e-6
    # Of new rows, the projection of features or kernel values is the map by W.
    factors = K if kernel == "rbf" else X
    assert_allclose(factors @ components.projection, K @ W, atol=1e-6)
    if form != "DJP":
        start = X @ np.ones(6)
        dual = kernel_components(K, found, 0.5, 4, start, penalties=G)
        assert residual(K, L, 0.5, G, dual.values, dual.coefficients) < 1e-6
        assert_allclose(dual.values, components.values, rtol=1e-6)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("p", [5, 110])
def test_conditional_primal_against_scipy(p, form):
    X, _ = draw(p=p)
    found = forms(40, 30)[form]
    L = found.vectors @ np.diag(found.weights) @ found.vectors.T
    components = linear_components(row_space(X), found, 2.0, 3, primal=True)
    # The published codes minimise the inverse ratio, by a solver of general matrices.
    centred = X - X.mean(axis=0)
    right = centred.T @ centred
    if p > 70:
        right += 1e-9 * np.trace(right) * np.eye(p)
    ratios, vectors = linalg.eig(X.T @ L @ X + 2.0 * np.eye(p), right)
    order = np.argsort(ratios.real)
    # What is infinite without the ridge: directions in which the rows do not differ.
    order = order[np.abs(ratios.real[order]) < 1e3][:3]
    assert_allclose(components.values, 1 / ratios.real[order], rtol=1e-5)
    expected = vectors.real[:, order] / np.linalg.norm(vectors.real[:, order], axis=0)
    got = components.projection / np.linalg.norm(components.projection, axis=0)
    assert_allclose(np.abs(np.sum(expected * got, axis=0)), 1, rtol=1e-5)


def test_negative_weights_may_outweigh_the_regularisation():
    X, _ = draw(p=5)
    found = forms(40, 30)["DJP"]
    values = linear_components(row_space(X), found, 1e-3, 5, primal=True).values
    # The most negative comes first as the least of 1 / lambda, positive ones after it.
    assert values[0] < 0 < values[-1]
    assert np.all(np.diff(1 / values) > 0)
    small = linear_components(row_space(X), found, 1e3, 5, primal=True)
    assert np.all(np.diff(small.values) < 0)
    assert_allclose(np.linalg.norm(small.projection, axis=0), 1)


def test_signed_solver_by_shift_and_invert(monkeypatch):
    from sktransfer.feature import _signed_components as module

    X, _ = draw(120, 90)
    K = kernel_matrix(X, gamma=0.05)
    found = forms(120, 90)["DJP"]
    expected = linear_components(gram_space(K), found, 0.01, 6, primal=False)
    monkeypatch.setattr(module, "_DENSE", 0)
    got = linear_components(gram_space(K), found, 0.01, 6, primal=False)
    assert expected.values[0] < 0
    assert_allclose(got.values, expected.values, rtol=1e-6)
    overlap = np.sum((K @ got.projection) * (K @ expected.projection), axis=0)
    norms = np.square(K @ expected.projection).sum(axis=0)
    assert_allclose(np.abs(overlap), norms, rtol=1e-6)


@pytest.mark.parametrize("form", ["JDA", "W-BDA"])
@pytest.mark.parametrize("primal", [False, True])
def test_many_columns_by_lanczos(monkeypatch, primal, form):
    from sktransfer.feature import _transfer_components as module

    X, _ = draw(p=60)
    # Columns that are alike give eigenvalues that are.
    X[:, :20] = np.eye(70)[:, :20]
    found, space = forms(40, 30)[form], row_space(X)
    expected = linear_components(space, found, 0.5, 10, primal=primal)
    monkeypatch.setattr(module, "_DENSE_RANK", 0)
    got = linear_components(space, found, 0.5, 10, primal=primal)
    assert_allclose(got.values, expected.values, rtol=1e-9)
    assert subspace_angle(X @ got.projection, X @ expected.projection) < 1e-6
    # Where Lanczos gives up, the dense solver takes over.
    monkeypatch.setattr(module, "_lanczos", lambda *_: (None, None))
    again = linear_components(space, found, 0.5, 10, primal=primal)
    assert_allclose(again.projection, expected.projection)


@pytest.mark.parametrize("penalised", [False, True])
def test_refining_a_similar_problem(monkeypatch, penalised):
    from sktransfer.feature import _transfer_components as module

    X, _ = draw(120, 90)
    K = kernel_matrix(X, gamma=0.02)
    before, after = forms(120, 90)["JDA"], forms(120, 90)["BDA"]
    G = np.exp(np.random.RandomState(2).normal(size=210)) if penalised else None
    start = kernel_components(K, before, 0.5, 4, X[:, 0])
    expected = kernel_components(K, after, 0.5, 4, X[:, 0], penalties=G)
    monkeypatch.setattr(module, "_REFINED_ROWS", 0)
    got = kernel_components(K, after, 0.5, 4, start.projection, penalties=G)
    assert_allclose(got.values, expected.values, rtol=1e-8)
    assert subspace_angle(K @ got.projection, K @ expected.projection) < 1e-6
    rough = kernel_components(K, after, 0.5, 4, start.projection, penalties=G, tol=1e-3)
    assert_allclose(rough.values, expected.values, rtol=1e-2)
