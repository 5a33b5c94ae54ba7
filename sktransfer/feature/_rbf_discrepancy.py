"""Squared MMD of a Gaussian kernel with its gradient in the rows, in blocks."""

import numpy as np

from sktransfer._kernels import kernel_blocks

__all__ = ["mean_kernel", "rbf_discrepancy"]

_BLOCK_BYTES = 4 * 2**20


def mean_kernel(A, B, gamma):
    """Return the mean of ``exp(-gamma |a - b|^2)`` over all pairs, and its gradient.

    Parameters
    ----------
    A : ndarray of shape (n_a, n_features)
        Rows.
    B : ndarray of shape (n_b, n_features)
        Rows.
    gamma : float
        Width.

    Returns
    -------
    mean : float
        The mean.
    gradient : ndarray of shape (n_a, n_features)
        Its gradient in the rows of A with B held.
    """
    total, gradient = 0.0, np.empty_like(A)
    blocks = kernel_blocks(A, B, kernel="rbf", gamma=gamma, block_bytes=_BLOCK_BYTES)
    for rows, block in blocks:
        sums = block.sum(axis=1)
        total += float(sums.sum())
        gradient[rows] = block @ B - sums[:, None] * A[rows]
    n_pairs = len(A) * len(B)
    gradient *= 2 * gamma / n_pairs
    return total / n_pairs, gradient


def rbf_discrepancy(A, B, gamma):
    """Return the squared MMD between two sets of rows, and its gradients.

    Parameters
    ----------
    A, B : ndarray of shape (n_rows, n_features)
        Rows.
    gamma : float
        Width of the kernel ``exp(-gamma |a - b|^2)``.

    Returns
    -------
    value : float
        Mean within A plus mean within B less twice the mean between.
    gradient_A, gradient_B : ndarray
        Its gradients in the rows.
    """
    within_A, pull_A = mean_kernel(A, A, gamma)
    within_B, pull_B = mean_kernel(B, B, gamma)
    between, cross_A = mean_kernel(A, B, gamma)
    _, cross_B = mean_kernel(B, A, gamma)
    value = within_A + within_B - 2 * between
    return value, 2 * (pull_A - cross_A), 2 * (pull_B - cross_B)
