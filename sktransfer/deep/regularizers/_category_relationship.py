"""Which source classes the rows of each target class look like."""

import warnings

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from sktransfer._validation import check_choice
from sktransfer.deep.regularizers._calibration import calibration_temperature

__all__ = ["category_relationship"]

_STRENGTHS = 10.0 ** np.arange(-4, 5)


def category_relationship(
    source_proba, y, *, n_classes=None, sample_weight=None, method="direct"
):
    """Return the probabilities of source classes given each target class.

    Parameters
    ----------
    source_proba : ndarray of shape (n_samples, n_source_classes)
        Probabilities of source classes for labelled target rows.
    y : ndarray of shape (n_samples,)
        Codes of the rows' target classes.
    n_classes : int, default=None
        Number of target classes; None: as many as `y` names.
    sample_weight : ndarray of shape (n_samples,), default=None
        Weights of the rows.
    method : {"direct", "reverse"}, default="direct"
        "direct": the mean over the rows of a class. "reverse": target classes are
        predicted from source classes and Bayes' rule turns that round; where a class
        has a single row, or there is but one class, as "direct".

    Returns
    -------
    ndarray of shape (n_classes, n_source_classes)
        Rows sum to one. A class without rows gets the mean over all rows.
    """
    check_choice("method", method, ("direct", "reverse"))
    source_proba, y = np.asarray(source_proba, dtype=np.float64), np.asarray(y)
    n_classes = int(y.max()) + 1 if n_classes is None else n_classes
    weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight)
    marginal = weight @ source_proba / weight.sum()
    seen, codes = np.unique(y, return_inverse=True)
    relationship = np.tile(marginal, (n_classes, 1))
    can_hold_out = len(seen) > 1 and np.bincount(codes).min() > 1
    if method == "reverse" and can_hold_out:
        joint = _target_given_source(source_proba, codes, weight).T * marginal
    else:
        members = weight[:, None] * (codes[:, None] == np.arange(len(seen)))
        joint = members.T @ source_proba
    relationship[seen] = joint / joint.sum(axis=1, keepdims=True)
    return relationship


def _target_given_source(source_proba, codes, weight):
    """Return p(target class | source class), of shape (n_source, n_target)."""
    # Each class must have rows left in each training fold.
    n_splits = min(5, np.bincount(codes).min())
    folds = StratifiedKFold(n_splits, shuffle=True, random_state=0)
    folds = list(folds.split(source_proba, codes))
    tried = [
        (*_held_out_loss(source_proba, codes, weight, folds, strength), strength)
        for strength in _STRENGTHS
    ]
    _, temperature, strength = min(tried)
    coef = _coefficients(source_proba, codes, weight, strength)
    # A row that is surely of one source class has one-hot probabilities.
    return softmax(coef.T / temperature, axis=1)


def _held_out_loss(source_proba, codes, weight, folds, strength):
    """Return the log loss of calibrated predictions on held-out rows, and how warm."""
    scores = np.empty((len(codes), codes.max() + 1))
    for fit, held in folds:
        coef = _coefficients(source_proba[fit], codes[fit], weight[fit], strength)
        scores[held] = source_proba[held] @ coef.T
    temperature = calibration_temperature(scores, codes, weight)
    fitted = log_softmax(scores / temperature, axis=1)[np.arange(len(codes)), codes]
    return -np.average(fitted, weights=weight), temperature


def _coefficients(source_proba, codes, weight, strength):
    """Return one row of coefficients for each target class."""
    # Probabilities sum to one, so that an intercept would be superfluous.
    model = LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        coef = model.fit(source_proba, codes, sample_weight=weight).coef_
    return np.vstack([np.zeros_like(coef), coef]) if len(coef) == 1 else coef
