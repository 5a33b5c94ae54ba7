"""Transfer components: the mathematics of Pan et al. (2011), as pure functions.

Maximise tr(W' K H K W) subject to W' (K L K + mu I) W = I, where H centres and
L = e e' / |e|^2 with e = 1 / n_source on source rows and -1 / n_target on target rows.
The conditions are K H K w = lambda (K L K + mu I) w. L has rank one, so

    B = mu I + u u',  u = K e / |e|,   B^(-1/2) = (I - c v v') / sqrt(mu),  v = u / |u|

is known in closed form (Sherman-Morrison), and the components are the leading
eigenvectors of the *symmetric* B^(-1/2) K H K B^(-1/2). A trap: the matrix
(K L K + mu I)^-1 K H K is not symmetric; a symmetric solver on it, which one meets,
returns wrong components.

The "primal" form regularises the projection: X' H X w = lambda (X' L X + mu I) w.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse
from scipy.sparse.linalg import LinearOperator, eigsh
from sklearn.utils.extmath import safe_sparse_dot

__all__ = [
    "RowSpace",
    "domain_gap",
    "kernel_components",
    "linear_components",
    "row_space",
]

_DENSE_ROWS = 1200


def domain_gap(n_source, n_target, dtype=np.float64):
    """Return e / |e| for rows in the order source, target."""
    gap = np.r_[np.full(n_source, 1.0 / n_source), np.full(n_target, -1.0 / n_target)]
    return (gap / np.linalg.norm(gap)).astype(dtype)


def _inverse_root(u, mu):
    """Return the function V -> (mu I + u u')^(-1/2) V."""
    squared = float(u @ u)
    if squared == 0.0:
        return lambda V: V / np.sqrt(mu)
    unit = u / np.sqrt(squared)
    c = 1.0 - np.sqrt(mu / (mu + squared))
    return lambda V: (V - c * np.multiply.outer(unit, unit @ V)) / np.sqrt(mu)


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
    gap : ndarray of shape (rank,)
        Q' e / |e|.
    to_features : callable
        C -> V C.
    """

    squares: np.ndarray
    ones: np.ndarray
    gap: np.ndarray
    to_features: object


def row_space(F, gap):
    """Decompose features by the smaller of their two Gram matrices.

    Parameters
    ----------
    F : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Features of the source rows, then of the target rows; never made dense.
    gap : ndarray of shape (n_samples,)
        e / |e|.

    Returns
    -------
    RowSpace
    """
    n, p = F.shape
    wide = p > n
    gram = safe_sparse_dot(F, F.T) if wide else safe_sparse_dot(F.T, F)
    gram = gram.toarray() if sparse.issparse(gram) else gram
    squares, basis = linalg.eigh(np.asarray(gram, dtype=np.float64))
    # In float32 the products carry rounding errors of that size.
    floor = 1e-6 if F.dtype == np.float32 else 1e-12
    kept = squares > floor * max(squares[-1], np.finfo(float).tiny)
    squares, basis = squares[kept], basis[:, kept]
    scales = np.sqrt(squares)
    if wide:
        ones, gaps = basis.sum(axis=0), basis.T @ gap

        def to_features(C):
            return np.asarray(safe_sparse_dot(F.T, basis @ (C / scales[:, None])))
    else:
        total = np.asarray(F.sum(axis=0, dtype=np.float64)).ravel()
        ones, gaps = basis.T @ total / scales, basis.T @ (F.T @ gap) / scales

        def to_features(C):
            return basis @ C

    return RowSpace(squares, ones / np.sqrt(n), gaps, to_features)


def linear_components(space, mu, n_components, *, primal):
    """Components of a linear kernel, from the coordinates of its features.

    Parameters
    ----------
    space : RowSpace
        From `row_space`.
    mu : float
        Regularisation.
    n_components : int
        How many.
    primal : bool
        Whether the projection is regularised (primal) or its dual coefficients.

    Returns
    -------
    eigenvalues : ndarray of shape (k,)
        In falling order; k is less than asked for where the data give no more.
    projection : ndarray of shape (n_features, k)
        Rows are mapped by ``F @ projection``.
    """
    scales = np.sqrt(space.squares)
    weight = scales if primal else space.squares
    inverse_root = _inverse_root(weight * space.gap, mu)
    centred = np.diag(weight**2) - np.outer(weight * space.ones, weight * space.ones)
    symmetric = inverse_root(inverse_root(centred).T)
    values, vectors = linalg.eigh((symmetric + symmetric.T) / 2)
    reference = 0.1 * weight.max() ** 2 / mu
    values, vectors = _leading(values, vectors, n_components, 1e-12, reference)
    coefficients = inverse_root(vectors)
    if not primal:
        coefficients = coefficients * scales[:, None]
    return values, space.to_features(coefficients)


def kernel_components(K, gap, mu, n_components, start):
    """Components of any kernel from its Gram matrix, which is only multiplied with.

    Parameters
    ----------
    K : ndarray of shape (n_samples, n_samples)
        Gram matrix of all rows.
    gap : ndarray of shape (n_samples,)
        e / |e|.
    mu : float
        Regularisation.
    n_components : int
        How many.
    start : ndarray of shape (n_samples,)
        Start of the Lanczos iteration; it must follow the rows when they are permuted.

    Returns
    -------
    eigenvalues : ndarray of shape (k,)
        In falling order; k is less than asked for where the data give no more.
    coefficients : ndarray of shape (n_samples, k)
        The W above: rows are mapped by ``kernel(row, X) @ W``.
    """
    n = len(K)
    inverse_root = _inverse_root(K @ gap, mu)
    floor = 1e-6 if K.dtype == np.float32 else 1e-12

    def symmetric(V):
        V = K @ inverse_root(V).astype(K.dtype, copy=False)
        V -= V.mean(axis=0)
        return inverse_root(K @ V)

    if n <= _DENSE_ROWS or n_components > n // 10:
        dense = symmetric(np.eye(n, dtype=K.dtype)).astype(np.float64)
        values, vectors = linalg.eigh((dense + dense.T) / 2)
    else:
        operator = LinearOperator((n, n), matvec=symmetric, dtype=K.dtype)
        tol = 1e-5 if K.dtype == np.float32 else 1e-10
        values, vectors = eigsh(
            operator,
            n_components,
            which="LA",
            v0=start.astype(K.dtype),
            tol=tol,
            ncv=min(n, max(2 * n_components + 1, 40)),
        )
    reference = 0.1 * np.square(K.sum(axis=0)).sum() / n / mu
    values, vectors = _leading(values, vectors, n_components, floor, reference)
    return values, inverse_root(vectors.astype(K.dtype))
