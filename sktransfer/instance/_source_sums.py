"""Sums of kernels over the source rows of each fold, for several widths."""

from itertools import pairwise

import numpy as np

__all__ = ["SourceSums", "log_sum"]

_LEAST = 1e-280


class SourceSums:
    """Logs of the kernels' weighted sums, made when a width is asked for.

    Parameters
    ----------
    source : WeightedRows
        Source rows.
    centres : Centres
        Centres.
    gammas : ndarray of shape (n_gammas,)
        Widths of the kernel, ascending.
    folds : ndarray of shape (n_rows,), int
        Fold of each row, from 0, none empty.

    Attributes
    ----------
    shares : ndarray of shape (n_folds,)
        Share of the source rows in each fold.
    """

    def __init__(self, source, centres, gammas, folds):
        self._centres, self._gammas = centres, gammas
        # One fold after the other.
        self._source = source.take(np.argsort(folds, kind="stable"))
        self._ends = np.r_[0, np.cumsum(np.bincount(folds))]
        self.shares = np.bincount(folds, source.weights)
        self._of_width = {}

    def __getitem__(self, k):
        """Return the logs of the sums at one width, ndarray (n_folds, n_centres).

        Finite however far the source rows are.
        """
        if k not in self._of_width:
            # Those of the middle and of narrower kernels at once, or of wider ones.
            middle, n = len(self._gammas) // 2, len(self._gammas)
            side = range(middle) if k < middle else range(middle, n)
            gammas = self._gammas[side.start : side.stop]
            self._of_width.update(zip(side, self._log_sums(gammas), strict=True))
        return self._of_width[k]

    def _log_sums(self, gammas):
        weights = self._source.weights
        sums = np.zeros((len(gammas), len(self.shares), len(self._centres)))
        for rows, logs in self._centres.blocks(self._source, -gammas[0]):
            starts = np.clip(self._ends - rows.start, 0, len(logs))
            within = [slice(*pair) for pair in pairwise(starts.tolist())]
            for k, kernels in enumerate(_kernels_by_width(logs, gammas)):
                for fold, part in enumerate(within):
                    sums[k, fold] += weights[rows][part] @ kernels[part]
        with np.errstate(divide="ignore"):
            logs = np.log(sums)
        for fold in np.flatnonzero(sums.min(axis=(0, 2)) <= _LEAST):
            part = self._source.take(slice(*self._ends[fold : fold + 2]))
            logs[:, fold] = _far_sums(part, self._centres, gammas)
        return logs


def _far_sums(part, centres, gammas):
    """Return the logs of sums relative to the nearest row."""
    widths = gammas[:, None] / gammas[0]
    nearest = np.full(len(centres), -np.inf)
    sums = np.zeros((len(gammas), len(centres)))
    for rows, logs in centres.blocks(part, -gammas[0]):
        nearer = np.maximum(nearest, logs.max(axis=0))
        sums *= np.exp(widths * (nearest - nearer))
        nearest = nearer
        logs -= nearest
        for k, kernels in enumerate(_kernels_by_width(logs, gammas)):
            sums[k] += part.weights[rows] @ kernels
    return np.log(sums) + widths * nearest


def _kernels_by_width(logs, gammas):
    """Yield the kernels of each width, in one array, from the logs of the first."""
    # The fourth power of the last kernels costs less than exponentials.
    fourfold = all(abs(after / gamma - 4) < 1e-12 for gamma, after in pairwise(gammas))
    kernels = np.exp(logs, out=logs if fourfold else None)
    yield kernels
    for gamma in gammas[1:]:
        if fourfold:
            np.square(kernels, out=kernels)
            np.square(kernels, out=kernels)
        else:
            np.exp(gamma / gammas[0] * logs, out=kernels)
        yield kernels


def log_sum(logs, axis):
    """Return the log of the sum of exponentials along an axis."""
    largest = logs.max(axis=axis, keepdims=True)
    sums = np.exp(logs - largest).sum(axis=axis)
    return np.log(sums) + largest.squeeze(axis)
