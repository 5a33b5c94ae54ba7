"""How far a blend of two models goes from the source's to the target's."""

import numpy as np
from scipy.optimize import brentq

__all__ = ["best_share_of_log_loss", "best_share_of_squares"]

_SMALLEST = np.finfo(np.float64).tiny


def best_share_of_squares(y, target, source, weight):
    r"""Minimise :math:`\sum_i s_i (y_i - \theta t_i - (1 - \theta) q_i)^2` in [0, 1].

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Values.
    target, source : ndarray of shape (n_samples,)
        Predictions t and q of the two models.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.

    Returns
    -------
    float
        The share; 0, the source, where the predictions are the same.
    """
    change = target - source
    curvature = weight @ np.square(change)
    if curvature == 0:
        return 0.0
    return float(np.clip(weight @ (change * (y - source)) / curvature, 0, 1))


def best_share_of_log_loss(target, source, weight):
    r"""Minimise :math:`- \sum_i s_i \log(\theta t_i + (1 - \theta) q_i)` in [0, 1].

    The loss is convex, so the root of its derivative is sought, if there is one.

    Parameters
    ----------
    target, source : ndarray of shape (n_samples,)
        Probabilities t and q that the two models give to the true classes.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.

    Returns
    -------
    float
        The share; 0, the source, where the probabilities are the same.
    """
    # Rows that neither model allows say nothing of the share.
    possible = np.maximum(target, source) > 0
    target, source, weight = target[possible], source[possible], weight[possible]

    def slope(share):
        blend = np.maximum(share * target + (1 - share) * source, _SMALLEST)
        with np.errstate(over="ignore"):
            return -np.sum(weight * ((target - source) / blend))

    if slope(0.0) >= 0:
        return 0.0
    if slope(1.0) <= 0:
        return 1.0
    return float(brentq(slope, 0.0, 1.0, xtol=1e-14, rtol=1e-14))
