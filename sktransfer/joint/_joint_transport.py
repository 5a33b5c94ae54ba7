"""Joint distribution optimal transport: plan and model in turn.

The cost of moving source row i to target row j is
``alpha ||x_i - x_j||^2 + loss(y_i, f(x_j))``. It is a matrix product for the features,
and losses of classes are picked from an n_target x n_classes matrix by the source
labels. Costs are functions of the source rows: ``costs(rows)`` makes those of a few.
"""

import warnings

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning

from sktransfer.joint._class_shares import uniform_transport
from sktransfer.joint._priced_transport import (
    cost_blocks,
    dense_plan,
    priced_plan,
)

__all__ = [
    "LOSSES",
    "SquaredDistances",
    "class_losses",
    "joint_transport",
    "restore_rows",
    "transport_plan",
]

LOSSES = ("log_loss", "squared", "hinge")
_LEAST_PROBABILITY = 1e-7
_DENSE_ENTRIES = 2**20
_MAX_SINKHORN = 2000
_SINKHORN_GAP = 1e-6


class SquaredDistances:
    """Squared distances of source rows to all target rows, some source rows at a time.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
        Source rows.
    X_target : ndarray of shape (n_target, n_features)
        Target rows.
    """

    def __init__(self, X_source, X_target):
        # Distances keep their digits where the rows lie far from zero, and where one
        # of them lies far from the others: no mean here.
        origin = np.median(X_target, axis=0).astype(np.float64)
        self.source, self.target = X_source - origin, X_target - origin
        self.source_norms = np.einsum("ij,ij->i", self.source, self.source)
        self.target_norms = np.einsum("ij,ij->i", self.target, self.target)

    @property
    def shape(self):
        """Number of source rows and of target rows."""
        return len(self.source), len(self.target)

    def __call__(self, rows):
        """Return the distances of some source rows."""
        block = (-2 * self.source[rows]) @ self.target.T
        block += self.source_norms[rows, None]
        block += self.target_norms
        return np.maximum(block, 0, out=block)

    def largest(self):
        """Return the largest distance, 1 where all are zero."""
        return max(self(rows).max() for rows in cost_blocks(*self.shape)) or 1.0


def class_losses(predictions, loss):
    """Return the loss of each target row, if it were of each class.

    Parameters
    ----------
    predictions : ndarray of shape (n_target, n_classes)
        Probabilities ("log_loss", "squared") or one-vs-rest decisions ("hinge").
    loss : {"log_loss", "squared", "hinge"}
        The loss; the last two are summed over the classes.

    Returns
    -------
    ndarray of shape (n_target, n_classes)
        Losses.
    """
    if loss == "log_loss":
        return -np.log(np.maximum(predictions, _LEAST_PROBABILITY))
    if loss == "squared":
        own, other = np.square(predictions - 1), np.square(predictions)
    else:
        own, other = np.maximum(1 - predictions, 0), np.maximum(1 + predictions, 0)
    return own - other + other.sum(axis=1, keepdims=True)


def transport_plan(
    costs, shape, method="emd", regularization=0.1, start=None, groups=None
):
    """Return the plan of least cost between uniform weights, and the dual prices.

    Parameters
    ----------
    costs : callable
        ``costs(rows)`` returns the costs of some source rows to all target rows.
    shape : tuple of two ints
        Number of source rows and of target rows.
    method : {"emd", "sinkhorn"}, default="emd"
        Exact by the network simplex, or with an entropy.
    regularization : float, default=0.1
        Weight of the entropy, in units of the costs.
    start : tuple of two ndarrays, default=None
        Dual prices of a similar problem, to begin with.
    groups : ndarray of shape (n_source,), default=None
        Classes of source rows. "sinkhorn" takes fewer iterations with them.

    Returns
    -------
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        Sparse for "emd"; sums to one.
    prices : tuple of two ndarrays
        Dual prices, for "sinkhorn" in units of `regularization`.
    """
    if method == "emd" and shape[0] * shape[1] > _DENSE_ENTRIES:
        return priced_plan(costs, shape, start)
    if method == "emd":
        return dense_plan(costs(slice(None)), start)
    groups = np.zeros(shape[0]) if groups is None else groups
    present, groups = np.unique(groups, return_inverse=True)
    (kernel,), (plan,), _, moved = uniform_transport(
        costs(slice(None)) / regularization,
        groups,
        len(present),
        tol=_SINKHORN_GAP,
        max_iter=_MAX_SINKHORN,
        start=None if start is None else start[0],
    )
    if moved > _SINKHORN_GAP:
        warnings.warn(
            f"Sinkhorn stopped after {_MAX_SINKHORN} iterations before its plan had "
            "the right sums. Raise `regularization` or use method='emd'.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return plan, (kernel.f, kernel.g)


def restore_rows(plan, by_source, by_target):
    """Return a plan between sorted rows as one between the rows as they came.

    Parameters
    ----------
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        Plan between ``X_source[by_source]`` and ``X_target[by_target]``.
    by_source, by_target : ndarray of shape (n_source,) and (n_target,)
        The orders.

    Returns
    -------
    {sparse array, ndarray} of shape (n_source, n_target)
        The plan between ``X_source`` and ``X_target``.
    """
    rows, columns = np.argsort(by_source), np.argsort(by_target)
    return (
        plan[rows][:, columns] if sparse.issparse(plan) else plan[np.ix_(rows, columns)]
    )


def _objective(plan, costs, entropy):
    moved = 0.0
    for rows in cost_blocks(*plan.shape):
        part = plan[rows]
        if sparse.issparse(part):
            part = part.tocoo()
            moved += float(np.dot(part.data, costs(rows)[part.coords]))
        else:
            moved += float(np.einsum("ij,ij->", part, costs(rows)))
    if not entropy:
        return moved
    mass = plan[plan > 0]
    return moved + entropy * float(np.dot(mass, np.log(plan.size * mass)))


def joint_transport(
    costs_at, refit, shape, *, method, regularization, n_iter, tol, groups=None
):
    """Improve the plan and the model in turn until the objective stops falling.

    Parameters
    ----------
    costs_at : callable
        ``costs_at(model)`` returns the costs at a model, a callable as in
        `transport_plan`. Without a model (None): the costs of the features alone.
    refit : callable
        ``refit(plan)`` returns a new model.
    shape : tuple of two ints
        Number of source rows and of target rows.
    method : {"emd", "sinkhorn"}
        How the plan is found.
    regularization : float
        Weight of the entropy.
    n_iter : int
        Largest number of rounds.
    tol : float
        Stop where the objective falls by less than this share.
    groups : ndarray of shape (n_source,), default=None
        Classes of source rows, as in `transport_plan`.

    Returns
    -------
    model : object
        The model of the last round that lowered the objective.
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        The plan it was fitted with.
    objectives : list of float
        The objective after each round; it falls.
    """
    entropy = regularization if method == "sinkhorn" else 0.0
    costs = costs_at(None)
    best, objectives, prices = None, [], None
    for i in range(n_iter):
        plan, prices = transport_plan(
            costs, shape, method, regularization, prices, groups
        )
        model = refit(plan)
        costs = costs_at(model)
        objective = _objective(plan, costs, entropy)
        # Less than rounding is no fall.
        if objectives and objective >= objectives[-1] - 1e-12 * abs(objectives[-1]):
            break
        best = model, plan
        objectives.append(objective)
        if i and objectives[-2] - objective <= tol * abs(objectives[-2]):
            break
    return *best, objectives
