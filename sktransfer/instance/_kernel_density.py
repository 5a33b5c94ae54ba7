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
            For each row the centre that is itself and is left out; None: none is.
        """
        out = np.empty(len(Z))
        C = self.centers / self.widths
        squares = np.einsum("ij,ij->i", C, C)
        step = max(1, _BLOCK_ENTRIES // len(C))
        for start in range(0, len(Z), step):
            rows = slice(start, start + step)
            part = None if own is None else own[rows]
            out[rows] = _log_sums(Z[rows] / self.widths, C, squares, part)
        n_kernels = len(C) if own is None else len(C) - 1
        return out - np.log(n_kernels) - np.log(self.widths).sum()


def _log_sums(Z, C, squares, own):
    logs = Z @ C.T
    logs -= 0.5 * squares
    logs -= 0.5 * np.einsum("ij,ij->i", Z, Z)[:, None]
    np.minimum(logs, 0, out=logs)
    if own is not None:
        logs[np.arange(len(own)), own] = -np.inf
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

    def __call__(self, X):
        """Return the log ratio of each row of X."""
        out = np.empty(X.shape[0])
        for rows in row_blocks(X):
            Z = (X[rows].astype(np.float64) - self.centre) / self.scale
            out[rows] = self.target.log_density(Z) - self.source.log_density(Z)
        return out


def fit_density_ratio(X_source, X_target, bandwidth, max_centers, rng):
    """Put a kernel on the rows of each domain.

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
    DensityRatio
        The log ratio at any row.
    """
    centre, scale = common_scales(X_source, X_target)
    centers = [
        (X[content_subsample(X, max_centers, rng)] - centre) / scale
        for X in (X_source, X_target)
    ]
    spreads = _spreads(*centers)
    factor = _factor(bandwidth, centers, spreads)
    source, target = (
        _Density(C, factor * spread) for C, spread in zip(centers, spreads, strict=True)
    )
    return DensityRatio(source, target, centre, scale, factor)


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
    # A row that comes twice says no more of how close rows lie than once.
    centers = [C[row_groups(C)[1]] for C in centers]
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
        # The centres lie in an order of their content.
        own = np.unique(np.linspace(0, len(C) - 1, _CV_ROWS).astype(int))
        total += _Density(C, factor * spread).log_density(C[own], own).mean()
    return total
