"""Class shares of the target by maximum likelihood, from probabilities of the source.

The likelihood of shares q is the product over target rows of sum_c q_c p_c(x) / pi_c.
Expectation-maximisation multiplies q by the likelihood's gradient; its fixed point is
reached here by Newton steps on the same concave likelihood.
"""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sktransfer.instance._small_program import solve_on_simplex

__all__ = ["em_step", "fit_prior", "likelihood_scores"]

_EM_STEPS = 5
_RIDGE = 1e-10
_LOOSE = 1e-5


def em_step(shares, probabilities, source_prior):
    """Return the mean of the target's probabilities after Bayes' rule with `shares`.

    Parameters
    ----------
    shares : ndarray of shape (n_classes,)
        Assumed class shares of the target.
    probabilities : ndarray of shape (n_samples, n_classes)
        Probabilities of the target rows under the source's class shares.
    source_prior : ndarray of shape (n_classes,)
        Those shares.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    return shares * likelihood_scores(shares, probabilities / source_prior).mean(axis=0)


def fit_prior(probabilities, source_prior, *, tol=1e-10, max_iter=200):
    """Return the class shares of largest likelihood.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        Probabilities of the target rows under the source's class shares, positive.
    source_prior : ndarray of shape (n_classes,)
        Those shares, positive.
    tol : float, default=1e-10
        For the mean log-likelihood: the duality gap max(gradient) - 1 bounds how far it
        is from the maximum.
    max_iter : int, default=200
        Bound on the steps.

    Returns
    -------
    shares : ndarray of shape (n_classes,)
        They sum to one.
    gap : float
        The bound reached.
    n_iter : int
        Number of steps.
    """
    ratios = probabilities / source_prior
    shares = source_prior / source_prior.sum()
    for n_iter in range(max_iter + 1):
        weighted = likelihood_scores(shares, ratios)
        gradient = weighted.mean(axis=0)
        gap = float(gradient.max() - 1.0)
        if gap <= tol or n_iter == max_iter:
            break
        moved = shares * gradient
        if n_iter >= _EM_STEPS:
            newton = _newton_point(shares, gradient, weighted)
            shares = _ascend(shares, newton, moved, ratios)
        else:
            shares = moved
        shares = shares / shares.sum()
    if gap > _LOOSE:
        warnings.warn(
            f"The class shares are within {gap:.1e} of the largest mean log-likelihood "
            f"after {n_iter} steps. Probabilities of 0 and 1 make this hard: calibrate "
            "the classifier.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return shares, gap, n_iter


def likelihood_scores(shares, ratios):
    """Return each row's gradient of the log-likelihood.

    Parameters
    ----------
    shares : ndarray of shape (n_classes,)
        Class shares of the target.
    ratios : ndarray of shape (n_samples, n_classes)
        Probabilities over the source's class shares.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    return ratios / np.maximum(ratios @ shares, 1e-300)[:, None]


def _newton_point(shares, gradient, weighted):
    """Maximise the quadratic model of the mean log-likelihood over the simplex."""
    hessian = weighted.T @ weighted / len(weighted)
    ridge = _RIDGE * np.trace(hessian)
    hessian[np.diag_indices_from(hessian)] += ridge
    linear = gradient + hessian @ shares
    return solve_on_simplex(hessian, linear[None])[0]


def _ascend(shares, newton, moved, ratios):
    """Go as far to the Newton point as the likelihood grows, else by an EM step."""

    def value(q):
        with np.errstate(divide="ignore"):
            return float(np.log(ratios @ q).mean())

    before, length = value(shares), 1.0
    while length > 1e-3:
        trial = shares + length * (newton - shares)
        if value(trial) > before:
            return trial
        length *= 0.5
    return moved
