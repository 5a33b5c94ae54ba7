"""The feasible set 0 <= w <= upper, low <= sum(w) <= high: projections."""

import numpy as np

__all__ = ["check_feasible", "project_box_slab", "projected_gradient_norm"]


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
