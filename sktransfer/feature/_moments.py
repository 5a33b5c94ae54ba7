"""Means, covariances and their powers: what aligners of second moments are made of."""

import numpy as np

__all__ = ["mean_and_covariance", "moments_and_shrinkage", "symmetric_power"]

_BLOCK_ROWS = 4096
_SHIFT_ROWS = 500


def mean_and_covariance(X, ddof=1):
    """Return the mean and the covariance of the rows, in one pass over them.

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
    mean, squares, _ = _centred_sums(X)
    return mean, squares / max(X.shape[0] - ddof, 1)


def moments_and_shrinkage(X):
    """Return the mean, the covariance, and how much of it to shrink.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; products are taken in their type.

    Returns
    -------
    mean : ndarray of shape (n_features,)
        The mean.
    covariance : ndarray of shape (n_features, n_features)
        The covariance with divisor ``n_samples - 1``, float64.
    share : float
        Share of the mean variance in the covariance of Ledoit and Wolf, in [0, 1].

    References
    ----------
    O. Ledoit, M. Wolf. A Well-Conditioned Estimator for Large-Dimensional Covariance
    Matrices. Journal of Multivariate Analysis, 2004.
    """
    n_samples, n_features = X.shape
    mean, squares, fourth = _centred_sums(X)
    covariance = squares / max(n_samples - 1, 1)
    if n_samples < 2 or n_features < 2:
        return mean, covariance, 0.0
    biased = squares / n_samples
    norm = float(np.square(biased).sum())
    spread = norm - float(np.trace(biased)) ** 2 / n_features
    error = (fourth / n_samples - norm) / n_samples
    share = min(max(error, 0.0) / spread, 1.0) if spread > 0 else 0.0
    return mean, covariance, share


def _centred_sums(X, shift=None):
    """Return mean, sum of squares and sum of fourth powers of the centred rows' norms.

    They follow from sums over the rows less a mean of some of them, which is near
    enough to the mean that no digits are lost, and so takes one pass.
    """
    n_samples, n_features = X.shape
    given = shift is not None
    if not given:
        some = X[:: max(1, n_samples // _SHIFT_ROWS)]
        shift = some.mean(axis=0, dtype=np.float64).astype(X.dtype)
    squares, first = np.zeros((n_features, n_features)), np.zeros(n_features)
    third, fourth = np.zeros(n_features), 0.0
    buffer = np.empty((min(n_samples, _BLOCK_ROWS), n_features), dtype=X.dtype)
    ones = np.ones(len(buffer), dtype=X.dtype)
    for start in range(0, n_samples, _BLOCK_ROWS):
        rows = X[start : start + _BLOCK_ROWS]
        block = np.subtract(rows, shift, out=buffer[: len(rows)])
        squares += block.T @ block
        first += ones[: len(rows)] @ block
        norms = np.einsum("ij,ij->i", block, block)
        # Squares of squares are too large for float32 sooner than the rows are.
        largest = float(norms.max()) or 1.0
        norms /= X.dtype.type(largest)
        third += largest * (norms @ block).astype(np.float64)
        fourth += largest**2 * float(np.dot(norms, norms))
    gap = first / n_samples
    far = np.square(gap) > 100 * (np.diag(squares) / n_samples - np.square(gap))
    if not given and np.any(far & (np.abs(gap) > 1e-6 * np.abs(shift))):
        return _centred_sums(X, (shift + gap).astype(X.dtype))
    distance = float(gap @ gap)
    fourth += 4 * float(gap @ squares @ gap) - 4 * float(third @ gap)
    fourth += 2 * distance * float(np.trace(squares)) - 3 * n_samples * distance**2
    squares -= n_samples * np.outer(gap, gap)
    return shift + gap, squares, fourth


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
