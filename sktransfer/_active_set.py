"""The exact end of a convex quadratic programme over a box and a slab.

Minimise 1/2 w' K w - c' w subject to 0 <= w <= upper and low <= sum(w) <= high, with K
positive definite: then the solution is unique. Guess which weights are free and which
are at a bound, solve for the free ones, exchange those that contradict the guess, and
repeat (block principal pivoting; Júdice and Pires, 1994).
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

__all__ = ["solve_active_set"]

_PATIENCE = 5


@dataclass
class _Guess:
    """Which weights are free, which at the upper bound, and which sum is held."""

    free: np.ndarray
    at_upper: np.ndarray
    total: float | None


def solve_active_set(K, linear, upper, low, high, start, *, max_iter=60):
    """Solve from the active bounds of `start`.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Positive definite.
    linear : ndarray of shape (n,)
        c.
    upper, low, high : float
        Box and slab.
    start : ndarray of shape (n,)
        A feasible point; the closer its active bounds are to those of the solution,
        the fewer steps.
    max_iter : int, default=60
        Bound on the exchanges.

    Returns
    -------
    ndarray of shape (n,) or None
        The solution to rounding; None if the exchanges did not come to an end.
    """
    slack, margin = _margins(K, linear, high)
    guess = _guess_from(start, upper, low, high, margin)
    fewest, patience = np.inf, _PATIENCE
    for _ in range(max_iter):
        if guess.total is not None and not guess.free.any():
            return None
        try:
            w, gradient, theta = _stationary_point(K, linear, upper, guess)
        except linalg.LinAlgError:
            return None
        rows, wrong = _contradictions(w, gradient, upper, guess, slack)
        new_total = _next_total(w.sum(), theta, guess.total, low, high, margin)
        changed = new_total != guess.total
        n_wrong = len(rows) + changed
        if not n_wrong:
            return np.clip(w, 0, upper)
        if n_wrong < fewest:
            fewest, patience = n_wrong, _PATIENCE
        else:
            patience -= 1
        if patience < 0:
            # All exchanges at once go in circles: only the worst one then.
            changed = changed and not len(rows)
            rows = rows[np.argsort(-wrong, kind="stable")[:1]]
        guess = _exchanged(guess, rows, w, upper, new_total if changed else guess.total)
    return None


def _margins(K, linear, high):
    """Return how far a gradient and a sum may be off by rounding."""
    largest = float(np.abs(linear).max() + np.trace(K) / len(K) * high / len(K))
    return 1e-12 * largest, 1e-12 * max(high, 1.0)


def _guess_from(w, upper, low, high, margin):
    total = low if w.sum() <= low + margin else None
    total = high if total is None and w.sum() >= high - margin else total
    return _Guess((w > 0) & (w < upper), w >= upper, total)


def _stationary_point(K, linear, upper, guess):
    """Return the weights, the gradient and the multiplier of the sum for a guess."""
    free = np.flatnonzero(guess.free)
    w = np.where(guess.at_upper, upper, 0.0)
    theta = 0.0
    if len(free):
        rest = linear[free] - (K @ w)[free]
        factor = linalg.cho_factor(K[np.ix_(free, free)], lower=True, overwrite_a=True)
        right = np.stack([rest, np.ones(len(free))], axis=1)
        values, ones = linalg.cho_solve(factor, right, overwrite_b=True).T
        if guess.total is not None:
            theta = (values.sum() + w.sum() - guess.total) / ones.sum()
            values -= theta * ones
        w[free] = values
    gradient = K @ w - linear
    return w, gradient + theta, theta


def _contradictions(w, gradient, upper, guess, slack):
    """Return the rows on the wrong side of the guess, and how far.

    Free weights must lie within the box; the gradient must push those at zero down and
    those at the upper bound up. Both are measured in units of their kind.
    """
    below = np.where(guess.free, np.maximum(-w, w - upper), -np.inf)
    outside = np.maximum(below, 0) / max(float(np.abs(w).max()), 1e-300)
    pull = np.where(guess.at_upper, gradient, -gradient)
    pull = np.where(guess.free, 0.0, np.maximum(pull - slack, 0))
    wrong = outside + pull / max(float(np.abs(gradient).max()), 1e-300)
    rows = np.flatnonzero(wrong > 0)
    return rows, wrong[rows]


def _next_total(total, theta, held, low, high, margin):
    """Return the sum to hold next: release one held the wrong way, hold one passed."""
    if held is not None:
        pushes_in = theta <= 0 if held == low else theta >= 0
        return held if pushes_in or low == high else None
    if total < low - margin:
        return low
    return high if total > high + margin else None


def _exchanged(guess, rows, w, upper, total):
    free, at_upper = guess.free.copy(), guess.at_upper.copy()
    leaving = rows[guess.free[rows]]
    free[rows] = ~guess.free[rows]
    at_upper[rows] = False
    at_upper[leaving] = w[leaving] > 0.5 * upper
    return _Guess(free, at_upper, total)
