"""Pseudo-labels for self-training, and what a round of it needs."""

import numpy as np
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from sktransfer._weights import accepts_weights, fit_weighted

__all__ = [
    "check_probabilistic",
    "fit_clone",
    "join_rows",
    "probabilities_of",
    "pseudo_labels",
    "takes_sparse",
]

_TIE = 1e-10


def pseudo_labels(probabilities, share, *, balanced):
    """Label the rows that are predicted most confidently.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        Predicted probabilities.
    share : float
        Share of the rows to label, between 0 and 1, rounded up. Rows that tie with the
        last one are labelled, too.
    balanced : bool
        Whether the share holds for each predicted class. A row then gets the class
        whose probability exceeds the threshold of that class by the largest factor.

    Returns
    -------
    ndarray of shape (n_samples,)
        Positions of the classes; -1 for rows that are left without.
    """
    n_samples, n_classes = probabilities.shape
    nothing = np.full(n_samples, -1)
    if share <= 0 or n_samples == 0:
        return nothing
    predicted, surest = probabilities.argmax(axis=1), probabilities.max(axis=1)
    if not balanced:
        return np.where(surest >= _threshold(surest, share), predicted, nothing)
    thresholds = np.full(n_classes, np.inf)
    for c in np.unique(predicted):
        thresholds[c] = _threshold(surest[predicted == c], share)
    ratios = probabilities / thresholds
    return np.where(ratios.max(axis=1) >= 1, ratios.argmax(axis=1), nothing)


def _threshold(confidence, share):
    count = int(np.ceil(share * len(confidence) - 1e-9))
    return np.sort(confidence)[-count] - _TIE


def join_rows(*parts):
    """Return the rows of all parts, sparse if they are."""
    if any(sparse.issparse(part) for part in parts):
        return sparse.vstack(parts, format="csr")
    return np.concatenate(parts)


def check_probabilistic(estimator, name):
    """Return the estimator, logistic regression for None; it needs predict_proba."""
    estimator = LogisticRegression() if estimator is None else estimator
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict_proba"):
        raise TypeError(
            f"{name} needs an estimator with predict_proba, got {estimator!r}. Use one "
            "that has it, or wrap it in CalibratedClassifierCV."
        )
    return estimator


def takes_sparse(estimator):
    """Whether the estimator, logistic regression for None, takes sparse rows."""
    if estimator is None:
        return True
    return hasattr(estimator, "fit") and get_tags(estimator).input_tags.sparse


def fit_clone(estimator, X, y, weights=None):
    """Fit a clone; weights that are all alike are left out."""
    if weights is None or np.ptp(weights) == 0:
        return clone(estimator).fit(X, y)
    if not accepts_weights(estimator):
        raise TypeError(
            f"{estimator!r} takes no sample_weight, so source rows cannot count less. "
            "Use an estimator that does, or leave source_decay at 1."
        )
    return fit_weighted(clone(estimator), X, y, weights, {})


def probabilities_of(estimator, X, classes):
    """Return the probabilities of `classes`, zero for those the estimator lacks."""
    if X.shape[0] == 0:
        return np.zeros((0, len(classes)))
    found = np.asarray(estimator.predict_proba(X))
    if not np.isfinite(found).all():
        raise ValueError(
            f"{estimator!r} gave probabilities that are not finite. Its training rows "
            "may be degenerate, equal rows or constant columns for example: scale the "
            "features, or regularise the estimator more."
        )
    if np.array_equal(estimator.classes_, classes):
        return found
    probabilities = np.zeros((len(found), len(classes)), dtype=found.dtype)
    probabilities[:, np.searchsorted(classes, estimator.classes_)] = found
    return probabilities
