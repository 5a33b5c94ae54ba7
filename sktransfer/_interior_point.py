"""A convex quadratic programme over a box and a slab by a primal-dual interior point.

Minimise 1/2 w' K w - c' w subject to 0 <= w <= upper and low <= sum(w) <= high. Sure
where K is nearly singular, at about twenty factorisations of an n x n matrix. Predictor
and corrector after Mehrotra (1992).
"""

import numpy as np
from scipy import linalg

__all__ = ["solve_interior_point"]

_BACK_OFF = 0.995


def solve_interior_point(K, linear, upper, low, high, *, tol=1e-13, max_iter=60):
    """Solve to a duality gap of `tol` of the objective's scale.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Positive semi-definite.
    linear : ndarray of shape (n,)
        c.
    upper, low, high : float
        Box and slab; they must have more than one point in common.
    tol : float, default=1e-13
        For the mean product of a slack and its multiplier.
    max_iter : int, default=60
        Bound on the factorisations.

    Returns
    -------
    ndarray of shape (n,)
        Weights; those that the multipliers hold at a bound are at it.
    """
    n = len(linear)
    fixed_sum = high - low <= 1e-12 * max(high, 1.0)
    total = 0.5 * (low + min(high, n * upper))
    w = np.full(n, min(max(total / n, 1e-3 * upper), (1 - 1e-3) * upper))
    if fixed_sum:
        w = np.full(n, total / n)
    force = float(np.abs(linear).mean() + np.trace(K) / n * w.mean())
    if force == 0:
        return w
    # Slacks: w, upper - w, sum - low, high - sum; one multiplier each.
    sides = np.full(2 * n + 2, force)
    sides[2 * n :] *= not fixed_sum
    for _ in range(max_iter):
        slacks = _slacks(w, upper, low, high)
        n_sides = 2 * n if fixed_sum else 2 * n + 2
        gap = float(slacks[:n_sides] @ sides[:n_sides]) / n_sides
        residual = K @ w - linear - sides[:n] + sides[n : 2 * n]
        residual += sides[-1] - sides[-2]
        off = residual - residual.mean() if fixed_sum else residual
        if gap <= tol * force * w.mean() and np.abs(off).max() <= 1e-11 * force:
            break
        if fixed_sum:
            slacks[2 * n :] = 1.0
        solve = _newton_system(K, slacks, sides, n, fixed_sum)
        if solve is None:
            break
        # Predictor: how far could the gap be closed at once?
        move = solve(-residual, np.zeros(len(slacks)))
        change = _changes(move, slacks, sides, np.zeros(len(slacks)))
        first = _longest(slacks, change[0])
        second = _longest(sides, change[1])
        ahead = (slacks + first * change[0]) * (sides + second * change[1])
        centre = (float(ahead[:n_sides].sum()) / n_sides / max(gap, 1e-300)) ** 3 * gap
        # Corrector: aims at the central path, with the predictor's curvature.
        goal = centre - change[0] * change[1]
        if fixed_sum:
            goal[2 * n :] = 0.0
        move = solve(-residual, goal)
        change = _changes(move, slacks, sides, goal)
        room = min(_longest(slacks, change[0]), _longest(sides, change[1]))
        length = _BACK_OFF * room
        w = w + length * move
        sides = sides + length * change[1]
    # At a bound is what pushes against it harder than it keeps away.
    slacks, unit = _slacks(w, upper, low, high), w.mean() / force
    snapped = np.where(slacks[:n] < sides[:n] * unit, 0.0, w)
    snapped[slacks[n : 2 * n] < sides[n : 2 * n] * unit] = upper
    return snapped


def _slacks(w, upper, low, high):
    total = w.sum()
    slacks = np.r_[w, upper - w, total - low, high - total]
    return np.maximum(slacks, 1e-16 * np.r_[np.full(2 * len(w), upper), high, high])


def _newton_system(K, slacks, sides, n, fixed_sum):
    """Return a solver of the Newton equations, or None where K is too singular."""
    ratio = sides / slacks
    square = K.copy()
    square[np.diag_indices(n)] += ratio[:n] + ratio[n : 2 * n]
    try:
        factor = linalg.cho_factor(square, lower=True, overwrite_a=True)
    except linalg.LinAlgError:
        return None
    ones = linalg.cho_solve(factor, np.ones(n))
    stiffness = ratio[-1] + ratio[-2]

    def solve(rhs, goal):
        pull = goal / slacks - sides
        rhs = rhs + pull[:n] - pull[n : 2 * n] + pull[-2] - pull[-1]
        move = linalg.cho_solve(factor, rhs)
        if fixed_sum:
            return move - ones * (move.sum() / ones.sum())
        return move - ones * (stiffness * move.sum() / (1 + stiffness * ones.sum()))

    return solve


def _changes(move, slacks, sides, goal):
    """Return how slacks and multipliers change when the weights move."""
    total = move.sum()
    slack_moves = np.r_[move, -move, total, -total]
    return slack_moves, (goal - sides * slack_moves) / slacks - sides


def _longest(values, change):
    falling = change < 0
    if not falling.any():
        return 1.0
    return min(1.0, float((-values[falling] / change[falling]).min()))
