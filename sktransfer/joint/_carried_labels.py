"""Labels carried onto target rows by an exact plan or by entropic ones."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sktransfer.joint._class_shares import (
    domain_rows,
    proportional_transport,
    uniform_transport,
)
from sktransfer.joint._entropic_transport import self_potentials
from sktransfer.joint._joint_transport import transport_plan
from sktransfer.joint._label_transport import (
    EntropicRule,
    ExactRule,
    central_prices,
    exact_shares,
)

__all__ = ["CarriedLabels", "carry_by_entropic_plans", "carry_by_exact_plan"]


@dataclass(frozen=True)
class CarriedLabels:
    """What a plan brought, and the rule that goes on for new rows.

    Attributes
    ----------
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        The plan; of several sources their mean, each with its own rows.
    shares : ndarray of shape (n_target, n_classes)
        Class shares of target rows.
    potentials : ndarray of shape (n_source,)
        Dual prices of source rows, in units of the costs.
    proportions : ndarray of shape (n_classes,)
        Class proportions of the target.
    rule : {ExactRule, EntropicRule}
        Gives class shares of new rows.
    n_iter : int
        Number of iterations.
    moved : float
        Share of the mass that the last iteration moved.
    """

    plan: np.ndarray | sparse.sparray
    shares: np.ndarray
    potentials: np.ndarray
    proportions: np.ndarray
    rule: ExactRule | EntropicRule
    n_iter: int
    moved: float


def carry_by_exact_plan(costs, y_source, source_groups, labeled, n_classes):
    """Carry labels by the plan of least cost.

    Parameters
    ----------
    costs : callable
        ``costs(rows)`` returns the costs of some source rows; it has a `shape`.
    y_source : ndarray of shape (n_source,)
        Class numbers.
    source_groups : ndarray of shape (n_source,)
        Equal source rows have the same number.
    labeled : ndarray of shape (n_target,), bool
        Which target rows have a label.
    n_classes : int
        Number of classes.

    Returns
    -------
    CarriedLabels
    """
    plan, prices = transport_plan(costs, costs.shape)
    memberships = np.eye(n_classes)[y_source]
    prices, _ = central_prices(costs, plan, prices, memberships)
    shares = exact_shares(plan, memberships, source_groups, labeled)
    rule = ExactRule(prices, memberships)
    proportions = memberships.mean(axis=0)
    return CarriedLabels(plan, shares, prices, proportions, rule, 1, 0.0)


def _divided(costs, regularization):
    costs /= regularization
    return costs


def carry_by_entropic_plans(
    costs, y_source, source_domain, n_classes, *, regularization, debias, **limits
):
    """Carry labels by one entropic plan, or by one of each source.

    Parameters
    ----------
    costs : callable
        ``costs(rows)`` returns the costs of some source rows, and
        ``costs.within_source(rows)`` those to each other; it has a `shape`.
    y_source : ndarray of shape (n_source,)
        Class numbers.
    source_domain : ndarray of shape (n_source,) or None
        Number of each row's source: the target's class proportions are found along with
        the plans. None: all rows are one source and weigh the same.
    n_classes : int
        Number of classes.
    regularization : float
        Weight of the entropy.
    debias : bool
        With several sources: take from a row's costs its potential within its source.
    **limits : dict
        `tol` and `max_iter` of `entropic_transport`.

    Returns
    -------
    CarriedLabels
    """
    held, labels = np.unique(y_source, return_inverse=True)
    tied = source_domain is not None
    domain = source_domain if tied else np.zeros(len(labels), dtype=np.int64)
    rows, counts = domain_rows(domain, labels, len(held))
    labels = [labels[i] for i in rows]
    scaled = [_divided(costs(i), regularization) for i in rows]
    capped = (~counts.all(axis=1)).tolist()
    own = [np.zeros(len(i)) for i in rows]
    if tied and debias:
        for k, i in enumerate(rows):
            within = _divided(costs.within_source(i), regularization)
            own[k] = self_potentials(within, **limits)
            scaled[k] -= own[k][:, None]
    if tied:
        shares, found = proportional_transport(scaled, labels, counts, capped, **limits)
    else:
        shares = counts[0] / counts.sum()
        found = uniform_transport(*scaled, *labels, len(held), **limits)
    kernels, plans, n_iter, moved = found
    proportions = np.zeros(n_classes)
    proportions[held] = shares
    # A class's share is the mean over the sources that hold it.
    parts = np.eye(n_classes)[held] / (counts > 0).sum(axis=0)[:, None]
    members = [parts[codes] for codes in labels]
    carried = sum(g.T @ m for g, m in zip(plans, members, strict=True))
    potentials = [f + kernel.f for f, kernel in zip(own, kernels, strict=True)]
    plan, prices = np.empty(costs.shape), np.empty(len(y_source))
    for i, g, f in zip(rows, plans, potentials, strict=True):
        plan[i], prices[i] = g / len(rows), f * regularization
    return CarriedLabels(
        plan,
        carried / carried.sum(axis=1, keepdims=True),
        prices,
        proportions,
        EntropicRule(potentials, rows, members, capped, plan.shape[1], regularization),
        n_iter,
        moved,
    )
