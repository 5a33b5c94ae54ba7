"""What the joint regressors share: validation, domains, prediction."""

from abc import abstractmethod

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, column_or_1d

from sktransfer._domains import label_array, resolve_domains
from sktransfer.joint._base import BaseJoint

__all__ = ["BaseJointRegressor"]

_DOMAIN = {"sample_domain": True}


class BaseJointRegressor(RegressorMixin, BaseJoint):
    """Base of whole regressors that learn from both domains at once.

    A concrete class writes `__init__` and two hooks:

    - ``_fit(X_source, y_source, X_target, y_target)`` learns. Values are floats; every
      source row has one, a target row without one holds NaN.
    - ``_predict(X)`` returns one value for each row.

    Without a target the source stands in for it, values included.
    """

    __metadata_request__fit = _DOMAIN
    __metadata_request__predict = _DOMAIN
    __metadata_request__score = _DOMAIN

    @abstractmethod
    def _fit(self, X_source, y_source, X_target, y_target):
        """Learn from both domains."""

    @abstractmethod
    def _predict(self, X):
        """Return one value for each row."""

    def fit(self, X, y, *, sample_domain=None):
        """Learn from the source rows and the target rows together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are marked NaN. Unlabelled source rows are left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None:
            unlabelled rows are the target, labelled rows the source.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        X = self._check_X(X, reset=True)
        self._check_given(y)
        y = column_or_1d(label_array(y), warn=True)
        domains = resolve_domains(y, sample_domain, X.shape[0], regression=True)
        self._check_labeled_source(domains, "regressor")
        values = np.full(X.shape[0], np.nan)
        known = check_array(
            y[domains.labeled], dtype=np.float64, ensure_2d=False, input_name="y"
        )
        values[domains.labeled] = known
        source, target = self._source_and_target(domains)
        self._fit(X[source], values[source], X[target], values[target])
        return self

    def predict(self, X, *, sample_domain=None):
        """Predict values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but both domains share one rule.

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
