"""Linear models fitted on target rows and held near linear models of sources."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer.parameter._linear_losses import SquaredLoss
from sktransfer.parameter._shifted_newton import shifted_newton
from sktransfer.parameter._shifted_ridge import ShiftedRidge
from sktransfer.parameter._source_weights import learned_source_weights

__all__ = ["LinearTransfer", "combine_sources", "fit_towards"]


def fit_towards(X, y, weight, coef, intercept, alpha, loss):
    """Fit on the rows, penalised for leaving `coef`.

    Outputs of which `y` says nothing, classes without a row, keep their coefficients
    and intercepts; the others' intercepts stay at the mean they had, so that the two
    remain comparable.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Values or class numbers.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.
    coef : ndarray of shape (n_outputs, n_features)
        Coefficients of the source.
    intercept : ndarray of shape (n_outputs,)
        Its intercepts; they are not penalised.
    alpha : float
        Penalty, >= 0.
    loss : object
        One of `_linear_losses`.

    Returns
    -------
    coef : ndarray of shape (n_outputs, n_features)
    intercept : ndarray of shape (n_outputs,)
    """
    outputs = loss.outputs(y, len(coef)) if len(y) else np.arange(0)
    if len(outputs) == 0:
        return coef, intercept
    if type(loss) is SquaredLoss:
        new, level = ShiftedRidge(X, y, weight, coef[0]).solve(alpha)
        return new[None], np.array([level])
    targets = loss.targets(y, outputs)
    new, levels = shifted_newton(X, targets, weight, coef[outputs], alpha, loss)
    if len(coef) > 1:
        levels += intercept[outputs].mean() - levels.mean()
    coef, intercept = coef.copy(), intercept.copy()
    coef[outputs], intercept[outputs] = new, levels
    return coef, intercept


def combine_sources(X, y, weight, coefs, intercepts, loss):
    """Return the weights of the sources, and their weighted sum.

    One source has weight 1. Several have learned weights, or equal ones where the
    labels say nothing.
    """
    n_sources = len(coefs)
    shares = np.full(n_sources, 1 / n_sources)
    outputs = loss.outputs(y, coefs.shape[1]) if len(y) else np.arange(0)
    if n_sources > 1 and len(outputs):
        scores = [
            safe_sparse_dot(X, coef[outputs].T, dense_output=True) for coef in coefs
        ]
        targets = loss.targets(y, outputs)
        shares = learned_source_weights(np.stack(scores), targets, weight, loss)
    return shares, np.tensordot(shares, coefs, axes=1), shares @ intercepts


@dataclass(frozen=True)
class LinearTransfer:
    """Labelled target rows, the sources' coefficients, and the loss.

    Attributes
    ----------
    X, y, weight : ndarray
        Labelled target rows, values or class numbers, weights > 0.
    coefs : ndarray of shape (n_sources, n_outputs, n_features)
        The sources' coefficients.
    intercepts : ndarray of shape (n_sources, n_outputs)
        Their intercepts.
    loss : object
        One of `_linear_losses`.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    coefs: np.ndarray
    intercepts: np.ndarray
    loss: object

    def sources(self, rows=slice(None)):
        """Return the sources' weights and their sum, by some of the rows."""
        return combine_sources(
            self.X[rows],
            self.y[rows],
            self.weight[rows],
            self.coefs,
            self.intercepts,
            self.loss,
        )

    def gcv_scores(self, alphas):
        """Return the generalised cross-validation score of each penalty."""
        _, coef, _ = self.sources()
        if len(self.y) == 0:
            return np.full(len(alphas), np.inf)
        ridge = ShiftedRidge(self.X, self.y, self.weight, coef[0])
        return np.array([ridge.gcv(alpha) for alpha in alphas])

    def cv_losses(self, alphas, folds):
        """Return the out-of-fold loss of each row for each penalty.

        Of classes it is the loss of smoothed labels: a penalty whose model is sure of
        each held-out row, and right by luck, is not the best for that.

        Parameters
        ----------
        alphas : ndarray of shape (n_alphas,)
            Penalties.
        folds : ndarray of shape (n_samples,)
            Number of the fold in which a row is tested.

        Returns
        -------
        ndarray of shape (n_alphas, n_samples)
        """
        every = np.arange(self.coefs.shape[1])
        doubted = self.loss.doubted(self.loss.targets(self.y, every))
        losses = np.empty((len(alphas), len(self.y)))
        for fold in np.unique(folds):
            train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            X, y, weight = self.X[train], self.y[train], self.weight[train]
            _, source, level = self.sources(train)
            for i, alpha in enumerate(alphas):
                coef, intercept = fit_towards(
                    X, y, weight, source, level, alpha, self.loss
                )
                eta = safe_sparse_dot(self.X[test], coef.T, dense_output=True)
                with np.errstate(over="ignore"):
                    losses[i, test] = self.loss.values(eta + intercept, doubted[test])
        return losses
