"""Models of small neighbourhoods: equal ones are fitted once, constant ones never."""

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.base import clone

from sktransfer._weights import fit_weighted
from sktransfer.joint._self_training import probabilities_of

__all__ = [
    "distinct_neighborhoods",
    "local_probabilities",
    "neighbors",
    "tricube",
]


def neighbors(finder, X, n_neighbors):
    """Return numbers and distances of the nearest rows, all rows if there are fewer.

    Parameters
    ----------
    finder : NearestNeighbors
        Fitted on the rows to search.
    X : {ndarray, sparse matrix} of shape (n_queries, n_features)
        Rows whose neighbours are wanted.
    n_neighbors : int
        How many.

    Returns
    -------
    numbers : ndarray of shape (n_queries, k), int
    distances : ndarray of shape (n_queries, k)
    """
    count = min(n_neighbors, finder.n_samples_fit_)
    if X.shape[0] == 0:
        return np.zeros((0, count), dtype=np.int64), np.zeros((0, count))
    distances, numbers = finder.kneighbors(X, n_neighbors=count)
    return numbers, distances


def tricube(distances):
    """Return weights that fall from one to nearly zero at the furthest neighbour."""
    furthest = distances.max(axis=1, keepdims=True)
    relative = np.divide(
        distances, furthest, out=np.zeros_like(distances), where=furthest > 0
    )
    return np.maximum((1 - relative**3) ** 3, 1e-3)


def distinct_neighborhoods(numbers):
    """Return the different sets of row numbers, and which of them each query has."""
    return np.unique(np.sort(numbers, axis=1), axis=0, return_inverse=True)


def local_probabilities(estimator, X, y, groups, weights, queries, n_classes, n_jobs):
    """Fit a clone on each group of rows and return what it says of the group's queries.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, never fitted itself.
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows to learn from.
    y : ndarray of shape (n_samples,), int
        Their class numbers.
    groups : ndarray of shape (n_groups, k), int
        Row numbers of each group.
    weights : ndarray of shape (n_groups, k) or None
        Weights of the rows; None: all alike.
    queries : list of {ndarray, sparse matrix}
        For each group the rows that its model predicts.
    n_classes : int
        Number of classes.
    n_jobs : int or None
        Number of processes, as in joblib.

    Returns
    -------
    list of ndarray of shape (n_queries_of_group, n_classes)
    """
    parts = np.array_split(np.arange(len(groups)), effective_n_jobs(n_jobs))
    results = Parallel(n_jobs=n_jobs)(
        delayed(_of_groups)(
            estimator,
            X,
            y,
            groups[part],
            None if weights is None else weights[part],
            [queries[number] for number in part],
            n_classes,
        )
        for part in parts
        if len(part)
    )
    return [probabilities for part in results for probabilities in part]


def _of_groups(estimator, X, y, groups, weights, queries, n_classes):
    return [
        _of_group(
            estimator,
            X,
            y,
            rows,
            None if weights is None else weights[number],
            query,
            n_classes,
        )
        for number, (rows, query) in enumerate(zip(groups, queries, strict=True))
    ]


def _of_group(estimator, X, y, rows, weights, query, n_classes):
    labels = y[rows]
    if np.all(labels == labels[0]):
        # Nothing to tell apart.
        return np.tile(np.eye(n_classes)[labels[0]], (query.shape[0], 1))
    model = fit_weighted(clone(estimator), X[rows], labels, weights, {})
    return probabilities_of(model, query, np.arange(n_classes))
