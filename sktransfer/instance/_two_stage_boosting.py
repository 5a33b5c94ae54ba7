"""Two-stage TrAdaBoost.R2: how much the source counts is chosen by cross-validation."""

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from scipy.optimize import brentq

from sktransfer.instance._boosting_rounds import (
    Rounds,
    WeakLearner,
    boosted_rounds,
    value_losses,
)
from sktransfer.instance._boosting_rows import dealt_folds
from sktransfer.instance._boosting_weights import FrozenSource, final_votes
from sktransfer.instance._weighted_votes import MedianOfModels

__all__ = [
    "TwoStages",
    "lowered_to_share",
    "median_of_rounds",
    "source_path",
    "two_stages",
]


@dataclass(frozen=True)
class TwoStages:
    """What the two stages gave.

    Attributes
    ----------
    step : int
        Number of the chosen step.
    weight : ndarray of shape (n_rows,)
        Weights of the rows at this step.
    rounds : Rounds
        The rounds on these weights.
    errors : ndarray of shape (n_steps,) or None
        Squared error out of fold at each step; None with a single target row.
    predicted : ndarray of shape (n_target, 2) or None
        Predictions out of fold: at the last step, which is the target alone, and at
        the step chosen by the other folds.
    """

    step: int
    weight: np.ndarray
    rounds: Rounds
    errors: np.ndarray | None
    predicted: np.ndarray | None


def lowered_to_share(weight, losses, is_target, share):
    """Lower the source rows by their losses until the target has its share.

    Parameters
    ----------
    weight : ndarray of shape (n_rows,)
        Weights.
    losses : ndarray of shape (n_rows,)
        Losses in [0, 1].
    is_target : ndarray of shape (n_rows,), bool
        Which rows are target rows.
    share : float
        Share of the whole weight that the target is to have, in (0, 1].

    Returns
    -------
    ndarray of shape (n_rows,)
        Weights that sum to one. The source's are multiplied by beta ** loss; where no
        beta gives the share, all by the same.
    """
    new, source = weight.copy(), ~is_target
    goal = weight[is_target].sum() * (1.0 - share) / share
    new[source] = _lowered(weight[source], losses[source], goal)
    return new / new.sum()


def _lowered(weight, losses, goal):
    if goal <= 0:
        return np.zeros_like(weight)
    with_losses = weight[losses > 0].sum()
    if with_losses > 0 and weight[losses == 0].sum() < goal < weight.sum():

        def excess(s):
            return weight @ np.exp(-s * losses) / goal - 1.0

        high = 1.0
        while excess(high) > 0:
            high *= 2.0
        weight = weight * np.exp(-brentq(excess, 0.0, high) * losses)
    return weight * (goal / weight.sum())


def _shares(rows, n_steps):
    """Return the target's share of the weight at each step, rising evenly to one."""
    first = rows.weight[rows.domain < 0].sum() / rows.weight.sum()
    return np.linspace(first, 1.0, n_steps)


def _next_weights(rows, weight, model, share):
    """Lower the source rows by the losses of a model that was fitted to the weights."""
    if share == 1.0:  # all losses give the same: no source
        losses = np.ones(len(weight))
    else:
        losses = value_losses(model, rows.X, rows.y)
    return lowered_to_share(weight, losses, rows.domain < 0, share)


def source_path(rows, estimator, n_steps, rng):
    """Yield the weights of the rows at each step of the first stage.

    Parameters
    ----------
    rows : LabelledRows
        Source rows, then target rows.
    estimator : regressor
        The weak learner, whose errors lower the source rows.
    n_steps : int
        Number of steps, at least 2.
    rng : RandomState
        Draws the random states of the weak learner.

    Yields
    ------
    ndarray of shape (n_rows,)
        Weights that sum to one.
    """
    total, learner = rows.weight.sum(), WeakLearner.of(estimator)
    weight, model = rows.weight / total, None
    yield weight
    for share in _shares(rows, n_steps)[1:]:
        if share < 1.0:
            model = learner.fit(rows.X, rows.y, total * weight, rng)
        weight = _next_weights(rows, weight, model, share)
        yield weight


def _second_stage(rows, weight, estimator, n_rounds, rng):
    kept = weight > 0
    total = rows.weight[kept].sum()
    weighed = replace(rows, weight=weight * total).take(kept)
    return boosted_rounds(
        weighed, estimator, FrozenSource(), n_rounds, rng, classes=False
    )


def median_of_rounds(rounds, n_rounds, n_target, first=0):
    """Return the weighted median of the rounds, with their votes."""
    votes = final_votes(rounds.errors, n_rounds, first=first, n_target=n_target)
    return MedianOfModels(rounds.models, votes)


def _predicted_out_of_fold(rows, estimator, n_rounds, n_steps, folds, rng):
    """Return predictions of each target row at each step, (n_steps, n_target)."""
    target = np.flatnonzero(rows.domain < 0)
    predicted = np.empty((n_steps, len(target)))
    for fold in range(folds.max() + 1):
        test = np.flatnonzero(folds == fold)
        train = np.ones(len(rows.y), dtype=bool)
        train[target[test]] = False
        kept, X_test = rows.take(train), rows.X[target[test]]
        n_target = len(target) - len(test)
        weight, first = kept.weight / kept.weight.sum(), None
        for step, share in enumerate(_shares(kept, n_steps)):
            if step > 0:
                weight = _next_weights(kept, weight, first, share)
            rounds = _second_stage(kept, weight, estimator, n_rounds, rng)
            # The first stage asks for a model of the same weights.
            first = rounds.models[0]
            model = median_of_rounds(rounds, n_rounds, n_target)
            predicted[step, test] = model.predict(X_test)
    return predicted


def _chosen_by_other_folds(predicted, squared, weight, folds):
    """Return each row's prediction at the step that is best without its fold."""
    chosen = np.empty(len(weight))
    for fold in range(folds.max() + 1):
        test = folds == fold
        best = np.argmin(squared[:, ~test] @ weight[~test])
        chosen[test] = predicted[best, test]
    return chosen


def two_stages(rows, estimator, n_rounds, n_steps, n_folds, rng):
    """Choose how much the source counts, then boost on the target rows.

    Parameters
    ----------
    rows : LabelledRows
        Source rows, then target rows.
    estimator : regressor
        The weak learner.
    n_rounds : int
        Number of rounds of the second stage.
    n_steps : int
        Number of steps of the first stage.
    n_folds : int
        Number of folds of the target rows.
    rng : RandomState
        Draws the random states of the weak learner.

    Returns
    -------
    TwoStages
    """
    target = np.flatnonzero(rows.domain < 0)
    y, weight, step, errors, both = rows.y[target], rows.weight[target], 0, None, None
    if len(target) > 1:
        folds = dealt_folds(y, n_folds)
        predicted = _predicted_out_of_fold(
            rows, estimator, n_rounds, n_steps, folds, rng
        )
        squared = (predicted - y) ** 2
        errors = squared @ weight / weight.sum()
        step = int(np.argmin(errors))
        chosen = _chosen_by_other_folds(predicted, squared, weight, folds)
        both = np.column_stack([predicted[-1], chosen])
    path = source_path(rows, estimator, n_steps, rng)
    last = next(islice(path, step, None))
    rounds = _second_stage(rows, last, estimator, n_rounds, rng)
    return TwoStages(step, last, rounds, errors, both)
