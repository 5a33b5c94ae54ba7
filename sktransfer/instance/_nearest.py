"""Source rows by how often they are among the nearest of a target row."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from sktransfer.instance._balls import Balls
from sktransfer.instance._sparse_ranks import sparse_ranks

__all__ = ["NearestScorer", "fit_nearest", "nearest_scores"]


def nearest_scores(X_source, X_target, n_neighbors):
    """Count for each source row the target rows that have it among their nearest.

    Parameters
    ----------
    X_source : {ndarray, sparse matrix} of shape (n_source, n_features)
        Source rows.
    X_target : {ndarray, sparse matrix} of shape (n_target, n_features)
        Target rows.
    n_neighbors : int
        Neighbours of each target row; at most all source rows are taken.

    Returns
    -------
    votes : ndarray of shape (n_source,), int
        How many target rows have the row among their `n_neighbors` nearest. Equal rows
        are taken together: if one of them is among the nearest, all are.
    scores : ndarray of shape (n_source,)
        The votes plus 1 / (2 + d / s), which is below one, where d is the distance to
        the nearest target row and s the mean of the d: rows of equally many votes
        follow each other by distance.
    """
    votes, scores, _ = fit_nearest(X_source, X_target, n_neighbors)
    return votes, scores


def fit_nearest(X_source, X_target, n_neighbors):
    """Return what `nearest_scores` does, and a scorer of any rows."""
    X_source = X_source.astype(np.float64, copy=False)
    X_target = X_target.astype(np.float64, copy=False)
    # To choose among equal rows would be to choose by their position or their label.
    points, point_of, sizes = _distinct(X_source)
    n_points = points.shape[0]
    finder = NearestNeighbors(n_neighbors=min(n_neighbors, n_points)).fit(points)
    neighbors = finder.kneighbors(X_target, return_distance=False)
    nearer = np.cumsum(sizes[neighbors], axis=1) - sizes[neighbors]
    is_near = nearer < n_neighbors
    votes = np.bincount(neighbors[is_near], minlength=n_points)[point_of]
    last = neighbors[np.arange(len(neighbors)), is_near.sum(axis=1) - 1]
    finder = NearestNeighbors(n_neighbors=1).fit(X_target)
    distances = finder.kneighbors(X_source)[0].ravel()
    scorer = NearestScorer(Balls.up_to(X_target, points[last]), distances.mean())
    return votes, scorer.combined(votes, distances), scorer


def _distinct(X):
    """Return the different rows, which of them each row is, and how often they come."""
    if not sparse.issparse(X):
        return np.unique(X, axis=0, return_inverse=True, return_counts=True)
    _, first, point_of, sizes = np.unique(
        sparse_ranks(X), return_index=True, return_inverse=True, return_counts=True
    )
    return X[first], point_of, sizes


@dataclass(frozen=True)
class NearestScorer:
    """Counts for any row the target rows to which it is as near as their neighbours.

    Parameters
    ----------
    balls : Balls
        Target rows, up to the last of their nearest source rows.
    scale : float
        Mean distance of the source rows to their nearest target rows.
    """

    balls: Balls
    scale: float

    reads_labels = False

    def combined(self, votes, distances):
        """Return votes plus less than one for being near."""
        scale = self.scale if self.scale > 0 else 1.0
        return votes + 1 / (2 + distances / scale)

    def __call__(self, X, y=None):
        """Return the scores of rows."""
        parts = [
            self.combined(inside.sum(axis=1), distances.min(axis=1))
            for _, inside, distances in self.balls.blocks(X)
        ]
        return np.concatenate(parts)
