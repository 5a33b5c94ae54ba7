"""Which rows are as near to a target row as its nearest source rows were."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.metrics.pairwise import euclidean_distances
from sklearn.utils.extmath import row_norms

__all__ = ["Balls"]

_BLOCK = 2**22
# The last neighbour itself is inside, whatever the rounding.
_SLACK = 1e-12


@dataclass(frozen=True)
class Balls:
    """Target rows with the distance to the last of their nearest source rows.

    Parameters
    ----------
    X_target : {ndarray, sparse matrix} of shape (n_target, n_features)
        Target rows in float64.
    radii : ndarray of shape (n_target,)
        The distances.
    """

    X_target: object
    radii: np.ndarray

    @classmethod
    def up_to(cls, X_target, X_last):
        """Return balls around target rows that reach to one other row each."""
        steps = X_target - X_last
        if sparse.issparse(steps):
            return cls(X_target, row_norms(steps))
        return cls(X_target, np.sqrt(np.sum(steps**2, axis=1)))

    def blocks(self, X):
        """Compare rows with all balls, in blocks.

        Parameters
        ----------
        X : {ndarray, sparse matrix} of shape (n_samples, n_features)
            Rows.

        Yields
        ------
        rows : slice
            Numbers of the block's rows.
        inside : ndarray of shape (n_rows, n_target), bool
            Which rows are in which balls.
        distances : ndarray of shape (n_rows, n_target)
            Distances to the target rows.
        """
        X = X.astype(np.float64, copy=False)
        step = max(1, _BLOCK // len(self.radii))
        for start in range(0, X.shape[0], step):
            rows = slice(start, start + step)
            yield rows, *self._of_block(X[rows])

    def _of_block(self, X):
        if not sparse.issparse(X):
            distances = cdist(X, self.X_target)
            return distances <= self.radii * (1 + _SLACK), distances
        distances = euclidean_distances(X, self.X_target)
        # Sparse rows are told apart by their norms and inner products.
        norms = [row_norms(rows, squared=True) for rows in (X, self.X_target)]
        reach = self.radii**2 + _SLACK * np.add.outer(*norms)
        return distances**2 <= reach, distances
