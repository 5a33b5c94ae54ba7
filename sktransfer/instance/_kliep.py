"""KLIEP: the ratio of densities by the likelihood of the target rows."""

from dataclasses import dataclass

import numpy as np

from sktransfer.instance._centre_kernels import Centres
from sktransfer.instance._mean_log import maximize_mean_log

__all__ = ["KLIEPRatio", "cross_validate_gamma", "fit_kliep", "log_source_sums"]

_CV_TOL = 3e-3
_BEHIND = 3.0


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
        for rows, distances in self.centres.blocks(X):
            distances *= -self.gamma
            distances += self.log_coefficients
            log_ratio[rows] = _log_sum(distances)
        return log_ratio


def _log_sum(logs):
    """Return the log of the sum of exponentials of each row, in place."""
    largest = logs.max(axis=1)
    logs -= largest[:, None]
    return np.log(np.exp(logs, out=logs).sum(axis=1)) + largest


def log_source_sums(source, centres, gammas, folds):
    """Return the log of each kernel's weighted sum over the source rows of each fold.

    Parameters
    ----------
    source : WeightedRows
        Source rows.
    centres : Centres
        Centres.
    gammas : ndarray of shape (n_gammas,)
        Widths of the kernel.
    folds : ndarray of shape (n_rows,), int
        Fold of each source row, from 0, none empty.

    Returns
    -------
    ndarray of shape (n_folds, n_gammas, n_centres)
        Finite however far the source rows are: sums are relative to the nearest row.
    """
    parts = [source.take(folds == fold) for fold in range(folds.max() + 1)]
    return np.stack([_log_sums(part, centres, gammas) for part in parts])


def _log_sums(source, centres, gammas):
    nearest = np.full(len(centres), np.inf)
    sums = np.zeros((len(gammas), len(centres)))
    for rows, distances in centres.blocks(source):
        nearer = np.minimum(nearest, distances.min(axis=0))
        sums *= np.exp(-gammas[:, None] * (nearest - nearer))
        nearest = nearer
        distances -= nearest
        for k, kernels in enumerate(_kernels_by_width(distances, gammas)):
            sums[k] += source.weights[rows] @ kernels
    return np.log(sums) - gammas[:, None] * nearest


def _kernels_by_width(distances, gammas):
    """Yield the kernels of each width, ascending ones, in one array."""
    kernels = np.empty_like(distances)
    before = 0.0
    for gamma in gammas:
        if before and abs(gamma / before - 4) < 1e-12:
            # The fourth power of the last ones costs less than exponentials.
            np.square(kernels, out=kernels)
            np.square(kernels, out=kernels)
        else:
            np.exp(np.multiply(distances, -gamma, out=kernels), out=kernels)
        before = gamma
        yield kernels


def _columns(logs, log_means):
    """Return kernels of source mean one, and the log that was taken from each row."""
    logs = logs - log_means
    largest = logs.max(axis=1)
    logs -= largest[:, None]
    return np.exp(logs, out=logs), largest


def fit_kliep(target, centres, gamma, log_means, *, score=-np.inf, tol, max_iter):
    """Maximise the mean log ratio of the target rows.

    Parameters
    ----------
    target : WeightedRows
        Target rows.
    centres : Centres
        Centres.
    gamma : float
        Width of the kernel.
    log_means : ndarray of shape (n_centres,)
        Logs of the kernels' means over the source rows.
    score : float, default=-inf
        Kept in the result.
    tol, max_iter : float, int
        For the solver.

    Returns
    -------
    KLIEPRatio
    """
    distances = np.empty((len(target), len(centres)))
    for rows, block in centres.blocks(target.X):
        distances[rows] = block
    distances *= -gamma
    columns, taken = _columns(distances, log_means)
    del distances
    found = maximize_mean_log(columns, target.weights, tol=tol, max_iter=max_iter)
    used = found.coefficients > 0
    return KLIEPRatio(
        centres.keep(used),
        np.log(found.coefficients[used]) - log_means[used],
        float(gamma),
        float(score),
        found.objective + float(target.weights @ taken),
        found.gap,
        found.n_iter,
    )


def cross_validate_gamma(target, centres, gammas, folds, log_sums, shares):
    """Return for each width the mean log ratio of target rows, both domains held out.

    Parameters
    ----------
    target : WeightedRows
        Target rows.
    centres : Centres
        Centres.
    gammas : ndarray of shape (n_gammas,)
        Widths of the kernel.
    folds : ndarray of shape (n_rows,), int
        Fold of each target row, two folds at least.
    log_sums : ndarray of shape (n_folds, n_gammas, n_centres)
        Logs of the kernels' sums over the source rows of each fold.
    shares : ndarray of shape (n_folds,)
        Share of the source rows in each fold.

    Returns
    -------
    ndarray of shape (n_gammas,)
        The ratio is scaled to mean one on the source rows that are held out; -inf where
        a target row is beyond the reach of the kernels that have weight, and for widths
        given up after some of the folds: by the rows of these they are clearly worse.
    """
    distances = centres.squared_distances(target.X)
    values = np.full((len(gammas), len(target)), -np.inf)
    left, starts = np.arange(len(gammas)), [None] * len(gammas)
    for fold in range(len(log_sums)):
        out, seen = folds == fold, folds <= fold
        for k in left:
            kept_sums = _log_sum(np.delete(log_sums[:, k], fold, axis=0).T)
            columns, taken = _columns(-gammas[k] * distances, kept_sums)
            b = _fold_optimum(columns[~out], target.weights[~out], starts[k])
            with np.errstate(divide="ignore"):
                values[k, out] = np.log(columns[out] @ b) + taken[out]
            sums_out = log_sums[fold, k] - np.log(shares[fold])
            values[k, out] -= _log_mix(b, sums_out - kept_sums)
            starts[k] = b
        left = left[_in_the_race(values[left][:, seen], target.weights[seen])]
    scores = np.full(len(gammas), -np.inf)
    scores[left] = values[left] @ target.weights / target.weights.sum()
    return scores


def _fold_optimum(columns, weights, start):
    weights = weights / weights.sum()
    return maximize_mean_log(columns, weights, start=start, tol=_CV_TOL).coefficients


def _log_mix(coefficients, logs):
    """Return the log of a mixture of the exponentials of logs."""
    used = coefficients > 0
    return _log_sum((np.log(coefficients[used]) + logs[used])[None])[0]


def _in_the_race(values, weights):
    """Whether each row's mean is not clearly below the best one's, paired."""
    weights = weights / weights.sum()
    means = values @ weights
    best = np.argmax(means)
    if not np.isfinite(means[best]):
        return np.ones(len(values), dtype=bool)
    finite = np.isfinite(means)
    behind = np.where(finite[:, None], values[best] - values, 0.0)
    spread = (behind - (behind @ weights)[:, None]) ** 2 @ weights**2
    return finite & (behind @ weights <= _BEHIND * np.sqrt(spread))
