"""Sparse rows in the order that their columns have, as dense rows are sorted."""

import numpy as np
from scipy import sparse

__all__ = ["sparse_ranks"]


def sparse_ranks(X):
    """Rank rows by their first column, then the second, and so on.

    Entry after entry of the rows is compared, as long as rows are equal so far.

    Parameters
    ----------
    X : sparse matrix of shape (n_samples, n_features)
        Rows without NaN.

    Returns
    -------
    ndarray of shape (n_samples,), int
        How many rows come before; equal rows have the same number.
    """
    X = sparse.csr_array(X, copy=True)
    X.sum_duplicates()
    X.eliminate_zeros()
    ranks, entry = np.zeros(X.shape[0], dtype=np.int64), 0
    tied = np.arange(X.shape[0])
    while len(tied):
        ranks[tied] = _refined(ranks[tied], _keys(X, tied, entry))
        alike = np.bincount(ranks[tied], minlength=X.shape[0])[ranks[tied]] > 1
        entry += 1
        tied = tied[alike & (np.diff(X.indptr)[tied] >= entry)]
    return ranks


def _keys(X, rows, entry):
    """Return what orders rows that are equal up to this entry, the main key last.

    A negative entry puts a row before all whose next entry is further on; a positive
    one, behind them. The end of a row lies between.
    """
    at = X.indptr[rows] + entry
    there = at < X.indptr[rows + 1]
    values, columns = np.zeros(len(rows)), np.zeros(len(rows), dtype=np.int64)
    values[there], columns[there] = X.data[at[there]], X.indices[at[there]]
    signs = np.sign(values)
    return values, -signs * columns, signs


def _refined(ranks, keys):
    """Tell rows of equal rank apart by their keys."""
    order = np.lexsort((*keys, ranks))
    sorted_ranks = ranks[order]
    first = np.diff(sorted_ranks, prepend=-1) != 0
    new = first.copy()
    for key in keys:
        new[1:] |= np.diff(key[order]) != 0
    places = np.arange(len(ranks))
    before = np.maximum.accumulate(np.where(new, places, 0))
    before -= np.maximum.accumulate(np.where(first, places, 0))
    refined = np.empty_like(ranks)
    refined[order] = sorted_ranks + before
    return refined
