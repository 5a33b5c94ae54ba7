"""Folds of labelled target rows that depend on their content alone."""

import numpy as np

from sktransfer.joint._row_order import labelled_order
from sktransfer.parameter._merged_rows import row_groups

__all__ = ["target_folds"]


def target_folds(X, y, n_folds, *, stratify):
    """Return the number of the fold in which each row is tested.

    Rows of equal features and label are in one fold, as a row of their weight would be.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Values or class numbers.
    n_folds : int
        Number of folds; with fewer distinct rows, one for each.
    stratify : bool
        Whether each class is spread evenly.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    _, first, groups = np.unique(row_groups(X, y), True, True)
    X, y = X[first], y[first]
    order = labelled_order(X, y)
    if stratify:
        order = order[np.argsort(y[order], kind="stable")]
    folds = np.empty(len(y), dtype=np.int64)
    # Dealt out in turn, rows that are near each other in order part.
    folds[order] = np.arange(len(y)) % min(n_folds, max(len(y), 1))
    return folds[groups]
