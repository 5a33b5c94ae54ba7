"""The width of KLIEP's kernels by the likelihood of held-out rows."""

from dataclasses import dataclass

import numpy as np

from sktransfer.instance._left_out_programs import LeftOutPrograms
from sktransfer.instance._mean_log import maximize_mean_log
from sktransfer.instance._outward_search import search_outwards
from sktransfer.instance._source_sums import log_sum

__all__ = ["SearchRows", "Trial", "choose_gamma", "try_gamma"]

_TOL = 3e-3
_MOST_STEPS = 100
_STEPS_TO_LOOK = 4
_BEHIND = 3.0
_LEAST_KEPT = -20.0
_LEAST_SHARE = 1e-2


@dataclass(frozen=True)
class SearchRows:
    """Target rows that widths are tried on, and what is the same for all widths.

    Attributes
    ----------
    unit : float
        A width: it times distances is what is kept of them.
    relative : ndarray of shape (n_centres, n_rows), float32
        Squared distances to the centres, less that to the nearest one.
    nearest : ndarray of shape (n_rows,)
        Squared distance to the nearest centre.
    weights : ndarray of shape (n_rows,)
        Shares of the rows.
    folds : ndarray of shape (n_rows,), int
        Fold of each row.
    kept : ndarray of shape (n_folds, n_rows), float32
        Shares of the rows among those that each fold keeps.
    """

    unit: float
    relative: np.ndarray
    nearest: np.ndarray
    weights: np.ndarray
    folds: np.ndarray
    kept: np.ndarray

    @classmethod
    def of(cls, distances, unit, weights, folds, n_folds):
        """Make it from squared distances in that unit, and shares on any scale."""
        nearest = distances.min(axis=1)
        # From the nearest centre on single precision is enough.
        relative = np.empty(distances.shape[::-1], dtype=np.float32)
        with np.errstate(over="ignore"):
            np.subtract(distances.T, nearest, out=relative, casting="same_kind")
        kept = weights * (np.arange(n_folds)[:, None] != folds)
        kept = (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)
        return cls(unit, relative, nearest, weights / weights.sum(), folds, kept)

    def columns(self, gamma, log_means):
        """Return kernels of source mean one, and the log taken from each row.

        The kernels are an ndarray (n_centres, n_rows), the largest of each row one.
        """
        widths, least = gamma / self.unit, log_means.min()
        logs = self.relative * np.float32(-widths)
        logs -= (log_means - least).astype(np.float32)[:, None]
        largest = logs.max(axis=0)
        logs -= largest
        return np.exp(logs, out=logs), largest - (widths * self.nearest + least)


@dataclass(frozen=True)
class Trial:
    """What a width gives.

    Attributes
    ----------
    score : float
        Mean log ratio of held-out target rows; -inf where the width was given up.
    values : ndarray of shape (n_rows,) or None
        Log ratio of each row, held out.
    start : ndarray of shape (n_centres,) or None
        About the optimum for all rows.
    """

    score: float
    values: np.ndarray | None = None
    start: np.ndarray | None = None


def choose_gamma(rows, gammas, source):
    """Return the number of the best width, and what it gave.

    From the middle one to narrower kernels, which win more often, as long as they are
    better; to wider ones if the first narrower one is not.

    Parameters
    ----------
    rows : SearchRows
        Target rows.
    gammas : ndarray of shape (n_gammas,)
        Widths of the kernel, ascending.
    source : SourceSums
        Sums of kernels over the source rows, by the number of the width.

    Returns
    -------
    best : int
        Number of the width.
    trial : Trial
        Its trial.
    """
    last, trials = len(gammas) - 1, {}

    def loss_of(number):
        k = last - number
        rival = max(trials.values(), key=lambda trial: trial.score, default=None)
        trials[k] = try_gamma(rows, gammas[k], source[k], source.shares, rival)
        # Of equal ones the wider.
        return -trials[k].score, k

    best = last - search_outwards(loss_of, len(gammas))[0]
    return best, trials[best]


def try_gamma(rows, gamma, log_sums, shares, rival=None):
    """Hold out each fold of both domains at one width.

    Parameters
    ----------
    rows : SearchRows
        Target rows.
    gamma : float
        Width of the kernel.
    log_sums : ndarray of shape (n_folds, n_centres)
        Logs of the kernels' sums over the source rows of each fold.
    shares : ndarray of shape (n_folds,)
        Share of the source rows in each fold.
    rival : Trial, default=None
        What another width gave: this one is given up where it is clearly worse.

    Returns
    -------
    Trial
        The ratio is scaled to mean one on the source rows that are held out.
    """
    fold = _Folds(rows, gamma, log_sums, shares)
    scales = np.exp(-np.maximum(fold.log_kept, _LEAST_KEPT)).astype(np.float32)
    programs = LeftOutPrograms(fold.columns, rows.kept, scales)
    for n_steps in range(_MOST_STEPS):
        if programs.gaps.max() <= _TOL:
            break
        look = rival is not None and n_steps % _STEPS_TO_LOOK == 0
        if look and _is_behind(fold.best_values(programs), rival.values, rows.weights):
            return Trial(-np.inf)
        programs.step()
    values = fold.values(programs)
    solved = (programs.gaps <= _TOL) & (fold.log_kept.min(axis=1) > _LEAST_KEPT)
    for k in np.flatnonzero(~solved):
        values[rows.folds == k] = fold.values_alone(k)
    start = programs.b.mean(axis=0, dtype=np.float64)
    start[start < _LEAST_SHARE * start.max()] = 0
    return Trial(float(rows.weights @ values), values, start / start.sum())


class _Folds:
    """The folds of both domains at one width.

    log_kept : ndarray of shape (n_folds, n_centres)
        Logs of the shares of the kernels' source sums that each fold keeps.
    log_out : ndarray of shape (n_folds, n_centres)
        Logs of what it holds out, for each unit that it keeps.
    """

    def __init__(self, rows, gamma, log_sums, shares):
        self._rows, self._gamma, self._log_shares = rows, gamma, np.log(shares)
        self._log_means = log_sum(log_sums, axis=0)
        log_parts = log_sums - self._log_means
        self.log_kept = _log_sum_of_others(log_parts)
        self.log_out = log_parts - self.log_kept
        self.columns, self._taken = rows.columns(gamma, self._log_means)

    def values(self, programs):
        """Return the log ratio of each row held out, at where the programmes stand."""
        folds = self._rows.folds
        values = np.log(programs.mixtures[folds, np.arange(len(folds))])
        return values + self._taken - self._log_scales(programs.b, slice(None))[folds]

    def best_values(self, programs):
        """Return the same with all that the programmes may still gain."""
        return self.values(programs) + programs.gaps[self._rows.folds]

    def _log_scales(self, b, folds):
        """Return the log of each ratio's mean over the source rows held out."""
        with np.errstate(divide="ignore"):
            logs = np.log(b) + self.log_out[folds]
        return log_sum(logs, axis=-1) - self._log_shares[folds]

    def values_alone(self, k):
        """Return those of one fold, from its own programme, all in logarithms."""
        rows, log_means = self._rows, self._log_means + self.log_kept[k]
        widths, out = self._gamma / rows.unit, rows.folds == k
        logs = -widths * rows.relative.T.astype(np.float64) - log_means
        largest = logs.max(axis=1)
        A, weights = np.exp(logs - largest[:, None]), rows.weights[~out]
        b = maximize_mean_log(A[~out], weights / weights.sum(), tol=_TOL).coefficients
        with np.errstate(divide="ignore"):
            values = np.log(A[out] @ b)
        values += largest[out] - widths * rows.nearest[out]
        return values - self._log_scales(b, k)


def _log_sum_of_others(logs):
    """Return for each row the log of the summed exponentials of all other rows."""
    others = 1 - np.eye(len(logs))
    largest = logs.max(axis=0)
    sums = others @ np.exp(logs - largest)
    if sums.min() > 0:
        return np.log(sums) + largest
    return np.stack([log_sum(logs[row > 0], axis=0) for row in others])


def _is_behind(values, rival, weights):
    """Whether the mean is below the rival's by more than chance has it, paired."""
    behind = rival - values
    mean = weights @ behind
    return mean > _BEHIND * np.sqrt((behind - mean) ** 2 @ weights**2)
