"""The convex programme of KLIEP: the mixture of given columns with the best mean log.

Maximise f(b) = sum_j w_j log (A b)_j over b >= 0 with sum(b) = 1, for A >= 0 and
shares w. Each step solves the quadratic model of f on the simplex exactly (sequential
quadratic programming) and goes there as far as f ascends. With g = A' (w / A b) the
optimum is at most log(max(g)) above f(b): that is the gap.
"""

from dataclasses import dataclass

import numpy as np

from sktransfer._active_set import solve_active_set
from sktransfer.instance._simplex_steps import solve_from_few

__all__ = ["MeanLogResult", "maximize_mean_log"]

_EM_STEPS = 30
_MIXED_IN = 0.1
_UNLIKELY = 1e-2
_EXCHANGES = 8
_PULL = 1e-9
_BLOCK_BYTES = 2**22


@dataclass(frozen=True)
class MeanLogResult:
    """A point of the simplex, its value, and how far below the optimum it may be."""

    coefficients: np.ndarray
    objective: float
    gap: float
    n_iter: int


def maximize_mean_log(A, weights, *, start=None, tol=1e-8, max_iter=200):
    """Maximise the weighted mean of log(A b) over the simplex.

    Parameters
    ----------
    A : ndarray of shape (n_rows, n_columns)
        Values >= 0, in each row one above zero.
    weights : ndarray of shape (n_rows,)
        Shares of the rows, of sum one.
    start : ndarray of shape (n_columns,), default=None
        The optimum of a similar programme, to begin there. None: equal shares.
    tol : float, default=1e-8
        Largest distance of the objective from the optimum.
    max_iter : int, default=200
        Bound on the steps.

    Returns
    -------
    MeanLogResult
    """
    b = np.full(A.shape[1], 1.0 / A.shape[1])
    if start is not None:
        if _gap(A.T @ _pull(A @ start, weights)) <= tol:
            b = start
        else:
            b = (1 - _MIXED_IN) * start + _MIXED_IN * b
    b, mixture = _em_steps(A, weights, b, tol)
    # The columns that the optimum rests on, as far as they are known.
    likely = b > _UNLIKELY * b.max() if start is None else start > 0
    for n_iter in range(max_iter + 1):
        gradient = A.T @ (weights / mixture)
        gap = _gap(gradient)
        if gap <= tol or n_iter == max_iter:
            break
        moved, likely = _step(A, weights, b, mixture, gradient, likely)
        if moved is None:
            break
        b, mixture = moved
    return MeanLogResult(b, float(weights @ np.log(mixture)), gap, n_iter)


def _gap(gradient):
    return float(np.log(max(gradient.max(), 1.0)))


def _pull(mixture, weights):
    return weights / np.maximum(mixture, 1e-300)


def _em_steps(A, weights, b, tol):
    """Ascend by EM, in cheap steps, as long as it comes on."""
    mixture, before = A @ b, np.inf
    for _ in range(_EM_STEPS):
        gradient = A.T @ (weights / mixture)
        gap = _gap(gradient)
        if gap <= tol or gap > 0.9 * before:
            break
        before = gap
        b = b * gradient
        b /= b.sum()
        mixture = A @ b
    return b, mixture


def _step(A, weights, b, mixture, gradient, likely):
    """Return the next point and its mixture, and the columns that its model rests on.

    The point is None where rounding allows no ascent.
    """
    free = np.flatnonzero((b > 0) | (gradient > 1))
    H = _curvature(A, free, np.sqrt(weights) / mixture)
    goal = np.zeros_like(b)
    goal[free] = _model_optimum(H, 2 * gradient[free], b[free], likely[free])
    likely = goal > 0
    moved = _ascend(A, weights, b, mixture, gradient, goal / goal.sum())
    if moved is not None:
        return moved, likely
    # Towards the best column alone f ascends wherever there is a gap.
    goal = (np.arange(len(b)) == np.argmax(gradient)).astype(np.float64)
    return _ascend(A, weights, b, mixture, gradient, goal), likely


def _ascend(A, weights, b, mixture, gradient, goal):
    """Halve the way to the goal until f ascends by enough."""
    move = goal - b
    change, slope = (A @ move) / mixture, float(gradient @ move)
    for length in 0.5 ** np.arange(40):
        ratio = 1 + length * change
        if ratio.min() <= 0:
            continue
        if weights @ np.log(ratio) >= max(1e-4 * length * slope, 1e-300):
            b = b + length * move
            b[b < 1e-15] = 0
            b /= b.sum()
            return b, A @ b
    return None


def _curvature(A, columns, scale):
    """Return B'B with B the columns of A, their rows scaled, without making B."""
    whole = len(columns) == A.shape[1]
    H = np.zeros((len(columns), len(columns)))
    step = max(64, _BLOCK_BYTES // (8 * len(columns)))
    for start in range(0, len(A), step):
        rows = slice(start, start + step)
        block = A[rows] if whole else A[rows][:, columns]
        block = block * scale[rows, None]
        H += block.T @ block
    return H


def _model_optimum(H, linear, b, likely):
    """Minimise 1/2 y'Hy - linear'y over the simplex, with a slight pull to b."""
    diagonal = np.diag_indices_from(H)
    pull = _PULL * (H[diagonal] + 1e-3 * H[diagonal].max())
    H[diagonal] += pull
    linear = linear + pull * b
    start = np.where(likely, b, 0.0) if np.any(b[likely]) else b
    start = start / start.sum()
    goal = solve_active_set(H, linear, 2.0, 1.0, 1.0, start, max_iter=_EXCHANGES)
    return solve_from_few(H, linear) if goal is None else goal
