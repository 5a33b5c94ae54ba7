"""The target's class shares by each method, with resampled ones beside them.

Each function returns the estimate and `n_bootstrap` resampled estimates, for which rows
of both domains are drawn anew while the classifiers or the kernel stay. Classifiers
may stay: source rows and target rows are predicted by the same ones, which have not
seen these rows, so that mean predictions agree whatever the classifiers are.
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
)
from sktransfer.instance._prior_em import fit_prior, likelihood_scores
from sktransfer.instance._regularized_shift import regularized_ratios

__all__ = ["PriorEstimate", "by_confusion", "by_kernel", "by_likelihood"]


@dataclass(frozen=True)
class PriorEstimate:
    """Class shares of the target, and those of resampled rows.

    Not `known`: the predictions say nothing, and the shares are those of the source.
    """

    shares: np.ndarray
    resampled: np.ndarray
    known: bool = True

    def interval(self, confidence_level):
        """Return quantiles of the resampled shares that hold the estimate, by class."""
        if not self.known:
            return np.tile([0.0, 1.0], (len(self.shares), 1))
        tail = 50 * (1 - confidence_level)
        # So that a new draw is as likely as that to lie within: with 200 draws the
        # default quantiles of 95 % hold 94 %.
        ends = np.percentile(
            self.resampled, [tail, 100 - tail], axis=0, method="weibull"
        )
        low, high = np.minimum(ends[0], self.shares), np.maximum(ends[1], self.shares)
        return np.stack([low, high], axis=1)


def by_confusion(
    confusion, source, labels, target, *, penalty, shift_scale, n_bootstrap, rng
):
    """Estimate by the confusion matrix.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Columns: mean predictions for the classes.
    source : ndarray of shape (n_source, n_classes)
        Predictions by models that have not seen the row.
    target : ndarray of shape (n_models, n_target, n_classes)
        Predictions by each of these models.
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

    target = target.mean(axis=0)
    shares = solve(confusion[None], target.mean(axis=0)[None], prior[None])[0]
    if not n_bootstrap:
        return PriorEstimate(shares, np.empty((0, n_classes)))
    means, priors = resampled_class_means(source, labels, n_classes, n_bootstrap, rng)
    predicted = resampled_means(target, n_bootstrap, rng)
    return PriorEstimate(shares, solve(means.transpose(0, 2, 1), predicted, priors))


def by_likelihood(source, labels, target, *, calibration, n_bootstrap, rng):
    """Estimate by maximum likelihood, after calibration on the source.

    The calibration has a scale and biases only, so that probabilities are off where
    these are not enough, and the estimate with them: no resampling of it tells. So the
    resampled shares are those of black-box shift estimation from the likelihood's
    gradients of rows in place of predictions. They err on average by nothing, whatever
    the probabilities are, and by no more than the estimate where these are right.

    If the probabilities say nothing of the source's labels, the likelihood is as good
    as flat, and the estimate is the source's class shares.

    Parameters
    ----------
    source : ndarray of shape (n_source, n_classes)
        Probabilities by models that have not seen the row.
    labels : ndarray of shape (n_source,)
        Class numbers of the source rows.
    target : ndarray of shape (n_models, n_target, n_classes)
        Probabilities by each of these models.
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
    n_models, n_target, n_classes = target.shape
    prior = np.bincount(labels, minlength=n_classes) / len(labels)
    seen, scaling = logits_of(source), None
    biased = fit_scaling(seen, labels)
    if calibration == "bcts":
        scaling = biased
    elif calibration == "temperature":
        scaling = fit_scaling(seen, labels, bias=False)
    flat = scaling is not None and scaling.scale == 0
    if flat or not is_informative(biased, seen, labels):
        return PriorEstimate(prior, np.empty((0, n_classes)), known=False), scaling
    calibrated = scaling or Scaling(1.0, np.zeros(n_classes))
    probabilities = calibrated(logits_of(target.reshape(-1, n_classes)))
    shares = fit_prior(probabilities, prior)[0]
    if not n_bootstrap:
        return PriorEstimate(shares, np.empty((0, n_classes))), scaling
    # A gradient is at most one over the share.
    held = np.maximum(shares, 1.0 / n_target)
    told = likelihood_scores(held, calibrated(seen) / prior)
    found = likelihood_scores(held, probabilities / prior)
    found = found.reshape(n_models, n_target, n_classes).mean(axis=0)
    means, _ = resampled_class_means(told, labels, n_classes, n_bootstrap, rng)
    predicted = resampled_means(found, n_bootstrap, rng)
    resampled = estimate_prior(means.transpose(0, 2, 1), predicted)
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
