"""Rounds of distribution alignment in which only sure target rows have a class."""

from dataclasses import dataclass

import numpy as np

from sktransfer.feature._discrepancy import class_discrepancy
from sktransfer.joint._selective_pseudo_labels import most_confident

__all__ = ["SelectiveRounds", "align_selectively"]


@dataclass(frozen=True)
class SelectiveRounds:
    """What the rounds found.

    Attributes
    ----------
    coefficients : ndarray of shape (n_terms, n_classes)
        Those of the last round.
    offset : ndarray of shape (n_classes,)
        Mean scores of the target rows, to be subtracted from any scores.
    labels : ndarray of shape (n_target,)
        The target's labels by them.
    objective : list of float
        The least risk of each round; each round has a discrepancy of its own.
    n_selected : list of int
        Number of target rows that had a class in each round.
    """

    coefficients: np.ndarray
    offset: np.ndarray
    labels: np.ndarray
    objective: list
    n_selected: list


def align_selectively(
    risk, y_source, y_target, *, balance, discrepancy_weight, n_rounds
):
    """Solve, let a growing share of the target join its classes, and solve again.

    Parameters
    ----------
    risk : StructuralRisk
        The problem without the discrepancy, rows of the source first.
    y_source, y_target : ndarray of shape (n_rows,)
        Class numbers, -1 for target rows without.
    balance : float
        Between the domains' means alone, 0, and the classes' alone, 1.
    discrepancy_weight : float
        Weight of the discrepancy.
    n_rounds : int
        In round k the share ``k / n_rounds`` of each class's rows is used, those with
        the widest margin between the two best classes. 0: no discrepancy.

    Returns
    -------
    SelectiveRounds
    """
    n_classes, given = risk.targets.shape[1], y_target >= 0
    coefficients = risk.solve()
    scores, offset = _centred_scores(risk, coefficients, len(y_target))
    objective, n_selected = [risk.objective(coefficients)], []
    for round_ in range(n_rounds if len(y_target) else 0):
        best = np.partition(scores, n_classes - 2, axis=1)[:, n_classes - 2 :]
        chosen = given.copy()
        chosen[~given] = most_confident(
            scores[~given].argmax(axis=1),
            (best[:, 1] - best[:, 0])[~given],
            (round_ + 1) / n_rounds,
        )
        labels = np.where(chosen, _labels(scores, y_target), -1)
        n_selected.append(int(chosen.sum()))
        discrepancy = class_discrepancy(y_source, labels, n_classes, balance=balance)
        coefficients = risk.solve(discrepancy, discrepancy_weight)
        objective.append(risk.objective(coefficients, discrepancy, discrepancy_weight))
        scores, offset = _centred_scores(risk, coefficients, len(y_target))
    labels = _labels(scores, y_target)
    return SelectiveRounds(coefficients, offset, labels, objective, n_selected)


def _centred_scores(risk, coefficients, n_target):
    """Return the target's scores with mean zero for each class, and their means."""
    if n_target == 0:
        n_classes = coefficients.shape[1]
        return np.zeros((0, n_classes)), np.zeros(n_classes)
    scores = risk.terms[-n_target:] @ coefficients
    offset = scores.mean(axis=0)
    return scores - offset, offset


def _labels(scores, y_target):
    return np.where(y_target >= 0, y_target, scores.argmax(axis=1))
