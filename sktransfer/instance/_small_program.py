"""A convex quadratic programme of few variables, bounded through a matrix.

Minimise 1/2 a' P a - c' a subject to 0 <= G a <= upper and low <= s' a <= high, by a
primal-dual interior point (predictor and corrector after Mehrotra, 1992): one
factorisation of the size of a in each step, however many rows G has.
"""

import numpy as np
from scipy import linalg

__all__ = ["solve_on_simplex", "solve_small_program"]

_BACK_OFF = 0.995


def solve_small_program(
    P, linear, G, upper, total, low, high, *, start, tol=1e-13, max_iter=100
):
    """Solve to rounding, as far as the programme is well-conditioned.

    Parameters
    ----------
    P : ndarray of shape (m, m)
        Positive semi-definite.
    linear : ndarray of shape (m,)
        c.
    G : ndarray of shape (n, m)
        Maps the variables to what is bounded.
    upper : ndarray of shape (n,)
        Upper bounds of G a; the lower ones are zero.
    total : ndarray of shape (m,)
        s.
    low, high : float
        Bounds of s' a; equal: s' a is fixed.
    start : ndarray of shape (m,)
        Where to begin; it need not be feasible.
    tol : float, default=1e-13
        For the complementarity and the residuals, relative to the scale.
    max_iter : int, default=100
        Bound on the factorisations.

    Returns
    -------
    ndarray of shape (m,)
    """
    fixed = high - low <= 1e-12 * max(abs(high), 1.0)
    rows = [G, -G] if fixed else [G, -G, total[None], -total[None]]
    bounds = [upper, np.zeros(len(G))] + ([] if fixed else [[high], [-low]])
    point = _Point(P, linear, np.vstack(rows), np.concatenate(bounds), start)
    point.hold(total if fixed else None, 0.5 * (low + high))
    for _ in range(max_iter):
        if point.is_solved(tol) or not point.step():
            break
    return point.a


class _Point:
    """A primal-dual point of min 1/2 a'Pa - c'a, M a <= d, perhaps s'a = e."""

    def __init__(self, P, linear, M, d, start):
        # In units in which the gradient is about one.
        unit = max(float(np.abs(linear).max()), float(np.abs(P @ start).max()), 1e-300)
        self.P, self.linear, self.M, self.d = P / unit, linear / unit, M, d
        self.a = np.array(start, dtype=np.float64)
        self.width = max(float(np.abs(M @ self.a).max()), 1e-300)
        self.slack = np.maximum(d - M @ self.a, 1e-2 * self.width)
        self.dual = np.full(len(d), 1.0 / self.width)
        self.nu = 0.0

    def hold(self, total, value):
        """Fix s'a where `total`, the vector s, is given."""
        self.total, self.value = total, value
        self._residuals()

    def _residuals(self):
        self.r_dual = self.P @ self.a - self.linear + self.dual @ self.M
        if self.total is not None:
            self.r_dual += self.nu * self.total
            self.r_total = self.total @ self.a - self.value
        self.r_primal = self.M @ self.a + self.slack - self.d
        self.gap = float(self.slack @ self.dual) / len(self.d)

    def is_solved(self, tol):
        off = np.abs(self.r_dual).max()
        outside = np.abs(self.r_primal).max() / self.width
        return self.gap * len(self.d) <= tol * len(self.a) and max(off, outside) <= tol

    def step(self):
        """Move towards the central path; False where rounding allows no more."""
        ratio = self.dual / self.slack
        square = self.P + self.M.T @ (ratio[:, None] * self.M)
        square[np.diag_indices_from(square)] += 1e-15 * np.trace(square) / len(square)
        try:
            factor = linalg.cho_factor(square)
        except (linalg.LinAlgError, ValueError):
            return False
        slack, dual = self.slack, self.dual
        ahead = self._direction(factor, -slack * dual)
        reach = [_longest(slack, ahead[1]), _longest(dual, ahead[2])]
        after = (slack + reach[0] * ahead[1]) @ (dual + reach[1] * ahead[2])
        centre = (after / len(slack) / max(self.gap, 1e-300)) ** 3 * self.gap
        goal = centre - slack * dual - ahead[1] * ahead[2]
        moves = self._direction(factor, goal)
        length = _BACK_OFF * min(_longest(slack, moves[1]), _longest(dual, moves[2]))
        self.a = self.a + length * moves[0]
        self.slack = slack + length * moves[1]
        self.dual = dual + length * moves[2]
        self.nu += length * moves[3]
        self._residuals()
        return bool(length > 1e-10 and np.isfinite(self.gap))

    def _direction(self, factor, goal):
        """Return the Newton moves of variables, slacks and multipliers."""
        push = (goal + self.dual * self.r_primal) / self.slack
        move = linalg.cho_solve(factor, -self.r_dual - push @ self.M)
        nu = 0.0
        if self.total is not None:
            along = linalg.cho_solve(factor, self.total)
            nu = (self.total @ move + self.r_total) / (self.total @ along)
            move -= nu * along
        slack = -self.r_primal - self.M @ move
        return move, slack, (goal - self.dual * slack) / self.slack, nu


def _longest(values, change):
    falling = change < 0
    if not falling.any():
        return 1.0
    return min(1.0, float((-values[falling] / change[falling]).min()))


def solve_on_simplex(P, linear, upper=None, *, low=1.0, high=1.0):
    """Minimise 1/2 q' P q - c' q over q >= 0, q <= upper, low <= sum(q) <= high.

    Parameters
    ----------
    P : ndarray of shape (n_programmes, m, m) or (m, m)
        Positive definite.
    linear : ndarray of shape (n_programmes, m)
        c, one for each programme.
    upper : ndarray of shape (m,), default=None
        Upper bounds; None: there are none.
    low, high : float
        Bounds of the sum.

    Returns
    -------
    ndarray of shape (n_programmes, m)
        Solutions, all of them within the bounds to rounding.
    """
    n, m = linear.shape
    upper = np.full(m, 2.0 * high + 1.0) if upper is None else upper
    P = np.broadcast_to(P, (n, m, m))
    found = np.full((n, m), np.nan) if high > low else _with_sum(P, linear, low)
    outside = ~((found >= 0) & (found <= upper)).all(axis=1)
    start = np.full(m, 0.5 * (low + high) / m)
    box = np.eye(m), upper, np.ones(m)
    for k in np.flatnonzero(outside):
        found[k] = solve_small_program(P[k], linear[k], *box, low, high, start=start)
    return np.clip(found, 0, upper)


def _with_sum(P, linear, total):
    """Return the minima with the sum held and no bounds, NaN where there is none."""
    n, m = linear.shape
    system = np.ones((n, m + 1, m + 1))
    system[:, :m, :m], system[:, m, m] = P, 0.0
    right = np.concatenate([linear, np.full((n, 1), total)], axis=1)
    try:
        return np.linalg.solve(system, right[:, :, None])[:, :m, 0]
    except np.linalg.LinAlgError:
        return np.full((n, m), np.nan)
