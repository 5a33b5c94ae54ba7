"""One problem of optimal transport between two sets of rows, by any of the methods."""

from dataclasses import dataclass

import numpy as np

from sktransfer.feature._class_transport import class_l1l2_plan, class_lpl1_plan
from sktransfer.feature._laplace_transport import DisplacementPenalty, laplace_plan
from sktransfer.feature._transport_costs import ConflictCosts, contrast
from sktransfer.feature._transport_solvers import (
    partial_plan,
    sinkhorn_plan,
    unbalanced_plan,
)
from sktransfer.joint._joint_transport import transport_plan

__all__ = ["BY_CLASS", "METHODS", "TransportProblem", "TransportSolution"]

BY_CLASS = {"class_lpl1": class_lpl1_plan, "class_l1l2": class_l1l2_plan}
METHODS = ("emd", "sinkhorn", *BY_CLASS, "laplace", "unbalanced", "partial")
_EXACT = ("emd", "laplace", "partial")
_LAPLACE_GAP = 0.02


@dataclass(frozen=True)
class TransportSolution:
    """A plan and how it was reached.

    Attributes
    ----------
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        The plan.
    potential : ndarray of shape (n_target,) or None
        Dual potential of the target rows where it extends the plan to all rows.
    blur : float
        Weight of the entropy, in units of squared distances.
    limit : str or None
        The parameter whose limit was met before the plan was as exact as asked for.
    """

    plan: object
    potential: np.ndarray | None = None
    blur: float = 0.0
    limit: str | None = None


@dataclass(frozen=True)
class TransportProblem:
    """What the plan shall be like; the parameters of `OptimalTransportAligner`."""

    method: str
    regularization: float
    penalty: float
    n_neighbors: int
    marginal_relaxation: float
    mass: float
    n_rounds: int
    n_iter: int
    tol: float

    @property
    def sums_are_fixed(self):
        """Whether all rows send and get the same: means of domains do not matter."""
        return self.method not in ("unbalanced", "partial")

    def solve(self, source, target, y_source, y_target):
        """Solve it between rows of about unit scale.

        Parameters
        ----------
        source, target : ndarray of shape (n_rows, n_features)
            Rows, in an order that depends on their content alone.
        y_source, y_target : ndarray of shape (n_rows,)
            Class numbers; -1 where there is none. Rows of different classes are kept
            apart; the class methods look at those of the source.

        Returns
        -------
        TransportSolution
            The plan.
        """
        costs = ConflictCosts(source, target, y_source, y_target)
        if self.method in _EXACT:
            costs.keep_apart(0.0)
            return self._exact(costs, source, target)
        unit = contrast(source, target)
        costs.keep_apart(self.regularization * unit)
        return self._entropic(costs, unit, y_source)

    def _exact(self, costs, source, target):
        if self.method == "emd":
            return TransportSolution(transport_plan(costs, costs.shape)[0])
        if self.method == "partial":
            return TransportSolution(partial_plan(costs(slice(None)), self.mass))
        moves = DisplacementPenalty(source, target, self.n_neighbors)
        plan, gap = laplace_plan(
            costs(slice(None)),
            moves,
            self.penalty,
            n_rounds=self.n_rounds,
            tol=_LAPLACE_GAP,
        )
        return TransportSolution(plan, limit="n_rounds" if gap > _LAPLACE_GAP else None)

    def _entropic(self, costs, unit, y_source):
        limits = {"n_iter": self.n_iter, "tol": self.tol}
        blur, conflicts = self.regularization * unit, costs.penalty > 0
        costs = costs(slice(None))
        potential = None
        if self.method == "unbalanced":
            relaxation = self.marginal_relaxation * unit
            plan, converged = unbalanced_plan(costs, blur, relaxation, **limits)
        elif self.method == "sinkhorn":
            plan, potential, converged = sinkhorn_plan(costs, blur, **limits)
        else:
            # Rows without a class are a class of their own, the last one.
            onehot = np.eye(y_source.max() + 2)[y_source]
            plan, converged = BY_CLASS[self.method](
                costs,
                onehot,
                blur,
                self.penalty * unit,
                n_rounds=self.n_rounds,
                **limits,
            )
        limit = None if converged else "n_iter"
        # The labels of new rows are unknown.
        return TransportSolution(plan, None if conflicts else potential, blur, limit)
