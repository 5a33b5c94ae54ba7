"""What aligners of the first two moments share; they differ in the matrix alone."""

from abc import abstractmethod

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from sktransfer._validation import check_choice, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._moments import moments_and_shrinkage

__all__ = ["SecondMomentAligner", "map_affinely", "regularized_moments"]


class SecondMomentAligner(OneToOneFeatureMixin, BaseAligner):
    """Map source rows by a matrix that the two covariances determine."""

    @abstractmethod
    def _matrix(self, source, target):
        """Return the map for rows from the left, given both covariances."""

    def _check_params(self):
        check_number("regularization", self.regularization, low=0, also=("auto",))
        check_choice("align_mean", self.align_mean, (True, False))

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        means, covariances = regularized_moments(
            [X_source, X_target], self.regularization
        )
        self.source_mean_, self.target_mean_ = means
        self.map_ = self._matrix(*covariances)

    def _map_source(self, X):
        goal = self.target_mean_ if self.align_mean else self.source_mean_
        return map_affinely(X, self.map_, self.source_mean_, goal)

    def _map_target(self, X):
        return X.copy()


def map_affinely(X, matrix, mean, goal):
    """Return rows less their mean times a matrix, about another mean.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    matrix : ndarray of shape (n_features, n_features)
        The map.
    mean, goal : ndarray of shape (n_features,)
        Mean of the rows before and after.

    Returns
    -------
    ndarray of shape (n_samples, n_features)
        The mapped rows, in the type of X.
    """
    # One product and one row added: x A + (g - m A).
    mapped = X @ matrix.astype(X.dtype, copy=False)
    mapped += (goal - mean @ matrix).astype(X.dtype)
    return mapped


def regularized_moments(domains, regularization):
    """Return the means and the regularised covariances of several domains.

    Parameters
    ----------
    domains : list of ndarray of shape (n_samples, n_features)
        Rows of each domain.
    regularization : float or "auto"
        Added to the diagonals, in units of the mean variance over all domains. "auto":
        each covariance is shrunk towards its mean variance, all by the same share, the
        largest of those that the rule of Ledoit and Wolf gives for each. With shares of
        their own, two samples of one population would get different spectra for no
        other reason than their sizes, and the map would undo that.

    Returns
    -------
    means : ndarray of shape (n_domains, n_features)
        The means.
    covariances : ndarray of shape (n_domains, n_features, n_features)
        The covariances.
    """
    means, found, shares = zip(*map(moments_and_shrinkage, domains), strict=True)
    covariances = np.array(found)
    variances = np.trace(covariances, axis1=1, axis2=2) / covariances.shape[1]
    if regularization == "auto":
        covariances *= 1 - max(shares)
        ridges = max(shares) * variances
    else:
        ridges = np.full(len(domains), regularization * variances.mean())
    diagonal = np.arange(covariances.shape[1])
    covariances[:, diagonal, diagonal] += ridges[:, None]
    return np.array(means), covariances
