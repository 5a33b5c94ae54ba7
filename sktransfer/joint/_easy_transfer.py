"""Easy transfer: nearest class centres, with at least one target row for each class."""

import numpy as np
from scipy.optimize import linear_sum_assignment

__all__ = ["class_prices", "programmed_labels"]


def programmed_labels(distances, open_classes=None):
    r"""Label rows at least total distance so that every class gets a row.

    Solves the linear programme ``min sum_jc D_jc M_jc`` over ``0 <= M <= 1`` with rows
    that sum to one and class sums of at least one. It has a solution of zeros and ones:
    a row of its own for each class at least extra cost, an assignment problem, and the
    nearest class for all others. With fewer rows than classes there is none; every row
    has its nearest class then.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_classes)
        Distances to the class centres.
    open_classes : ndarray of bool of shape (n_classes,), default=None
        Classes that need a row; None: all.

    Returns
    -------
    labels : ndarray of shape (n_rows,)
        Class numbers.
    held : ndarray of bool of shape (n_classes,)
        Which classes hold exactly the one row that the programme asks for: they alone
        may have a price.
    """
    n_rows, n_classes = distances.shape
    labels = distances.argmin(axis=1)
    needed = (
        np.arange(n_classes) if open_classes is None else np.flatnonzero(open_classes)
    )
    held = np.zeros(n_classes, dtype=bool)
    if len(needed) == 0 or n_rows < len(needed):
        return labels, held
    extra = distances - distances.min(axis=1, keepdims=True)
    rows, columns = linear_sum_assignment(extra[:, needed])
    labels[rows] = needed[columns]
    counts = np.bincount(labels, minlength=n_classes)
    held[needed] = counts[needed] == 1
    return labels, held


def class_prices(distances, labels, held):
    """Return what each class pays, so that the cheapest class is that of the programme.

    These are dual prices of the class sums: every row has least ``D_jc - price_c`` at
    its label. Classes with rows to spare pay nothing, nor do others if they need not.
    Of all such prices a mean of the extreme ones is taken, so that rows tie only where
    they must.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_classes)
        Distances to the class centres.
    labels : ndarray of shape (n_rows,)
        Solution of the programme.
    held : ndarray of bool of shape (n_classes,)
        Classes that may pay.

    Returns
    -------
    ndarray of shape (n_classes,)
        Prices >= 0; all zero if every row has its nearest class.
    """
    n_classes = distances.shape[1]
    own = distances[np.arange(len(labels)), labels]
    if not np.any(own > distances.min(axis=1)):
        return np.zeros(n_classes)
    # price_c - price_a <= gaps[a, c]: rows of class a do not want to go to c. The last
    # node is price zero.
    gaps = np.full((n_classes + 1, n_classes + 1), np.inf)
    extra = distances - own[:, None]
    for label in np.unique(labels):
        gaps[label, :-1] = extra[labels == label].min(axis=0)
    gaps[:-1, -1] = np.minimum(gaps[:-1, -1], 0)
    gaps[-1, :-1] = np.where(held, np.ptp(distances) + 1, 0)
    np.fill_diagonal(gaps, 0)
    least = -_shortest(gaps)[:-1, -1]
    # Among classes that must pay something, as far from every bound as can be.
    gaps[-1, :-1] = np.where(least > 0, gaps[-1, :-1], 0)
    paths = _shortest(gaps)
    solutions = paths[:, :-1] - paths[:, -1:]
    return np.maximum(solutions.mean(axis=0), 0)


def _shortest(gaps):
    # Floyd and Warshall; the routine of scipy takes lengths of zero for missing edges.
    paths = gaps.copy()
    for through in range(len(paths)):
        np.minimum(paths, paths[:, through, None] + paths[through], out=paths)
    return paths
