"""Labelled rows in an order of their own, equal ones as one row of their weight."""

from itertools import pairwise

import numpy as np
from scipy import sparse

from sktransfer.parameter._source_transfer import LabelledRows

__all__ = ["merged_rows", "row_groups", "sorted_rows"]


def row_groups(X, y):
    """Give each pair of row and label a number, equal pairs the same.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows; two missing values are equal.
    y : ndarray of shape (n_samples,)
        Labels.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers from 0, in an order that depends on the content of the rows alone.
    """
    codes = np.unique(y, return_inverse=True)[1]
    if sparse.issparse(X):
        columns, differ = _sparse_keys(X)[None], _differ
    else:
        columns, differ = X.T, _differ_or_miss
    order = np.lexsort((codes, *columns[::-1]))
    new = differ(columns[:, order]) | (np.diff(codes[order]) != 0)
    groups = np.empty(len(codes), dtype=np.int64)
    groups[order] = np.cumsum(np.r_[False, new])[: len(codes)]
    return groups


def _differ(columns):
    return np.any(columns[:, 1:] != columns[:, :-1], axis=0)


def _differ_or_miss(columns):
    one, other = columns[:, 1:], columns[:, :-1]
    return np.any((one != other) & ~(np.isnan(one) & np.isnan(other)), axis=0)


def _sparse_keys(X):
    """Return a number for each row, of its content among that of the others."""
    rows = sparse.csr_array(X, copy=True)
    rows.sum_duplicates()
    rows.eliminate_zeros()
    keys = [
        rows.indices[a:b].tobytes() + rows.data[a:b].tobytes()
        for a, b in pairwise(rows.indptr)
    ]
    numbers = {key: number for number, key in enumerate(sorted(set(keys)))}
    return np.array([numbers[key] for key in keys], dtype=np.int64)


def sorted_rows(rows):
    """Return rows in an order that depends on their content alone.

    Parameters
    ----------
    rows : LabelledRows
        Rows, with NaN or without.

    Returns
    -------
    LabelledRows
    """
    order = np.lexsort((rows.weight, row_groups(rows.X, rows.y)))
    return LabelledRows(
        rows.X[order], rows.y[order], rows.weight[order], rows.domain[order]
    )


def merged_rows(rows):
    """Return rows sorted, those of equal features and label added up.

    A row given twice is then a row of twice the weight to whatever is fitted. Two
    missing values are equal; the domain is that of one of the rows.

    Parameters
    ----------
    rows : LabelledRows
        Rows, with NaN or without.

    Returns
    -------
    LabelledRows
    """
    if len(rows.y) == 0:
        return rows
    groups = row_groups(rows.X, rows.y)
    order = np.lexsort((rows.weight, groups))
    first = order[np.flatnonzero(np.diff(groups[order], prepend=-1))]
    # Summed in the order of the weights, so that the order of the rows cannot matter.
    weight = np.bincount(groups[order], rows.weight[order])
    return LabelledRows(rows.X[first], rows.y[first], weight, rows.domain[first])
