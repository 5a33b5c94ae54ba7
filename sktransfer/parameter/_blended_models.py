"""Fits of any estimator on labelled rows, and its out-of-fold predictions."""

import numpy as np
from sklearn.base import clone

from sktransfer._weights import accepts_weights, fit_weighted
from sktransfer.joint._row_order import labelled_order
from sktransfer.parameter._target_folds import target_folds

__all__ = ["fit_rows", "out_of_fold"]


def fit_rows(estimator, X, y, weight):
    """Fit a clone on the rows, in an order that depends on their content alone.

    Weights that are all one are left out, and so are equal ones where the estimator
    takes none.
    """
    order = labelled_order(X, y)
    X, y, weight = X[order], y[order], weight[order]
    if np.all(weight == 1):
        return clone(estimator).fit(X, y)
    if accepts_weights(estimator):
        return fit_weighted(clone(estimator), X, y, weight, {})
    if np.ptp(weight) == 0:
        return clone(estimator).fit(X, y)
    raise TypeError(
        f"{estimator!r} takes no sample_weight, but the rows have weights. Use an "
        "estimator that does, or leave the weights out."
    )


def out_of_fold(estimator, rows, n_folds, predictions, predict, *, codes=None):
    """Predict each row by a fit on the folds that it is not in.

    Parameters
    ----------
    estimator : estimator
        What is fitted.
    rows : LabelledRows
        The rows.
    n_folds : int
        Number of folds.
    predictions : ndarray of shape (n_rows, ...)
        What stands where a fold cannot be fitted, for want of rows or a second class.
    predict : callable
        ``predict(fitted, X)`` returns the predictions.
    codes : ndarray of shape (n_rows,), default=None
        Class numbers, to spread each class over the folds; None for values.

    Returns
    -------
    ndarray of shape (n_rows, ...)
    """
    predictions = np.array(predictions, dtype=np.float64)
    order_by = rows.y if codes is None else codes
    folds = target_folds(rows.X, order_by, n_folds, stratify=codes is not None)
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        if len(train) == 0 or (codes is not None and len(np.unique(codes[train])) < 2):
            continue
        fitted = fit_rows(estimator, rows.X[train], rows.y[train], rows.weight[train])
        predictions[test] = predict(fitted, rows.X[test])
    return predictions
