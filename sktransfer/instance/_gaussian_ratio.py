"""The ratio of two Gaussian densities, in logarithms throughout."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from sklearn.covariance import ledoit_wolf_shrinkage

from sktransfer.instance._standardize import column_means, common_scales, row_blocks

__all__ = ["GaussianRatio", "fit_gaussian_ratio"]

# Shrinkage estimated from the data may be zero, of collinear columns for example.
_LEAST_SHRINKAGE = 1e-6


@dataclass(frozen=True)
class _Gaussian:
    """A mean and a whitening: a matrix, or a factor for each column."""

    mean: np.ndarray
    whitening: np.ndarray
    log_determinant: float

    def log_density(self, Z):
        """Return the log density of standardised rows, up to a common constant."""
        Z = Z - self.mean
        white = Z * self.whitening if self.whitening.ndim == 1 else Z @ self.whitening.T
        return self.log_determinant - 0.5 * np.einsum("ij,ij->i", white, white)


@dataclass(frozen=True)
class GaussianRatio:
    """Log ratio of the target's Gaussian to the source's."""

    source: _Gaussian
    target: _Gaussian
    centre: np.ndarray
    scale: np.ndarray
    shrinkage: tuple

    def __call__(self, X):
        """Return the log ratio of each row of X."""
        out = np.empty(X.shape[0])
        for rows in row_blocks(X):
            Z = (X[rows].astype(np.float64) - self.centre) / self.scale
            out[rows] = self.target.log_density(Z) - self.source.log_density(Z)
        return out


def fit_gaussian_ratio(X_source, X_target, covariance, regularization):
    """Fit a Gaussian to each domain.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_samples, n_features), float64
        Rows of the domains.
    covariance : {"full", "diag", "shared"}
        Each domain's covariance, its diagonal, or one of both domains together.
    regularization : float or "auto"
        Share of the mean variance in the covariance; "auto": as Ledoit and Wolf.

    Returns
    -------
    GaussianRatio
    """
    centre, scale = common_scales(X_source, X_target)
    rows = [(X - centre) / scale for X in (X_source, X_target)]
    means = [column_means(Z) for Z in rows]
    residuals = [Z - mean for Z, mean in zip(rows, means, strict=True)]
    if covariance == "shared":
        shape = _shape(np.vstack(residuals), "full", regularization)
        shapes = [shape, shape]
    else:
        shapes = [_shape(Z, covariance, regularization) for Z in residuals]
        # Rows that are all equal say nothing of the spread.
        shapes = [shapes[0] or shapes[1], shapes[1] or shapes[0]]
    if shapes[0] is None:
        shapes = [(np.ones(len(centre)), 0.0, 0.0)] * 2
    source, target = (
        _Gaussian(mean, whitening, log_determinant)
        for mean, (whitening, log_determinant, _) in zip(means, shapes, strict=True)
    )
    shrinkage = tuple(float(shape[2]) for shape in shapes)
    return GaussianRatio(source, target, centre, scale, shrinkage)


def _shape(Z, covariance, regularization):
    """Return whitening, log determinant and shrinkage; None for rows all equal."""
    if not Z.any():
        return None
    if covariance == "diag":
        return _diagonal_shape(Z, regularization)
    S = Z.T @ Z / Z.shape[0]
    shrinkage = regularization
    if regularization == "auto":
        shrinkage = ledoit_wolf_shrinkage(Z, assume_centered=True) if len(Z) > 1 else 1
        shrinkage = max(float(shrinkage), _LEAST_SHRINKAGE)
    mean_variance = np.trace(S) / len(S)
    S *= 1 - shrinkage
    S[np.diag_indices(len(S))] += shrinkage * mean_variance
    try:
        factor = linalg.cholesky(S, lower=True)
    except linalg.LinAlgError as error:
        raise _singular(regularization) from error
    diagonal = np.diag(factor)
    if diagonal.min() ** 2 < 1e-14 * mean_variance:
        raise _singular(regularization)
    whitening = linalg.solve_triangular(factor, np.eye(len(S)), lower=True)
    return whitening, -float(np.log(diagonal).sum()), shrinkage


def _diagonal_shape(Z, regularization):
    variances = np.square(Z).mean(axis=0)
    mean_variance = variances.mean()
    shrinkage = regularization
    if regularization == "auto":
        # Ledoit and Wolf's share, with the diagonal in the place of the matrix.
        noise = (np.mean(Z**4, axis=0) - variances**2).sum() / len(Z)
        apart = np.square(variances - mean_variance).sum()
        shrinkage = min(1.0, noise / apart) if apart > 0 else 0.0
        shrinkage = max(float(shrinkage), _LEAST_SHRINKAGE)
    variances = (1 - shrinkage) * variances + shrinkage * mean_variance
    if variances.min() < 1e-14 * mean_variance:
        raise _singular(regularization)
    return 1 / np.sqrt(variances), -0.5 * float(np.log(variances).sum()), shrinkage


def _singular(regularization):
    return ValueError(
        f"regularization={regularization} leaves a covariance that cannot be inverted: "
        "a column is constant or depends on others, or there are fewer rows than "
        "columns. Raise `regularization`, or set it to 'auto'."
    )
