"""Costs of transport in units of a typical one, cut off where rows lie far out."""

import numpy as np

from sktransfer._kernels import content_subsample
from sktransfer.joint._joint_transport import SquaredDistances
from sktransfer.joint._priced_transport import cost_blocks

__all__ = ["NORMALIZATIONS", "TruncatedCosts"]

NORMALIZATIONS = ("median", "mean", "max")
_MEDIAN_ENTRIES = 2**22
_MEDIAN_ROWS = 1000
_FAR = 1e100
_ROUNDING = 1e-14


class TruncatedCosts:
    """Squared distances over a typical one, at most `truncation`.

    Where a target row has a label, source rows of other classes cost `truncation` more.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_rows, n_features)
        Rows.
    y_source, y_target : ndarray of shape (n_rows,)
        Class numbers; -1 where a target row has none.
    normalization : {"median", "mean", "max"}
        Which squared distance is the unit.
    truncation : float
        The largest cost.

    Attributes
    ----------
    unit : float
        The unit, in squares of `width`.
    width : float
        What the rows are divided by, so that no square over- or underflows.
    """

    def __init__(
        self, X_source, X_target, y_source, y_target, *, normalization, truncation
    ):
        # Outliers must not cost the other rows their digits: no mean here.
        self._origin = np.median(X_target, axis=0).astype(np.float64)
        gaps = (np.abs(X - self._origin).max() for X in (X_source, X_target))
        self.width = float(max(gaps)) or 1.0
        self._source, target = self._scaled(X_source), self._scaled(X_target)
        self._distances = SquaredDistances(self._source, target)
        self._y_source, self._y_target = y_source, y_target
        self._labeled = np.flatnonzero(y_target >= 0)
        self.truncation = truncation
        self.unit = _typical_distance(self._distances, normalization)

    @property
    def shape(self):
        """Number of source rows and of target rows."""
        return self._distances.shape

    def _scaled(self, X):
        return np.clip((X - self._origin) / self.width, -_FAR, _FAR)

    def _truncated(self, block):
        np.minimum(block, self.truncation * self.unit, out=block)
        block /= self.unit
        return block

    def __call__(self, rows):
        """Return the costs of some source rows to all target rows."""
        block = self._truncated(self._distances(rows))
        if len(self._labeled):
            other = self._y_source[rows, None] != self._y_target[self._labeled]
            block[:, self._labeled] += self.truncation * other
        return block

    def within_source(self, rows):
        """Return the costs of some source rows to each other."""
        some = self._source[rows]
        return self._truncated(SquaredDistances(some, some)(slice(None)))

    def blocks(self, X):
        """Yield the costs of all source rows to new target rows without labels.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features)
            New rows.

        Yields
        ------
        rows : slice
            Some of the new rows.
        costs : ndarray of shape (n_source, n_chosen)
            Costs to them.
        """
        distances = SquaredDistances(self._scaled(X), self._source)
        for rows in cost_blocks(*distances.shape):
            yield rows, self._truncated(distances(rows)).T


def _typical_distance(distances, normalization):
    """Return the median, mean or largest squared distance; one if all are zero."""
    if normalization == "max":
        return distances.largest()
    if normalization == "median":
        some = slice(None), slice(None)
        if np.prod(distances.shape, dtype=float) > _MEDIAN_ENTRIES:
            some = tuple(
                content_subsample(X, _MEDIAN_ROWS, 0)
                for X in (distances.source, distances.target)
            )
        median = float(np.median(distances(some[0])[:, some[1]]))
        # Of equal rows rounding leaves distances that are no scale.
        norms = np.median(distances.source_norms) + np.median(distances.target_norms)
        if median > _ROUNDING * norms:
            return median
    blocks = cost_blocks(*distances.shape)
    total = sum(float(distances(rows).sum()) for rows in blocks)
    return total / np.prod(distances.shape, dtype=float) or 1.0
