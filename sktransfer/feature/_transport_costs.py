"""Costs of transport on a scale that does not depend on the scale of the rows."""

import numpy as np

from sktransfer.joint._joint_transport import SquaredDistances
from sktransfer.joint._priced_transport import cost_blocks

__all__ = ["ConflictCosts", "RowScale", "contrast", "reduced_costs"]


class RowScale:
    """A common origin and scale of both domains, so that no cost over- or underflows.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
        Source rows.
    X_target : ndarray of shape (n_target, n_features)
        Target rows.
    together : bool
        Whether the source's mean is moved onto the target's. A plan with fixed sums
        does not change by that, but keeps its digits where the domains lie far apart.
    """

    def __init__(self, X_source, X_target, *, together):
        zero = np.zeros(X_target.shape[1])
        self._source_origin = self._target_origin = zero
        self._unit = float(max(np.abs(X).max() for X in (X_source, X_target))) or 1.0
        target_mean = self.of_target(X_target).mean(axis=0)
        source_mean = self.of_source(X_source).mean(axis=0) if together else target_mean
        self._source_origin, self._target_origin = source_mean, target_mean
        squares = np.square(self.of_source(X_source)).sum()
        squares += np.square(self.of_target(X_target)).sum()
        spread = float(np.sqrt(squares / (len(X_source) + len(X_target))))
        # What rounding leaves of equal rows is no scale.
        spread = spread if spread > 1e-14 else 1.0
        self._unit *= spread
        self._source_origin = source_mean / spread
        self._target_origin = target_mean / spread

    def of_source(self, X):
        """Return source rows at the common origin and scale, float64."""
        return X / np.float64(self._unit) - self._source_origin

    def of_target(self, X):
        """Return target rows at the common origin and scale, float64."""
        return X / np.float64(self._unit) - self._target_origin

    def to_target(self, X):
        """Return rows at the common origin and scale as target rows."""
        return (X + self._target_origin) * self._unit


class ConflictCosts(SquaredDistances):
    """Squared distances, and a penalty where both rows have labels that differ.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
        Source rows.
    X_target : ndarray of shape (n_target, n_features)
        Target rows.
    y_source : ndarray of shape (n_source,)
        Class numbers, -1 for none.
    y_target : ndarray of shape (n_target,)
        Class numbers, -1 for none.
    """

    def __init__(self, X_source, X_target, y_source, y_target):
        super().__init__(X_source, X_target)
        self.y_source, self.y_target = y_source, y_target
        self.labeled = np.flatnonzero(y_target >= 0)
        self.penalty = 0.0

    def keep_apart(self, blur):
        """Set the penalty such that rows of other classes meet only if they must.

        Parameters
        ----------
        blur : float
            Weight of an entropy, in units of the costs; 0: the plan is exact.
        """
        if len(self.labeled) and (self.y_source >= 0).any():
            # Two exact plans differ by cycles, which visit each row once at the most.
            longest = 1 + min(self.shape) if blur == 0 else 1
            self.penalty = longest * self.largest() + 20 * blur

    def conflicts(self, rows):
        """Return the mask of some source rows against the labelled target rows."""
        own = self.y_source[rows, None]
        return (own >= 0) & (own != self.y_target[self.labeled])

    def __call__(self, rows):
        """Return the costs of some source rows."""
        block = super().__call__(rows)
        if self.penalty and len(self.labeled):
            block[:, self.labeled] += self.penalty * self.conflicts(rows)
        return block


def contrast(source, target):
    """Return the standard deviation of the costs, row and column means taken out.

    Nothing but these deviations from the means decides a plan with fixed sums.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_features)
        Source rows.
    target : ndarray of shape (n_target, n_features)
        Target rows.

    Returns
    -------
    float
        That of the squared distances; 1 where it is zero.
    """
    source, target = source - source.mean(axis=0), target - target.mean(axis=0)
    squares = sum(
        float(np.square(source[rows] @ target.T).sum())
        for rows in cost_blocks(len(source), len(target))
    )
    deviation = 2 * np.sqrt(squares / (len(source) * len(target)))
    return float(deviation) if deviation > 1e-12 else 1.0


def reduced_costs(costs):
    """Subtract the least cost of each row, and then of each column.

    A plan with fixed sums is the same. Every row and column has a zero now, so that no
    row of ``exp(-costs)`` vanishes.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs.

    Returns
    -------
    reduced : ndarray of shape (n_source, n_target)
        The rest, >= 0.
    by_column : ndarray of shape (n_target,)
        What was subtracted of each column.
    """
    reduced = costs - costs.min(axis=1, keepdims=True)
    by_column = reduced.min(axis=0)
    reduced -= by_column
    return reduced, by_column
