"""Selective pseudo-labelling with structured prediction, as pure functions."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.special import softmax
from sklearn.metrics.pairwise import euclidean_distances

from sktransfer.joint._locality_preserving import (
    locality_preserving_projection,
    unit_rows,
)

__all__ = [
    "ClassCentres",
    "class_clusters",
    "most_confident",
    "selective_pseudo_labels",
]

_MAX_ITER = 300


def _class_means(X, labels, n_classes):
    """Return the mean row of each class; every class has a row."""
    return np.array([X[labels == c].mean(axis=0) for c in range(n_classes)])


def class_clusters(X, labels, centres):
    """Run k-means from the classes' centres and say which cluster is which class.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows to be clustered.
    labels : ndarray of shape (n_samples,)
        Class numbers of rows that must stay in their class, -1 for all others.
    centres : ndarray of shape (n_classes, n_features)
        Where to start; a cluster without rows keeps its centre.

    Returns
    -------
    ndarray of shape (n_classes, n_features)
        The clusters' centres, in the order of the classes whose `centres` they match
        one to one at the least sum of distances.
    """
    found, assigned = centres.copy(), None
    for _ in range(_MAX_ITER):
        nearest = euclidean_distances(X, found).argmin(axis=1)
        nearest = np.where(labels >= 0, labels, nearest)
        if assigned is not None and np.array_equal(nearest, assigned):
            break
        assigned = nearest
        for c in np.unique(assigned):
            found[c] = X[assigned == c].mean(axis=0)
    return found[linear_sum_assignment(euclidean_distances(centres, found))[1]]


def most_confident(labels, confidence, share, tol=1e-10):
    """Mask the most confident share of each class's rows, rounded up.

    Parameters
    ----------
    labels : ndarray of shape (n_samples,)
        Predicted class numbers.
    confidence : ndarray of shape (n_samples,)
        How sure each prediction is.
    share : float
        Between 0 and 1. Rows that tie with the last one are taken, too.
    tol : float, default=1e-10
        Largest difference that counts as a tie.

    Returns
    -------
    ndarray of shape (n_samples,), bool
    """
    mask = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = int(np.ceil(share * len(rows) - 1e-9))
        if count > 0:
            last = np.sort(confidence[rows])[-count]
            mask[rows] = confidence[rows] >= last - tol
    return mask


@dataclass(frozen=True)
class ClassCentres:
    """A projection, and the centres of classes and clusters in it.

    Attributes
    ----------
    projection : ndarray of shape (n_features, n_projected)
        Rows are multiplied with it, ...
    mean : ndarray of shape (n_projected,)
        ... centred, and divided by their lengths.
    prototypes : ndarray of shape (n_classes, n_projected)
        Means of the classes' certain rows, of length one.
    clusters : ndarray of shape (n_classes, n_projected)
        Centres of the clusters of target rows, of length one.
    """

    projection: np.ndarray
    mean: np.ndarray
    prototypes: np.ndarray
    clusters: np.ndarray

    def confidence(self, Z):
        """Return the larger of both class probabilities for each row and class."""
        rows = unit_rows(Z @ self.projection - self.mean)
        by_class, by_cluster = (
            softmax(-euclidean_distances(rows, centres), axis=1)
            for centres in (self.prototypes, self.clusters)
        )
        return np.maximum(by_class, by_cluster)


def _centres(Z, known, labels, is_target, n_classes, regularization):
    projection = locality_preserving_projection(Z, labels, regularization)
    rows = Z @ projection
    mean = rows.mean(axis=0)
    rows = unit_rows(rows - mean)
    prototypes = unit_rows(_class_means(rows, known, n_classes))
    clusters = class_clusters(rows[is_target], known[is_target], prototypes)
    return ClassCentres(projection, mean, prototypes, unit_rows(clusters))


def selective_pseudo_labels(
    Z_source, y_source, Z_target, y_target, n_classes, *, n_rounds, regularization
):
    """Label the target, letting ever more of its rows shape the projection.

    Parameters
    ----------
    Z_source, Z_target : ndarray of shape (n_rows, n_features)
        Rows of length one.
    y_source, y_target : ndarray of shape (n_rows,)
        Class numbers; -1 where a target row has none.
    n_classes : int
        Number of classes; each has a labelled row.
    n_rounds : int
        In round k the share ``k / n_rounds`` of the pseudo-labels is used, from none in
        round 0 to all in the last.
    regularization : float
        Of the projection.

    Returns
    -------
    centres : ClassCentres
        Those of the last round.
    labels : ndarray of shape (n_target,)
        The target's labels after the last round.
    n_selected : list of int
        Number of target rows that shaped the projection of each round.
    """
    Z = np.r_[Z_source, Z_target]
    known = np.r_[y_source, y_target]
    is_target = np.arange(len(Z)) >= len(Z_source)
    given = y_target >= 0
    labels, n_selected = known.copy(), []
    for round_ in range(n_rounds + 1):
        n_selected.append(int(np.sum(labels[is_target] >= 0)))
        centres = _centres(Z, known, labels, is_target, n_classes, regularization)
        confidence = centres.confidence(Z_target)
        predicted = np.where(given, y_target, confidence.argmax(axis=1))
        if round_ < n_rounds:
            share = (round_ + 1) / n_rounds
            chosen = given.copy()
            chosen[~given] = most_confident(
                predicted[~given], confidence[~given].max(axis=1), share
            )
            labels[is_target] = np.where(chosen, predicted, -1)
    return centres, predicted, n_selected
