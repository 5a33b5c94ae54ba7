"""A convex quadratic programme over a box and a slab, from kernel products alone.

Minimise 1/2 w' K w - c' w subject to 0 <= w <= upper and low <= sum(w) <= high.

`solve_dense` works on a matrix: accelerated projected gradient with restart finds the
active bounds, Newton steps on the free weights finish. `solve_by_columns` never holds
K: most weights are zero at the optimum, so it solves on a working set of rows, looks at
the gradient of all rows, and takes in those that violate the optimality conditions.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

__all__ = [
    "QPResult",
    "check_feasible",
    "project_box_slab",
    "projected_gradient_norm",
    "solve_by_columns",
    "solve_dense",
]

_NEWTON_LIMIT = 3000


@dataclass(frozen=True)
class QPResult:
    """Solution and certificate.

    The weights lie within the box exactly and within the slab to rounding; `norm` is
    the projected-gradient norm reached, `n_iter` the number of products with K or with
    the matrix of the working set.
    """

    weights: np.ndarray
    objective: float
    norm: float
    n_iter: int
    converged: bool


def check_feasible(n, upper, low, high):
    """Raise if the box and the slab have no point in common."""
    if low > high or n * upper < low or high < 0:
        raise ValueError(
            f"There are no {n} weights between 0 and {upper:g} whose sum is between "
            f"{low:g} and {high:g}."
        )


def project_box_slab(v, upper, low, high):
    """Return the point of the box and the slab that is closest to `v`.

    It is ``clip(v - theta, 0, upper)``, with theta zero or the root of a falling
    piecewise linear function; Newton's method on it ends after a few steps, and
    bisection guards them.
    """
    w = np.clip(v, 0, upper)
    total = w.sum()
    if low <= total <= high:
        return w
    goal = low if total < low else high
    left, right = v.min() - upper, v.max()
    theta = 0.0
    for _ in range(100):
        gap = total - goal
        if abs(gap) <= 1e-14 * max(goal, 1.0):
            break
        left, right = (theta, right) if gap > 0 else (left, theta)
        n_free = np.count_nonzero((w > 0) & (w < upper))
        step = theta + gap / n_free if n_free else np.inf
        step = step if left < step < right else 0.5 * (left + right)
        if step == theta:
            break
        theta = step
        w = np.clip(v - theta, 0, upper)
        total = w.sum()
    return w


def projected_gradient_norm(w, gradient, trace, scale, upper, low, high):
    """Norm of the gradient as far as it can be followed, free of the scale of K.

    ``t |w - P(w - g / t)| / scale`` with t the trace of K, which bounds its largest
    eigenvalue; zero just at the optimum. `scale` is the norm of c.
    """
    trace = trace if trace > 0 else 1.0
    moved = project_box_slab(w - gradient / trace, upper, low, high)
    return float(trace * np.linalg.norm(w - moved) / scale)


def _scale(linear):
    return max(float(np.linalg.norm(linear)), np.finfo(float).tiny)


def _largest_eigenvalue(product, start, n_steps=12):
    """Estimate from below; the line search of the caller corrects it."""
    v, value = start / max(np.linalg.norm(start), 1e-300), 1e-300
    for _ in range(n_steps):
        v = product(v)
        value = float(np.linalg.norm(v))
        if value < 1e-300:
            return 1e-300
        v = v / value
    return value


class _Accelerated:
    """Accelerated projected gradient with restart; one product with K a step."""

    def __init__(self, product, linear, upper, low, high, start):
        self.product, self.linear, self.bounds = product, linear, (upper, low, high)
        self.lipschitz = _largest_eigenvalue(product, np.abs(linear) + 1e-300)
        self.restart(start)

    def restart(self, w):
        self.w, self.Kw = w, self.product(w)
        self.z, self.Kz, self.t = self.w, self.Kw, 1.0

    def step(self):
        while True:
            v = self.z - (self.Kz - self.linear) / self.lipschitz
            w = project_box_slab(v, *self.bounds)
            Kw = self.product(w)
            move = w - self.z
            # Exact curvature along the move: the estimate may have been too small.
            if move @ (Kw - self.Kz) <= self.lipschitz * (move @ move) * (1 + 1e-9):
                break
            self.lipschitz *= 1.3
        if move @ (w - self.w) < 0:
            self.z, self.Kz, self.t = w, Kw, 1.0
        else:
            t = 0.5 * (1 + np.sqrt(1 + 4 * self.t**2))
            momentum = (self.t - 1) / t
            self.z = w + momentum * (w - self.w)
            self.Kz = Kw + momentum * (Kw - self.Kw)
            self.t = t
        self.w, self.Kw = w, Kw

    def norm(self, trace, scale):
        gradient = self.Kw - self.linear
        return projected_gradient_norm(self.w, gradient, trace, scale, *self.bounds)

    def objective(self):
        return float(0.5 * (self.w @ self.Kw) - self.linear @ self.w)


def solve_dense(
    product,
    linear,
    trace,
    upper,
    low,
    high,
    *,
    start=None,
    tol=1e-6,
    max_iter=5000,
    block=None,
):
    """Solve from products with K.

    Parameters
    ----------
    product : callable
        v -> K v.
    linear : ndarray of shape (n,)
        c.
    trace : float
        Trace of K.
    upper, low, high : float
        Box and slab.
    start : ndarray of shape (n,), default=None
        Where to begin; None: equal weights.
    tol : float, default=1e-6
        For the projected-gradient norm.
    max_iter : int, default=5000
        Bound on the products.
    block : callable, default=None
        rows -> K among these rows; with it Newton steps on the free weights are made.

    Returns
    -------
    QPResult
    """
    n = len(linear)
    check_feasible(n, upper, low, high)
    start = np.full(n, 0.5 * (low + high) / n) if start is None else start
    start = project_box_slab(start, upper, low, high)
    iteration = _Accelerated(product, linear, upper, low, high, start)
    scale, n_iter = _scale(linear), 0
    norm = iteration.norm(trace, scale)
    while norm > tol and n_iter < max_iter:
        for _ in range(min(25, max_iter - n_iter)):
            iteration.step()
            n_iter += 1
        norm = iteration.norm(trace, scale)
        if block is not None and norm > tol:
            better = _newton(iteration, block, upper, low, high)
            if better is not None:
                iteration.restart(better)
                n_iter += 1
                norm = iteration.norm(trace, scale)
    return QPResult(iteration.w, iteration.objective(), norm, n_iter, norm <= tol)


def _newton(iteration, block, upper, low, high):
    """Minimise over the free weights, those at a bound held; None if it cannot."""
    w = iteration.w
    free = np.flatnonzero((w > 0) & (w < upper))
    if not 0 < len(free) <= _NEWTON_LIMIT:
        return None
    K, values = block(free), w[free]
    rest = w.sum() - values.sum()
    gradient = (iteration.Kw - iteration.linear)[free]
    open_ = np.ones(len(free), dtype=bool)
    total_gain = 0.0
    for _ in range(10):
        bounds = (upper, low - rest, high - rest)
        moves = _newton_moves(K, gradient, open_, values.sum(), bounds)
        change, gain = _best_step(K, gradient, values, moves, bounds)
        if not gain < 0:
            break
        values = values + change
        gradient = gradient + K @ change
        total_gain += gain
        still_open = open_ & (values > 0) & (values < upper)
        if still_open.sum() == open_.sum() or not still_open.any():
            break
        open_ = still_open
    if not total_gain < 0:
        return None
    better = w.copy()
    better[free] = values
    return project_box_slab(better, upper, low, high)


_DAMPINGS = (1e-10, 1e-7, 1e-5, 1e-3, 1e-1)


def _newton_moves(K, gradient, open_, total, bounds):
    """Yield steps to the minimum over the open weights, ever more damped.

    Rows that are nearly alike make K singular, and the plain step wild; the damping
    also picks the even split among rows that are equal. The sum is held if it is at a
    bound that the step would leave.
    """
    size = int(open_.sum())
    square = K[np.ix_(open_, open_)]
    unit = max(float(np.trace(square)) / size, 1e-300)
    at_low = total <= bounds[1] * (1 + 1e-12)
    at_high = total >= bounds[2] * (1 - 1e-12)
    for damping in _DAMPINGS:
        damped = square.copy()
        damped[np.diag_indices(size)] += damping * unit
        try:
            factor = linalg.cho_factor(damped, lower=True, overwrite_a=True)
        except linalg.LinAlgError:
            continue
        step = -linalg.cho_solve(factor, gradient[open_])
        if (at_low and step.sum() < 0) or (at_high and step.sum() > 0):
            ones = linalg.cho_solve(factor, np.ones(size))
            step -= ones * (step.sum() / ones.sum())
        move = np.zeros(len(open_))
        move[open_] = step
        yield move


def _best_step(K, gradient, values, moves, bounds):
    """Return the change that lowers the objective most, and by how much.

    Of each move, the projected step and the step to the first bound are tried; the
    first move that stays inside is the minimum.
    """
    best = None, 0.0
    for move in moves:
        length, improved = _longest(values, move, *bounds), False
        candidates = [project_box_slab(values + move, *bounds)]
        if length < 1.0:
            candidates.append(np.clip(values + length * move, 0, bounds[0]))
        for candidate in candidates:
            change = candidate - values
            gain = float(change @ gradient + 0.5 * (change @ (K @ change)))
            if gain < best[1]:
                best, improved = (change, gain), True
        if best[0] is not None and (length == 1.0 or not improved):
            break
    return best


def _longest(values, move, upper, low, high):
    """Longest step up to one that stays within the bounds."""
    with np.errstate(divide="ignore", invalid="ignore"):
        room = np.where(move < 0, -values / move, (upper - values) / move)
    room[move == 0] = np.inf
    total, change = values.sum(), move.sum()
    slab = np.inf
    if abs(change) > 1e-12 * max(abs(total), 1.0):
        slab = ((high if change > 0 else low) - total) / change
    return min(1.0, float(room.min()), max(slab, 0.0))


def solve_by_columns(
    columns,
    block,
    linear,
    trace,
    upper,
    low,
    high,
    *,
    tol=1e-6,
    max_iter=5000,
    max_rows=3000,
):
    """Solve on a working set of rows that grows until all rows agree.

    Parameters
    ----------
    columns : callable
        (rows, values) -> K[:, rows] @ values.
    block : callable
        rows -> K among these rows.
    linear : ndarray of shape (n,)
        c.
    trace : float
        Trace of K.
    upper, low, high : float
        The box and the slab.
    tol : float, default=1e-6
        For the projected-gradient norm over all rows.
    max_iter, max_rows : int
        Bounds on products and on the working set; None is returned beyond.

    Returns
    -------
    QPResult or None
    """
    n = len(linear)
    check_feasible(n, upper, low, high)
    batch = max(64, min(256, n // 20))
    size = max(batch, int(np.ceil(1.5 * low / upper)))
    if size > max_rows or max_rows >= n:
        return None
    working = np.sort(np.argpartition(-linear, size - 1)[:size])
    scale, n_iter, weights = _scale(linear), 0, None
    while True:
        K = block(working)
        start = None if weights is None else weights[working]
        inner = solve_dense(
            K.__matmul__,
            linear[working],
            trace,
            upper,
            low,
            high,
            start=start,
            tol=0.1 * tol,
            max_iter=max_iter - n_iter,
            block=lambda rows, K=K: K[np.ix_(rows, rows)],
        )
        n_iter += inner.n_iter
        weights = np.zeros(n)
        weights[working] = inner.weights
        support = working[inner.weights > 0]
        Kw = columns(support, weights[support])
        gradient = Kw - linear
        norm = projected_gradient_norm(
            weights, gradient, trace, scale, upper, low, high
        )
        if norm <= tol or n_iter >= max_iter:
            break
        working = _enlarged(working, weights, gradient, trace, batch, upper, low, high)
        if working is None or len(working) > max_rows:
            return None
    objective = float(0.5 * (weights @ Kw) - linear @ weights)
    return QPResult(weights, objective, norm, n_iter, norm <= tol)


def _enlarged(working, weights, gradient, trace, batch, upper, low, high):
    """Take in the rows that would gain most weight in a projected-gradient step."""
    moved = project_box_slab(weights - gradient / trace, upper, low, high)
    gain = moved - weights
    gain[working] = 0
    wanting = np.flatnonzero(gain > 0)
    if not len(wanting):
        return None
    best = wanting[np.argsort(-gain[wanting], kind="stable")[:batch]]
    # Rows at zero that nothing pulls up have done their service.
    idle = (weights[working] == 0) & (moved[working] == 0)
    kept = working[~idle] if len(working) > 4 * batch else working
    return np.sort(np.r_[kept, best])
