"""Landmarks: source rows whose mean embedding is that of the target.

A quadratic program over a product of scaled simplices, one for each class.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

__all__ = ["landmark_weights", "project_simplex"]


def project_simplex(v, mass=1.0):
    """Return the point of {b >= 0, sum b = mass} nearest to `v`, by one sort."""
    descending = np.sort(v)[::-1]
    excess = np.cumsum(descending) - mass
    # The largest number of coordinates that stay positive together.
    counts = np.arange(1, len(v) + 1)
    n_positive = np.flatnonzero(descending * counts > excess)[-1] + 1
    return np.maximum(v - excess[n_positive - 1] / n_positive, 0)


def _project_groups(v, groups, masses):
    projected = np.empty_like(v)
    for rows, mass in zip(groups, masses, strict=True):
        projected[rows] = project_simplex(v[rows], mass)
    return projected


def _times(K, b):
    # Most weights are soon zero; the kernel is symmetric, and its rows lie together.
    positive = np.flatnonzero(b)
    return b[positive] @ K[positive] if 4 * len(positive) < len(b) else K @ b


def _gap(b, gradient, groups, masses):
    """How far the objective is at most above its minimum: the Frank-Wolfe gap."""
    lowest = [
        mass * gradient[rows].min() for rows, mass in zip(groups, masses, strict=True)
    ]
    return gradient @ b - np.sum(lowest)


def landmark_weights(K, kappa, classes=None, *, tol=1e-5, max_iter=20000):
    """Minimise b'Kb / 2 - kappa'b over b >= 0 with the classes' shares kept.

    Each class holds the total weight n_class / n, so that the whole sums to one.
    Accelerated projected gradient with restart. It stops when the objective is
    certainly within ``tol * mean(diag K)`` of the minimum.

    Parameters
    ----------
    K : ndarray of shape (n, n)
        Kernel matrix of the source rows, symmetric.
    kappa : ndarray of shape (n,)
        Mean kernel value of each source row with the target rows.
    classes : ndarray of shape (n,), default=None
        Classes whose shares are kept; None: the whole sums to one.
    tol : float, default=1e-5
        Gap at which to stop, relative to the mean of the diagonal of K.
    max_iter : int, default=20000
        Steps after which to stop with a ConvergenceWarning.

    Returns
    -------
    ndarray of shape (n,)
    """
    n = len(kappa)
    classes = np.zeros(n, dtype=int) if classes is None else classes
    groups = [np.flatnonzero(classes == c) for c in np.unique(classes)]
    masses = [len(rows) / n for rows in groups]
    # Two bounds of the largest eigenvalue: the first is sharp for kernels near rank
    # one, the second for kernels near the identity.
    bound = min(np.linalg.norm(K), np.abs(K).sum(axis=1).max())
    small = tol * np.trace(K) / n
    b = np.full(n, 1 / n)
    K_b = K @ b
    ahead, K_ahead, momentum = b, K_b, 1.0
    for _ in range(max_iter):
        if _gap(b, K_b - kappa, groups, masses) <= small:
            return b
        step = (K_ahead - kappa) / bound
        new = _project_groups(ahead - step, groups, masses)
        K_new = _times(K, new)
        if (ahead - new) @ (new - b) > 0:
            # The momentum points uphill (O'Donoghue and Candes 2015).
            momentum, ahead, K_ahead = 1.0, new, K_new
        else:
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            share = (momentum - 1) / following
            ahead, K_ahead = new + share * (new - b), K_new + share * (K_new - K_b)
            momentum = following
        b, K_b = new, K_new
    gap = _gap(b, K_b - kappa, groups, masses)
    warnings.warn(
        f"The weights of the landmarks did not converge in {max_iter} steps: the "
        f"objective is within {gap:.1e} of its minimum, asked for was {small:.1e}. "
        "Scale the features or choose a narrower kernel.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return b
