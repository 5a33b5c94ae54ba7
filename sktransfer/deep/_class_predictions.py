"""What a classifier by a network predicts from the outputs of its head."""

import numpy as np
from scipy.special import expit, log_expit, log_softmax, logit, softmax
from sklearn.metrics import accuracy_score

__all__ = ["ClassPredictions"]

_DOMAIN = {"sample_domain": True}


class ClassPredictions:
    """Scores, probabilities and classes; for several labels a row, each by itself.

    A concrete estimator has ``_forward(X)``, ``_decode(codes)`` and ``multilabel_``.
    """

    __metadata_request__predict_proba = _DOMAIN
    __metadata_request__predict_log_proba = _DOMAIN
    __metadata_request__decision_function = _DOMAIN

    def decision_function(self, X, *, sample_domain=None):
        """Return the scores before the softmax; for two classes their difference.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores; with several labels a row, log-odds of each, at most 36.7: beyond,
            a probability is 1 to rounding.
        """
        scores = self._forward(X)
        if self.multilabel_:
            return _log_odds(scores)
        if scores.shape[1] != 2:
            return scores
        return scores[:, 1] - scores[:, 0]

    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`; with several labels a row, the
            probability of each, which do not add up to one.
        """
        scores = self._forward(X)
        return expit(scores) if self.multilabel_ else softmax(scores, axis=1)

    def predict_log_proba(self, X, *, sample_domain=None):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        scores = self._forward(X)
        return log_expit(scores) if self.multilabel_ else log_softmax(scores, axis=1)

    def predict(self, X, *, sample_domain=None):
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Entries of `classes_`; with several labels a row, 1 where a label's
            probability is above one half.
        """
        scores = self._forward(X)
        if self.multilabel_:
            return (_log_odds(scores) > 0).astype(np.int64)
        return self._decode(scores.argmax(axis=1))

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, as in `fit`.
        y : array-like of shape (n_samples,) or (n_samples, n_classes)
            Their true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        float
            Share of rows predicted right, in all of their labels.
        """
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)


def _log_odds(scores):
    """Return log-odds that differ exactly where the probabilities do."""
    double = np.finfo(np.float64)
    return logit(expit(scores).clip(double.smallest_subnormal, 1 - double.epsneg))
