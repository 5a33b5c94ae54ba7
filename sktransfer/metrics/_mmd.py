import numpy as np
from scipy import sparse
from sklearn.utils import check_array, check_random_state
from sklearn.utils.extmath import row_norms

from sktransfer._kernels import (
    Kernel,
    check_kernel,
    content_order,
    kernel_matrix,
    resolve_gamma,
)
from sktransfer._validation import check_choice

__all__ = ["check_two_samples", "mmd", "pooled_kernel"]

# Blocks of 1024 x 1024 stay in the cache between the product and the exponential.
_TILE = 1024
_SPARSE_KERNELS = ("linear", "rbf", "poly", "cosine")


def check_two_samples(X_source, X_target, kernel):
    """Validate two samples of the same columns; return them in one float type."""
    accept = "csr" if isinstance(kernel, str) and kernel in _SPARSE_KERNELS else False
    types = {"dtype": [np.float64, np.float32], "accept_sparse": accept}
    X_source = check_array(X_source, input_name="X_source", **types)
    X_target = check_array(X_target, input_name="X_target", **types)
    if X_source.shape[1] != X_target.shape[1]:
        raise ValueError(
            "X_source and X_target must have the same columns, got "
            f"{X_source.shape[1]} and {X_target.shape[1]} columns."
        )
    dtype = np.result_type(X_source.dtype, X_target.dtype)
    return X_source.astype(dtype, copy=False), X_target.astype(dtype, copy=False)


def pooled_kernel(X_source, X_target, kernel, gamma, degree, coef0):
    """Return the kernel with its width resolved on the rows of both samples."""
    check_kernel(kernel)
    if isinstance(gamma, str):
        stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
        pooled = stack([X_source, X_target])
        pooled = pooled.tocsr() if sparse.issparse(pooled) else pooled
    else:
        pooled = X_source  # only its number of columns matters
    return Kernel(kernel, resolve_gamma(gamma, pooled, kernel=kernel), degree, coef0)


def mmd(
    X_source,
    X_target,
    *,
    kernel="rbf",
    gamma="median",
    degree=3,
    coef0=1.0,
    estimator="biased",
    random_state=0,
):
    r"""Squared maximum mean discrepancy between two samples.

    Zero if and only if the distributions agree, for a characteristic kernel such as
    "rbf" or "laplacian"; with "linear" only the means are compared. Reads no labels.

    Cost: ``O((n_source + n_target)^2 p)`` time and ``O(1)`` memory beside the input
    (the kernel is made in small blocks); ``O(n p)`` for the linear kernel and for
    ``estimator="linear"``.

    Parameters
    ----------
    X_source : {array-like, sparse matrix} of shape (n_source, n_features)
        One sample. Sparse for "linear", "rbf", "poly" and "cosine".
    X_target : {array-like, sparse matrix} of shape (n_target, n_features)
        The other sample.
    kernel : str or callable, default="rbf"
        One of "linear", "rbf", "laplacian", "poly" and "cosine", or a function of two
        arrays of rows that returns their kernel matrix.
    gamma : float, "median" or None, default="median"
        Width of "rbf", "laplacian" and "poly": a number; "median": 1 over the median
        squared distance ("laplacian": L1 distance) between rows; None: 1 / n_features.
    degree : float, default=3
        Degree of "poly".
    coef0 : float, default=1.0
        Constant of "poly".
    estimator : {"biased", "unbiased", "linear"}, default="biased"
        "biased" (V-statistic): never negative, zero for equal samples. "unbiased"
        (U-statistic): zero on average where there is no shift, so it may be negative.
        "linear": from disjoint pairs of rows, in linear time, unbiased over the draw of
        the pairs, with a much larger variance.
    random_state : int, RandomState instance or None, default=0
        For the pairs of "linear". They depend on the content of the rows and not on
        their order.

    Returns
    -------
    float
        The *squared* discrepancy.

    Raises
    ------
    ValueError
        If the columns differ, or a sample has fewer than two rows for an unbiased
        estimate.

    See Also
    --------
    mmd_test : Whether it could be chance.

    Notes
    -----
    :math:`\frac{1}{n_s^2} \sum k(x_i, x_j) + \frac{1}{n_t^2} \sum k(y_i, y_j) -
    \frac{2}{n_s n_t} \sum k(x_i, y_j)` [1]_; "unbiased" leaves out the terms
    :math:`i = j`.

    References
    ----------
    .. [1] A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola. A Kernel
       Two-Sample Test. Journal of Machine Learning Research 13, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.metrics import mmd
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(200, 2))
    >>> mmd(X, X)
    0.0
    >>> round(mmd(X, rng.normal(size=(300, 2)) + 1.0), 2)
    0.22
    """
    check_choice("estimator", estimator, ("biased", "unbiased", "linear"))
    X_source, X_target = check_two_samples(X_source, X_target, kernel)
    resolved = pooled_kernel(X_source, X_target, kernel, gamma, degree, coef0)
    smallest = min(X_source.shape[0], X_target.shape[0])
    if estimator != "biased" and smallest < 2:
        raise ValueError(
            f"estimator={estimator!r} needs at least two rows of each sample, got "
            f"{smallest}. Use estimator='biased'."
        )
    if estimator == "linear":
        return _linear_time(X_source, X_target, resolved, random_state)
    if kernel == "linear":
        value = _linear_kernel(X_source, X_target, estimator == "unbiased")
    else:
        value = _quadratic_time(X_source, X_target, resolved, estimator == "unbiased")
    return max(value, 0.0) if estimator == "biased" else value


def _linear_kernel(X_source, X_target, unbiased):
    means, own = [], 0.0
    for X in (X_source, X_target):
        n = X.shape[0]
        mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
        means.append(mean)
        if unbiased:
            squares = float(row_norms(X, squared=True).sum(dtype=np.float64))
            # sum over i != j of x_i x_j, less what the plain means hold already.
            own += (n * n * (mean @ mean) - squares) / (n * (n - 1)) - mean @ mean
    difference = means[0] - means[1]
    return float(difference @ difference + own)


def _quadratic_time(X_source, X_target, kernel, unbiased):
    within = [_mean_within(X, kernel, unbiased) for X in (X_source, X_target)]
    across = sum(
        float(kernel(rows, columns).sum(dtype=np.float64))
        for rows in _tiles(X_source)
        for columns in _tiles(X_target)
    )
    return sum(within) - 2 * across / (X_source.shape[0] * X_target.shape[0])


def _tiles(X, start=0):
    for begin in range(start, X.shape[0], _TILE):
        yield X[begin : begin + _TILE]


def _mean_within(X, kernel, unbiased):
    """Mean of k(x_i, x_j); each pair of blocks is made once."""
    n, total = X.shape[0], 0.0
    for begin in range(0, n, _TILE):
        rows = X[begin : begin + _TILE]
        block = kernel_matrix(rows, **kernel.params)
        total += float(block.sum(dtype=np.float64))
        if unbiased:
            total -= float(np.trace(block, dtype=np.float64))
        for columns in _tiles(X, begin + _TILE):
            total += 2 * float(kernel(rows, columns).sum(dtype=np.float64))
    return total / (n * (n - 1) if unbiased else n * n)


def _linear_time(X_source, X_target, kernel, random_state):
    rng = check_random_state(random_state)
    n = min(X_source.shape[0], X_target.shape[0]) // 2
    # Sorted by content, then shuffled: neighbours in the sorted order are alike, and
    # pairs of them would not be pairs of independent rows.
    halves = []
    for X in (X_source, X_target):
        order = rng.permutation(content_order(X, rng))
        halves += [X[order[:n]], X[order[n : 2 * n]]]
    x1, x2, y1, y2 = halves
    terms = (
        _pairwise(x1, x2, kernel)
        + _pairwise(y1, y2, kernel)
        - _pairwise(x1, y2, kernel)
        - _pairwise(x2, y1, kernel)
    )
    return float(terms.mean())


def _pairwise(X, Y, kernel, step=32):
    """Return k(x_i, y_i) for each i, from the diagonals of small blocks."""
    values = np.empty(X.shape[0])
    for begin in range(0, X.shape[0], step):
        rows = slice(begin, begin + step)
        values[rows] = np.diagonal(kernel(X[rows], Y[rows]))
    return values
