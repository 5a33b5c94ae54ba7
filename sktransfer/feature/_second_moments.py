"""What aligners of the first two moments share; they differ in the matrix alone."""

from abc import abstractmethod

import numpy as np
from sklearn.base import OneToOneFeatureMixin

from sktransfer._validation import check_choice, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._moments import mean_and_covariance, shrinkage

__all__ = ["SecondMomentAligner"]


class SecondMomentAligner(OneToOneFeatureMixin, BaseAligner):
    """Map source rows by a matrix that the two covariances determine."""

    @abstractmethod
    def _matrix(self, source, target):
        """Return the map for rows from the left, given both covariances."""

    def _fit(self, X_source, y_source, X_target, y_target):
        check_number("regularization", self.regularization, low=0, also=("auto",))
        check_choice("align_mean", self.align_mean, (True, False))
        self.source_mean_, source = mean_and_covariance(X_source)
        self.target_mean_, target = mean_and_covariance(X_target)
        if self.regularization == "auto":
            source = _shrunk(X_source, self.source_mean_, source)
            target = _shrunk(X_target, self.target_mean_, target)
        else:
            unit = 0.5 * (np.trace(source) + np.trace(target)) / len(source)
            ridge = self.regularization * unit * np.eye(len(source))
            source, target = source + ridge, target + ridge
        self.map_ = self._matrix(source, target)

    def _map_source(self, X):
        # One product and one row added: x A + (m - m_s A).
        goal = self.target_mean_ if self.align_mean else self.source_mean_
        offset = goal - self.source_mean_ @ self.map_
        mapped = X @ self.map_.astype(X.dtype, copy=False)
        mapped += offset.astype(X.dtype)
        return mapped

    def _map_target(self, X):
        return X.copy()


def _shrunk(X, mean, covariance):
    """Shrink towards the mean variance by the rule of Ledoit and Wolf."""
    share = shrinkage(X, mean, covariance)
    shrunk = (1 - share) * covariance
    shrunk[np.diag_indices_from(shrunk)] += share * np.trace(covariance) / len(shrunk)
    return shrunk
