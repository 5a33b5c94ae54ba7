"""Tasks with few common directions, or few common features: proximal gradients."""

import warnings

import numpy as np
from scipy.linalg import svd
from sklearn.exceptions import ConvergenceWarning

__all__ = ["GroupSparse", "LowRank", "proximal_tasks"]


class LowRank:
    """Trace norm: the sum of the singular values.

    All methods take the coefficients of all tasks and outputs, one a row.
    """

    @staticmethod
    def value(matrix):
        """Return the norm."""
        return np.linalg.svd(matrix, compute_uv=False).sum()

    @staticmethod
    def dual(matrix):
        """Return the dual norm: the largest singular value."""
        return np.linalg.norm(matrix, ord=2)

    @staticmethod
    def shrink(matrix, amount):
        """Take `amount` off the singular values, down to zero."""
        left, size, right = svd(matrix, full_matrices=False, check_finite=False)
        kept = size > amount
        return (left[:, kept] * (size[kept] - amount)) @ right[kept]


class GroupSparse:
    """Sum over the features of the norm of their coefficients in all tasks.

    All methods take the coefficients of all tasks and outputs, one a row.
    """

    @staticmethod
    def value(matrix):
        """Return the norm."""
        return np.linalg.norm(matrix, axis=0).sum()

    @staticmethod
    def dual(matrix):
        """Return the dual norm: the largest norm of a column."""
        return np.linalg.norm(matrix, axis=0).max(initial=0.0)

    @staticmethod
    def shrink(matrix, amount):
        """Take `amount` off the norms of the columns, down to zero."""
        size = np.linalg.norm(matrix, axis=0)
        left = np.maximum(size - amount, 0)
        return matrix * np.divide(left, size, out=np.zeros_like(size), where=size > 0)


def proximal_tasks(losses, penalty, alpha, curvature, *, tol, max_iter):
    r"""Minimise the losses of all tasks plus `alpha` times a norm of the coefficients.

    Accelerated proximal gradient; the acceleration starts anew whenever it points
    uphill. The levels are not penalised.

    Parameters
    ----------
    losses : TaskLosses
        The losses.
    penalty : LowRank or GroupSparse
        The norm.
    alpha : float
        Its weight, > 0.
    curvature : float
        Bound on the second derivative of one row's loss.
    tol : float
        For the proximal gradient, in units of the gradient at zero coefficients.
    max_iter : int
        Bound on the steps.

    Returns
    -------
    coef : ndarray of shape (n_tasks, n_outputs, n_features)
    level : ndarray of shape (n_tasks, n_outputs)
    n_iter : int
    """
    n_rows = losses.shape[0] * losses.shape[1]
    curvatures = np.array([task.largest_curvature() for task in losses.tasks])
    totals = np.array([task.weight.sum() for task in losses.tasks])
    lipschitz = curvature * curvatures.max()
    coef, level = np.zeros(losses.shape), losses.start_levels()
    if lipschitz <= 1e-12 * totals.max():
        return coef, level, 1  # the rows of each task are all equal
    # In this unit the levels of the largest task curve as much as the coefficients.
    squared_unit = curvatures.max() / totals.max()

    def stepped(coef, level):
        by_coef, by_level, _ = losses.gradient(coef, level)
        moved = (coef - by_coef / lipschitz).reshape(n_rows, -1)
        new = penalty.shrink(moved, alpha / lipschitz).reshape(coef.shape)
        return new, level - squared_unit * by_level / lipschitz

    by_coef, by_level, _ = losses.gradient(coef, level)
    scale = penalty.dual(by_coef.reshape(n_rows, -1))
    scale = max(scale, np.abs(by_level).max() * np.sqrt(squared_unit), alpha * 1e-3)
    ahead, ahead_level, momentum = coef, level, 1.0
    n_iter, norm = 0, np.inf
    while norm > tol * scale and n_iter < max_iter:
        n_iter += 1
        new, new_level = stepped(ahead, ahead_level)
        move, move_level = new - ahead, (new_level - ahead_level) / squared_unit
        norm = lipschitz * max(
            np.abs(move).max(), np.abs(move_level).max() * np.sqrt(squared_unit)
        )
        uphill = np.vdot(move, new - coef) + np.vdot(move_level, new_level - level) < 0
        following = 0.5 * (1 + np.sqrt(1 + 4 * momentum**2))
        share = (momentum - 1) / following
        if uphill:
            following, share = 1.0, 0.0
        ahead, ahead_level = (
            new + share * (new - coef),
            new_level + share * (new_level - level),
        )
        coef, level, momentum = new, new_level, following
    if norm > tol * scale:
        warnings.warn(
            f"The coefficients did not converge in max_iter={max_iter} steps: the "
            f"gradient is {norm / scale:.1e} of what it was. Scale the features, or "
            "raise max_iter or alpha.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return coef, level, n_iter
