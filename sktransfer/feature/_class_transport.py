"""Entropic transport that draws each target row's mass from few source classes.

Both penalties are of the plan scaled such that a target row gets mass one. Each round
linearises the penalty and solves an entropic problem with the slopes added to the
costs: for the concave penalty this is majorisation, for the convex one a conditional
gradient with a line search.
"""

import numpy as np
from scipy.optimize import minimize_scalar

from sktransfer.feature._transport_solvers import sinkhorn_plan

__all__ = ["class_l1l2_plan", "class_lpl1_plan", "group_penalty"]

_EPS = 1e-3
_SETTLED = 1e-3
_GAP = 1e-4


def class_lpl1_plan(costs, onehot, regularization, penalty, *, n_rounds, n_iter, tol):
    r"""Return the entropic plan with a concave penalty on class shares.

    The penalty is the mean over target rows of :math:`\sum_c \sqrt{s_c + 10^{-3}}`,
    :math:`s_c` the share of the row's mass that comes from class c.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs.
    onehot : ndarray of shape (n_source, n_classes)
        Class of each source row.
    regularization : float
        Weight of the entropy, in units of the costs.
    penalty : float
        Weight of the penalty, in units of the costs.
    n_rounds : int
        Largest number of rounds.
    n_iter : int
        Largest number of iterations in each.
    tol : float
        Gap of the sums to stop a round at. Rounds end when a target row's shares change
        by less than 1e-3 in the mean.

    Returns
    -------
    plan : ndarray of shape (n_source, n_target)
        The plan; it sums to one.
    converged : bool
        Whether the sums of the plan are right.
    """
    n_target = costs.shape[1]
    slopes, shares = 0.0, np.full((n_target, onehot.shape[1]), np.inf)
    for _ in range(n_rounds):
        plan, _, converged = sinkhorn_plan(
            costs + slopes, regularization, n_iter=n_iter, tol=tol
        )
        before, shares = shares, n_target * (plan.T @ onehot)
        if np.abs(shares - before).sum() <= _SETTLED * n_target:
            break
        slopes = onehot @ (0.5 * penalty / np.sqrt(shares + _EPS)).T
    return plan, converged


def class_l1l2_plan(costs, onehot, regularization, penalty, *, n_rounds, n_iter, tol):
    """Return the entropic plan with a group lasso over the classes.

    The penalty is `group_penalty`. Parameters and results as of `class_lpl1_plan`;
    rounds end at a duality gap of 1e-4 of the mean cost.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs.
    onehot : ndarray of shape (n_source, n_classes)
        Class of each source row.
    regularization : float
        Weight of the entropy, in units of the costs.
    penalty : float
        Weight of the penalty, in units of the costs.
    n_rounds : int
        Largest number of rounds.
    n_iter : int
        Largest number of iterations in each.
    tol : float
        Gap of the sums to stop a round at.

    Returns
    -------
    plan : ndarray of shape (n_source, n_target)
        The plan; it sums to one.
    converged : bool
        Whether the sums of the plan are right.
    """

    def objective(plan):
        entropy = _entropy_sum(plan)
        return (
            float(np.einsum("ij,ij->", plan, costs))
            + regularization * entropy
            + penalty * group_penalty(plan, onehot)
        )

    plan, _, converged = sinkhorn_plan(costs, regularization, n_iter=n_iter, tol=tol)
    for _ in range(n_rounds):
        slopes = penalty * _group_slopes(plan, onehot)
        slopes += costs
        goal, _, right = sinkhorn_plan(slopes, regularization, n_iter=n_iter, tol=tol)
        step = goal - plan
        gap = -float(np.einsum("ij,ij->", step, slopes))
        gap -= regularization * (_entropy_sum(goal) - _entropy_sum(plan))
        if gap <= _GAP * abs(float(np.einsum("ij,ij->", plan, costs))):
            break
        share = minimize_scalar(
            lambda share, plan=plan, step=step: objective(plan + share * step),
            bounds=(0, 1),
            method="bounded",
            options={"maxiter": 8},
        ).x
        plan, converged = plan + share * step, converged and right
    return plan, converged


def group_penalty(plan, onehot):
    """Return the mean over target rows of the norms of what comes from each class.

    Parameters
    ----------
    plan : ndarray of shape (n_source, n_target)
        The plan.
    onehot : ndarray of shape (n_source, n_classes)
        Class of each source row.

    Returns
    -------
    float
        Between 0 and 1 for a plan that sums to one: small where the mass of a target
        row comes from many source rows of one class.
    """
    return float(np.sqrt(np.square(plan).T @ onehot).sum())


def _group_slopes(plan, onehot):
    norms = np.sqrt(np.square(plan).T @ onehot)
    inverse = np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0)
    return plan * (onehot @ inverse.T)


def _entropy_sum(plan):
    mass = plan[plan > 0]
    return float(np.dot(mass, np.log(mass)))
