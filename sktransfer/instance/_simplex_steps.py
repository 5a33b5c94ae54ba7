"""A convex quadratic programme on the simplex whose solution rests on few columns.

Minimise 1/2 y'Hy - c'y subject to y >= 0 and sum(y) = 1, taking up one column at a
time (Lawson and Hanson, 1974): only the columns in use are factorised, so a nearly
singular H does no harm.
"""

import numpy as np
from scipy import linalg

__all__ = ["solve_from_few"]


def solve_from_few(H, linear, *, max_iter=500):
    """Solve to rounding.

    Parameters
    ----------
    H : ndarray of shape (n, n)
        Positive semi-definite.
    linear : ndarray of shape (n,)
        c.
    max_iter : int, default=500
        Bound on the columns taken up.

    Returns
    -------
    ndarray of shape (n,)
    """
    taken = [int(np.argmin(0.5 * np.diag(H) - linear))]
    y = np.zeros(len(linear))
    y[taken] = 1.0
    for _ in range(max_iter):
        gain = linear - H @ y
        gain -= gain @ y
        best = int(np.argmax(gain))
        if gain[best] <= 1e-13 * np.abs(linear).max() or best in taken:
            break
        try:
            y = _descend_within(H, linear, y, [*taken, best])
        except linalg.LinAlgError:
            break
        taken = np.flatnonzero(y).tolist()
    return y


def _descend_within(H, linear, y, taken):
    """Minimise over the taken columns, leaving those behind that come to zero."""
    while True:
        goal = _stationary_point(H[np.ix_(taken, taken)], linear[taken])
        falling = goal <= 0
        if not falling.any():
            y = np.zeros_like(y)
            y[taken] = goal
            return y
        here = y[taken]
        reach = here[falling] / (here[falling] - goal[falling])
        here = np.maximum(here + reach.min() * (goal - here), 0)
        here[np.flatnonzero(falling)[reach <= reach.min()]] = 0
        y = np.zeros_like(y)
        y[taken] = here
        taken = [column for column in taken if y[column] > 0]


def _stationary_point(H, linear):
    """Minimise with the sum held at one and no bounds."""
    factor = linalg.cho_factor(H, lower=True, overwrite_a=True)
    right = np.stack([linear, np.ones(len(linear))], axis=1)
    values, ones = linalg.cho_solve(factor, right).T
    return values - (values.sum() - 1) / ones.sum() * ones
