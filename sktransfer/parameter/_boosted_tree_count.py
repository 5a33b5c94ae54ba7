"""Chooses how many rounds of boosting the labelled target rows support."""

import numpy as np

from sktransfer.parameter._boosted_trees import add_trees, boosting_rounds
from sktransfer.parameter._penalty_choice import within_one_error

__all__ = ["chosen_rounds", "out_of_fold_losses"]


def out_of_fold_losses(
    X, targets, weight, starts, kept, loss, settings, folds, *, most, patience
):
    """Return the out-of-fold loss of each row after 0, 1, 2, … rounds.

    All folds are boosted side by side, until the mean loss has not fallen for
    `patience` rounds.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
        Rows.
    targets : ndarray of shape (n_samples, n_outputs)
        What the loss compares the scores with.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.
    starts : callable
        ``starts(train)`` returns the scores of all rows to start from, given the
        numbers of the rows whose labels may be read.
    kept : ndarray of shape (n_samples,)
        Loss of each row without boosting.
    loss : object
        One of `_linear_losses`.
    settings : TreeSettings
        How trees are grown.
    folds : ndarray of shape (n_samples,)
        Number of the fold in which a row is tested.
    most : int
        Largest number of rounds.
    patience : int
        Rounds without improvement after which boosting stops.

    Returns
    -------
    ndarray of shape (n_rounds + 1, n_samples)
    """
    runs, scores = [], np.empty(targets.shape)
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        start = starts(train)
        scores[test] = start[test]
        rounds = boosting_rounds(
            X[train], targets[train], weight[train], start[train], loss, settings
        )
        runs.append((test, rounds))
    losses, means = [kept], [weight @ kept]
    while len(losses) <= most and len(losses) - 1 - np.argmin(means) < patience:
        for test, rounds in runs:
            part = scores[test]
            add_trees(part, next(rounds), X[test])
            scores[test] = part
        losses.append(loss.values(scores, targets))
        means.append(weight @ losses[-1])
    return np.stack(losses)


def chosen_rounds(losses, weight):
    """Return the fewest rounds that are within one standard error of the best."""
    return int(np.flatnonzero(within_one_error(losses, weight / weight.sum()))[0])
