"""Rounds of transfer components: pseudo-labels of the target and penalties of rows."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

from sktransfer._domain_balance import estimate_balance, proxy_distance
from sktransfer.feature._discrepancy import (
    class_discrepancy,
    joint_discrepancy,
    marginal_discrepancy,
)
from sktransfer.feature._nearest_labels import nearest_labels
from sktransfer.feature._row_sparsity import sparse_penalties
from sktransfer.feature._transfer_components import Components

__all__ = [
    "Alignment",
    "AlignmentSettings",
    "align_in_rounds",
    "check_class_labels",
    "pseudo_labels",
]


@dataclass(frozen=True)
class AlignmentSettings:
    """Which L the rounds make, and how many there are.

    Attributes
    ----------
    conditional : bool, "weighted" or "discriminative"
        Which L the pseudo-labels give.
    balance : float or "auto"
        Weight of the classes against the domains.
    discrimination : float
        Weight of different classes in the discriminative form.
    instance_sparsity : bool
        Whether source rows are penalised by the norms of their coefficients.
    n_iter : int
        Largest number of rounds, the first of which reads no label.
    estimator : classifier or None
        Gives the pseudo-labels; None: the nearest labelled row by angle.
    """

    conditional: object = False
    balance: object = 0.5
    discrimination: float = 0.1
    instance_sparsity: bool = False
    n_iter: int = 10
    estimator: object = None

    @property
    def n_rounds(self):
        """Largest number of rounds, one where nothing changes between them."""
        return self.n_iter if self.conditional or self.instance_sparsity else 1


@dataclass(frozen=True)
class Alignment:
    """What the rounds found.

    Attributes
    ----------
    components : Components
        Of the last round.
    n_iter : int
        Number of rounds.
    balances : list of float
        Balance of each round that had one.
    label_changes : list of int
        How many pseudo-labels changed after each round that looked at them.
    """

    components: Components
    n_iter: int
    balances: list
    label_changes: list


def check_class_labels(y_source, setting):
    """Raise unless the source has class labels; `setting` is what asks for them."""
    if y_source is not None and (y_source.ndim > 1 or y_source.dtype.kind == "f"):
        raise ValueError(
            f"{setting} needs one class label a row, and y is continuous or has "
            "several columns. Set conditional=False."
        )
    if y_source is None or not np.any(y_source >= 0):
        raise ValueError(
            f"{setting} compares the classes of the domains and needs labelled source "
            "rows, got none. Pass y to fit, or set conditional=False."
        )


def align_in_rounds(problem, rows, y_source, y_target, settings):
    """Return the components of the last round.

    Parameters
    ----------
    problem : SpaceProblem or GramProblem
        The rows, in the order source, target.
    rows : {ndarray, sparse matrix} of shape (n_samples, n_features)
        The same rows as they came, by which the balance is estimated.
    y_source : ndarray of shape (n_source,)
        Class numbers, -1 for none; only their number matters if not `conditional`.
    y_target : ndarray of shape (n_target,)
        The same of the target.
    settings : AlignmentSettings
        The method.

    Returns
    -------
    Alignment
    """
    n_source, n_target = len(y_source), len(y_target)
    discrepancy = marginal_discrepancy(n_source, n_target)
    make = _discrepancy_maker(rows, y_source, settings)
    # Coefficients are made where there are penalties.
    penalties = np.ones(n_source + n_target) if settings.instance_sparsity else None
    smoothing = labels = None
    balances, changes = [], []
    for number in range(1, settings.n_rounds + 1):
        final = number == settings.n_rounds
        components = problem.solve(discrepancy, penalties=penalties, final=final)
        if final or len(components.values) == 0:
            break
        mapped = problem.mapped(components)
        if settings.conditional:
            before = labels
            labels = pseudo_labels(mapped, y_source, y_target, settings.estimator)
            changed = n_target if before is None else int(np.sum(labels != before))
            changes.append(changed)
            if changed == 0 and not settings.instance_sparsity:
                if not problem.is_exact:
                    components = problem.solve(discrepancy)
                break
            discrepancy, balance = make(labels)
            balances += [] if balance is None else [balance]
        if settings.instance_sparsity:
            penalties, smoothing = sparse_penalties(
                components.coefficients, mapped, n_source, smoothing
            )
    return Alignment(components, number, balances, changes)


def pseudo_labels(mapped, y_source, y_target, estimator):
    """Return target labels: the given ones, else predicted from labelled rows.

    Parameters
    ----------
    mapped : ndarray of shape (n_samples, n_components)
        Rows in the projection, in the order source, target.
    y_source, y_target : ndarray
        Class numbers, -1 for none.
    estimator : classifier or None
        None: the nearest labelled row by angle.

    Returns
    -------
    ndarray of shape (n_target,)
    """
    missing = y_target < 0
    if not missing.any():
        return y_target
    given = np.r_[y_source, y_target]
    labeled, asked = _chosen(given >= 0), _chosen(missing)
    queries = mapped[len(y_source) :][asked]
    if estimator is None:
        found = nearest_labels(mapped[labeled], given[labeled], queries)
    else:
        # On the scale of the rows that `transform` gives.
        scale = np.sqrt(mapped.var(axis=0).mean())
        model = clone(estimator).fit(mapped[labeled] / scale, given[labeled])
        found = model.predict(queries / scale)
    labels = y_target.copy()
    labels[asked] = found
    return labels


def _chosen(mask):
    """Return the rows of a mask: as a slice, which copies none, if side by side."""
    rows = np.flatnonzero(mask)
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:
        return slice(rows[0], rows[-1] + 1)
    return rows


def _discrepancy_maker(rows, y_source, settings):
    """Return the function from target labels to L and its balance, if it has one."""
    n_source = len(y_source)
    joint = settings.conditional == "discriminative"
    auto = bool(settings.conditional) and not joint and settings.balance == "auto"
    if auto and settings.n_rounds > 1:
        whole = proxy_distance(rows[:n_source], rows[n_source:])

    def make(labels):
        n_classes = int(max(y_source.max(), labels.max())) + 1
        if joint:
            weight = settings.discrimination
            return (
                joint_discrepancy(y_source, labels, n_classes, discrimination=weight),
                None,
            )
        balance = settings.balance
        if auto:
            balance = estimate_balance(
                rows[:n_source], y_source, rows[n_source:], labels, whole=whole
            )
        weighted = settings.conditional == "weighted"
        found = class_discrepancy(
            y_source, labels, n_classes, balance=balance, class_weighted=weighted
        )
        return found, float(balance)

    return make
