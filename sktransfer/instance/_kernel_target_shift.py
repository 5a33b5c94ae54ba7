"""Target shift of classes: the mixture of the classes' means that is the target's.

The means are those in the space of a kernel, so that only the mean kernel values
between classes, and between classes and the target, are needed.
"""

import numpy as np

from sktransfer.instance._small_program import solve_on_simplex

__all__ = ["fit_mixture"]

_RIDGE = 1e-9


def fit_mixture(between, with_target, source_prior, *, upper_bound, eps):
    """Minimise |sum_c q_c mu_c - mu_target|^2 over class shares q.

    Parameters
    ----------
    between : ndarray of shape (n_programmes, n_classes, n_classes)
        Mean kernel values between classes.
    with_target : ndarray of shape (n_programmes, n_classes)
        Mean kernel values between classes and the target.
    source_prior : ndarray of shape (n_classes,)
        Class shares of the source.
    upper_bound : float
        No share is more than so many times that of the source.
    eps : float
        The shares sum to 1 - eps at least and 1 + eps at most.

    Returns
    -------
    ndarray of shape (n_programmes, n_classes)
        Shares, scaled to sum one. Where the classes cannot be told apart, they are
        close to the source's.
    """
    between = 0.5 * (between + np.swapaxes(between, 1, 2))
    values, vectors = np.linalg.eigh(between)
    # Means over pairs of different rows, and resampled ones, may be indefinite.
    values = np.maximum(values, 0) + _RIDGE * np.maximum(values[:, -1:], 1e-300)
    ridge = _RIDGE * np.maximum(values[:, -1:], 1e-300)
    between = (vectors * values[:, None, :]) @ np.swapaxes(vectors, 1, 2)
    linear = with_target + ridge * source_prior
    shares = solve_on_simplex(
        between, linear, upper_bound * source_prior, low=1 - eps, high=1 + eps
    )
    return shares / shares.sum(axis=1, keepdims=True)
