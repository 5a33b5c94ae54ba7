"""What the joint regressors share: validation and domains."""

from abc import abstractmethod

import numpy as np
from sklearn.utils.validation import check_array, column_or_1d

from sktransfer._domains import label_array, resolve_domains
from sktransfer._whole_estimators import BaseWholeRegressor
from sktransfer.joint._base import BaseJoint

__all__ = ["BaseJointRegressor"]


class BaseJointRegressor(BaseWholeRegressor, BaseJoint):
    """Base of whole regressors that learn from both domains at once.

    A concrete class writes `__init__` and two hooks:

    - ``_fit(X_source, y_source, X_target, y_target)`` learns. Values are floats; every
      source row has one, a target row without one holds NaN.
    - ``_predict(X)`` returns one value for each row.

    Without a target the source stands in for it, values included.
    """

    @abstractmethod
    def _fit(self, X_source, y_source, X_target, y_target):
        """Learn from both domains."""

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
