"""What weighted models say together: shares of votes, or the weighted median."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import gen_batches

__all__ = ["MedianOfModels", "VotesOfModels", "weighted_median"]

_BLOCK_ROWS = 50_000


def weighted_median(values, weights):
    """Return the weighted median of each row.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_models)
        Values.
    weights : ndarray of shape (n_models,)
        Weights >= 0, not all zero.

    Returns
    -------
    ndarray of shape (n_rows,)
        The least value such that those up to it have at least half the weight.
    """
    order = np.argsort(values, axis=1, kind="stable")
    reached = np.cumsum(weights[order], axis=1)
    first = np.argmax(reached >= 0.5 * reached[:, -1:], axis=1)
    rows = np.arange(len(values))
    return values[rows, order[rows, first]]


@dataclass(frozen=True)
class VotesOfModels:
    """Classifiers that vote.

    Attributes
    ----------
    models : list of classifier
        Fitted classifiers.
    votes : ndarray of shape (n_models,)
        Weights of their votes, not all zero.
    classes : ndarray of shape (n_classes,)
        All classes, in order.
    """

    models: list
    votes: np.ndarray
    classes: np.ndarray

    def shares(self, X):
        """Return the share of the votes that each class gets."""
        total = np.zeros((X.shape[0], len(self.classes)))
        rows = np.arange(X.shape[0])
        for model, vote in zip(self.models, self.votes, strict=True):
            if vote > 0:
                total[rows, np.searchsorted(self.classes, model.predict(X))] += vote
        return total / self.votes.sum()

    def predict(self, X):
        """Return the class with most votes."""
        return self.classes[np.argmax(self.shares(X), axis=1)]


@dataclass(frozen=True)
class MedianOfModels:
    """Regressors whose weighted median counts.

    Attributes
    ----------
    models : list of regressor
        Fitted regressors.
    votes : ndarray of shape (n_models,)
        Their weights, not all zero.
    """

    models: list
    votes: np.ndarray

    def predict(self, X):
        """Return the weighted median of the predictions."""
        voting = np.flatnonzero(self.votes > 0)
        models, votes = [self.models[k] for k in voting], self.votes[voting]
        median = np.empty(X.shape[0])
        for block in gen_batches(X.shape[0], _BLOCK_ROWS):
            values = [np.ravel(model.predict(X[block])) for model in models]
            median[block] = weighted_median(np.column_stack(values), votes)
        return median
