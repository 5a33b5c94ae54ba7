"""What the joint estimators share: validation, domains, classes, prediction."""

import warnings
from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d, validate_data

from sktransfer._domains import domain_mask, label_array, resolve_domains
from sktransfer.exceptions import NoTargetWarning

__all__ = ["BaseJoint", "BaseJointClassifier", "BaseProbabilisticClassifier"]

_DOMAIN = {"sample_domain": True}


class BaseJoint(ABC, BaseEstimator):
    """What joint classifiers and regressors share: rows, domains, missing targets."""

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

    def _source_and_target(self, domains):
        """Return the numbers of the source rows and of the target rows.

        Without target rows the source stands in for them, with a warning.
        """
        source = np.flatnonzero(~domains.is_target & domains.labeled)
        if domains.has_target:
            return source, np.flatnonzero(domains.is_target)
        warnings.warn(
            f"{type(self).__name__} found no target row, so it adapts nothing. "
            "Mark unlabelled target rows (-1, '' or NaN in y) or pass "
            "sample_domain.",
            NoTargetWarning,
            stacklevel=3,
        )
        return source, source

    def _checked_rows(self, X, sample_domain):
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        if sample_domain is not None:
            domain_mask(sample_domain, X.shape[0])
        return X


class BaseJointClassifier(ClassifierMixin, BaseJoint):
    """Base of whole classifiers that learn from both domains at once.

    A concrete class writes `__init__` and two hooks:

    - ``_fit(X_source, y_source, X_target, y_target)`` learns. Labels are positions in
      `classes_`; every source row has one, a target row without one holds -1.
    - ``_scores(X)`` returns one score a class for each row, the largest wins.

    Without a target the source stands in for it, labels included.
    """

    __metadata_request__fit = _DOMAIN
    __metadata_request__predict = _DOMAIN
    __metadata_request__decision_function = _DOMAIN
    __metadata_request__score = _DOMAIN

    @abstractmethod
    def _fit(self, X_source, y_source, X_target, y_target):
        """Learn from both domains."""

    @abstractmethod
    def _scores(self, X):
        """Return one score a class for each row."""

    def _resolve(self, y, sample_domain, n_samples):
        self._check_given(y)
        y = label_array(y)
        y = column_or_1d(y, warn=True)
        domains = resolve_domains(y, sample_domain, n_samples)
        known = y[domains.labeled]
        if known.dtype.kind == "O":
            known = np.array(known.tolist())
        check_classification_targets(known)
        self._check_labeled_source(domains, "classifier")
        return known, domains

    def fit(self, X, y, *, sample_domain=None):
        """Learn from the source rows and the target rows together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats). Unlabelled source rows are left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None:
            unlabelled rows are the target, labelled rows the source.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        X = self._check_X(X, reset=True)
        known, domains = self._resolve(y, sample_domain, X.shape[0])
        self.classes_, positions = np.unique(known, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, got one "
                f"class: {self.classes_.tolist()[0]!r}."
            )
        codes = np.full(X.shape[0], -1, dtype=np.int64)
        codes[domains.labeled] = positions
        source, target = self._source_and_target(domains)
        self._fit_domains(
            X[source],
            codes[source],
            X[target],
            codes[target],
            source_domain=domains.domain[source],
            target_domain=domains.domain[target],
        )
        return self

    def _fit_domains(
        self, X_source, y_source, X_target, y_target, *, source_domain, target_domain
    ):
        """Learn, given the number of each row's domain; override it if they matter.

        Where the source stands in for a missing target, `target_domain` is positive.
        """
        self._fit(X_source, y_source, X_target, y_target)

    def _scores_of(self, X, sample_domain):
        return self._scores(self._checked_rows(X, sample_domain))

    def predict(self, X, *, sample_domain=None):
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but both domains share one rule.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted classes.
        """
        scores = self._scores_of(X, sample_domain)
        return self.classes_[np.argmax(scores, axis=1)]

    def decision_function(self, X, *, sample_domain=None):
        """Return the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but both domains share one rule.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One score a class; for two classes the second's minus the first's.
        """
        scores = self._scores_of(X, sample_domain)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

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


class BaseProbabilisticClassifier(BaseJointClassifier):
    """Base of joint classifiers whose scores are probabilities."""

    __metadata_request__predict_proba = _DOMAIN
    __metadata_request__predict_log_proba = _DOMAIN

    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but both domains share one rule.

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
            Where the rows are from; it is checked, but both domains share one rule.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X, sample_domain=sample_domain))
