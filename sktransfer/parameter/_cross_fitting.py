"""Predictions of rows by models that have not seen them, new rows included."""

import zlib
from itertools import pairwise

import numpy as np
from scipy import sparse

__all__ = ["content_folds"]


def content_folds(X, n_folds):
    """Give each row a fold by its content alone.

    Equal rows are in the same fold, so a copy of a row cannot betray its label, and a
    row has the same fold whenever it is seen again.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows; they count as float32, so that the type does not matter.
    n_folds : int
        Number of folds.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers from 0 to ``n_folds - 1``, of about equal frequency.
    """
    rows = sparse.csr_array(X, copy=sparse.issparse(X))
    rows.sum_duplicates()
    rows.eliminate_zeros()
    columns, values = rows.indices.astype(np.int64), rows.data.astype(np.float32)
    ends = rows.indptr
    return np.array(
        [
            zlib.crc32(values[a:b].tobytes(), zlib.crc32(columns[a:b].tobytes()))
            % n_folds
            for a, b in pairwise(ends)
        ],
        dtype=np.int64,
    )
