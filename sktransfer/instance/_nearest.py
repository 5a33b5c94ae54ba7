"""Source rows by how often they are among the nearest of a target row."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

__all__ = ["nearest_scores"]


def nearest_scores(X_source, X_target, n_neighbors):
    """Count for each source row the target rows that have it among their nearest.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
        Source rows.
    X_target : ndarray of shape (n_target, n_features)
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
    X_source = X_source.astype(np.float64, copy=False)
    X_target = X_target.astype(np.float64, copy=False)
    # To choose among equal rows would be to choose by their position or their label.
    points, point_of, sizes = np.unique(
        X_source, axis=0, return_inverse=True, return_counts=True
    )
    finder = NearestNeighbors(n_neighbors=min(n_neighbors, len(points))).fit(points)
    neighbors = finder.kneighbors(X_target, return_distance=False)
    nearer = np.cumsum(sizes[neighbors], axis=1) - sizes[neighbors]
    near = neighbors[nearer < n_neighbors]
    votes = np.bincount(near, minlength=len(points))[point_of]
    finder = NearestNeighbors(n_neighbors=1).fit(X_target)
    distances = finder.kneighbors(X_source)[0].ravel()
    scale = distances.mean()
    relative = distances / scale if scale > 0 else distances
    return votes, votes + 1 / (2 + relative)
