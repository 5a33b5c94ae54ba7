"""Transfer components: the mathematics of Pan et al. (2011), as pure functions.

Maximise tr(W' K H K W) subject to W' (K L K + mu G) W = I, where H centres, L is a
discrepancy of the domains and G = I, or a diagonal of penalties of the rows. The
conditions are K H K w = lambda (K L K + mu G) w. L = V diag(l) V' has low rank, so

    B = mu I + Y diag(l) Y',  Y = G^(-1/2) K V,
    B^(-1/2) = (I - Q diag(1 - sqrt(mu / (mu + b))) Q') / sqrt(mu)

with Q diag(b) Q' the low-rank part, and the components are the leading eigenvectors of
the *symmetric* B^(-1/2) G^(-1/2) K H K G^(-1/2) B^(-1/2). A trap: the matrix
(K L K + mu I)^-1 K H K is not symmetric; a symmetric solver on it, which one meets,
returns wrong components.

The "primal" form regularises the projection: X' H X w = lambda (X' L X + mu I) w. The
dual form of a linear kernel is the primal one of the features X R with
R R' = X' G^-1 X, mapped by R w.

Where L has negative weights, B may be indefinite; then B w = eta K H K w for the
smallest eta, which is the same where B is definite.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.utils.extmath import safe_sparse_dot

__all__ = [
    "Components",
    "RowSpace",
    "gram_space",
    "kernel_components",
    "linear_components",
    "row_space",
]

_DENSE_ROWS = 1200


@dataclass(frozen=True)
class Components:
    """Transfer components.

    Attributes
    ----------
    values : ndarray of shape (k,)
        Variance over penalised discrepancy of each, best first; k is less than asked
        for where the data give no more.
    projection : ndarray of shape (n_features or n_samples, k)
        Rows are mapped by features, or by kernel values with the rows, times this.
    coefficients : ndarray of shape (n_samples, k) or None
        W of the dual form.
    """

    values: np.ndarray
    projection: np.ndarray
    coefficients: np.ndarray | None = None


def _inverse_root(Y, weights, mu):
    """Return the function V -> (mu I + Y diag(w) Y')^(-1/2) V or None."""
    basis, triangle = linalg.qr(Y, mode="economic")
    added, rotation = linalg.eigh((triangle * weights) @ triangle.T)
    if added[0] <= -mu * (1 - 1e-9):
        return None
    basis = basis @ rotation
    shrink = 1.0 - np.sqrt(mu / (mu + added))

    def apply(V):
        inner = (basis.T @ V) * (shrink if V.ndim == 1 else shrink[:, None])
        return (V - basis @ inner) / np.sqrt(mu)

    return apply


def _leading(values, vectors, n_components, floor, reference):
    """Sort by falling eigenvalue and leave out what is zero to rounding.

    Rounding is measured by the largest eigenvalue, and by that without centring, which
    is all that is left of rows that do not differ.
    """
    order = np.argsort(values)[::-1]
    smallest = max(floor * float(values[order[0]]), floor * float(reference))
    order = order[values[order] > smallest][:n_components]
    return values[order], vectors[:, order]


@dataclass(frozen=True)
class RowSpace:
    """Features F = Q S V' of all rows, in the coordinates of Q.

    Attributes
    ----------
    squares : ndarray of shape (rank,)
        Squared singular values S^2.
    ones : ndarray of shape (rank,)
        Q' 1 / sqrt(n_samples).
    coordinates : callable
        V -> Q' V for one value or more a row.
    to_features : callable
        C -> V C.
    rows : callable
        () -> Q, an array of shape (n_samples, rank).
    """

    squares: np.ndarray
    ones: np.ndarray
    coordinates: object
    to_features: object
    rows: object

    @cached_property
    def scales(self):
        """S."""
        return np.sqrt(self.squares)


def row_space(F):
    """Decompose features by the smaller of their two Gram matrices.

    Parameters
    ----------
    F : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Features of the source rows, then of the target rows; never made dense.

    Returns
    -------
    RowSpace
    """
    n, p = F.shape
    wide = p > n
    gram = safe_sparse_dot(F, F.T) if wide else safe_sparse_dot(F.T, F)
    gram = gram.toarray() if sparse.issparse(gram) else gram
    squares, basis = _positive_part(gram, F.dtype)
    scales = np.sqrt(squares)
    if wide:

        def to_features(C):
            return np.asarray(safe_sparse_dot(F.T, basis @ (C / scales[:, None])))

        return RowSpace(
            squares,
            basis.sum(axis=0) / np.sqrt(n),
            lambda V: basis.T @ V,
            to_features,
            lambda: basis,
        )
    inverse = basis / scales
    total = np.asarray(F.sum(axis=0, dtype=np.float64)).ravel()
    return RowSpace(
        squares,
        inverse.T @ total / np.sqrt(n),
        lambda V: inverse.T @ (F.T @ V),
        lambda C: basis @ C,
        lambda: np.asarray(safe_sparse_dot(F, inverse)),
    )


def gram_space(K):
    """Decompose a Gram matrix; projections are then coefficients of its rows."""
    squares, basis = _positive_part(K, K.dtype)
    inverse = basis / np.sqrt(squares)
    return RowSpace(
        squares,
        basis.sum(axis=0) / np.sqrt(len(K)),
        lambda V: basis.T @ V,
        lambda C: inverse @ C,
        lambda: basis,
    )


def _positive_part(gram, dtype):
    squares, basis = linalg.eigh(np.asarray(gram, dtype=np.float64))
    # In float32 the products carry rounding errors of that size.
    floor = 1e-6 if dtype == np.float32 else 1e-12
    kept = squares > floor * max(squares[-1], np.finfo(float).tiny)
    return squares[kept], basis[:, kept]


def linear_components(
    space, discrepancy, mu, n_components, *, primal, penalties=None, signed=False
):
    """Components of a linear kernel, from the coordinates of its features.

    Parameters
    ----------
    space : RowSpace
        From `row_space`, or `gram_space` for any kernel.
    discrepancy : Discrepancy
        L.
    mu : float
        Regularisation.
    n_components : int
        How many.
    primal : bool
        Whether the projection is regularised (primal) or its dual coefficients.
    penalties : ndarray of shape (n_samples,), default=None
        Diagonal of G, for the dual form; None: the identity.
    signed : bool, default=False
        Whether L has negative weights. The projections then have equal norms.

    Returns
    -------
    Components
    """
    scales, factor = space.scales, None
    if penalties is not None:
        rows = space.rows()
        factor = linalg.cholesky((rows.T / penalties) @ rows, lower=True)
        weight = space.squares[:, None] * factor
        scatter = weight.T @ weight
    else:
        weight = scales if primal else space.squares
        scatter = np.diag(weight**2)
    uncentred = np.max(np.diag(scatter))
    ones = _times(weight, space.ones)
    scatter -= np.outer(ones, ones)
    Y = _times(weight, space.coordinates(discrepancy.vectors))
    solve = _signed_eigenvectors if signed else _eigenvectors
    values, vectors = solve(
        scatter, Y, discrepancy.weights, mu, n_components, uncentred
    )
    coefficients = None
    if primal:
        projected = vectors
    elif factor is None:
        projected = scales[:, None] * vectors
    else:
        projected = scales[:, None] * (factor @ vectors)
        back = linalg.solve_triangular(factor, vectors, lower=True, trans="T")
        coefficients = rows @ back / penalties[:, None]
    return Components(values, space.to_features(projected), coefficients)


def _times(weight, V):
    if weight.ndim == 2:
        return weight.T @ V
    return weight * V if V.ndim == 1 else weight[:, None] * V


def _eigenvectors(scatter, Y, weights, mu, n_components, uncentred):
    inverse_root = _inverse_root(Y, weights, mu)
    symmetric = inverse_root(inverse_root(scatter).T)
    values, vectors = linalg.eigh((symmetric + symmetric.T) / 2)
    reference = 0.1 * uncentred / mu
    values, vectors = _leading(values, vectors, n_components, 1e-12, reference)
    return values, inverse_root(vectors)


def _signed_eigenvectors(scatter, Y, weights, mu, n_components, uncentred):
    variances, axes = linalg.eigh(scatter)
    kept = variances > max(1e-10 * variances[-1], 1e-12 * uncentred)
    if not kept.any():
        return np.empty(0), np.empty((len(scatter), 0))
    whiten = axes[:, kept] / np.sqrt(variances[kept])
    Y = whiten.T @ Y
    penalty = np.diag(mu / variances[kept]) + (Y * weights) @ Y.T
    n_components = min(n_components, int(kept.sum()))
    ratios, vectors = linalg.eigh(penalty, subset_by_index=[0, n_components - 1])
    vectors = whiten @ vectors
    return 1.0 / ratios, vectors / np.linalg.norm(vectors, axis=0)


def kernel_components(
    K, discrepancy, mu, n_components, start, *, penalties=None, tol=None
):
    """Components of any kernel from its Gram matrix, which is only multiplied with.

    Parameters
    ----------
    K : ndarray of shape (n_samples, n_samples)
        Gram matrix of all rows.
    discrepancy : Discrepancy
        L, without negative weights.
    mu : float
        Regularisation.
    n_components : int
        How many.
    start : ndarray of shape (n_samples,) or (n_samples, k)
        Start of the iteration; it must follow the rows when they are permuted.
        More columns, the coefficients of a similar problem, are refined together.
    penalties : ndarray of shape (n_samples,), default=None
        Diagonal of G; None: the identity.
    tol : float, default=None
        How exactly, as a share of the largest eigenvalue; None: to rounding.

    Returns
    -------
    Components
        The W above as projection: rows are mapped by ``kernel(row, X) @ W``.
    """
    n = len(K)
    root = np.ones(n, K.dtype) if penalties is None else 1 / np.sqrt(penalties)
    root = root.astype(K.dtype, copy=False)[:, None]
    Y = root * (K @ discrepancy.vectors.astype(K.dtype, copy=False))
    inverse_root = _inverse_root(Y, discrepancy.weights.astype(K.dtype), mu)
    floor = 1e-6 if K.dtype == np.float32 else 1e-12

    def symmetric(V):
        columns = V.reshape(n, -1)
        columns = K @ (root * inverse_root(columns)).astype(K.dtype, copy=False)
        columns -= columns.mean(axis=0)
        return inverse_root(root * (K @ columns)).reshape(V.shape)

    if start.ndim == 2:
        values, vectors = _refined(symmetric, start / root, n_components, tol)
    elif n <= _DENSE_ROWS or n_components > n // 10:
        dense = symmetric(np.eye(n, dtype=K.dtype)).astype(np.float64)
        values, vectors = linalg.eigh((dense + dense.T) / 2)
    else:
        operator = LinearOperator((n, n), matvec=symmetric, dtype=K.dtype)
        values, vectors = eigsh(
            operator,
            n_components,
            which="LA",
            v0=start.astype(K.dtype),
            tol=tol or (1e-5 if K.dtype == np.float32 else 1e-10),
            ncv=min(n, max(2 * n_components + 1, 40)),
        )
    reference = 0.1 * np.square(root[:, 0] * K.sum(axis=0)).sum() / n / mu
    values, vectors = _leading(values, vectors, n_components, floor, reference)
    W = root * inverse_root(vectors.astype(K.dtype))
    return Components(values, W, W)


def _refined(symmetric, start, n_components, tol, max_iter=20):
    """Leading eigenpairs by Rayleigh and Ritz from a good start, all together."""
    vectors = linalg.qr(start, mode="economic")[0]
    image = symmetric(vectors)
    for _ in range(max_iter):
        values, rotation = linalg.eigh(vectors.T @ image)
        rotation, values = rotation[:, ::-1], values[::-1]
        vectors, image = vectors @ rotation, image @ rotation
        residual = (image - vectors * values)[:, :n_components]
        if np.linalg.norm(residual) <= (tol or 1e-10) * values[0]:
            break
        vectors, image = vectors[:, : 2 * n_components], image[:, : 2 * n_components]
        residual -= vectors @ (vectors.T @ residual)
        fresh = linalg.qr(residual, mode="economic")[0]
        fresh -= vectors @ (vectors.T @ fresh)
        fresh = linalg.qr(fresh, mode="economic")[0]
        vectors = np.hstack([vectors, fresh])
        image = np.hstack([image, symmetric(fresh)])
    return values, vectors
