"""The target's class shares by each method, with resampled ones beside them.

Each function returns the estimate and `n_bootstrap` resampled estimates, for which rows
of both domains are drawn anew while the classifier or the kernel stays. They are
handed on as `PriorEstimate`.
"""

from dataclasses import dataclass

import numpy as np

from sktransfer.instance._bias_corrected_scaling import (
    Scaling,
    fit_scaling,
    is_informative,
    logits_of,
)
from sktransfer.instance._black_box_shift import estimate_prior
from sktransfer.instance._kernel_target_shift import fit_mixture
from sktransfer.instance._poisson_bootstrap import (
    resampled_class_means,
    resampled_means,
    resampled_sums,
)
from sktransfer.instance._prior_em import fit_prior, likelihood_derivatives
from sktransfer.instance._regularized_shift import regularized_ratios
from sktransfer.instance._small_program import solve_on_simplex

__all__ = ["PriorEstimate", "by_confusion", "by_kernel", "by_likelihood"]

_RIDGE = 1e-10


@dataclass(frozen=True)
class PriorEstimate:
    """Class shares of the target, and those of resampled rows.

    Not `known`: the predictions say nothing, and the shares are those of the source.
    """

    shares: np.ndarray
    resampled: np.ndarray
    known: bool = True

    def interval(self, confidence_level):
        """Return quantiles of the resampled shares, one row a class."""
        if not self.known:
            return np.tile([0.0, 1.0], (len(self.shares), 1))
        tail = 50 * (1 - confidence_level)
        return np.percentile(self.resampled, [tail, 100 - tail], axis=0).T


def by_confusion(
    confusion, source, labels, target, *, penalty, shift_scale, n_bootstrap, rng
):
    """Estimate by the confusion matrix.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Columns: mean predictions for the classes.
    source, target : ndarray of shape (n_samples, n_classes)
        Predictions.
    labels : ndarray of shape (n_source,)
        Class numbers of the source rows.
    penalty : float or None
        None: black-box shift estimation; else the weight of the norm of the shift.
    shift_scale : float
        How much of a penalised shift is kept.
    n_bootstrap : int
        Number of resamples.
    rng : RandomState instance
        For them.

    Returns
    -------
    PriorEstimate
    """
    n_classes = len(confusion)
    prior = np.bincount(labels, minlength=n_classes) / len(labels)

    def solve(confusions, predicted, priors):
        if penalty is None:
            return estimate_prior(confusions, predicted)
        shares = [
            q * (1 + shift_scale * (regularized_ratios(C * q, mean, penalty) - 1))
            for C, mean, q in zip(confusions, predicted, priors, strict=True)
        ]
        return shares / np.sum(shares, axis=1, keepdims=True)

    shares = solve(confusion[None], target.mean(axis=0)[None], prior[None])[0]
    if not n_bootstrap:
        return PriorEstimate(shares, np.empty((0, n_classes)))
    means, priors = resampled_class_means(source, labels, n_classes, n_bootstrap, rng)
    predicted = resampled_means(target, n_bootstrap, rng)
    return PriorEstimate(shares, solve(means.transpose(0, 2, 1), predicted, priors))


def by_likelihood(source, labels, target, *, calibration, n_bootstrap, rng):
    """Estimate by maximum likelihood, after calibration on the source.

    The resampled estimates are one Newton step away from the estimate, for the
    resampled gradient: of the target rows, of the source's class shares and of the
    calibration. If the probabilities say nothing of the source's labels, the likelihood
    is as good as flat, and the estimate is the source's class shares.

    Parameters
    ----------
    source, target : ndarray of shape (n_samples, n_classes)
        Probabilities.
    labels : ndarray of shape (n_source,)
        Class numbers of the source rows.
    calibration : {"bcts", "temperature", None}
        How probabilities are calibrated.
    n_bootstrap : int
        Number of resamples.
    rng : RandomState instance
        For them.

    Returns
    -------
    PriorEstimate, Scaling or None
    """
    n_classes = target.shape[1]
    prior = np.bincount(labels, minlength=n_classes) / len(labels)
    logits, scaling = logits_of(target), None
    influence = np.zeros((len(labels), 1))
    seen = logits_of(source)
    biased = fit_scaling(seen, labels)
    if calibration == "bcts":
        scaling, influence = biased
    elif calibration == "temperature":
        scaling, influence = fit_scaling(seen, labels, bias=False)
    flat = scaling is not None and scaling.scale == 0
    if flat or not is_informative(biased[0], seen, labels):
        return PriorEstimate(prior, np.empty((0, n_classes)), known=False), scaling
    probabilities = (scaling or Scaling(1.0, np.zeros(n_classes)))(logits)
    shares = fit_prior(probabilities, prior)[0]
    if not n_bootstrap:
        return PriorEstimate(shares, np.empty((0, n_classes))), scaling
    rows, hessian = likelihood_derivatives(shares, probabilities / prior)
    members = np.eye(n_classes)[labels]
    sums, counts = resampled_sums(np.hstack([influence, members]), n_bootstrap, rng)
    moved, totals = sums[:, : influence.shape[1]], sums[:, influence.shape[1] :]
    shift = 1.0 - totals / np.maximum(counts, 1.0)[:, None] / prior
    if influence.shape[1] > 1:
        shift = shift + moved[:, 1:]
    # How the gradient changes with the biases less the logs of the source's shares,
    # and with the scale of the logits.
    tilt = logits - (rows * logits) @ shares[:, None]
    gradient = resampled_means(rows, n_bootstrap, rng)
    gradient += rows.mean(axis=0) * shift - (shift * shares) @ hessian
    gradient += moved[:, :1] * (rows * tilt).mean(axis=0)
    hessian[np.diag_indices(n_classes)] += _RIDGE * np.trace(hessian)
    resampled = solve_on_simplex(hessian, gradient + hessian @ shares)
    return PriorEstimate(shares, resampled), scaling


def by_kernel(means, labels, *, upper_bound, eps, n_bootstrap, rng):
    """Estimate by the kernel means of the classes.

    Resampled kernel means are those of first order: mean values of rows are resampled,
    not pairs of rows.

    Parameters
    ----------
    means : ClassKernelMeans
        Mean kernel values of rows.
    labels : ndarray of shape (n_source,)
        Class numbers of the source rows.
    upper_bound, eps : float
        Bounds of the shares.
    n_bootstrap : int
        Number of resamples.
    rng : RandomState instance
        For them.

    Returns
    -------
    PriorEstimate
    """
    n_classes = means.source.shape[1]
    counts = np.bincount(labels, minlength=n_classes)
    prior = counts / len(labels)
    members = np.eye(n_classes)[labels] / counts
    between = members.T @ means.source
    attraction = means.target.mean(axis=0)
    bounds = {"upper_bound": upper_bound, "eps": eps}
    shares = fit_mixture(between[None], attraction[None], prior, **bounds)[0]
    if not n_bootstrap:
        return PriorEstimate(shares, np.empty((0, n_classes)))
    values = np.column_stack([means.source, means.attraction])
    drawn, _ = resampled_class_means(values, labels, n_classes, n_bootstrap, rng)
    blocks = drawn[:, :, :-1] + drawn[:, :, :-1].transpose(0, 2, 1) - between
    linear = resampled_means(means.target, n_bootstrap, rng)
    linear += drawn[:, :, -1] - attraction
    return PriorEstimate(shares, fit_mixture(blocks, linear, prior, **bounds))
