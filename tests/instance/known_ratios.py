"""Pairs of domains of which the ratio of the densities is known."""

import numpy as np
from scipy.special import logsumexp
from scipy.stats import spearmanr

__all__ = ["KNOWN", "agreement", "draw_known", "mean_error"]

KNOWN = ("gaussians", "mixture", "truncated")


def draw_known(case, p, n, seed=0, n_target=None):
    """Draw n source rows and as many target rows; return X, the domain, the ratio.

    Only the ratio of the first min(p, 2) columns differs from one: in more columns the
    shift is as large, and there is more noise around it.
    """
    rng = np.random.RandomState(seed)
    n_target = n if n_target is None else n_target
    moved = min(p, 2)
    if case == "truncated":
        # Source uniform on the cube; the target's first column is sqrt(u), that is, of
        # density 2 x, on the upper part of it alone.
        source, target = rng.uniform(size=(n, p)), rng.uniform(size=(n_target, p))
        target[:, 0] = np.sqrt(0.09 + 0.91 * target[:, 0])
        ratio = np.where(source[:, 0] > 0.3, 2 * source[:, 0] / 0.91, 0.0)
    elif case == "gaussians":
        source, target = rng.normal(size=(n, p)), rng.normal(size=(n_target, p))
        target[:, :moved] = 0.5 + 0.7 * target[:, :moved]
        at, z = source[:, :moved], (source[:, :moved] - 0.5) / 0.7
        ratio = np.exp((at**2 - z**2).sum(axis=1) / 2 - moved * np.log(0.7))
    else:
        source, target = rng.normal(size=(n, p)), rng.normal(size=(n_target, p))
        side = np.where(rng.uniform(size=n_target) < 0.5, -1.0, 1.0)
        target[:, 0] = 1.2 * side + 0.5 * target[:, 0]
        at = source[:, 0]
        z = (at[:, None] - np.array([-1.2, 1.2])) / 0.5
        ratio = np.exp(logsumexp(-(z**2) / 2, axis=1) + at**2 / 2)
    domain = np.repeat([1, -1], [n, n_target])
    return np.r_[source, target], domain, ratio / ratio.mean()


def agreement(weights, ratio):
    """Return Spearman's correlation of the weights of source rows with the truth."""
    return spearmanr(weights[: len(ratio)], ratio).statistic


def mean_error(weights, ratio):
    """Return the mean absolute error of the weights, whose mean is one."""
    return float(np.abs(weights[: len(ratio)] - ratio).mean())
