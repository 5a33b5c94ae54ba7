"""What the target's loss would be had a source row not been learned from."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import pinvh
from scipy.special import expit

from sktransfer.parameter._linear_losses import LogisticLoss
from sktransfer.parameter._shifted_newton import shifted_newton

__all__ = ["LinearInfluence", "LinearTask", "fit_influence", "removal_scores"]


@dataclass(frozen=True)
class LinearTask:
    """One linear model of the source and how the target's loss depends on it.

    Parameters
    ----------
    coef : ndarray of shape (n_features + 1,)
        Coefficients of the centred columns, the intercept last.
    inverse : ndarray of shape (n_features + 1, n_features + 1)
        Inverse of the second derivatives of the penalised loss of the source.
    slope : ndarray of shape (n_features + 1,)
        First derivatives of the mean loss of the target.
    curvature : ndarray of shape (n_features + 1, n_features + 1)
        Second derivatives of the mean loss of the target.
    logistic : bool
        Logistic loss, else half the squared error.
    """

    coef: np.ndarray
    inverse: np.ndarray
    slope: np.ndarray
    curvature: np.ndarray
    logistic: bool

    def residuals(self, rows, targets):
        """Return first and second derivatives of the loss of rows by their scores."""
        return _derivatives(rows @ self.coef, targets, self.logistic)

    def gradient_products(self, rows, targets):
        """Return to first order how the target's loss rises without each row."""
        residuals, _ = self.residuals(rows, targets)
        return residuals * (rows @ (self.inverse @ self.slope))

    def removals(self, rows, targets):
        """Return how the target's loss rises when each training row is left out."""
        residuals, weights = self.residuals(rows, targets)
        moves = rows @ self.inverse
        leverage = weights * np.einsum("ij,ij->i", moves, rows)
        # A row that alone determines the fit has a leverage of one.
        moves *= (residuals / np.maximum(1 - leverage, 1e-10))[:, None]
        second = np.einsum("ij,ij->i", moves @ self.curvature, moves)
        return moves @ self.slope + 0.5 * second


@dataclass(frozen=True)
class LinearInfluence:
    """The models of all classes or outputs, and how labels are written for each.

    Parameters
    ----------
    tasks : tuple of LinearTask
        One model a class (one in all for two classes) or output.
    center : ndarray of shape (n_features,)
        What is subtracted from the columns.
    classes : tuple of int or None
        The class that each model tells from the rest; None: regression.
    values : ndarray of shape (n_classes,), default=None
        Of regression on labels that came as class numbers: the value of each.
    """

    tasks: tuple
    center: np.ndarray
    classes: tuple | None
    values: np.ndarray | None = None

    reads_labels = True

    def rows(self, X):
        """Return centred rows with a column of ones."""
        centered = X.astype(np.float64) - self.center
        return np.column_stack([centered, np.ones(len(X))])

    def targets(self, y):
        """Return one column of targets for each model, NaN where there is no label."""
        return _targets(y, self.classes, self.values)

    def __call__(self, X, y):
        """Return the gradient products of rows, zero without label."""
        return self._sum("gradient_products", X, y)

    def removals(self, X, y):
        """Return the rise of the target's loss without each row, zero if unlabelled."""
        return self._sum("removals", X, y)

    def _sum(self, method, X, y):
        targets, scores = self.targets(y), np.zeros(len(X))
        known = ~np.isnan(targets).any(axis=1)
        rows = self.rows(X[known])
        for task, column in zip(self.tasks, targets[known].T, strict=True):
            scores[known] += getattr(task, method)(rows, column)
        return scores


def _derivatives(eta, targets, logistic):
    if not logistic:
        return eta - targets, np.ones_like(eta)
    return expit(eta) - targets, expit(eta) * expit(-eta)


def _targets(y, classes, values):
    if classes is not None:
        columns = np.equal.outer(y, np.array(classes)).astype(np.float64)
        columns[y < 0] = np.nan
        return columns
    if values is not None:
        return np.where(y >= 0, values[y], np.nan)[:, None]
    return y.reshape(len(y), -1).astype(np.float64)


def _task(rows, targets, rows_target, targets_target, alpha, logistic):
    """Fit one model on the source and expand the target's loss around it."""
    ridge = np.diag(np.r_[np.full(rows.shape[1] - 1, alpha), 0.0])
    if logistic:
        weight, prior = np.ones(len(rows)), np.zeros((1, rows.shape[1] - 1))
        coef, intercept = shifted_newton(
            rows[:, :-1], targets[:, None], weight, prior, alpha, LogisticLoss()
        )
        coef = np.r_[coef[0], intercept]
    else:
        coef = pinvh(rows.T @ rows + ridge) @ (rows.T @ targets)
    _, weights = _derivatives(rows @ coef, targets, logistic)
    inverse = pinvh((rows.T * weights) @ rows + ridge)
    residuals, curves = _derivatives(rows_target @ coef, targets_target, logistic)
    slope = rows_target.T @ residuals / len(rows_target)
    curvature = (rows_target.T * curves) @ rows_target / len(rows_target)
    return LinearTask(coef, inverse, slope, curvature, logistic)


def fit_influence(X, y, X_target, y_target, *, alpha, logistic, values=None):
    """Fit linear models of the source and expand the target's loss around each.

    Parameters
    ----------
    X : ndarray of shape (n_source, n_features)
        Source rows.
    y : ndarray of shape (n_source,) or (n_source, n_outputs)
        Class numbers, -1 where there is none, or values, NaN where there is none.
    X_target : ndarray of shape (n_target, n_features)
        Target rows; those with a label are what the loss is of.
    y_target : ndarray of shape (n_target,) or (n_target, n_outputs)
        As `y`.
    alpha : float
        Penalty on half the squared coefficients beside the sum of the losses.
    logistic : bool
        Logistic regression of each class against the rest, else ridge regression.
    values : ndarray of shape (n_classes,), default=None
        Of ridge regression on class numbers: the value of each.

    Returns
    -------
    LinearInfluence
        Without models if the source holds one class only.
    """
    classes = None
    if logistic:
        found = np.unique(y[y >= 0])
        if len(found) < 2:
            return LinearInfluence((), np.zeros(X.shape[1]), ())
        classes = tuple(int(c) for c in (found[1:] if len(found) == 2 else found))
    targets = _targets(y, classes, values)
    targets_target = _targets(y_target, classes, values)
    known, given = (~np.isnan(t).any(axis=1) for t in (targets, targets_target))
    center = X[known].mean(axis=0, dtype=np.float64)
    frame = LinearInfluence((), center, classes, values)
    rows, rows_target = frame.rows(X[known]), frame.rows(X_target[given])
    tasks = tuple(
        _task(rows, column, rows_target, column_target, alpha, logistic)
        for column, column_target in zip(
            targets[known].T, targets_target[given].T, strict=True
        )
    )
    return LinearInfluence(tasks, center, classes, values)


def removal_scores(model, X, y):
    """Return how much each source row's removal raises the target's loss.

    Parameters
    ----------
    model : LinearInfluence
        From `fit_influence` on these rows.
    X : ndarray of shape (n_source, n_features)
        Source rows.
    y : ndarray of shape (n_source,) or (n_source, n_outputs)
        Class numbers or values.

    Returns
    -------
    harmful : ndarray of shape (n_source,), bool
        Rows whose removal lowers the loss, by more than rounding.
    scores : ndarray of shape (n_source,)
        The rise of the loss; zero without label, and for a row that is the only one.
    """
    if len(X) < 2:
        return np.zeros(len(X), dtype=bool), np.zeros(len(X))
    scores = model.removals(X, y)
    return scores < -1e-12 * max(np.abs(scores).max(), 1e-300), scores
