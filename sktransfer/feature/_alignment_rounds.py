"""Rounds of transfer components: pseudo-labels of the target and penalties of rows."""

from dataclasses import dataclass, field

import numpy as np
from sklearn.base import clone
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from sktransfer._domain_balance import estimate_balance
from sktransfer.feature._discrepancy import (
    class_discrepancy,
    joint_discrepancy,
    marginal_discrepancy,
)

__all__ = ["AlignmentRounds", "sparse_penalties"]


@dataclass
class AlignmentRounds:
    """Settings of the rounds, and what they found.

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
        Gives the pseudo-labels; None: 1-NN on rows of unit length.
    balances, changes : list
        Balance used, and number of pseudo-labels that changed, round by round.
    """

    conditional: object
    balance: object
    discrimination: float
    instance_sparsity: bool
    n_iter: int
    estimator: object
    balances: list = field(default_factory=list)
    changes: list = field(default_factory=list)

    def run(self, problem, rows, y_source, y_target, n_source):
        """Return the components of the last round, and the number of rounds."""
        n_target = rows.shape[0] - n_source
        discrepancy = marginal_discrepancy(n_source, n_target)
        penalties = smoothing = labels = None
        several = bool(self.conditional) or self.instance_sparsity
        last = self.n_iter if several else 1
        for number in range(1, last + 1):
            signed = self.conditional == "discriminative" and number > 1
            setting = {"penalties": penalties, "signed": signed}
            components = problem.solve(discrepancy, final=number == last, **setting)
            if number == last or len(components.values) == 0:
                break
            mapped = problem.mapped(components)
            if self.conditional:
                before = labels
                labels = self._pseudo_labels(mapped, y_source, y_target)
                changed = n_target if before is None else np.sum(labels != before)
                self.changes.append(int(changed))
                if changed == 0 and not self.instance_sparsity:
                    components = problem.solve(discrepancy, final=True, **setting)
                    break
                discrepancy = self._discrepancy(rows, y_source, labels, n_source)
            if self.instance_sparsity:
                penalties, smoothing = sparse_penalties(
                    components.coefficients, mapped, n_source, smoothing
                )
        return components, number

    def _pseudo_labels(self, mapped, y_source, y_target):
        """Return target labels: the given ones, else predicted from labelled rows."""
        n_source = len(y_source)
        labels = np.full(len(mapped) - n_source, -1) if y_target is None else y_target
        labeled = np.r_[y_source, labels] >= 0
        if self.estimator is None:
            mapped = normalize(mapped)
            model = KNeighborsClassifier(1)
        else:
            mapped = mapped / np.sqrt(mapped.var(axis=0).mean())
            model = clone(self.estimator)
        model.fit(mapped[labeled], np.r_[y_source, labels][labeled])
        missing = labels < 0
        if missing.any():
            labels = labels.copy()
            labels[missing] = model.predict(mapped[n_source:][missing])
        return labels

    def _discrepancy(self, rows, y_source, labels, n_source):
        n_classes = int(max(y_source.max(), labels.max())) + 1
        if self.conditional == "discriminative":
            return joint_discrepancy(
                y_source, labels, n_classes, discrimination=self.discrimination
            )
        balance = self.balance
        if balance == "auto":
            balance = estimate_balance(
                rows[:n_source], y_source, rows[n_source:], labels
            )
        self.balances.append(float(balance))
        return class_discrepancy(
            y_source,
            labels,
            n_classes,
            balance=balance,
            class_weighted=self.conditional == "weighted",
        )


def sparse_penalties(coefficients, mapped, n_source, smoothing=None):
    """Return the diagonal of G for sparse source rows (Long et al. 2014).

    The components are scaled to unit variance, and the norm of a row's coefficients
    |a| is majorised by ``|a|^2 / (2 |a0|) + |a0| / 2`` at the present |a0|.

    Parameters
    ----------
    coefficients : ndarray of shape (n_samples, k)
        W of the dual form.
    mapped : ndarray of shape (n_samples, k)
        Rows, mapped by it.
    n_source : int
        Number of source rows, which come first.
    smoothing : float, default=None
        Added to the norms as a square, so that none is zero; None: a thousandth of
        their mean.

    Returns
    -------
    penalties : ndarray of shape (n_samples,)
        1 / (2 |a|) for source rows, 1 for target rows.
    smoothing : float
        The one used, to be passed on: the objective falls only if it is kept.
    """
    centred = mapped - mapped.mean(axis=0)
    scaled = coefficients / np.linalg.norm(centred, axis=0)
    squares = np.square(scaled[:n_source], dtype=np.float64).sum(axis=1)
    if smoothing is None:
        smoothing = 1e-3 * np.mean(np.sqrt(squares))
    penalties = np.ones(len(mapped))
    penalties[:n_source] = 0.5 / np.sqrt(squares + smoothing**2)
    return penalties, smoothing
