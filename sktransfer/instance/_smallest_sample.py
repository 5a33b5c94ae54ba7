"""A domain without what repeats the whole of it.

Weights are those of the target's distribution over the source's. But penalties,
smoothing and kernel widths go by the number of rows, as many rows say more than few.
Rows that are all given twice do not say more. So a domain counts as the smallest sample
in which each row has the share that it has among the rows.

Its size is not the number of different rows: of 10,000 ages some 70 are different, and
they say as much as 10,000 rows do.
"""

import numpy as np

from sktransfer.instance._row_groups import row_groups

__all__ = ["smallest_sample"]


def smallest_sample(X):
    """Leave out rows so that each different row keeps its share.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    sample : {ndarray, sparse matrix} of shape (n_kept, n_features)
        As few rows as there can be, in their order; X itself if none is left out.
    place : ndarray of shape (n_samples,), int, or slice
        Where in the sample each row of X is, or one that is equal to it.
    """
    groups, _, sizes = row_groups(X)
    times = np.gcd.reduce(sizes)
    if times == 1:
        return X, slice(None)
    order = np.argsort(groups, kind="stable")
    number = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    kept = np.sort(order[number < np.repeat(sizes // times, sizes)])
    place = np.empty(len(sizes), dtype=np.int64)
    place[groups[kept]] = np.arange(len(kept))
    return X[kept], place[groups]
