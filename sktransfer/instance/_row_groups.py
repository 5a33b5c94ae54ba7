"""Equal rows, found by content, in an order that no permutation of the rows changes."""

import numpy as np
from scipy import sparse

from sktransfer._kernels import content_direction

__all__ = ["row_groups"]

_BLOCK_ENTRIES = 2**22


def row_groups(X):
    """Give each group of equal rows a number.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    groups : ndarray of shape (n_samples,), int
        Number of the group of each row, from 0, in an order that content decides.
    first : ndarray of shape (n_groups,), int
        Number of one row of each group.
    sizes : ndarray of shape (n_groups,), int
        How many rows each group has.
    """
    order, keys = _sorted_keys(X)
    groups = np.empty(len(order), dtype=np.int64)
    close = keys[1:] == keys[:-1]
    if not close.any():
        groups[order] = np.arange(len(order))
        return groups, order, np.ones(len(order), dtype=np.int64)
    same = close.copy()
    same[close] = _equal_to_next(X, order, np.flatnonzero(close))
    if np.any(same != close) and not sparse.issparse(X):
        # Different rows with one key could lie between equal ones.
        return _exact_groups(X)
    starts = np.r_[True, ~same]
    groups[order] = np.cumsum(starts) - 1
    return groups, order[starts], np.bincount(groups)


def _exact_groups(X):
    _, first, groups, sizes = np.unique(
        X, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    return groups.ravel(), first, sizes


def _sorted_keys(X):
    """Project the rows on a random direction, the same sums for equal rows, and sort.

    Returns the numbers of the rows in that order, and the sums.
    """
    direction = content_direction(X.shape[1])
    if sparse.issparse(X):
        keys = np.asarray(X.tocsr().sorted_indices().astype(np.float64) @ direction)
    else:
        # A matrix product is fast but may round equal rows differently, by where they
        # stand: rows whose keys rounding could bring together are summed again.
        keys = X @ direction
        order = np.argsort(keys)
        in_order = keys[order]
        rounding = 4 * X.shape[1] * np.finfo(np.float64).eps * np.abs(direction).sum()
        apart = np.diff(in_order) > rounding * np.linalg.norm(X)
        if apart.all():
            return order, in_order
        rows = order[~(np.r_[True, apart] & np.r_[apart, True])]
        keys[rows] = _exact_sums(X, rows, direction)
    order = np.argsort(keys, kind="stable")
    return order, keys[order]


def _exact_sums(X, rows, direction):
    """Sum each row by itself, in the order of its columns."""
    step = max(1, _BLOCK_ENTRIES // X.shape[1])
    parts = (X[rows[i : i + step]] for i in range(0, len(rows), step))
    blocks = (np.ascontiguousarray(part, dtype=np.float64) for part in parts)
    return np.concatenate([(block * direction).sum(axis=1) for block in blocks])


def _equal_to_next(X, order, places):
    """Whether the rows at the places of the order equal the ones after them."""
    one, other = X[order[places]], X[order[places + 1]]
    if sparse.issparse(X):
        return np.asarray(abs(one - other).sum(axis=1)).ravel() == 0
    return (one == other).all(axis=1)
