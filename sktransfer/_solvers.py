"""A convex quadratic programme over a box and a slab, from kernel products alone.

Minimise 1/2 w' K w - c' w subject to 0 <= w <= upper and low <= sum(w) <= high.

`solve_dense` begins with accelerated projected gradient with restart; where the matrix
itself is at hand and not too large, the exact solution is found from there.
`solve_by_columns` never holds K: most weights are zero at the optimum, so it solves on
a working set of rows, looks at the gradient of all rows, and takes in those that
violate the optimality conditions.
"""

from dataclasses import dataclass

import numpy as np

from sktransfer._active_set import solve_active_set
from sktransfer._box_slab import (
    check_feasible,
    project_box_slab,
    projected_gradient_norm,
)
from sktransfer._interior_point import solve_interior_point

__all__ = [
    "EXACT_ROWS",
    "QPResult",
    "solve_by_columns",
    "solve_dense",
]


# Up to so many rows the exact end is sought, at some factorisations of all of K.
EXACT_ROWS = 3000
# Above, exchanges from a rough start go in circles too often to try them for long.
_PIVOT_ROWS = 700


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


def _scale(linear, trace):
    """Return the norm of c, or a thousandth of what K gives for even weights.

    Where no row of the target is in reach, c is zero, and nothing is near it.
    """
    of_even = 1e-3 * trace / np.sqrt(len(linear))
    return max(float(np.linalg.norm(linear)), float(of_even), 1e-300)


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
    matrix=None,
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
    matrix : ndarray of shape (n, n), default=None
        K itself, positive definite; with it the solution is exact to rounding, up to
        `EXACT_ROWS` rows.

    Returns
    -------
    QPResult
    """
    n = len(linear)
    check_feasible(n, upper, low, high)
    start = np.full(n, 0.5 * (low + high) / n) if start is None else start
    start = project_box_slab(start, upper, low, high)
    iteration = _Accelerated(product, linear, upper, low, high, start)
    scale, n_iter = _scale(linear, trace), 0
    norm = iteration.norm(trace, scale)
    exact = matrix is None or n > EXACT_ROWS
    while (norm > tol or not exact) and n_iter < max_iter:
        for _ in range(min(25, max_iter - n_iter)):
            iteration.step()
            n_iter += 1
        if not exact:
            iteration.restart(_exact(matrix, linear, upper, low, high, iteration.w))
            exact = True
        norm = iteration.norm(trace, scale)
    return QPResult(iteration.w, iteration.objective(), norm, n_iter, norm <= tol)


def _exact(K, linear, upper, low, high, start):
    """Guess the active bounds from `start`, or where that fails, from inside."""
    bounds = (upper, low, high)
    patience = 60 if len(K) <= _PIVOT_ROWS else 8
    w = solve_active_set(K, linear, *bounds, start, max_iter=patience)
    if w is None:
        start = solve_interior_point(K, linear, *bounds, tol=1e-12)
        w = solve_active_set(K, linear, *bounds, start)
        w = start if w is None else w
    return project_box_slab(w, *bounds)


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
    if size > max_rows // 2 or max_rows >= n:
        return None
    working = np.sort(np.argpartition(-linear, size - 1)[:size])
    scale, n_iter, weights = _scale(linear, trace), 0, None
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
            matrix=K,
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
