"""A scale and an offset for each column that bring the domains together (MMD)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from sktransfer.feature._rbf_discrepancy import mean_kernel

__all__ = [
    "LocationScaleProblem",
    "column_spread",
    "match_moments",
    "solve_location_scale",
]


def match_moments(X_source, X_target):
    """Return the scale and the offset that match means and standard deviations.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    scale, offset : ndarray of shape (n_features,)
        For ``X_source * scale + offset``. Columns that are constant in one of the
        domains have scale one.
    """
    (m_source, s_source), (m_target, s_target) = _moments(X_source), _moments(X_target)
    varies = (s_source > 0) & (s_target > 0)
    scale = np.where(varies, s_target / np.where(varies, s_source, 1.0), 1.0)
    return scale, m_target - scale * m_source


def column_spread(X_source, X_target):
    """Return the deviation of the target, else of the source, else one, by column."""
    (_, s_source), (_, s_target) = _moments(X_source), _moments(X_target)
    spread = np.where(s_target > 0, s_target, s_source)
    return np.where(spread > 0, spread, 1.0)


def _moments(X):
    """Mean and standard deviation; exactly zero where a column is constant."""
    mean = X.mean(axis=0, dtype=np.float64)
    deviation = np.sqrt(np.square(X - mean).mean(axis=0, dtype=np.float64))
    return mean, np.where(np.ptp(X, axis=0) > 0, deviation, 0.0)


@dataclass(frozen=True)
class LocationScaleProblem:
    """Squared MMD after the map, plus a penalty on how far rows are moved.

    The parameters are the logarithms of the scales, then the moves of the means in
    units of each column's spread over both domains.

    Attributes
    ----------
    centred : ndarray of shape (n_source, n_features)
        Source rows less their mean, divided by `unit`.
    target : ndarray of shape (n_target, n_features)
        Target rows less the mean of the source, divided by `unit`.
    unit : ndarray of shape (n_features,)
        The spread.
    gamma : float
        Width of the kernel on the rows as they are.
    regularization : float
        Weight of the penalty.
    free : ndarray of shape (n_features,), bool
        Columns whose scale may change.
    within_target : float
        Mean kernel value of two target rows.
    """

    centred: np.ndarray
    target: np.ndarray
    unit: np.ndarray
    gamma: float
    regularization: float
    free: np.ndarray
    within_target: float

    @classmethod
    def from_rows(cls, X_source, X_target, gamma, regularization):
        """Return the problem for explicit rows."""
        (mean, spread), (goal, goal_spread) = _moments(X_source), _moments(X_target)
        unit = np.sqrt(0.5 * (spread**2 + goal_spread**2) + 0.25 * (mean - goal) ** 2)
        unit = np.where(unit > 0, unit, 1.0)
        within = mean_kernel(X_target, X_target, gamma)[0]
        free = (spread > 0) & (goal_spread > 0)
        centred, target = (X_source - mean) / unit, (X_target - mean) / unit
        return cls(centred, target, unit, gamma, regularization, free, within)

    def parameters(self, scale, offset, centre):
        """Return the parameters of a map; `centre` is the mean of the source rows."""
        scale = np.where(self.free, scale, 1.0)
        return np.r_[np.log(scale), ((scale - 1) * centre + offset) / self.unit]

    def map_of(self, parameters, centre):
        """Return the scale and the offset of parameters."""
        log_scale, move = np.split(parameters, 2)
        scale = np.exp(log_scale)
        return scale, move * self.unit - (scale - 1) * centre

    def discrepancy(self, parameters):
        """Return the squared MMD and its gradient."""
        log_scale, move = np.split(parameters, 2)
        scaled = self.centred * np.exp(log_scale)
        mapped = (scaled + move) * self.unit
        within, pull = mean_kernel(mapped, mapped, self.gamma)
        between, cross = mean_kernel(mapped, self.target * self.unit, self.gamma)
        rows = 2 * (pull - cross) * self.unit
        gradient = np.r_[(rows * scaled).sum(axis=0) * self.free, rows.sum(axis=0)]
        return max(within + self.within_target - 2 * between, 0.0), gradient

    def penalty(self, parameters):
        """Return the mean squared move of an entry, in units, and its gradient."""
        log_scale, move = np.split(parameters, 2)
        scale = np.exp(log_scale)
        variance = np.square(self.centred).mean(axis=0)
        moves = (scale - 1) ** 2 * variance + move**2
        gradient = np.r_[(scale - 1) * scale * variance * self.free, move]
        return moves.mean(), 2 * gradient / len(move)

    def objective(self, parameters):
        """Return the sum of both and its gradient."""
        value, gradient = self.discrepancy(parameters)
        penalty, slope = self.penalty(parameters)
        return (
            value + self.regularization * penalty,
            gradient + self.regularization * slope,
        )


def solve_location_scale(problem, start, *, max_iter=100, tol=1e-6):
    """Minimise by L-BFGS from the better of `start` and the identity.

    Parameters
    ----------
    problem : LocationScaleProblem
        What is minimised.
    start : ndarray of shape (2 * n_features,)
        Parameters to begin with.
    max_iter : int, default=100
        Bound on the iterations.
    tol : float, default=1e-6
        For the largest entry of the gradient.

    Returns
    -------
    parameters : ndarray of shape (2 * n_features,)
        Of an objective that is neither above that of `start` nor that of the identity.
    n_iter : int
        Number of iterations.
    """
    begin = min(
        (start, np.zeros_like(start)), key=lambda p: float(problem.objective(p)[0])
    )
    found = minimize(
        problem.objective,
        begin,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": max_iter, "gtol": tol, "ftol": 1e-12},
    )
    better = np.isfinite(found.fun) and found.fun <= problem.objective(begin)[0]
    return (found.x if better else begin), int(found.nit)
