"""Least-squares fit of a density ratio, and its leave-one-out score in closed form."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from sktransfer.instance._centre_kernels import Centres

__all__ = ["SquaredLoss", "ULSIFRatio", "all_rows", "leave_one_out"]

_LEAST_RIDGE = 1e-12
_SAFE_RIDGE = 1e-9
_FAR = -500.0


@dataclass(frozen=True)
class ULSIFRatio:
    """Log of a sum of Gaussian kernels, -inf where the sum is not above zero.

    Attributes
    ----------
    centres : Centres
        Centres.
    coefficients : ndarray of shape (n_centres,)
        Coefficients, of any sign.
    gamma, ridge : float
        Width of the kernel, and penalty of the fit.
    score : float
        Leave-one-out squared loss.
    """

    centres: Centres
    coefficients: np.ndarray
    gamma: float
    ridge: float
    score: float

    def __call__(self, X):
        """Return the log ratio of each row of X."""
        log_ratio = np.empty(X.shape[0])
        for rows, logs in self.centres.blocks(X, -self.gamma):
            # Relative to the nearest centre no row is too far to have a ratio.
            nearest = logs.max(axis=1) if logs.min() < _FAR else np.zeros(len(logs))
            logs -= nearest[:, None]
            log_ratio[rows] = self.of_kernels(np.exp(logs, out=logs)) + nearest
        return log_ratio

    def of_kernels(self, kernels):
        """Return the log ratio of rows whose kernels are given."""
        with np.errstate(divide="ignore"):
            return np.log(np.maximum(kernels @ self.coefficients, 0))


def all_rows(source, target, centres, gamma, alpha):
    """Return the loss over all rows, and the kernels of the source rows.

    The kernels are None where they are so small that logarithms must serve.
    """
    near, n = True, len(centres)
    H_source, H_target, h = np.zeros((n, n)), np.zeros((n, n)), np.zeros(n)
    K_source = np.empty((len(source), n))
    for rows, logs in centres.blocks(source, -gamma, out=K_source):
        near &= logs.min() >= _FAR
        H_source += second_moments(np.exp(logs, out=logs), source.weights[rows])
    for rows, logs in centres.blocks(target, -gamma):
        kernels, weights = np.exp(logs, out=logs), target.weights[rows]
        h += weights @ kernels
        if alpha > 0:
            H_target += second_moments(kernels, weights)
    return SquaredLoss(H_source, H_target, h, alpha), K_source if near else None


def second_moments(kernels, weights):
    """Return the mean of the products of kernels over weighted rows."""
    # A matrix with its own transpose is made at half the price.
    if weights.min() == weights.max():
        return kernels.T @ kernels * weights[0]
    scaled = kernels * np.sqrt(weights)[:, None]
    return scaled.T @ scaled


class SquaredLoss:
    """The loss 1/2 t'(alpha H_target + (1 - alpha) H_source)t - h't at one width.

    Parameters
    ----------
    H_source, H_target : ndarray of shape (n_centres, n_centres)
        Means of the products of kernels over the rows of each domain.
    h : ndarray of shape (n_centres,)
        Means of the kernels over the target rows.
    alpha : float
        Share of the target in the mixture that the ratio is relative to.
    """

    def __init__(self, H_source, H_target, h, alpha):
        self.H_source, self.H_target, self.h, self.alpha = H_source, H_target, h, alpha
        self._source_eigen = None

    @classmethod
    def of_kernels(cls, source, target, alpha):
        """Make it from pairs of the kernels of rows and their shares."""
        H_source = second_moments(*source)
        H_target = second_moments(*target) if alpha > 0 else np.zeros_like(H_source)
        return cls(H_source, H_target, target[1] @ target[0], alpha)

    def eigen(self, source_factor=1.0, target_factor=1.0):
        """Return eigenvalues and -vectors of the matrix, its parts times factors."""
        if self.alpha == 0:
            if self._source_eigen is None:
                self._source_eigen = _eigen(self.H_source)
            values, vectors = self._source_eigen
            return source_factor * values, vectors
        source_share, target_share = 1 - self.alpha, self.alpha
        return _eigen(
            source_share * source_factor * self.H_source
            + target_share * target_factor * self.H_target
        )

    def minimize(self, ridge):
        """Return the coefficients of least loss plus ridge/2 t't."""
        ridge, n = floored(ridge, len(self.h)), len(self.h)
        H = (1 - self.alpha) * self.H_source + self.alpha * self.H_target
        if ridge > _SAFE_RIDGE * np.trace(H):
            return lapack.dposv(H + ridge * np.eye(n), self.h)[1]
        values, vectors = _eigen(H)
        return vectors @ ((vectors.T @ self.h) / (values + ridge))

    def source_ratios(self, kernels, share, ridges):
        """Return ratios of source rows, each by the fit without it, for each ridge.

        Parameters
        ----------
        kernels : ndarray of shape (n_rows, n_centres)
            Kernels of the rows.
        share : float
            Share of each of the rows among the source rows.
        ridges : ndarray of shape (n_ridges,)
            Penalties.

        Returns
        -------
        left_out : ndarray of shape (n_rows, n_ridges)
            A domain's only row stays in the fit.
        kept : ndarray of shape (n_rows, n_ridges)
            The ratios with the rows in the fit, but for the order of the share.
        """
        rest = 1 - share if share < 1 else 1.0
        weight = (1 - self.alpha) * share / rest if share < 1 else 0.0
        own, cross = self._forms(kernels, self.eigen(1 / rest, 1.0), ridges)
        return cross / _not_below_zero(1 - weight * own), cross

    def target_ratios(self, kernels, share, ridges):
        """Return the same for target rows and their share among these."""
        rest = 1 - share if share < 1 else 1.0
        weight, share = (self.alpha * share / rest, share) if share < 1 else (0.0, 0.0)
        own, cross = self._forms(kernels, self.eigen(1.0, 1 / rest), ridges)
        left_out = (cross - share * own) / (rest * _not_below_zero(1 - weight * own))
        return left_out, cross

    def _forms(self, kernels, eigen, ridges):
        """Return k'B^-1 k and k'B^-1 h for each row k, with B the ridged matrix."""
        values, vectors = eigen
        kind = kernels.dtype
        inverse = 1 / (values[:, None] + floored(ridges, len(self.h)))
        turned = kernels @ vectors.astype(kind)
        cross = turned @ (inverse * (vectors.T @ self.h)[:, None]).astype(kind)
        np.square(turned, out=turned)
        return turned @ inverse.astype(kind), cross


def floored(ridges, n_centres):
    """Return penalties that rounding does not drown."""
    return np.maximum(ridges, _LEAST_RIDGE * n_centres)


def _not_below_zero(values):
    return np.maximum(values, 1e-12)


def _eigen(H):
    values, vectors = np.linalg.eigh(H)
    return np.maximum(values, 0), vectors


def leave_one_out(loss, source, target, ridges):
    """Return the loss of rows left out of the fit, and that of rows kept in it.

    Each distinct row is left out by itself, with all its repetitions; its ratio is
    that of the fit to the others, with negative values at zero. An eigendecomposition
    serves all ridges and all rows that are repeated as often.

    Parameters
    ----------
    loss : SquaredLoss
        The loss over all rows.
    source, target : pair of ndarrays
        Kernels of the rows, and their shares in their domains.
    ridges : ndarray of shape (n_ridges,)
        Penalties.

    Returns
    -------
    left_out, kept : ndarray of shape (n_ridges,)
    """
    of_source = _ratios(loss.source_ratios, *source, ridges)
    of_target = _ratios(loss.target_ratios, *target, ridges)
    return tuple(
        0.5 * (1 - loss.alpha) * _mean(s**2, source[1])
        + 0.5 * loss.alpha * _mean(t**2, target[1])
        - _mean(t, target[1])
        for s, t in zip(of_source, of_target, strict=True)
    )


def _ratios(ratios_of, kernels, shares, ridges):
    """Return ratios of left-out and of kept rows, negative ones as zero."""
    if shares.min() == shares.max():
        ratios = ratios_of(kernels, float(shares[0]), ridges)
    else:
        ratios = np.empty((2, len(shares), len(ridges)))
        for share in np.unique(shares):
            rows = shares == share
            ratios[:, rows] = ratios_of(kernels[rows], float(share), ridges)
    return [np.maximum(r, 0, out=r) for r in ratios]


def _mean(values, shares):
    return shares @ values / shares.sum()
