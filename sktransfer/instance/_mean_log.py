"""The convex programme of KLIEP: the mixture of given columns with the best mean log.

Maximise f(b) = sum_j w_j log (A b)_j over b >= 0 with sum(b) = 1, for A >= 0 and
shares w. The sum need not be held: where f(b) - sum(b) is largest over b >= 0, it is
one (Kim, Carbonetto, Stephens and Anitescu, 2020). Each step solves the quadratic model
of that exactly (sequential quadratic programming) and goes there as far as f ascends.
Its matrix is in single precision: the gradient, which is not, says where to stop. With
g = A' (w / A b) the optimum is at most log(max(g)) above f(b): that is the gap.
"""

from dataclasses import dataclass

import numpy as np

from sktransfer.instance._nonnegative_program import solve_nonnegative
from sktransfer.instance._simplex_steps import solve_from_few

__all__ = ["MeanLogResult", "maximize_mean_log"]

_EM_STEPS = 12
_EM_RATE = 0.9
_MIXED_IN = 0.1
_LEAST_RATIO = 0.1
_MOST_PULL, _LEAST_PULL = 1e-4, 1e-6
_BLOCK_BYTES = 2**20


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
        About the optimum, to begin there. None: equal shares, and EM steps from there.
    tol : float, default=1e-8
        Largest distance of the objective from the optimum.
    max_iter : int, default=200
        Bound on the steps.

    Returns
    -------
    MeanLogResult
    """
    b = np.full(A.shape[1], 1.0 / A.shape[1]) if start is None else start
    mixture = A @ b
    far = start is not None and _gap(_pull(A, weights, mixture)) > 1
    if far:
        # A row without a column in use would have no bound on its pull.
        b = (1 - _MIXED_IN) * b + _MIXED_IN / len(b)
    if far or start is None:
        b, mixture = _em_steps(A, weights, b, tol)
    root, likely, used, n_iter = np.sqrt(weights), None, np.zeros(len(b), bool), 0
    while True:
        gradient = _pull(A, weights, mixture)
        gap, free = _gap(gradient), (b > 0) | (gradient > 1)
        if gap <= tol or n_iter >= max_iter:
            break
        if np.any(free & ~used) or 2 * np.count_nonzero(free) < np.count_nonzero(used):
            used, unit = free, mixture
            columns = _columns(A, used, unit)
        if likely is None:
            likely = gradient > 1 if b.min() > 0 else b > 0
        part = columns if free[used].all() else columns[free[used]]
        H = _curvature(part, root * unit / mixture)
        goal = np.zeros_like(b)
        goal[free] = _model_optimum(H, gradient[free], b[free], likely[free], gap)
        likely = goal > 0
        moved = _ascend(A, weights, b, mixture, gradient, goal / goal.sum())
        if moved is None:
            # Towards the best column alone f ascends wherever there is a gap.
            goal = (np.arange(len(b)) == np.argmax(gradient)).astype(np.float64)
            moved = _ascend(A, weights, b, mixture, gradient, goal)
        if moved is None:
            break
        b, mixture = moved
        n_iter += 1
    return MeanLogResult(b, float(weights @ np.log(mixture)), gap, n_iter)


def _columns(A, used, unit):
    """Return columns of A as rows, in units of the mixture: none is too small."""
    columns = A.T if used.all() else A.T[used]
    out = np.empty(columns.shape, dtype=np.float32)
    return np.divide(columns, unit, out=out, casting="same_kind")


def _gap(gradient):
    return float(np.log(max(gradient.max(), 1.0)))


def _pull(A, weights, mixture):
    return A.T @ (weights / np.maximum(mixture, np.finfo(np.float64).tiny))


def _em_steps(A, weights, b, tol):
    """Ascend by EM, in cheap steps, as long as it comes on."""
    before, mixture = np.inf, A @ b
    for _ in range(_EM_STEPS):
        gradient = _pull(A, weights, mixture)
        gap = _gap(gradient)
        if gap <= tol or gap > _EM_RATE * before:
            break
        before = gap
        b = b * gradient
        b /= b.sum()
        mixture = A @ b
    return b, mixture


def _ascend(A, weights, b, mixture, gradient, goal):
    """Halve the way to the goal until f ascends by enough."""
    move = goal - b
    change = (A @ move) / mixture
    slope = float(gradient @ move)
    for length in 0.5 ** np.arange(40):
        ratio = 1 + length * change
        if ratio.min() < _LEAST_RATIO:
            continue
        if weights @ np.log(ratio) >= max(1e-4 * length * slope, 1e-300):
            b = b + length * move
            b[b < 1e-15] = 0
            total = b.sum()
            return b / total, mixture * (ratio / total)
    return None


def _curvature(columns, scale):
    """Return the products of columns, their rows scaled."""
    H, scale = np.zeros((len(columns), len(columns))), scale.astype(columns.dtype)
    step = max(64, _BLOCK_BYTES // (columns.itemsize * len(columns)))
    for start in range(0, len(scale), step):
        rows = slice(start, start + step)
        block = columns[:, rows] * scale[rows]
        H += block @ block.T
    return H


def _model_optimum(H, gradient, b, likely, gap):
    """Minimise 1/2 (y - b)'H(y - b) - (g - 1)'y over y >= 0, with a slight pull to b.

    The nearer the optimum the slighter, so that it costs no step.
    """
    diagonal = np.einsum("ii->i", H)
    pull = min(max(0.01 * gap, _LEAST_PULL), _MOST_PULL)
    diagonal += pull * (diagonal + 1e-3 * diagonal.max())
    linear = H @ b + gradient
    goal, solved = solve_nonnegative(H, linear - 1, likely)
    # On the simplex the model's optimum is another one, of use as well.
    return goal if solved and goal.any() else solve_from_few(H, linear)
