"""What the joint estimators share: validation, domains, classes."""

import warnings
from abc import abstractmethod

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sktransfer._domains import label_array, resolve_domains
from sktransfer._whole_estimators import (
    BaseWholeClassifier,
    BaseWholeEstimator,
    ProbabilitiesMixin,
)
from sktransfer.exceptions import NoTargetWarning

__all__ = ["BaseJoint", "BaseJointClassifier", "BaseProbabilisticClassifier"]


class BaseJoint(BaseWholeEstimator):
    """What joint classifiers and regressors share: the rows of a missing target."""

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


class BaseJointClassifier(BaseWholeClassifier, BaseJoint):
    """Base of whole classifiers that learn from both domains at once.

    A concrete class writes `__init__` and two hooks:

    - ``_fit(X_source, y_source, X_target, y_target)`` learns. Labels are positions in
      `classes_`; every source row has one, a target row without one holds -1.
    - ``_scores(X)`` returns one score a class for each row, the largest wins.

    Without a target the source stands in for it, labels included.
    """

    __metadata_request__decision_function = {"sample_domain": True}

    @abstractmethod
    def _fit(self, X_source, y_source, X_target, y_target):
        """Learn from both domains."""

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

    def decision_function(self, X, *, sample_domain=None):
        """Return the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the same model.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One score a class; for two classes the second's minus the first's.
        """
        scores = self._scores_of(X, sample_domain)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores


class BaseProbabilisticClassifier(ProbabilitiesMixin, BaseJointClassifier):
    """Base of joint classifiers whose scores are probabilities."""
