"""Source rows whose label a model of the target contradicts are misleading."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone

__all__ = [
    "AgreementScorer",
    "agreement_scores",
    "confident_half",
    "judged",
    "target_model",
]

# As likely right as wrong: no contradicted row can score more.
NEUTRAL = 0.5


def confident_half(predicted, confidence):
    """Return the mask of the more confident half of each predicted class.

    Parameters
    ----------
    predicted : ndarray of shape (n_samples,)
        Predicted classes.
    confidence : ndarray of shape (n_samples,)
        Their probabilities.

    Returns
    -------
    ndarray of shape (n_samples,), bool
        Odd halves are rounded up, so no class is lost. Rows as confident as the last
        one taken are taken too.
    """
    confident = np.zeros(len(predicted), dtype=bool)
    for name in np.unique(predicted):
        rows = np.flatnonzero(predicted == name)
        last = np.sort(confidence[rows])[::-1][(len(rows) - 1) // 2]
        confident[rows] = confidence[rows] >= last
    return confident


def judged(probabilities, columns):
    """Look up rows' own labels among the probabilities of all classes.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        Probabilities, or sums of them.
    columns : ndarray of shape (n_samples,), int
        The column of each row's label.

    Returns
    -------
    own : ndarray of shape (n_samples,)
        What the row's label has.
    contradicted : ndarray of shape (n_samples,), bool
        Whether another class has more.
    """
    own = probabilities[np.arange(len(columns)), columns]
    return own, own < probabilities.max(axis=1)


def target_model(estimator, X_source, y_source, X_target, y_target):
    """Fit a clone of a classifier on the target's labels, or on pseudo-labels.

    Labels of the target are used if they hold two classes. Otherwise a model of the
    source labels the target, and the confident half of each class is learned.

    Parameters
    ----------
    estimator : classifier with predict_proba
        Cloned, never fitted itself.
    X_source : {ndarray, sparse matrix} of shape (n_source, n_features)
        Source rows.
    y_source : ndarray of shape (n_source,), int
        Class numbers, -1 where there is none.
    X_target : {ndarray, sparse matrix} of shape (n_target, n_features)
        Target rows.
    y_target : ndarray of shape (n_target,), int
        Class numbers, -1 where there is none.

    Returns
    -------
    classifier or None
        None if there are no two classes to tell apart.
    """
    given = y_target >= 0
    if len(np.unique(y_target[given])) > 1:
        return clone(estimator).fit(X_target[given], y_target[given])
    labeled = y_source >= 0
    if len(np.unique(y_source[labeled])) < 2:
        return None
    source_model = clone(estimator).fit(X_source[labeled], y_source[labeled])
    probabilities = source_model.predict_proba(X_target)
    # A label that is given is surer than any that is predicted.
    confidence = np.where(given, np.inf, probabilities.max(axis=1))
    pseudo = source_model.classes_[probabilities.argmax(axis=1)]
    pseudo = np.where(given, y_target, pseudo)
    confident = confident_half(pseudo, confidence)
    if len(np.unique(pseudo)) < 2:
        return None
    return clone(estimator).fit(X_target[confident], pseudo[confident])


def agreement_scores(model, X_source, y_source):
    """Score source rows by the probability that a model gives to their own label.

    Parameters
    ----------
    model : fitted classifier with predict_proba, or None
        The model of the target; None contradicts nothing.
    X_source : {ndarray, sparse matrix} of shape (n_source, n_features)
        Source rows.
    y_source : ndarray of shape (n_source,), int
        Class numbers, -1 where there is none.

    Returns
    -------
    contradicted : ndarray of shape (n_source,), bool
        Whether another label is more probable than the row's own.
    scores : ndarray of shape (n_source,)
        The probability of the row's own label; one half for rows without label or of
        a class that the model does not know, which are never contradicted.
    """
    scores = np.full(len(y_source), NEUTRAL)
    contradicted = np.zeros(len(y_source), dtype=bool)
    if model is None:
        return contradicted, scores
    known = np.isin(y_source, model.classes_)
    if known.any():
        probabilities = model.predict_proba(X_source[known])
        columns = np.searchsorted(model.classes_, y_source[known])
        scores[known], contradicted[known] = judged(probabilities, columns)
    return contradicted, scores


@dataclass(frozen=True)
class AgreementScorer:
    """The scores of any labelled rows by a model of the target.

    Parameters
    ----------
    model : fitted classifier with predict_proba, or None
        The model of the target.
    """

    model: object

    reads_labels = True

    def __call__(self, X, y):
        """Return the probability of each row's own label, or one half."""
        return agreement_scores(self.model, X, y)[1]
