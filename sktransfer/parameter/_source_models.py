"""Reads coefficients of fitted linear models, matched by feature and class names."""

import numpy as np
from scipy import sparse
from sklearn.exceptions import NotFittedError

__all__ = ["class_coefficients", "given_models", "joined_classes", "linear_parts"]


def given_models(source):
    """Return the source models of the parameter `source` as a list."""
    models = list(source) if isinstance(source, list | tuple) else [source]
    if not models:
        raise ValueError(
            "`source` must be a fitted linear model, a list of them or None, got an "
            "empty list. None fits the source model on the labelled source rows."
        )
    return models


def linear_parts(model, n_features, feature_names=None):
    """Return the coefficients and intercepts of a fitted linear model.

    Parameters
    ----------
    model : object
        Anything with `coef_` and `intercept_`.
    n_features : int
        Number of columns that the coefficients are for.
    feature_names : ndarray of str or None
        Their names; if the model knows names as well, columns are matched by them.

    Returns
    -------
    coef : ndarray of shape (n_outputs, n_features)
    intercept : ndarray of shape (n_outputs,)
    """
    if isinstance(model, type) or not (
        hasattr(model, "coef_") and hasattr(model, "intercept_")
    ):
        _raise_no_coefficients(model)
    coef = model.coef_
    coef = coef.toarray() if sparse.issparse(coef) else np.asarray(coef)
    coef = np.atleast_2d(coef).astype(np.float64)
    intercept = np.atleast_1d(np.asarray(model.intercept_, dtype=np.float64)).ravel()
    if len(intercept) == 1:
        intercept = np.repeat(intercept, len(coef))
    if coef.ndim != 2 or len(intercept) != len(coef):
        raise ValueError(
            f"The source model {model!r} has coef_ of shape {coef.shape} and "
            f"intercept_ of shape {intercept.shape}; expected one row of coefficients "
            "and one intercept for each output."
        )
    if coef.shape[1] != n_features:
        raise ValueError(
            f"The source model {model!r} has {coef.shape[1]} coefficients a row, but X "
            f"has {n_features} features. Fit the source model on the same columns."
        )
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        raise ValueError(f"The source model {model!r} has coefficients not finite.")
    names = getattr(model, "feature_names_in_", None)
    if names is None or feature_names is None:
        return coef, intercept
    return coef[:, _matched(model, list(names), list(feature_names))], intercept


def _raise_no_coefficients(model):
    if hasattr(model, "fit") and not isinstance(model, type):
        raise NotFittedError(
            f"The source model {model!r} has no coef_ and intercept_. It must be a "
            "fitted linear model; of a pipeline, pass the last step and transform X "
            "alike. Cross-validation and searches clone parameters and drop their fit: "
            "wrap a fitted model in sklearn.frozen.FrozenEstimator there."
        )
    raise TypeError(
        "`source` must be a fitted linear model (with coef_ and intercept_), a list of "
        f"them or None, got {model!r}. Pass a fitted instance."
    )


def _matched(model, names, wanted):
    positions = {name: i for i, name in enumerate(names)}
    if set(names) != set(wanted):
        missing = sorted(set(wanted) - set(names))
        unknown = sorted(set(names) - set(wanted))
        raise ValueError(
            f"The features of the source model {model!r} are not those of X: X alone "
            f"has {missing}, the source model alone {unknown}. Give both the same "
            "columns, in any order."
        )
    return [positions[name] for name in wanted]


def joined_classes(models, known):
    """Return the classes of the source models and of the labels, each once, sorted.

    Parameters
    ----------
    models : list
        Fitted classifiers.
    known : ndarray of shape (n_labeled,)
        Labels of labelled rows.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    parts = [np.asarray(known)] if len(known) else []
    for model in models:
        if not hasattr(model, "classes_"):
            raise TypeError(
                f"The source model {model!r} has no classes_: expected a fitted "
                "classifier. Use the regressor of the same name for a regressor."
            )
        parts.append(np.asarray(model.classes_))
    parts = [
        np.array(part.tolist()) if part.dtype.kind == "O" else part for part in parts
    ]
    if len({part.dtype.kind in "USO" for part in parts}) > 1:
        raise ValueError(
            "The classes of the source models and the labels in y must be of one kind, "
            f"got {[part.tolist()[:3] for part in parts]}. Name the classes alike."
        )
    return np.unique(np.concatenate(parts))


def class_coefficients(coef, intercept, own, classes, model=None):
    """Return a classifier's coefficients in the order of more classes.

    Two classes have one row, that of the second against the first; more have a row
    each. Of a model of two classes, each then gets half, with opposite signs. A class
    that the model lacks gets the mean over its classes.

    Parameters
    ----------
    coef : ndarray of shape (n_rows, n_features)
        One row for two classes, or one a class.
    intercept : ndarray of shape (n_rows,)
        Intercepts.
    own : ndarray
        Classes of the model.
    classes : ndarray of shape (n_classes,)
        The wanted classes, sorted, all of `own` among them.
    model : object
        The model, for error messages.

    Returns
    -------
    coef : ndarray of shape (1 or n_classes, n_features)
    intercept : ndarray of shape (1 or n_classes,)
    """
    if hasattr(model, "dual_coef_") and len(own) > 2:
        raise ValueError(
            f"The source model {model!r} compares classes pair by pair, so it has no "
            "coefficients of a class. Use LinearSVC or LogisticRegression."
        )
    full = np.column_stack([coef, intercept])
    if len(own) == 2 and len(full) == 1:
        full = np.vstack([-full / 2, full / 2])
    if len(full) != len(own):
        raise ValueError(
            f"The source model {model!r} has {len(full)} rows of coefficients for "
            f"{len(own)} classes; expected one a class, or one for two classes."
        )
    placed = np.tile(full.mean(axis=0), (len(classes), 1))
    placed[np.searchsorted(classes, own)] = full
    if len(classes) == 2:
        placed = placed[1:] - placed[:1]
    return placed[:, :-1], placed[:, -1]
