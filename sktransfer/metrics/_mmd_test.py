from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.utils import check_random_state

from sktransfer._kernels import content_order, kernel_blocks
from sktransfer._validation import check_choice, check_integer
from sktransfer.metrics._mmd import check_two_samples, pooled_kernel

__all__ = ["MMDTestResult", "mmd_test"]


class MMDTestResult(NamedTuple):
    """Result of `mmd_test`.

    Attributes
    ----------
    statistic : float
        Squared MMD of the two samples.
    pvalue : float
        Share of permutations, the samples as they came among them, that give at least
        this statistic.
    null_distribution : ndarray of shape (n_permutations,)
        Squared MMD after each permutation.
    """

    statistic: float
    pvalue: float
    null_distribution: np.ndarray


def mmd_test(
    X_source,
    X_target,
    *,
    kernel="rbf",
    gamma="median",
    degree=3,
    coef0=1.0,
    estimator="biased",
    n_permutations=999,
    random_state=None,
):
    r"""Test whether two samples come from one distribution, by permutations of the MMD.

    The p-value is exact: under the null hypothesis it falls below alpha with
    probability at most alpha, at any sample size. Reads no labels.

    Cost: the pooled Gram matrix, made block by block, times a matrix with one column
    for each permutation: ``O(n^2 (p + n_permutations))`` time and
    ``O(n n_permutations)`` memory with n rows in all.

    Parameters
    ----------
    X_source : {array-like, sparse matrix} of shape (n_source, n_features)
        One sample. Sparse for "linear", "rbf", "poly" and "cosine".
    X_target : {array-like, sparse matrix} of shape (n_target, n_features)
        The other sample.
    kernel : str or callable, default="rbf"
        As in `mmd`.
    gamma : float, "median" or None, default="median"
        As in `mmd`; "median" looks at the pooled rows, which no permutation changes.
    degree : float, default=3
        Degree of "poly".
    coef0 : float, default=1.0
        Constant of "poly".
    estimator : {"biased", "unbiased"}, default="biased"
        Which estimate of the squared MMD is the statistic.
    n_permutations : int, default=999
        Number of permutations; the smallest possible p-value is 1 / (1 + this).
    random_state : int, RandomState instance or None, default=None
        For the permutations. With a number the result does not depend on the order of
        the rows.

    Returns
    -------
    MMDTestResult
        With `statistic`, `pvalue` and `null_distribution`.

    See Also
    --------
    mmd : The discrepancy alone.

    Notes
    -----
    With pooled Gram matrix K and, for a split, a vector e of 1 / n_s on one part and
    -1 / n_t on the other, the biased statistic is :math:`e^T K e`; all splits together
    are the columns of one matrix E, and the statistics the column sums of
    :math:`E \odot K E` [1]_. The p-value counts the observed split as one of the
    permutations.

    References
    ----------
    .. [1] A. Gretton, K. M. Borgwardt, M. J. Rasch, B. Schölkopf, A. Smola. A Kernel
       Two-Sample Test. Journal of Machine Learning Research 13, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.metrics import mmd_test
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(60, 2))
    >>> mmd_test(X, rng.normal(size=(50, 2)) + 0.7, random_state=0).pvalue
    0.002
    >>> mmd_test(X, rng.normal(size=(50, 2)), random_state=0).pvalue > 0.05
    True
    """
    check_choice("estimator", estimator, ("biased", "unbiased"))
    check_integer("n_permutations", n_permutations, low=1)
    X_source, X_target = check_two_samples(X_source, X_target, kernel)
    n_source, n_target = X_source.shape[0], X_target.shape[0]
    if estimator == "unbiased" and min(n_source, n_target) < 2:
        raise ValueError(
            "estimator='unbiased' needs at least two rows of each sample, got "
            f"{n_source} and {n_target}. Use estimator='biased'."
        )
    resolved = pooled_kernel(X_source, X_target, kernel, gamma, degree, coef0)
    rng = check_random_state(random_state)
    stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
    X = stack([X_source, X_target])
    X = X.tocsr() if sparse.issparse(X) else X
    order = content_order(X, rng)
    X, is_source = X[order], order < n_source
    splits = np.empty((len(order), n_permutations + 1), dtype=bool)
    splits[:, 0] = is_source
    for column in range(1, n_permutations + 1):
        splits[:, column] = rng.permutation(is_source)
    statistics = _statistics(X, splits, resolved, estimator == "unbiased")
    statistic, null = float(statistics[0]), statistics[1:]
    # Splits that give the same sum up to rounding are ties, and ties count.
    slack = 1e-10 * np.abs(statistics).max()
    exceeding = int(np.sum(null >= statistic - slack))
    return MMDTestResult(statistic, (1 + exceeding) / (1 + n_permutations), null)


def _statistics(X, splits, kernel, unbiased):
    """Squared MMD of each split, a column of `splits`, from one pass over the Gram."""
    n_source = int(splits[:, 0].sum())
    n_target = len(splits) - n_source
    indicator = splits.astype(np.float64)
    source, across, total, trace = 0.0, 0.0, 0.0, np.zeros(len(splits))
    for rows, block in kernel_blocks(X, X, **kernel.params):
        block = block.astype(np.float64, copy=False)
        to_source = block @ indicator
        source = source + np.sum(indicator[rows] * to_source, axis=0)
        across = across + np.sum((1 - indicator[rows]) * to_source, axis=0)
        total += float(block.sum())
        trace[rows] = np.diagonal(block, offset=rows.start)
    target = total - source - 2 * across
    if unbiased:
        source = source - trace @ indicator
        target = target - trace @ (1 - indicator)
        own = source / (n_source * (n_source - 1)) + target / (
            n_target * (n_target - 1)
        )
    else:
        own = source / n_source**2 + target / n_target**2
    return own - 2 * across / (n_source * n_target)
