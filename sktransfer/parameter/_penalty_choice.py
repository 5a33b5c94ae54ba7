"""Chooses how strongly the coefficients are held near the source's."""

import numpy as np

from sktransfer._validation import check_integer, check_number
from sktransfer.parameter._target_folds import target_folds

__all__ = ["check_penalties", "chosen_penalty", "within_one_error"]


def check_penalties(alpha, alphas, n_folds, source_alpha, choices):
    """Check the parameters and return the grid of penalties, ascending."""
    check_number("alpha", alpha, low=0, also=choices)
    check_number("source_alpha", source_alpha, low=0)
    check_integer("n_folds", n_folds, low=2)
    if alphas is None:
        return np.logspace(-3, 6, 19)
    grid = np.unique(np.asarray(alphas, dtype=np.float64))
    if np.ndim(alphas) != 1 or not len(grid) or not np.all(grid >= 0):
        raise ValueError(
            f"`alphas` must be a list of penalties >= 0 or None, got {alphas!r}."
        )
    if not np.isfinite(grid).all():
        raise ValueError(f"`alphas` must be finite numbers, got {alphas!r}.")
    return grid


def chosen_penalty(transfer, alpha, grid, n_folds):
    """Return the penalty, and the score of each penalty of the grid (None: no choice).

    By folds it is the largest penalty whose losses are not worse than those of the best
    by more than the standard error of the mean difference. By generalised
    cross-validation it is the best; of equals the largest. Where the rows are too few
    to choose it is the largest: the model then stays with the source.
    """
    if not isinstance(alpha, str):
        return float(alpha), None
    if alpha == "gcv":
        scores = transfer.gcv_scores(grid)
        allowed = np.min(scores)
    elif len(transfer.y) < 2:
        scores, allowed = np.full(len(grid), np.inf), np.inf
    else:
        classes = transfer.y.dtype.kind in "iu"
        folds = target_folds(transfer.X, transfer.y, n_folds, stratify=classes)
        share = transfer.weight / transfer.weight.sum()
        losses = transfer.cv_losses(grid, folds)
        scores = losses @ share
        return float(grid[within_one_error(losses, share)][-1]), scores
    return float(grid[scores <= allowed][-1]), scores


def within_one_error(losses, share):
    """Mask the candidates that are not clearly worse than the best.

    Parameters
    ----------
    losses : ndarray of shape (n_candidates, n_samples)
        Loss of each row for each candidate.
    share : ndarray of shape (n_samples,)
        Weights of the rows, which sum to one.

    Returns
    -------
    ndarray of shape (n_candidates,), bool
        Whether the mean loss exceeds the least by no more than the standard error of
        the difference.
    """
    scores = losses @ share
    with np.errstate(invalid="ignore"):
        gaps = losses - losses[np.argmin(scores)]
        errors = np.square(gaps - (gaps @ share)[:, None]) @ np.square(share)
    return scores <= np.min(scores) + np.nan_to_num(np.sqrt(errors))
