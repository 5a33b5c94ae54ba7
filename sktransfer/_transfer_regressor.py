"""The meta-estimator that puts transfer under any scikit-learn regressor."""

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.utils.validation import column_or_1d

from sktransfer._transfer_base import BaseTransfer

__all__ = ["TransferRegressor"]


class TransferRegressor(RegressorMixin, BaseTransfer):
    """Fit any scikit-learn regressor on source rows so that it serves the target.

    The adapter is fitted on all rows, then the regressor on the labelled rows: mapped
    by an aligner, weighted by a weighter, thinned out by a selector, or several of
    these in order. New rows are mapped as target rows before the regressor predicts.

    Which shift is assumed depends on the adapter: an aligner assumes a common space in
    which the domains agree; a weighter or a selector assumes covariate shift with
    overlapping domains. Labels of source rows are read, and those of target rows where
    given, unless ``target_labels="ignore"``.

    The cost is that of the adapter plus one fit of the regressor. Where the domains
    share too little, transfer hurts: compare with ``adapter=None`` on labelled target
    rows (`TargetKFold`).

    Parameters
    ----------
    estimator : regressor, default=None
        Any scikit-learn regressor. None: ``Ridge()``.
    adapter : aligner, weighter, selector, list of them or None, default=None
        What is done about the shift.
    target_labels : {"use", "ignore"}, default="use"
        Whether values of target rows are read, by the adapter and by the regressor.
    resample_if_needed : bool, default=False
        If the regressor takes no `sample_weight`: draw the rows by weight (True) or
        raise (False).
    random_state : int, RandomState instance or None, default=None
        For that drawing alone.
    unlabeled : float or None, default=-1
        Marker of unlabelled rows beside NaN; the default means NaN only, None says
        that every row is labelled.

    Attributes
    ----------
    estimator_ : regressor
        The fitted clone of `estimator`.
    adapters_ : list
        The fitted clones of the adapters, in order; empty without one.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    TransferClassifier : The same for classification.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sktransfer import KernelMeanMatchingWeighter, TransferRegressor
    >>> rng = np.random.RandomState(0)
    >>> X_source = rng.normal(size=(300, 1))
    >>> X_target = rng.normal(loc=1.5, scale=0.3, size=(100, 1))
    >>> X = np.r_[X_source, X_target]
    >>> y = np.r_[np.sin(2 * X_source[:, 0]), np.full(100, np.nan)]
    >>> y_target = np.sin(2 * X_target[:, 0])
    >>> plain = TransferRegressor(Ridge()).fit(X, y)
    >>> weighted = TransferRegressor(Ridge(), KernelMeanMatchingWeighter()).fit(X, y)
    >>> bool(weighted.score(X_target, y_target) > plain.score(X_target, y_target))
    True
    """

    _regression = True

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
        return Ridge() if self.estimator is None else self.estimator

    def _check_y(self, y):
        y = np.asarray(y)
        if y.dtype.kind in "OUS":
            y = y.astype(np.float64)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        return y

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the coefficient of determination.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Their true values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        float
            R squared of the predictions.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return r2_score(y, predicted, sample_weight=sample_weight)
