"""KLIEP: the ratio of densities by the likelihood of the target rows."""

from dataclasses import dataclass

import numpy as np

from sktransfer.instance._centre_kernels import Centres
from sktransfer.instance._mean_log import maximize_mean_log
from sktransfer.instance._source_sums import log_sum

__all__ = ["KLIEPRatio", "fit_kliep"]

_ROWS = 500
_FAR = 500.0


@dataclass(frozen=True)
class KLIEPRatio:
    """Log of a sum of Gaussian kernels, and what is known of the fit.

    Attributes
    ----------
    centres : Centres
        Centres that have weight.
    log_coefficients : ndarray of shape (n_centres,)
        Logarithms of their coefficients.
    gamma : float
        Width of the kernel.
    score : float
        Mean log ratio of held-out target rows; -inf where none was held out.
    objective : float
        Mean log ratio of the target rows of fit.
    gap : float
        How far below the optimum the objective is at most.
    n_iter : int
        Steps of the solver.
    """

    centres: Centres
    log_coefficients: np.ndarray
    gamma: float
    score: float
    objective: float
    gap: float
    n_iter: int

    def __call__(self, X):
        """Return the log ratio of each row of X."""
        log_ratio = np.empty(X.shape[0])
        largest = self.log_coefficients.max()
        coefficients = np.exp(self.log_coefficients - largest)
        for rows, logs in self.centres.blocks(X, -self.gamma):
            if logs.min() > -_FAR:
                kernels = np.exp(logs, out=logs)
                log_ratio[rows] = np.log(kernels @ coefficients) + largest
            else:
                log_ratio[rows] = log_sum(logs + self.log_coefficients, axis=1)
        return log_ratio


def fit_kliep(distances, weights, centres, gamma, log_means, *, start, score, **params):
    """Maximise the mean log ratio of the target rows.

    Parameters
    ----------
    distances : ndarray of shape (n_rows, n_centres)
        Squared distances of the target rows to the centres; overwritten.
    weights : ndarray of shape (n_rows,)
        Shares of the rows, of sum one.
    centres : Centres
        Centres.
    gamma : float
        Width of the kernel.
    log_means : ndarray of shape (n_centres,)
        Logs of the kernels' means over the source rows.
    start : ndarray of shape (n_centres,) or None
        For the solver: the optimum for some of the rows.
    score : float
        Kept in the result.
    **params
        `tol` and `max_iter` of the solver.

    Returns
    -------
    KLIEPRatio
    """
    taken = _to_columns(distances, gamma, log_means)
    found = maximize_mean_log(distances, weights, start=start, **params)
    used = np.flatnonzero(found.coefficients)
    return KLIEPRatio(
        centres.keep(used),
        np.log(found.coefficients[used]) - log_means[used],
        float(gamma),
        float(score),
        found.objective + float(weights @ taken),
        found.gap,
        found.n_iter,
    )


def _to_columns(distances, gamma, log_means):
    """Make distances kernels of source mean one, in place.

    Returns the log that was taken from each row, so that none is too far.
    """
    taken = np.zeros(len(distances))
    for start in range(0, len(distances), _ROWS):
        logs = distances[start : start + _ROWS]
        logs *= -gamma
        logs -= log_means
        if logs.min() < -_FAR or logs.max() > _FAR:
            taken[start : start + _ROWS] = logs.max(axis=1)
            logs -= logs.max(axis=1, keepdims=True)
        np.exp(logs, out=logs)
    return taken
