"""From a plan to a map: barycentric images, and what becomes of new source rows.

A map is made on rows at a common origin and scale (`ScaledRows`) and returns rows on
that scale of the target.
"""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.metrics import pairwise_distances_argmin

from sktransfer._kernels import (
    content_subsample,
    nystroem_map,
    resolve_gamma,
)

__all__ = [
    "EntropicMap",
    "NearestDisplacement",
    "barycentric_images",
    "equal_row_groups",
    "fit_kernel_ridge",
    "fit_ridge",
    "group_means",
    "transported_labels",
]

_NO_MASS = 1e-12
_BLOCK_ENTRIES = 2**21
_N_LANDMARKS = 1000


def equal_row_groups(X, labels=None):
    """Give equal rows the same number, where rows are sorted by content.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; equal ones lie next to each other.
    labels : ndarray of shape (n_samples,), default=None
        What has to be equal as well.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers from 0 on.
    """
    differs = np.any(X[1:] != X[:-1], axis=1)
    if labels is not None:
        differs |= labels[1:] != labels[:-1]
    return np.r_[0, np.cumsum(differs)]


def group_means(values, groups, weights=None):
    """Return for each row the weighted mean of its group's rows.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
        Rows.
    groups : ndarray of shape (n_samples,)
        Numbers from 0 on, rising.
    weights : ndarray of shape (n_samples,), default=None
        Weights >= 0, not all zero in a group; None: all alike.

    Returns
    -------
    ndarray of shape (n_samples, n_columns)
        The means.
    """
    if groups[-1] == len(groups) - 1:
        return values
    weights = np.ones(len(groups)) if weights is None else weights
    starts = np.flatnonzero(np.diff(groups, prepend=-1))
    sums = np.add.reduceat(values * weights[:, None], starts, axis=0)
    return (sums / np.add.reduceat(weights, starts)[:, None])[groups]


def barycentric_images(plan, target, groups):
    """Return where the plan takes each source row in the mean.

    Equal source rows share one image: a plan may treat them differently, a map cannot.

    Parameters
    ----------
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        The plan.
    target : ndarray of shape (n_target, n_features)
        Target rows.
    groups : ndarray of shape (n_source,)
        Numbers of equal source rows.

    Returns
    -------
    images : ndarray of shape (n_source, n_features)
        Means of target rows; zero for rows that are not moved.
    moved : ndarray of shape (n_source,), bool
        Whether the plan takes the row anywhere.
    """
    mass = np.asarray(plan.sum(axis=1)).ravel()
    sums = plan @ target
    shared = group_means(np.c_[sums, mass], groups)
    sums, mass = shared[:, :-1], shared[:, -1]
    moved = mass > _NO_MASS / len(mass)
    images = np.zeros_like(sums)
    images[moved] = sums[moved] / mass[moved, None]
    return images, moved


class NearestDisplacement:
    """Move a row as far as the nearest training row is moved.

    Parameters
    ----------
    rows : ndarray of shape (n_source, n_features)
        Training rows, moved ones only.
    images : ndarray of shape (n_source, n_features)
        Their images.
    """

    def __init__(self, rows, images):
        self.rows, self.displacements = rows, images - rows

    def __call__(self, X):
        """Return the images of rows."""
        return X + self.displacements[pairwise_distances_argmin(X, self.rows)]


class EntropicMap:
    """The mean target row under the entropic plan, for any row.

    Parameters
    ----------
    target : ndarray of shape (n_target, n_features)
        Target rows.
    potential : ndarray of shape (n_target,)
        Their dual potential, in units of squared distances.
    regularization : float
        Weight of the entropy, in units of squared distances.
    """

    def __init__(self, target, potential, regularization):
        self.target, self.regularization = target, regularization
        self._offsets = potential - np.einsum("ij,ij->i", target, target)

    def __call__(self, X):
        """Return the images of rows."""
        images = np.empty_like(X)
        step = max(1, _BLOCK_ENTRIES // len(self.target))
        for start in range(0, len(X), step):
            # |x|^2 is the same for all target rows.
            weights = 2 * X[start : start + step] @ self.target.T
            weights += self._offsets
            weights -= weights.max(axis=1, keepdims=True)
            weights /= self.regularization
            np.exp(weights, out=weights)
            weights /= weights.sum(axis=1, keepdims=True)
            images[start : start + step] = weights @ self.target
        return images


class _RidgeMap:
    """Add to a row an affine function of its features."""

    def __init__(self, features, rows, images, penalty):
        self._features = features
        self.ridge = Ridge(alpha=penalty * len(rows))
        self.ridge.fit(features(rows), images - rows)

    def __call__(self, X):
        """Return the images of rows."""
        return X + self.ridge.predict(self._features(X)).reshape(X.shape)


def _same(X):
    return X


def fit_ridge(rows, images, regularization):
    """Return an affine map to the images, drawn towards one move for all rows.

    Parameters
    ----------
    rows : ndarray of shape (n_source, n_features)
        Training rows.
    images : ndarray of shape (n_source, n_features)
        Their images.
    regularization : float
        Penalty of the squared coefficients, in units of the mean variance of the rows.

    Returns
    -------
    callable
        Maps rows.
    """
    variance = float(rows.var(axis=0).mean()) or 1.0
    return _RidgeMap(_same, rows, images, regularization * variance)


def fit_kernel_ridge(rows, images, regularization, gamma):
    """Return a smooth map to the images: one move for all, plus a Gaussian kernel's.

    Parameters
    ----------
    rows : ndarray of shape (n_source, n_features)
        Training rows.
    images : ndarray of shape (n_source, n_features)
        Their images.
    regularization : float
        Penalty of the squared norm in the kernel's space.
    gamma : float, "median" or None
        Width as in `resolve_gamma`.

    Returns
    -------
    callable
        Maps rows. Above 1,000 rows the kernel is replaced by its Nyström approximation
        on 1,000 of them.
    """
    gamma = resolve_gamma(gamma, rows)
    landmarks = rows[content_subsample(rows, _N_LANDMARKS, 0)]
    kernel = nystroem_map(landmarks, kernel="rbf", gamma=gamma)
    return _RidgeMap(kernel.features, rows, images, regularization)


def transported_labels(plan, values, labeled, groups):
    """Return what the plan brings to each target row of the source rows' labels.

    Parameters
    ----------
    plan : {sparse array, ndarray} of shape (n_source, n_target)
        The plan.
    values : ndarray of shape (n_source, n_columns)
        Labels of the source rows, one column a class.
    labeled : ndarray of shape (n_source,), bool
        Which of them have one.
    groups : tuple of two ndarrays
        Numbers of equal source and of equal target rows.

    Returns
    -------
    ndarray of shape (n_target, n_columns)
        Means of labels, each source row counted by the mass that it sends. The mean of
        all labels where nothing arrives.
    """
    columns = np.c_[np.where(labeled[:, None], values, 0.0), labeled]
    arrived = plan.T @ group_means(columns, groups[0])
    arrived = group_means(arrived, groups[1])
    mass = arrived[:, -1:]
    some = mass > _NO_MASS / len(mass)
    return np.where(
        some, arrived[:, :-1] / np.where(some, mass, 1.0), values[labeled].mean(axis=0)
    )
