"""KLIEP's programme for the same columns with some rows left out, many times at once.

Each programme leaves out rows of its own and scales the columns its own way: maximise
sum_j w_kj log (A S_k b)_j over b >= 0 with sum(b) = 1, for each k. All of them go along
the steps of EM, as far as the last steps tell (Barzilai and Borwein, 1988). To a rough
tolerance that is quicker than steps by the curvature, which no two programmes share.
"""

import numpy as np

__all__ = ["LeftOutPrograms"]

_KEPT = 0.1
_FURTHEST = 1e3
_LEAST = 1e-30


class LeftOutPrograms:
    """Where the programmes stand, from equal shares on.

    Parameters
    ----------
    columns : ndarray of shape (n_columns, n_rows)
        A', values >= 0, in each row of A one about one.
    weights : ndarray of shape (n_programmes, n_rows)
        Shares of the rows, of sum one in each programme.
    scales : ndarray of shape (n_programmes, n_columns)
        Diagonals of the S, above zero.

    Attributes
    ----------
    b : ndarray of shape (n_programmes, n_columns)
        Coefficients, all of them above zero.
    mixtures : ndarray of shape (n_programmes, n_rows)
        A S b.
    gaps : ndarray of shape (n_programmes,)
        How far below the optimum each is at most.
    """

    def __init__(self, columns, weights, scales):
        self._columns, self._weights, self._scales = columns, weights, scales
        self.b = np.full_like(scales, 1 / scales.shape[1])
        self._lengths = np.ones((len(scales), 1), dtype=scales.dtype)
        self._look()

    def _look(self):
        self.mixtures = (self.b * self._scales) @ self._columns
        np.maximum(self.mixtures, _LEAST, out=self.mixtures)
        gradient = (self._weights / self.mixtures) @ self._columns.T
        gradient *= self._scales
        self.gaps = np.log(np.maximum(gradient.max(axis=1), 1))
        # The step of EM, along which the sum stays as it is.
        self._way = self.b * (gradient - 1)

    def step(self):
        """Take one step in each programme."""
        b, way = self.b, self._way
        self.b = np.maximum(b + self._lengths * way, _KEPT * b)
        self.b /= self.b.sum(axis=1, keepdims=True)
        self._look()
        moved, turned = self.b - b, self._way - way
        far = np.vecdot(moved, moved) / np.maximum(np.vecdot(turned, turned), _LEAST)
        lengths = np.minimum(np.maximum(np.sqrt(far), 1), _FURTHEST)
        self._lengths = lengths[:, None]
