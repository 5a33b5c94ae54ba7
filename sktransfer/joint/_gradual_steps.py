"""In which order target rows are visited on the way from the source."""

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import pairwise_distances_argmin_min
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer._kernels import content_subsample
from sktransfer.joint._self_training import join_rows
from sktransfer.metrics._mmd import mmd

__all__ = ["steps_by_domain", "steps_by_likeness"]

_MOST_ROWS = 2000


def steps_by_domain(X_source, X_target, domain, order):
    """Say in which step each row is visited, target domain after target domain.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_rows, n_features)
        Rows.
    domain : ndarray of shape (n_target,)
        Negative numbers.
    order : {"number", "distance"}
        -1 before -2 before -3; or always the domain with the smallest maximum mean
        discrepancy from the one before, measured on at most 2,000 rows of each.

    Returns
    -------
    steps : ndarray of shape (n_target,)
        Position of each row's domain, from 0.
    domains : ndarray of shape (n_domains,)
        The domains in that order.
    """
    numbers, found = np.unique(domain, return_inverse=True)
    if order == "number":
        visited = np.argsort(-numbers)
    else:
        parts = [_at_most(X_target[found == i]) for i in range(len(numbers))]
        visited = np.array(_chain(_at_most(X_source), parts), dtype=np.intp)
    return np.argsort(visited)[found], numbers[visited]


def _chain(here, parts):
    left, visited = list(range(len(parts))), []
    while left:
        nearest = min(left, key=lambda i: mmd(here, parts[i]))
        left.remove(nearest)
        visited.append(nearest)
        here = parts[nearest]
    return visited


def _at_most(X):
    return X[content_subsample(X, _MOST_ROWS, 0)] if X.shape[0] > _MOST_ROWS else X


def steps_by_likeness(X_source, X_target, n_steps, kind):
    """Split target rows into groups of about equal size, like the source ones first.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_rows, n_features)
        Rows.
    n_steps : int
        Number of groups. Rows that tie share a group, so there may be fewer.
    kind : {"classifier", "distance"}
        By the score of a linear classifier that tells target from source, or by the
        distance to the nearest source row.

    Returns
    -------
    ndarray of shape (n_target,)
        Group of each row, from 0.
    """
    score = _SCORES[kind](X_source, X_target)
    ends = np.arange(1, n_steps) / n_steps
    levels = np.quantile(score, ends, method="inverted_cdf")
    slack = 1e-9 * (1 + np.abs(score).max())
    groups = np.sum(score[:, None] > levels + slack, axis=1)
    return np.unique(groups, return_inverse=True)[1]


def _target_likeness(X_source, X_target):
    is_target = np.arange(X_source.shape[0] + X_target.shape[0]) >= X_source.shape[0]
    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression())
    return model.fit(join_rows(X_source, X_target), is_target).decision_function(
        X_target
    )


def _nearest_source(X_source, X_target):
    return pairwise_distances_argmin_min(X_target, X_source)[1]


_SCORES = {"classifier": _target_likeness, "distance": _nearest_source}
