"""Source rows that are local to target rows and that local models do not contradict."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from sktransfer.instance._local_learning import (
    distinct_neighborhoods,
    local_probabilities,
    neighbors,
)

__all__ = ["local_agreement"]


def local_agreement(estimator, X_source, y_source, X_target, n_neighbors):
    """Score source rows by what the models of the target rows around them say.

    For each target row a model is fitted on its nearest labelled source rows.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, never fitted itself.
    X_source : ndarray of shape (n_source, n_features)
        Source rows.
    y_source : ndarray of shape (n_source,), int
        Class numbers, -1 where there is none; one row at least has one.
    X_target : ndarray of shape (n_target, n_features)
        Target rows.
    n_neighbors : int
        Neighbours of each target row; at most all labelled source rows are taken.

    Returns
    -------
    kept : ndarray of shape (n_source,), bool
        Rows that are a neighbour of some target row and whose label is the most
        probable one by the models of all such target rows together.
    scores : ndarray of shape (n_source,)
        Sum over these target rows of the probability of the row's own label.
    """
    labeled = np.flatnonzero(y_source >= 0)
    X, y = X_source[labeled], y_source[labeled]
    numbers, _ = neighbors(NearestNeighbors().fit(X), X_target, n_neighbors)
    groups, group_of = distinct_neighborhoods(numbers)
    counts = np.bincount(group_of.ravel(), minlength=len(groups))
    n_classes = int(y.max()) + 1
    found = local_probabilities(
        estimator, X, y, groups, None, [X[rows] for rows in groups], n_classes, None
    )
    sums = np.zeros((len(X), n_classes))
    for rows, count, probabilities in zip(groups, counts, found, strict=True):
        sums[rows] += count * probabilities
    own = sums[np.arange(len(X)), y]
    kept, scores = np.zeros(len(X_source), dtype=bool), np.zeros(len(X_source))
    kept[labeled] = (own > 0) & (own >= sums.max(axis=1))
    scores[labeled] = own
    return kept, scores
