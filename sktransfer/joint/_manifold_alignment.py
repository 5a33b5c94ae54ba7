"""Rounds of dynamic distribution alignment: labels, balance, solution, labels."""

from dataclasses import dataclass

import numpy as np

from sktransfer._domain_balance import estimate_balance, proxy_distance
from sktransfer.feature._discrepancy import class_discrepancy

__all__ = ["AlignmentRounds", "align_by_rounds"]


@dataclass(frozen=True)
class AlignmentRounds:
    """What the rounds found.

    Attributes
    ----------
    coefficients : ndarray of shape (n_terms, n_classes)
        Those of the last round.
    labels : ndarray of shape (n_target,)
        The target's labels by them.
    objective : list of float
        The least risk of each round; each round has a discrepancy of its own.
    balance : list of float
        The balance of each round.
    """

    coefficients: np.ndarray
    labels: np.ndarray
    objective: list
    balance: list


def align_by_rounds(
    risk, Z, y_source, y_target, labels, *, balance, discrepancy_weight, n_rounds
):
    """Solve, label the target, and solve with the discrepancy of these labels.

    Parameters
    ----------
    risk : StructuralRisk
        The problem without the discrepancy, rows of the source first.
    Z : ndarray of shape (n_samples, n_columns)
        Embedded rows, to estimate the balance from.
    y_source, y_target : ndarray of shape (n_rows,)
        Class numbers, -1 for target rows without.
    labels : ndarray of shape (n_target,) or None
        First labels of the target; None: by the solution without the discrepancy.
    balance : float or "auto"
        Between the domains' means alone, 0, and the classes' alone, 1.
    discrepancy_weight : float
        Weight of the discrepancy.
    n_rounds : int
        Most rounds; they end when the labels stay.

    Returns
    -------
    AlignmentRounds
    """
    n_source, n_classes = len(y_source), risk.targets.shape[1]
    coefficients = risk.solve()
    own = _target_labels(risk, coefficients, y_target)
    labels = own if labels is None else np.where(y_target >= 0, y_target, labels)
    if n_rounds == 0 or len(y_target) == 0:
        return AlignmentRounds(coefficients, own, [risk.objective(coefficients)], [])
    objective, balances = [], []
    if balance == "auto":
        whole = proxy_distance(Z[:n_source], Z[n_source:])
    for _ in range(n_rounds):
        share = balance
        if balance == "auto":
            share = estimate_balance(
                Z[:n_source], y_source, Z[n_source:], labels, whole=whole
            )
        discrepancy = class_discrepancy(y_source, labels, n_classes, balance=share)
        coefficients = risk.solve(discrepancy, discrepancy_weight)
        objective.append(risk.objective(coefficients, discrepancy, discrepancy_weight))
        balances.append(share)
        before, labels = labels, _target_labels(risk, coefficients, y_target)
        if np.array_equal(labels, before):
            break
    return AlignmentRounds(coefficients, labels, objective, balances)


def _target_labels(risk, coefficients, y_target):
    if len(y_target) == 0:
        return y_target
    scores = risk.terms[-len(y_target) :] @ coefficients
    return np.where(y_target >= 0, y_target, scores.argmax(axis=1))
