"""Means, covariances and their powers: what aligners of second moments are made of."""

import numpy as np

__all__ = ["mean_and_covariance", "shrinkage", "symmetric_power"]

_BLOCK_BYTES = 32 * 2**20


def mean_and_covariance(X, ddof=1):
    """Return the mean and the covariance of the rows, centred block by block.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; products are taken in their type.
    ddof : int, default=1
        What is subtracted from the number of rows. A single row has covariance zero.

    Returns
    -------
    mean : ndarray of shape (n_features,)
        The mean.
    covariance : ndarray of shape (n_features, n_features)
        The covariance, float64.
    """
    n_samples, n_features = X.shape
    mean = X.mean(axis=0, dtype=np.float64)
    squares = np.zeros((n_features, n_features))
    for centred in _centred_blocks(X, mean):
        squares += centred.T @ centred
    return mean, squares / max(n_samples - ddof, 1)


def _centred_blocks(X, mean):
    shift = mean.astype(X.dtype)
    step = max(1, _BLOCK_BYTES // max(1, X.shape[1] * X.itemsize))
    for start in range(0, X.shape[0], step):
        yield X[start : start + step] - shift


def shrinkage(X, mean, covariance):
    """Return the share of the mean variance in the covariance of Ledoit and Wolf.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    mean : ndarray of shape (n_features,)
        Their mean.
    covariance : ndarray of shape (n_features, n_features)
        Their covariance with divisor ``n_samples - 1``.

    Returns
    -------
    float
        Between 0 and 1; linear in the size of X, since only row norms are needed.

    References
    ----------
    O. Ledoit, M. Wolf. A Well-Conditioned Estimator for Large-Dimensional Covariance
    Matrices. Journal of Multivariate Analysis, 2004.
    """
    n_samples, n_features = X.shape
    if n_samples < 2 or n_features < 2:
        return 0.0
    biased = covariance * ((n_samples - 1) / n_samples)
    squares = float(np.square(biased).sum())
    spread = squares - float(np.trace(biased)) ** 2 / n_features
    fourth = sum(
        float(np.square(np.einsum("ij,ij->i", block, block, dtype=np.float64)).sum())
        for block in _centred_blocks(X, mean)
    )
    error = (fourth / n_samples - squares) / n_samples
    return min(max(error, 0.0) / spread, 1.0) if spread > 0 else 0.0


def symmetric_power(matrix, power, floor=0.0):
    """Return a power of a symmetric positive semi-definite matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n, n)
        Symmetric.
    power : float
        Exponent.
    floor : float, default=0.0
        Eigenvalues below this share of the largest count as that share of it.

    Returns
    -------
    ndarray of shape (n, n)
        The power; that of a zero matrix with a negative exponent is zero.
    """
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, floor * max(values[-1], 0.0))
    positive = values > 0
    powers = np.zeros_like(values)
    powers[positive] = values[positive] ** power
    return (vectors * powers) @ vectors.T
