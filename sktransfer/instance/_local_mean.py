"""The mean weight of the source rows around any row."""

from dataclasses import dataclass

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances

__all__ = ["LocalMean"]

_BLOCK = 2**22


@dataclass(frozen=True)
class LocalMean:
    """Weights of source rows smoothed by a Gaussian kernel: kernel regression.

    What weights of rows estimate is the ratio of the densities at these rows, or, of
    classes, a function whose mean at a row is this ratio. So is their mean over the
    rows around it.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_source, n_features)
        Source rows in float64.
    weights : ndarray of shape (n_source,)
        Their weights.
    gamma : float
        The kernel is ``exp(-gamma * squared distance)``.
    """

    X: object
    weights: np.ndarray
    gamma: float

    reads_labels = False

    def __call__(self, X, y=None):
        """Return the mean weight around rows; far from all that of the nearest row."""
        X = X.astype(np.float64, copy=False)
        step = max(1, _BLOCK // len(self.weights))
        parts = [
            self._of_block(X[start : start + step])
            for start in range(0, X.shape[0], step)
        ]
        return np.concatenate(parts)

    def _of_block(self, X):
        kernel = euclidean_distances(X, self.X, squared=True)
        # Relative to the nearest row, so that not all values underflow.
        kernel -= kernel.min(axis=1, keepdims=True)
        kernel *= -self.gamma
        np.exp(kernel, out=kernel)
        return kernel @ self.weights / kernel.sum(axis=1)
