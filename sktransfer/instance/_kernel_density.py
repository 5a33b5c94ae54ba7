"""The ratio of two kernel density estimates, in logarithms throughout."""

from dataclasses import dataclass

import numpy as np

from sktransfer._kernels import content_subsample
from sktransfer.instance._row_groups import row_groups
from sktransfer.instance._standardize import column_means, common_scales, row_blocks

__all__ = ["DensityRatio", "fit_density_ratio"]

_BLOCK_ENTRIES = 2**20
# A column that is nearly constant in one domain only keeps a width.
_LEAST_SPREAD = 0.01
_CV_ROWS = 1000
# Candidates around Scott's rule.
_CV_FACTORS = 2.0 ** np.arange(-2, 2.25, 0.25)


@dataclass(frozen=True)
class _Density:
    """Gaussian kernels of given widths around centres."""

    centers: np.ndarray
    widths: np.ndarray

    def log_density(self, Z, own=None):
        """Return the log density of rows, up to a constant common to all densities.

        Parameters
        ----------
        Z : ndarray of shape (n_samples, n_features)
            Rows in the units of the centres.
        own : ndarray of shape (n_samples,), int, default=None
            For each row the centre that is itself and is left out; -1: none.
        """
        out = np.empty(len(Z))
        C = self.centers / self.widths
        squares = np.einsum("ij,ij->i", C, C)
        step = max(1, _BLOCK_ENTRIES // len(C))
        for start in range(0, len(Z), step):
            rows = slice(start, start + step)
            part = None if own is None else own[rows]
            out[rows] = _log_sums(Z[rows] / self.widths, C, squares, part)
        if own is not None and len(C) > 1:
            out -= np.log(len(C) - (own >= 0))
        else:
            out -= np.log(len(C))
        return out - np.log(self.widths).sum()


def _log_sums(Z, C, squares, own):
    logs = Z @ C.T
    logs -= 0.5 * squares
    logs -= 0.5 * np.einsum("ij,ij->i", Z, Z)[:, None]
    np.minimum(logs, 0, out=logs)
    if own is not None and len(C) > 1:
        left_out = np.flatnonzero(own >= 0)
        logs[left_out, own[left_out]] = -np.inf
    largest = logs.max(axis=1)
    logs -= largest[:, None]
    return largest + np.log(np.exp(logs, out=logs).sum(axis=1))


@dataclass(frozen=True)
class DensityRatio:
    """Log ratio of the target's density estimate to the source's."""

    source: _Density
    target: _Density
    centre: np.ndarray
    scale: np.ndarray
    bandwidth: float

    def __call__(self, X, own=None):
        """Return the log ratio of each row of X."""
        out = np.empty(X.shape[0])
        for rows in row_blocks(X):
            Z = (X[rows].astype(np.float64) - self.centre) / self.scale
            part = None if own is None else own[rows]
            logs = self.target.log_density(Z), self.source.log_density(Z, part)
            out[rows] = logs[0] - logs[1]
        return out


def fit_density_ratio(X_source, X_target, bandwidth, max_centers, rng):
    """Put a kernel on the rows of each domain, and weigh the source rows.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_samples, n_features), float64
        Rows of the domains.
    bandwidth : float, "scott", "silverman" or "cv"
        Width of the kernels, in standard deviations of the domain.
    max_centers : int
        Largest number of rows of a domain that get a kernel.
    rng : RandomState
        Draws them, by their content.

    Returns
    -------
    ratio : DensityRatio
        The log ratio at any row.
    values : ndarray of shape (n_source,)
        The log ratio of the source rows, each without the kernel on itself.
    """
    centre, scale = common_scales(X_source, X_target)
    chosen = [content_subsample(X, max_centers, rng) for X in (X_source, X_target)]
    centers = [
        (X[rows] - centre) / scale
        for X, rows in zip((X_source, X_target), chosen, strict=True)
    ]
    spreads = _spreads(*centers)
    factor = _factor(bandwidth, centers, spreads)
    source, target = (
        _Density(C, factor * spread) for C, spread in zip(centers, spreads, strict=True)
    )
    ratio = DensityRatio(source, target, centre, scale, factor)
    return ratio, ratio(X_source, _own_centers(X_source, chosen[0]))


def _own_centers(X, chosen):
    """Return for each row the number of a centre that equals it, -1 for none."""
    groups, first, _ = row_groups(X)
    center_of = np.full(len(first), -1)
    center_of[groups[chosen]] = np.arange(len(chosen))
    return center_of[groups]


def _spreads(source, target):
    """Return the standard deviations of the columns in each domain."""
    spreads = [
        np.sqrt(np.mean((C - column_means(C)) ** 2, 0)) for C in (source, target)
    ]
    some = [bool(spread.any()) for spread in spreads]
    if not any(some):
        return [np.ones(source.shape[1])] * 2
    # Rows that are all equal say nothing of the spread.
    spreads = [spreads[0 if some[0] else 1], spreads[1 if some[1] else 0]]
    return [np.maximum(spread, _LEAST_SPREAD) for spread in spreads]


def _factor(bandwidth, centers, spreads):
    if not isinstance(bandwidth, str):
        return float(bandwidth)
    # One factor for both domains: the ratio in the tails rests on the quotient of the
    # widths, which must not depend on the numbers of rows.
    n, p = min(map(len, centers)), centers[0].shape[1]
    scott = n ** (-1.0 / (p + 4))
    if bandwidth == "silverman":
        return scott * ((p + 2) / 4.0) ** (-1.0 / (p + 4))
    if bandwidth == "scott" or n < 2:
        return scott
    candidates = scott * _CV_FACTORS
    likelihoods = [_likelihood(f, centers, spreads) for f in candidates]
    return float(candidates[int(np.argmax(likelihoods))])


def _likelihood(factor, centers, spreads):
    """Return the mean log density of centres, each without itself, over domains."""
    total = 0.0
    for C, spread in zip(centers, spreads, strict=True):
        # The centres lie in the order of a random projection.
        own = np.unique(np.linspace(0, len(C) - 1, _CV_ROWS).astype(int))
        total += _Density(C, factor * spread).log_density(C[own], own).mean()
    return total
