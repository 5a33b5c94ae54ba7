"""Tiny adapters whose result is known, for tests of what surrounds them."""

import numpy as np

from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter


class Centerer(BaseAligner):
    """Subtract each domain's mean."""

    def _fit(self, X_source, y_source, X_target, y_target):
        self.source_mean_ = X_source.mean(axis=0)
        self.target_mean_ = X_target.mean(axis=0)
        self.n_target_labels_ = None if y_target is None else int(np.sum(y_target >= 0))

    def _map_source(self, X):
        return X - self.source_mean_

    def _map_target(self, X):
        return X - self.target_mean_


class ByFirstColumn(BaseWeighter):
    """Weigh by the exponential of the first column; rows below `cut` weigh nothing."""

    def __init__(self, cut=-np.inf):
        self.cut = cut

    def _weights(self, X_source, y_source, X_target, y_target):
        self.n_source_ = len(X_source)
        return np.exp(X_source[:, 0]) * (X_source[:, 0] >= self.cut)


class PositiveRows(BaseSelector):
    """Keep rows whose second column is positive."""

    def _select(self, X_source, y_source, X_target, y_target):
        return X_source[:, 1] > 0, X_source[:, 1]
