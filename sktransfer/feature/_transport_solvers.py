"""Solvers of optimal transport with an entropy, or without all of the mass.

Costs come in units of their own spread, weights are uniform. The balanced entropic
problem and the partial one are POT's; the unbalanced one is solved here by logarithms,
since kernels of far rows vanish otherwise.
"""

import warnings

import numpy as np
from scipy import sparse

from sktransfer.feature._transport_costs import reduced_costs
from sktransfer.joint._priced_transport import dense_plan, import_ot

__all__ = ["partial_plan", "sinkhorn_plan", "unbalanced_plan"]

_MAX_PIVOTS = 10**8
_TAU = 1e100
_WRONG_MASS = 1e-6
_BY_LOGARITHMS = {"method": "sinkhorn_log"}


def sinkhorn_plan(costs, regularization, *, n_iter, tol):
    r"""Return the plan with uniform sums of least cost and entropy.

    Minimises :math:`\langle P, C \rangle + \epsilon \sum_{ij} P_{ij} \log P_{ij}`.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs.
    regularization : float
        Weight of the entropy, in units of the costs.
    n_iter : int
        Largest number of iterations.
    tol : float
        The distance of the column sums from uniform ones to stop at, as a share of
        their norm. The row sums are exact.

    Returns
    -------
    plan : ndarray of shape (n_source, n_target)
        The plan; it sums to one.
    potential : ndarray of shape (n_target,)
        Dual potential of the target rows, in units of the costs.
    converged : bool
        Whether `tol` was reached.
    """
    n_source, n_target = costs.shape
    reduced, by_column = reduced_costs(costs)
    uniform = np.full(n_target, 1 / n_target)
    options = {
        "numItermax": n_iter,
        "stopThr": tol / np.sqrt(n_target),
        "log": True,
        "warn": False,
    }
    # Factors are taken into the potentials far above the number of rows: in the very
    # iteration in which that happens, the solver's plan has the wrong mass.
    for method in ({"method": "sinkhorn_stabilized", "tau": _TAU}, _BY_LOGARITHMS):
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            plan, log = import_ot().sinkhorn(
                np.full(n_source, 1 / n_source),
                uniform,
                reduced,
                regularization,
                **method,
                **options,
            )
        if abs(plan.sum() - 1) < _WRONG_MASS:
            break
    potential = log["beta"] if "beta" in log else regularization * log["log_v"]
    gap = np.linalg.norm(plan.sum(axis=0) - uniform) * np.sqrt(n_target)
    return plan, potential + by_column, bool(gap <= tol)


def unbalanced_plan(costs, regularization, relaxation, *, n_iter, tol):
    r"""Return the entropic plan whose sums are drawn to uniform ones, not held to them.

    Minimises :math:`\langle P, C \rangle + \epsilon \mathrm{KL}(P | a b^T) + \rho
    \mathrm{KL}(P 1 | a) + \rho \mathrm{KL}(P^T 1 | b)` for costs less the constant that
    makes the whole mass one. A constant changes nothing else but that mass.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs.
    regularization : float
        Weight of the entropy, in units of the costs.
    relaxation : float
        Weight of the divergence of the sums, in units of the costs.
    n_iter : int
        Largest number of iterations.
    tol : float
        Largest change of a logarithm of the plan to stop at.

    Returns
    -------
    plan : ndarray of shape (n_source, n_target)
        The plan; it sums to one.
    converged : bool
        Whether `tol` was reached.
    """
    scaled = -costs / regularization
    damping = relaxation / (relaxation + regularization)
    source, target = np.zeros(costs.shape[0]), np.zeros(costs.shape[1])
    converged = False
    for _ in range(n_iter):
        before = source, target
        source = -damping * _log_sums(scaled + target, axis=1)
        target = -damping * _log_sums(scaled + source[:, None], axis=0)
        # The common constant is what converges slowest, and the mass fixes it.
        target -= target.mean()
        change = max(np.abs(source - before[0]).max(), np.abs(target - before[1]).max())
        if change <= tol:
            converged = True
            break
    scaled += source[:, None]
    scaled += target
    plan = np.exp(scaled - scaled.max())
    return plan / plan.sum(), converged


def _log_sums(exponents, axis):
    largest = exponents.max(axis=axis, keepdims=True)
    exponents -= largest
    np.exp(exponents, out=exponents)
    return np.log(exponents.sum(axis=axis)) + largest.squeeze(axis)


def partial_plan(costs, mass):
    """Return the plan of least cost that moves a share of the mass.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs, >= 0.
    mass : float
        The share, in (0, 1].

    Returns
    -------
    sparse array of shape (n_source, n_target)
        The plan; it sums to `mass`, and no row or column to more than its share.
    """
    if mass == 1:
        return dense_plan(costs)[0]
    n_source, n_target = costs.shape
    plan = import_ot().partial.partial_wasserstein(
        np.full(n_source, 1 / n_source),
        np.full(n_target, 1 / n_target),
        costs,
        m=mass,
        numItermax=_MAX_PIVOTS,
    )
    return sparse.csr_array(plan)
