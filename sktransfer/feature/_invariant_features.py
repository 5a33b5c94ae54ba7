"""Weights of columns under which the domains differ most (feature MMD), and tests."""

from dataclasses import dataclass

import numpy as np
from scipy import linalg, sparse, stats
from scipy.optimize import brentq
from sklearn.utils.extmath import safe_sparse_dot

__all__ = [
    "ColumnScale",
    "ball_maximum",
    "column_scale",
    "moment_gaps",
    "moment_p_values",
]


@dataclass(frozen=True)
class ColumnScale:
    """Centre and unit of each column over both domains, each counted as one half."""

    centre: np.ndarray
    unit: np.ndarray

    def mean_of(self, X, function):
        """Return the column means of a function of the standardised entries."""
        if not sparse.issparse(X):
            standard = (X.astype(np.float64) - self.centre) / self.unit
            return function(standard).mean(axis=0)
        values = (X.data.astype(np.float64) - self.centre[X.indices]) / self.unit[
            X.indices
        ]
        zero = function(-self.centre / self.unit)
        n_features = X.shape[1]
        sums = np.bincount(X.indices, function(values), minlength=n_features)
        stored = np.bincount(X.indices, minlength=n_features)
        return (sums + (X.shape[0] - stored) * zero) / X.shape[0]

    def second_moments(self, X):
        """Return the mean products of the standardised columns, float64."""
        X = X.astype(np.float64)
        if not sparse.issparse(X):
            standard = (X - self.centre) / self.unit
            return standard.T @ standard / len(X)
        products = safe_sparse_dot(X.T, X).toarray() / X.shape[0]
        cross = np.outer(np.asarray(X.mean(axis=0)).ravel(), self.centre)
        products += np.outer(self.centre, self.centre) - cross - cross.T
        return products / np.outer(self.unit, self.unit)


def column_scale(X_source, X_target):
    """Return centre and unit: mean and deviation if both domains are half of the rows.

    Parameters
    ----------
    X_source, X_target : {ndarray, csr matrix} of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    ColumnScale
        With an infinite unit for columns that are constant over both domains.
    """
    n_features = X_source.shape[1]
    plain = ColumnScale(np.zeros(n_features), np.ones(n_features))
    domains = X_source, X_target
    centre = np.mean([plain.mean_of(X, np.asarray) for X in domains], axis=0)
    around = ColumnScale(centre, np.ones(n_features))
    unit = np.sqrt(np.mean([around.mean_of(X, np.square) for X in domains], axis=0))
    low, high = np.array([_extremes(X) for X in domains]).transpose(1, 0, 2)
    constant = low.min(axis=0) == high.max(axis=0)
    # Rounding would leave some spread of a constant column.
    return ColumnScale(centre, np.where(constant | (unit == 0), np.inf, unit))


def _extremes(X):
    if not sparse.issparse(X):
        return X.min(axis=0), X.max(axis=0)
    return [bound.toarray().ravel() for bound in (X.min(axis=0), X.max(axis=0))]


def moment_gaps(X_source, X_target, scale, degree):
    """Return Q and c of the squared MMD ``w' Q w + 2 c' w`` between the domains.

    Parameters
    ----------
    X_source, X_target : {ndarray, csr matrix} of shape (n_rows, n_features)
        Rows.
    scale : ColumnScale
        What columns are standardised by.
    degree : {1, 2}
        Of the kernel ``(sum_j w_j x_j y_j + 1) ** degree``.

    Returns
    -------
    Q : ndarray of shape (n_features, n_features) or None
        Squared differences of the second moments; None for degree 1.
    c : ndarray of shape (n_features,)
        Squared differences of the means, for degree 1 one half of them.
    """
    means = [scale.mean_of(X, np.asarray) for X in (X_source, X_target)]
    c = np.square(means[0] - means[1])
    if degree == 1:
        return None, 0.5 * c
    gap = scale.second_moments(X_source)
    gap -= scale.second_moments(X_target)
    return np.square(gap, out=gap), c


def ball_maximum(Q, c):
    """Return the w of norm one, w >= 0, that maximises ``w' Q w + 2 c' w``.

    Q and c have no negative entry, so that the maximum over the whole ball has none
    either, and it is found exactly: ``(t I - Q) w = c`` with t at least the largest
    eigenvalue of Q, by the one root in t that gives norm one.

    Parameters
    ----------
    Q : ndarray of shape (n, n) or None
        Symmetric, without negative entries; None: zero.
    c : ndarray of shape (n,)
        Without negative entries.

    Returns
    -------
    ndarray of shape (n,)
        Zero if Q and c are.
    """
    size = np.linalg.norm(c)
    if Q is None or not np.any(Q):
        return c / size if size > 0 else np.zeros_like(c)
    values, vectors = linalg.eigh(Q)
    top = values[-1]
    parts = vectors.T @ c

    def norm_less_one(t):
        return np.linalg.norm(parts / (t - values)) - 1

    low, high = top + 1e-10 * max(top, size), top + size + 1e-9 * max(top, size)
    if size == 0 or norm_less_one(low) <= 0:
        # c says next to nothing of the leading directions: fill up along them.
        away = values < top - 1e-10 * max(top, size)
        inner = vectors[:, away] @ (parts[away] / (top - values[away]))
        leading = vectors[:, ~away] @ vectors[:, ~away].sum(axis=0)
        if not np.any(leading > 0):
            leading = np.abs(vectors[:, -1])
        leading = np.abs(leading) / np.linalg.norm(leading)
        w = inner + np.sqrt(max(1 - inner @ inner, 0.0)) * leading
    else:
        t = brentq(norm_less_one, low, high, xtol=1e-14 * high, rtol=1e-14)
        w = vectors @ (parts / (t - values))
    w = np.maximum(w, 0.0)
    return w / np.linalg.norm(w)


def moment_p_values(X_source, X_target, scale):
    """Return for each column how likely a difference like its own is by chance.

    Means, and mean squares about the common centre, are compared by t statistics with
    the larger of the separate and the pooled error; twice the smaller p-value is
    returned.

    Parameters
    ----------
    X_source, X_target : {ndarray, csr matrix} of shape (n_rows, n_features)
        Rows.
    scale : ColumnScale
        What columns are standardised by.

    Returns
    -------
    ndarray of shape (n_features,)
        At most one; one for columns that do not vary.
    """
    p_values = []
    for first, second in ((np.asarray, np.square), (np.square, _fourth)):
        means, variances = [], []
        for X in (X_source, X_target):
            mean = scale.mean_of(X, first)
            means.append(mean)
            variances.append(np.maximum(scale.mean_of(X, second) - mean**2, 0.0))
        p_values.append(
            _t_test(
                means[0] - means[1], variances, (X_source.shape[0], X_target.shape[0])
            )
        )
    return np.minimum(2 * np.minimum(*p_values), 1.0)


def _fourth(values):
    return np.square(np.square(values))


def _t_test(gap, variances, sizes):
    free = max(sum(sizes) - 2, 1)
    sums = [v * n for v, n in zip(variances, sizes, strict=True)]
    pooled = sum(sums) / free * sum(1 / n for n in sizes)
    separate = sum(s / max(n - 1, 1) / n for s, n in zip(sums, sizes, strict=True))
    error = np.sqrt(np.maximum(pooled, separate))
    # Differences at the level of rounding are none.
    statistic = np.abs(gap) / np.maximum(error, 1e-9)
    return 2 * stats.t.sf(np.where(np.abs(gap) > 1e-9, statistic, 0.0), free)
