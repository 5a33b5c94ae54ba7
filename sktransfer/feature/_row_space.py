"""Rows of features, or of a Gram matrix, in orthonormal coordinates of their span."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import safe_sparse_dot

__all__ = ["RowSpace", "gram_space", "row_space"]


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
        A -> Q' A for arrays with one value or more a row.
    coordinates_by_part : callable
        parts, values -> Q' values[parts]. The features are only summed by parts, so the
        number of columns of the values does not matter.
    to_features : callable
        C -> V C.
    make_rows : callable
        () -> Q.
    """

    squares: np.ndarray
    ones: np.ndarray
    coordinates: object
    coordinates_by_part: object
    to_features: object
    make_rows: object

    @cached_property
    def scales(self):
        """S."""
        return np.sqrt(self.squares)

    @cached_property
    def rows(self):
        """Q, an array of shape (n_samples, rank), made when it is first asked for."""
        return self.make_rows()


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
        return RowSpace(
            squares,
            basis.sum(axis=0) / np.sqrt(n),
            lambda A: basis.T @ A,
            lambda parts, values: basis.T @ values[parts],
            lambda C: np.asarray(safe_sparse_dot(F.T, basis @ (C / scales[:, None]))),
            lambda: basis,
        )
    inverse = basis / scales
    total = np.asarray(F.sum(axis=0, dtype=np.float64)).ravel()
    return RowSpace(
        squares,
        inverse.T @ total / np.sqrt(n),
        lambda A: inverse.T @ (F.T @ A),
        lambda parts, values: inverse.T @ (_sums(F, parts, len(values)).T @ values),
        lambda C: basis @ C,
        lambda: np.asarray(safe_sparse_dot(F, inverse)),
    )


def gram_space(K):
    """Decompose a Gram matrix; V C are then coefficients of its rows.

    Parameters
    ----------
    K : ndarray of shape (n_samples, n_samples)
        Gram matrix of all rows.

    Returns
    -------
    RowSpace
    """
    squares, basis = _positive_part(K, K.dtype)
    scales = np.sqrt(squares)
    return RowSpace(
        squares,
        basis.sum(axis=0) / np.sqrt(len(K)),
        lambda A: basis.T @ A,
        lambda parts, values: basis.T @ values[parts],
        lambda C: basis @ (C / scales[:, None]),
        lambda: basis,
    )


def _sums(F, parts, n_parts):
    """Return the sums of the rows of each part, shape (n_parts, n_features)."""
    n = len(parts)
    members = sparse.csc_array((np.ones(n), parts, np.arange(n + 1)), (n_parts, n))
    sums = members @ F
    return sums.toarray() if sparse.issparse(sums) else sums


def _positive_part(gram, dtype):
    squares, basis = linalg.eigh(np.asarray(gram, dtype=np.float64))
    # In float32 the products carry rounding errors of that size.
    floor = 1e-6 if dtype == np.float32 else 1e-12
    kept = squares > floor * max(squares[-1], np.finfo(float).tiny)
    return squares[kept], basis[:, kept]
