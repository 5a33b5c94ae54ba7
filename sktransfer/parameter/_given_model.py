"""Predictions of a fitted model that the user gave."""

import warnings

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

__all__ = [
    "check_given_model",
    "given_predictions",
    "given_probabilities",
    "given_takes_missing",
    "given_takes_sparse",
    "given_values",
]


def check_given_model(model, method, n_features, feature_names=None):
    """Raise unless the model is fitted, has the method, and knows the same columns.

    Parameters
    ----------
    model : object
        What was given as source model.
    method : str
        Method that will be called, "predict" for example.
    n_features : int
        Number of columns of X.
    feature_names : ndarray of str or None
        Their names.
    """
    if isinstance(model, type) or not hasattr(model, "fit"):
        raise TypeError(
            f"`source` must be a fitted model or None, got {model!r}. Pass a fitted "
            "instance."
        )
    try:
        check_is_fitted(model)
    except NotFittedError as error:
        raise NotFittedError(
            f"The source model {model!r} is not fitted. Cross-validation and searches "
            "clone parameters and drop their fit: wrap a fitted model in "
            "sklearn.frozen.FrozenEstimator."
        ) from error
    if not hasattr(model, method):
        raise TypeError(
            f"The source model {model!r} has no {method}. Use one that has it"
            + (
                ", or wrap it in CalibratedClassifierCV."
                if method == "predict_proba"
                else "."
            )
        )
    known = getattr(model, "n_features_in_", n_features)
    if known != n_features:
        raise ValueError(
            f"The source model {model!r} was fitted on {known} features, but X has "
            f"{n_features}. Give both the same columns."
        )
    names = getattr(model, "feature_names_in_", None)
    if names is not None and feature_names is not None:
        missing = sorted(set(feature_names) - set(names))
        unknown = sorted(set(names) - set(feature_names))
        if missing or unknown:
            raise ValueError(
                f"The features of the source model {model!r} are not those of X: X "
                f"alone has {missing}, the source model alone {unknown}. Give both the "
                "same columns, in any order."
            )


def given_predictions(model, method, X, feature_names=None):
    """Return what a method of the model says of the rows, columns matched by name.

    Parameters
    ----------
    model : object
        Fitted model.
    method : str
        Name of the method.
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    feature_names : ndarray of str or None
        Names of the columns.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_outputs)
    """
    names = getattr(model, "feature_names_in_", None)
    if names is not None and feature_names is not None:
        positions = {name: i for i, name in enumerate(feature_names)}
        X = X[:, [positions[name] for name in names]]
    with warnings.catch_warnings():
        # The names were compared already, and X is an array here.
        warnings.filterwarnings("ignore", "X does not have valid feature names")
        return np.asarray(getattr(model, method)(X))


def given_probabilities(model, X, classes, feature_names=None):
    """Return the probabilities of classes, matched by name; 0 for those it lacks.

    Parameters
    ----------
    model : object
        Fitted classifier; its classes may be in any order.
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    classes : ndarray of shape (n_classes,)
        The wanted classes, sorted, all of the model's among them.
    feature_names : ndarray of str or None
        Names of the columns.

    Returns
    -------
    ndarray of shape (n_samples, n_classes), float64
    """
    shares = np.zeros((X.shape[0], len(classes)))
    if X.shape[0] == 0:
        return shares
    found = given_predictions(model, "predict_proba", X, feature_names)
    if not np.isfinite(found).all():
        raise ValueError(
            f"{model!r} gave probabilities that are not finite. Its training rows "
            "may be degenerate, equal rows or constant columns for example: scale the "
            "features, or regularise the estimator more."
        )
    shares[:, np.searchsorted(classes, np.asarray(model.classes_))] = found
    return shares


def given_values(model, X, feature_names=None):
    """Return the values that a regressor predicts, one a row.

    Parameters
    ----------
    model : object
        Fitted regressor.
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    feature_names : ndarray of str or None
        Names of the columns.

    Returns
    -------
    ndarray of shape (n_samples,), float64
    """
    if X.shape[0] == 0:
        return np.zeros(0)
    values = given_predictions(model, "predict", X, feature_names)
    if values.size != X.shape[0]:
        raise ValueError(
            f"{model!r} predicts {values.shape[1:]} values a row; expected one. "
            "Fit one regressor for each output."
        )
    return values.reshape(-1).astype(np.float64, copy=False)


def given_takes_sparse(model):
    """Whether the model takes sparse rows; yes for None, no for what is no model."""
    return _takes(model, "sparse")


def given_takes_missing(model):
    """Whether the model takes NaN; yes for None, no for what is no model."""
    return _takes(model, "allow_nan")


def _takes(model, tag):
    if model is None:
        return True
    if isinstance(model, type) or not hasattr(model, "__sklearn_tags__"):
        return False
    return getattr(get_tags(model).input_tags, tag)
