"""What whole classifiers and regressors share: checked rows, predictions, scores."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.validation import check_is_fitted, validate_data

from sktransfer._domains import domain_mask

__all__ = [
    "BaseWholeClassifier",
    "BaseWholeEstimator",
    "BaseWholeRegressor",
    "ProbabilitiesMixin",
]

_DOMAIN = {"sample_domain": True}


class BaseWholeEstimator(ABC, BaseEstimator):
    """Rows that are checked as the tags say, and errors of both families."""

    __metadata_request__fit = _DOMAIN
    __metadata_request__predict = _DOMAIN
    __metadata_request__score = _DOMAIN

    def _check_X(self, X, *, reset):
        tags = self.__sklearn_tags__().input_tags
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            accept_sparse="csr" if tags.sparse else False,
            ensure_all_finite="allow-nan" if tags.allow_nan else True,
        )

    def _check_given(self, y):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )

    def _check_labeled_source(self, domains, ordinary):
        if not domains.labeled[~domains.is_target].any():
            raise ValueError(
                f"{type(self).__name__} needs labelled source rows, got none. Label "
                f"some, or fit an ordinary {ordinary} on the labelled target rows."
            )

    def _checked_rows(self, X, sample_domain):
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        if sample_domain is not None:
            domain_mask(sample_domain, X.shape[0])
        return X


class BaseWholeClassifier(ClassifierMixin, BaseWholeEstimator):
    """Classifiers: the hook ``_scores(X)`` returns one score a class for each row."""

    @abstractmethod
    def _scores(self, X):
        """Return one score a class for each row, of which the largest wins."""

    def _scores_of(self, X, sample_domain):
        return self._scores(self._checked_rows(X, sample_domain))

    def predict(self, X, *, sample_domain=None):
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the same model.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted classes.
        """
        scores = self._scores_of(X, sample_domain)
        return self.classes_[np.argmax(scores, axis=1)]

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,)
            Their true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from.

        Returns
        -------
        float
            Share of rows predicted right.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return accuracy_score(y, predicted, sample_weight=sample_weight)


class ProbabilitiesMixin:
    """Methods of a `BaseWholeClassifier` whose scores are probabilities."""

    __metadata_request__predict_proba = _DOMAIN
    __metadata_request__predict_log_proba = _DOMAIN

    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the same model.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return self._scores_of(X, sample_domain)

    def predict_log_proba(self, X, *, sample_domain=None):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the same model.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, sample_domain=sample_domain))


class BaseWholeRegressor(RegressorMixin, BaseWholeEstimator):
    """Regressors: the hook ``_predict(X)`` returns one value for each row."""

    @abstractmethod
    def _predict(self, X):
        """Return one value for each row."""

    def predict(self, X, *, sample_domain=None):
        """Predict values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the same model.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted values.
        """
        return self._predict(self._checked_rows(X, sample_domain))

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the coefficient of determination.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,)
            Their true values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from.

        Returns
        -------
        float
            R squared of the predictions.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return r2_score(y, predicted, sample_weight=sample_weight)
