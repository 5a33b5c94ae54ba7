"""Regularised learning under label shifts: a shift is believed as far as it is sure."""

import numpy as np
from scipy.optimize import brentq, nnls

__all__ = ["regularized_ratios", "uncertainty_of_confusion"]

_CONFIDENCE = 0.05
_SHARE = 0.01
_FAR = 30.0


def uncertainty_of_confusion(n_samples, n_classes):
    """Return the authors' weight of the penalty.

    It is a hundredth of three times their bound on the error of the joint confusion
    matrix, which holds with probability 0.95.

    Parameters
    ----------
    n_samples : int
        Number of source rows behind the confusion matrix.
    n_classes : int
        Number of classes.

    Returns
    -------
    float
    """
    doubt = np.log(2 * n_classes / _CONFIDENCE) / n_samples
    return float(_SHARE * 3 * (2 * doubt / 3 + np.sqrt(2 * doubt)))


def regularized_ratios(joint, predicted, penalty):
    """Minimise |C theta - b| + penalty |theta| over theta >= -1; return 1 + theta.

    Neither norm is squared. The minimum is that of a ridge regression whose weight mu
    satisfies mu |theta| = penalty |C theta - b|; mu is found as a root.

    Parameters
    ----------
    joint : ndarray of shape (n_classes, n_classes)
        C: the share of source rows with prediction i and class j.
    predicted : ndarray of shape (n_classes,)
        Mean predictions of the target; b is the difference to those of the source.
    penalty : float
        Weight of the second norm.

    Returns
    -------
    ndarray of shape (n_classes,)
        Estimated ratios of the target's class shares to the source's.
    """
    b = predicted - joint.sum(axis=1)
    size = float(np.linalg.norm(joint, 2))
    if np.linalg.norm(joint.T @ b) <= penalty * np.linalg.norm(b) or size == 0:
        return np.ones(len(b))
    ridge = _Ridge(joint, b)

    def excess(log_mu):
        mu = np.exp(log_mu)
        theta = ridge.solve(mu)
        residual = np.linalg.norm(joint @ theta - b)
        return mu * np.linalg.norm(theta) - penalty * residual

    low = 2 * np.log(size) - _FAR
    high = 2 * np.log(size) + _FAR
    if penalty == 0 or excess(low) >= 0:
        return 1.0 + ridge.solve(np.exp(low))
    if excess(high) <= 0:
        return 1.0 + ridge.solve(np.exp(high))
    root = brentq(excess, low, high, xtol=1e-12)
    return 1.0 + ridge.solve(np.exp(root))


class _Ridge:
    """Ridge regression over theta >= -1, for many weights of the penalty."""

    def __init__(self, C, b):
        self.C, self.b = C, b
        self.U, self.values, self.Vt = np.linalg.svd(C)

    def solve(self, mu):
        shrunk = self.values / (np.square(self.values) + mu)
        theta = self.Vt.T @ (shrunk * (self.U.T @ self.b))
        if theta.min() >= -1:
            return theta
        n = len(theta)
        stacked = np.vstack([self.C, np.sqrt(mu) * np.eye(n)])
        goal = np.r_[self.b + self.C.sum(axis=1), np.full(n, np.sqrt(mu))]
        return nnls(stacked, goal)[0] - 1.0
