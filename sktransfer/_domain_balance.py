"""How much the classes differ between domains, against the domains as a whole."""

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer._joined_rows import join_rows

__all__ = ["estimate_balance", "proxy_distance"]

_RIDGE = 0.1


def proxy_distance(X_source, X_target):
    """Return the proxy A-distance 2 (1 - 2 err) of a linear classifier of domains.

    The classifier is a ridge regression on the domain, cut half-way between the
    domains' mean predictions; the error is its balanced leave-one-out error, as on the
    rows that it learnt from many columns tell any two domains apart. The ridge is a
    tenth of the mean scatter, so that the scale of the rows does not matter.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains.

    Returns
    -------
    float
        Between 0 (not to be told apart) and 2.
    """
    n_source, n_target = X_source.shape[0], X_target.shape[0]
    n = n_source + n_target
    domain = np.r_[np.full(n_source, n / n_source), np.full(n_target, -n / n_target)]
    fitted, leverage = _ridge_fit(join_rows(X_source, X_target), domain)
    left_out = (fitted - leverage * domain) / (1.0 - leverage)
    source, target = left_out[:n_source], left_out[n_source:]
    middle = (source.mean() + target.mean()) / 2
    wrong = (_share_below(source - middle) + _share_below(middle - target)) / 2
    return max(0.0, 2.0 * (1.0 - 2.0 * wrong))


def estimate_balance(X_source, y_source, X_target, y_target, *, whole=None):
    """Return the share of the classes' mean distance in its sum with the domains'.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains.
    y_source, y_target : ndarray of shape (n_samples,)
        Class numbers, -1 for none; of the target, pseudo-labels.
    whole : float, default=None
        `proxy_distance` of the domains, where it is known.

    Returns
    -------
    float
        Between 0, only the domains as a whole differ, and 1, only the classes do.
        0.5 where no class is in both domains, or nothing differs.
    """
    common = np.intersect1d(y_source, y_target)
    common = common[common >= 0]
    if len(common) == 0:
        return 0.5
    whole = proxy_distance(X_source, X_target) if whole is None else whole
    classes = np.mean(
        [
            proxy_distance(X_source[y_source == c], X_target[y_target == c])
            for c in common
        ]
    )
    return float(classes / (classes + whole)) if classes + whole > 0 else 0.5


def _share_below(values):
    """Share of negative values; a zero counts half."""
    return np.mean(values < 0) + np.mean(values == 0) / 2


def _ridge_fit(X, y):
    """Return ridge regression's fitted values and leverages; y has mean zero."""
    n, p = X.shape
    mean = np.asarray(X.mean(axis=0), dtype=np.float64).ravel()
    size = np.square(mean).sum()
    if not sparse.issparse(X):
        X, mean = X - mean.astype(X.dtype), np.zeros(p)
    if p < n:
        gram = _dense(safe_sparse_dot(X.T, X)) - n * np.outer(mean, mean)
    else:
        gram = _dense(safe_sparse_dot(X, X.T))
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1)[:, None]
    trace = np.trace(gram)
    # To rounding, all rows are equal.
    if not trace > n * p * np.finfo(X.dtype).eps ** 2 * size:
        return np.zeros(n), np.full(n, 1.0 / n)
    ridge = _RIDGE * trace / len(gram)
    factor = linalg.cho_factor(gram + ridge * np.eye(len(gram)))
    inverse = linalg.cho_solve(factor, np.eye(len(gram)))
    if p < n:
        solved = np.asarray(safe_sparse_dot(X, inverse)) - mean @ inverse
        leverage = _row_products(X, solved) - solved @ mean
        fitted = solved @ (safe_sparse_dot(X.T, y) - mean * y.sum())
    else:
        leverage = 1.0 - ridge * np.diag(inverse)
        fitted = y - ridge * (inverse @ y)
    return fitted, leverage + 1.0 / n


def _dense(A):
    A = A.toarray() if sparse.issparse(A) else A
    return np.asarray(A, dtype=np.float64)


def _row_products(X, A):
    if sparse.issparse(X):
        return np.asarray(X.multiply(A).sum(axis=1)).ravel()
    return np.einsum("ij,ij->i", X, A)
