"""How many target rows have each source row among their nearest."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial import KDTree
from sklearn.neighbors import NearestNeighbors

from sktransfer.instance._row_groups import row_groups

__all__ = ["CellValues", "neighbor_counts"]

# In more columns a tree looks at nearly all rows, and matrix products are faster.
_TREE_COLUMNS = 6
_TILE_QUERIES, _TILE_POINTS = 256, 1024


@dataclass(frozen=True)
class CellValues:
    """A function that is constant on the cells of the nearest of some points."""

    points: object
    values: np.ndarray

    def __call__(self, X):
        """Return for each row of X the value of the nearest point."""
        groups, first, _ = row_groups(X)
        return self.values[_nearest(self.points, X[first], 1)[groups, 0]]


def neighbor_counts(X_source, X_target, n_neighbors):
    """Count for each source row the target rows that have it among their nearest.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains.
    n_neighbors : int
        Neighbours of each target row; at most all source rows are taken.

    Returns
    -------
    points : {ndarray, sparse matrix} of shape (n_points, n_features)
        The distinct source rows.
    point_of : ndarray of shape (n_source,), int
        Which of them each source row is.
    counts : ndarray of shape (n_points,)
        The count of one source row there. Equal rows share what falls on them.
    """
    point_of, first, sizes = row_groups(X_source)
    _, target_first, target_sizes = row_groups(X_target)
    points = X_source[first]
    # Distinct rows in the order of their content: rounding cannot depend on another.
    near = _nearest(points, X_target[target_first], min(n_neighbors, len(first)))
    taken = np.cumsum(sizes[near], axis=1) - sizes[near]
    shares = np.clip(n_neighbors - taken, 0, sizes[near]) / sizes[near]
    votes = (shares * target_sizes[:, None]).ravel()
    return points, point_of, np.bincount(near.ravel(), votes, minlength=len(first))


def _nearest(points, queries, n_neighbors):
    """Return the numbers of the nearest points of each query, the nearest first."""
    if sparse.issparse(points):
        return _by_brute_force(points, queries, n_neighbors)
    points = points.astype(np.float64, copy=False)
    queries = queries.astype(np.float64, copy=False)
    if points.shape[1] <= _TREE_COLUMNS:
        numbers = KDTree(points).query(queries, k=n_neighbors)[1]
        return numbers.reshape(len(queries), -1)
    if n_neighbors == 1:
        return _by_tiles(points, queries)[:, None]
    return _by_brute_force(points, queries, n_neighbors)


def _by_brute_force(points, queries, n_neighbors):
    finder = NearestNeighbors(n_neighbors=n_neighbors, algorithm="brute").fit(points)
    return finder.kneighbors(queries, return_distance=False)


def _by_tiles(points, queries):
    """Find the nearest point of each query by products that stay in the cache."""
    centre = points.mean(axis=0)
    points, queries = points - centre, queries - centre
    # |s|^2 - 2 q.s, which orders the points s as |q - s|^2 does.
    right = np.vstack([points.T, np.einsum("ij,ij->i", points, points)])
    tiles = [
        np.ascontiguousarray(right[:, start : start + _TILE_POINTS])
        for start in range(0, len(points), _TILE_POINTS)
    ]
    nearest = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _TILE_QUERIES):
        rows = queries[start : start + _TILE_QUERIES]
        left = np.hstack([-2 * rows, np.ones((len(rows), 1))])
        nearest[start : start + len(rows)] = _nearest_in_tiles(left, tiles)
    return nearest


def _nearest_in_tiles(left, tiles):
    lowest = np.full(len(left), np.inf)
    nearest = np.zeros(len(left), dtype=np.int64)
    buffer = np.empty((len(left), _TILE_POINTS))
    for k, tile in enumerate(tiles):
        values = buffer if tile.shape[1] == _TILE_POINTS else None
        values = np.matmul(left, tile, out=values)
        best = values.argmin(axis=1)
        value = values[np.arange(len(left)), best]
        nearer = value < lowest
        lowest[nearer] = value[nearer]
        nearest[nearer] = best[nearer] + k * _TILE_POINTS
    return nearest
