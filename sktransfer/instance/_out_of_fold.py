"""Predictions of both domains by models that have not seen the rows."""

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_regressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer.parameter._given_model import (
    check_given_model,
    given_predictions,
    given_takes_sparse,
)

__all__ = ["class_folds", "cross_predictions", "default_classifier", "takes_sparse"]

_ALIKE = 1e-9


def default_classifier(X):
    """Return logistic regression on scaled columns, for dense or sparse rows."""
    scaler = StandardScaler(with_mean=not sparse.issparse(X))
    return make_pipeline(scaler, LogisticRegression(tol=1e-7, max_iter=2000))


def class_folds(X, y, n_folds):
    """Deal the rows of each class into folds by their content.

    Equal rows of a class are in the same fold, unless it has fewer different rows than
    there are folds.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Class numbers.
    n_folds : int
        Number of folds.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers from 0 to ``n_folds - 1``.
    """
    direction = np.random.RandomState(0).normal(size=X.shape[1])
    keys = np.asarray(safe_sparse_dot(X, direction.astype(X.dtype)), np.float64)
    folds = np.empty(len(y), dtype=np.int64)
    for label in np.unique(y):
        rows = np.flatnonzero(y == label)
        rows = rows[np.argsort(keys[rows], kind="stable")]
        steps = np.diff(keys[rows], prepend=keys[rows[0]])
        ranks = np.cumsum(steps > _ALIKE * max(np.abs(keys[rows]).max(), 1e-300))
        if ranks[-1] + 1 < n_folds:
            ranks = np.arange(len(rows))
        folds[rows] = (ranks + label) % n_folds
    return folds


def takes_sparse(estimator):
    """Whether the estimator takes sparse rows; None, the default one, does."""
    return given_takes_sparse(estimator)


def cross_predictions(
    estimator, X_source, labels, X_target, *, n_folds, hard, feature_names=None
):
    """Return predictions of source rows left out of the fit, and of target rows.

    A model that has learnt from all source rows tells classes apart better than those
    of the folds do, so its mean predictions are not theirs: the target's rows are
    predicted by the models of the folds, too.

    Parameters
    ----------
    estimator : classifier
        Cloned and fitted on class numbers; a `FrozenEstimator` stays as it is and knows
        the classes by their names.
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows, of the source at least two of each class.
    labels : SourceLabels
        Labels of the source rows.
    n_folds : int
        Number of folds.
    hard : bool
        Whether to ask for the predicted class alone, as 0 and 1.
    feature_names : ndarray of str, default=None
        Names of the columns, to be matched with those of a frozen model.

    Returns
    -------
    source : ndarray of shape (n_source, n_classes)
        Predictions, one column a class.
    target : ndarray of shape (n_models, n_target, n_classes)
        Predictions by each of the models that predicted source rows.
    model : classifier
        A model of all source rows.
    """
    y, numbers = labels.labels, np.arange(len(labels.classes))
    if isinstance(estimator, FrozenEstimator):
        names, method = feature_names, "predict" if hard else "predict_proba"
        check_given_model(estimator, method, X_source.shape[1], names)
        given = labels.classes, hard, names
        source = _predictions(estimator, X_source, *given)
        return source, _predictions(estimator, X_target, *given)[None], estimator
    _check_classifier(estimator)
    source, folds = np.empty((len(y), len(numbers))), class_folds(X_source, y, n_folds)
    target = []
    for fold in np.unique(folds):
        train, rows = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        model = clone(estimator).fit(X_source[train], y[train])
        source[rows] = _predictions(model, X_source[rows], numbers, hard)
        target.append(_predictions(model, X_target, numbers, hard))
    return source, np.stack(target), clone(estimator).fit(X_source, y)


def _check_classifier(estimator):
    if not hasattr(estimator, "fit") or isinstance(estimator, type):
        raise TypeError(
            f"`estimator` must be a classifier or None, got {estimator!r}. Pass an "
            "instance of a scikit-learn class."
        )
    if is_regressor(estimator):
        raise TypeError(
            f"`estimator` is {estimator!r}, a regressor. Use a classifier, or None."
        )


def _predictions(model, X, classes, hard, feature_names=None):
    """Return one column a class; those that the model does not know get zero."""
    columns = {label: c for c, label in enumerate(classes.tolist())}
    known = np.asarray(model.classes_).tolist()
    unknown = [label for label in known if label not in columns]
    if unknown:
        raise ValueError(
            f"{model!r} predicts {unknown[0]!r}, a class that no labelled source row "
            f"has; those are {classes.tolist()}. Add source rows of that class, or "
            "give a classifier that was trained on these."
        )
    method = "predict" if hard else "predict_proba"
    if not hasattr(model, method):
        raise TypeError(
            f"{model!r} has no predict_proba, which is asked for here. Wrap it in "
            "CalibratedClassifierCV, or use method='bbse' with predictions='hard'."
        )
    found = given_predictions(model, method, X, feature_names)
    out = np.zeros((X.shape[0], len(classes)))
    if hard:
        out[np.arange(len(out)), [columns[label] for label in found.tolist()]] = 1.0
        return out
    if not np.isfinite(found).all():
        raise ValueError(
            f"{model!r} gave probabilities that are not finite. Scale the features, or "
            "regularise the estimator more."
        )
    out[:, [columns[label] for label in known]] = found
    return out
