"""Calibration of scores by one temperature."""

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

__all__ = ["calibration_temperature"]

_LOWEST, _HIGHEST = 0.05, 20.0


def calibration_temperature(scores, y, sample_weight=None):
    """Return the temperature at which softmax probabilities fit held-out labels best.

    Parameters
    ----------
    scores : ndarray of shape (n_samples, n_classes)
        Scores before the softmax, of rows that were not learned from.
    y : ndarray of shape (n_samples,)
        Codes of their classes, columns of `scores`.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.

    Returns
    -------
    float
        What to divide the scores by: the minimiser of the log loss between 0.05 and
        20. Beyond that the labels are predicted without fault, or not at all.
    """
    scores = np.asarray(scores, dtype=np.float64)
    rows = np.arange(len(y))

    def log_loss(log_temperature):
        fitted = log_softmax(scores / np.exp(log_temperature), axis=1)
        return -np.average(fitted[rows, y], weights=sample_weight)

    bounds = np.log(_LOWEST), np.log(_HIGHEST)
    found = minimize_scalar(
        log_loss, bounds=bounds, method="bounded", options={"xatol": 1e-6}
    )
    return float(np.exp(found.x))
