"""The meta-estimator that puts transfer under any scikit-learn classifier."""

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from sktransfer._adaptation import take_rows
from sktransfer._domains import label_array
from sktransfer._transfer_base import BaseTransfer, inner_has

__all__ = ["TransferClassifier"]

_DOMAIN = {"sample_domain": True}


class TransferClassifier(ClassifierMixin, BaseTransfer):
    """Fit any scikit-learn classifier on source rows so that it serves the target.

    The adapter is fitted on all rows, then the classifier on the labelled rows: mapped
    by an aligner, weighted by a weighter, thinned out by a selector, or several of
    these in order. New rows are mapped as target rows before the classifier predicts.

    Which shift is assumed depends on the adapter: an aligner assumes a common space in
    which the domains agree; a weighter or a selector assumes covariate shift (the same
    labels for the same features) with overlapping domains. Labels of source rows are
    read, and those of target rows where given, unless ``target_labels="ignore"``.

    The cost is that of the adapter plus one fit of the classifier. Where the domains
    share too little, transfer hurts: compare with ``adapter=None`` on labelled target
    rows (`TargetKFold`).

    Parameters
    ----------
    estimator : classifier, default=None
        Any scikit-learn classifier, also a Pipeline, an ensemble, a calibrated one or
        a search. None: ``LogisticRegression()``.
    adapter : aligner, weighter, selector, list of them or None, default=None
        What is done about the shift. None: nothing; the classifier learns from the
        labelled rows as they are.
    target_labels : {"use", "ignore"}, default="use"
        Whether labels of target rows are read, by the adapter and by the classifier.
    resample_if_needed : bool, default=False
        If the classifier takes no `sample_weight`: draw the rows by weight (True) or
        raise (False).
    random_state : int, RandomState instance or None, default=None
        For that drawing alone.
    unlabeled : int, str or None, default=-1
        Marker of unlabelled rows: -1 stands for -1 in integer labels, "" in string
        labels and NaN in floats; None says that every row is labelled.

    Attributes
    ----------
    estimator_ : classifier
        The fitted clone of `estimator`.
    adapters_ : list
        The fitted clones of the adapters, in order; empty without one.
    classes_ : ndarray of shape (n_classes,)
        The classes, without the marker.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    TransferRegressor : The same for regression.
    sktransfer.model_selection.TargetKFold : Folds that judge on target rows.

    Notes
    -----
    Scores on held-out *source* rows from a string scorer are misleading: the scorer
    calls ``predict(X)``, which takes all rows for target rows. Use `TargetKFold`.

    Weights reach the last step of an inner Pipeline, the estimator of a search, and
    ensembles and calibrators with what they contain, with metadata routing on or off.
    The scoring inside an inner search stays unweighted.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer import KernelMeanMatchingWeighter, TransferClassifier
    >>> rng = np.random.RandomState(0)
    >>> X_source = rng.normal(size=(200, 2))
    >>> y_source = (X_source[:, 0] ** 2 + X_source[:, 1] > 1).astype(int)
    >>> X_target = rng.normal(loc=1.0, scale=0.5, size=(100, 2))
    >>> y_target = (X_target[:, 0] ** 2 + X_target[:, 1] > 1).astype(int)
    >>> X = np.r_[X_source, X_target]
    >>> y = np.r_[y_source, np.full(100, -1)]
    >>> plain = TransferClassifier(LogisticRegression()).fit(X, y)
    >>> weighted = TransferClassifier(
    ...     LogisticRegression(), KernelMeanMatchingWeighter()
    ... ).fit(X, y)
    >>> round(plain.score(X_target, y_target), 2)
    0.87
    >>> round(weighted.score(X_target, y_target), 2)
    0.93
    """

    __metadata_request__predict_proba = _DOMAIN
    __metadata_request__predict_log_proba = _DOMAIN
    __metadata_request__decision_function = _DOMAIN

    _regression = False

    def __init__(
        self,
        estimator=None,
        adapter=None,
        *,
        target_labels="use",
        resample_if_needed=False,
        random_state=None,
        unlabeled=-1,
    ):
        self.estimator = estimator
        self.adapter = adapter
        self.target_labels = target_labels
        self.resample_if_needed = resample_if_needed
        self.random_state = random_state
        self.unlabeled = unlabeled

    def _default_estimator(self):
        return LogisticRegression() if self.estimator is None else self.estimator

    def _check_y(self, y):
        y = label_array(y)
        if y.ndim != 2 or y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return y

    def _resolve(self, X, y, sample_domain):
        y, domains = super()._resolve(X, y, sample_domain)
        known = take_rows(y, np.flatnonzero(domains.labeled))
        if y.dtype.kind == "O" and all(isinstance(v, int | float) for v in known):
            y = np.where(domains.labeled, y, -1).astype(np.int64)
            known = y[domains.labeled]
        check_classification_targets(known)
        unclear = y.dtype.kind == "f" and self.unlabeled is not None and -1 in known
        if unclear and len(np.unique(known)) > 2:
            raise ValueError(
                "y holds floats with -1.0 among several labels. Unlabelled rows are -1 "
                "in integer labels and NaN in float labels: convert y to integers, or "
                "pass unlabeled=None if -1.0 is a class."
            )
        return y, domains

    @property
    def classes_(self):
        """The classes, without the marker of unlabelled rows."""
        return self.estimator_.classes_

    @available_if(inner_has("predict_proba"))
    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        X = self._aligned(X, sample_domain)
        return self.estimator_.predict_proba(X)

    @available_if(inner_has("predict_log_proba"))
    def predict_log_proba(self, X, *, sample_domain=None):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        X = self._aligned(X, sample_domain)
        return self.estimator_.predict_log_proba(X)

    @available_if(inner_has("decision_function"))
    def decision_function(self, X, *, sample_domain=None):
        """Return the estimator's decision values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            What the fitted estimator returns.
        """
        X = self._aligned(X, sample_domain)
        return self.estimator_.decision_function(X)

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
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        float
            Share of rows predicted right.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return accuracy_score(y, predicted, sample_weight=sample_weight)
