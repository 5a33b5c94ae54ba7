"""Losses of linear models: one row's loss, its gradient and its curvature.

A loss takes scores `eta` of shape (n_rows, n_outputs) and `targets` of the same shape,
and knows for which of the outputs the labels at hand say anything at all.
"""

import numpy as np
from scipy.special import expit, xlogy

__all__ = ["LOSSES", "LogisticLoss", "PoissonLoss", "SoftmaxLoss", "SquaredLoss"]


class SquaredLoss:
    """Half the squared error."""

    def outputs(self, y, n_outputs):
        """Return the numbers of the outputs that `y` says something of."""
        return np.arange(n_outputs)

    def targets(self, y, outputs):
        """Return what the scores are compared with, one column an output."""
        return y[:, None]

    def doubted(self, targets):
        """Return what held-out rows are compared with: the values as they are."""
        return targets

    def start(self, targets, weight):
        """Return intercepts to start from."""
        return np.average(targets, axis=0, weights=weight)

    def values(self, eta, targets):
        """Return the loss of each row."""
        return 0.5 * np.square(eta - targets)[:, 0]

    def gradient(self, eta, targets):
        """Return the derivative for each score, and what `curve` needs."""
        return eta - targets, np.ones_like(eta)

    def curve(self, state, change):
        """Return the second derivative along a change of the scores."""
        return change

    def diagonal(self, state):
        """Return the second derivative for each score alone."""
        return state


class PoissonLoss(SquaredLoss):
    """Half the Poisson deviance of the mean ``exp(eta)``."""

    def outputs(self, y, n_outputs):
        """Return the numbers of the outputs; none if all counts are 0."""
        return np.arange(n_outputs if np.any(y > 0) else 0)

    def start(self, targets, weight):
        """Return the logarithm of the mean."""
        return np.log(np.average(targets, axis=0, weights=weight))

    def values(self, eta, targets):
        """Return the loss of each row; 0 for a perfect fit."""
        least = targets - xlogy(targets, targets)
        return (np.exp(eta) - targets * eta - least)[:, 0]

    def gradient(self, eta, targets):
        """Return the derivative for each score, and the means."""
        mean = np.exp(eta)
        return mean - targets, mean

    def curve(self, state, change):
        """Return the second derivative along a change of the scores."""
        return state * change


class LogisticLoss(SquaredLoss):
    """Negative log-likelihood of two classes, 0 and 1, by one score."""

    def outputs(self, y, n_outputs):
        """Return the number of the output; none if there is one class only."""
        return np.arange(n_outputs if len(np.unique(y)) > 1 else 0)

    def targets(self, y, outputs):
        """Return 0 or 1."""
        return y[:, None].astype(np.float64)

    def doubted(self, targets):
        """Return targets that leave the other class what few rows cannot rule out."""
        return targets + (1 - 2 * targets) / (len(targets) + 2)

    def start(self, targets, weight):
        """Return zero: centred scores are then not all saturated."""
        return np.zeros(1)

    def values(self, eta, targets):
        """Return the loss of each row."""
        return (np.logaddexp(0, eta) - targets * eta)[:, 0]

    def gradient(self, eta, targets):
        """Return the derivative for each score, and the variances."""
        # expit(eta) * expit(-eta) does not cancel where p is nearly 1.
        return expit(eta) - targets, expit(eta) * expit(-eta)

    def curve(self, state, change):
        """Return the second derivative along a change of the scores."""
        return state * change


class SoftmaxLoss(SquaredLoss):
    """Negative log-likelihood of several classes, one score each."""

    def outputs(self, y, n_outputs):
        """Return the classes that occur; none if it is one only."""
        present = np.unique(y)
        return present if len(present) > 1 else present[:0]

    def targets(self, y, outputs):
        """Return indicators of the classes in `outputs`."""
        return (y[:, None] == outputs).astype(np.float64)

    def doubted(self, targets):
        """Return targets that leave the other classes what few rows cannot rule out."""
        others = (1 - targets) / (targets.shape[1] - 1)
        return targets + (others - targets) / (len(targets) + 2)

    def start(self, targets, weight):
        """Return zeros."""
        return np.zeros(targets.shape[1])

    def values(self, eta, targets):
        """Return the loss of each row."""
        largest = eta.max(axis=1, keepdims=True)
        rest = np.log(np.exp(eta - largest).sum(axis=1))
        return largest[:, 0] + rest - np.einsum("ij,ij->i", eta, targets)

    def gradient(self, eta, targets):
        """Return the derivative for each score, and the probabilities."""
        shares = np.exp(eta - eta.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return shares - targets, shares

    def curve(self, state, change):
        """Return the second derivative along a change of the scores."""
        part = state * change
        part -= state * np.einsum("ij->i", part)[:, None]
        return part

    def diagonal(self, state):
        """Return the second derivative for each score alone."""
        return state * (1 - state)


LOSSES = {"squared": SquaredLoss, "poisson": PoissonLoss}
