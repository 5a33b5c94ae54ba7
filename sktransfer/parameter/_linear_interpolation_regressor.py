from sklearn.linear_model import Ridge

from sktransfer._validation import check_integer, check_number
from sktransfer.parameter._blended_models import fit_rows, out_of_fold
from sktransfer.parameter._given_model import (
    check_given_model,
    given_takes_sparse,
    given_values,
)
from sktransfer.parameter._interpolation import best_share_of_squares
from sktransfer.parameter._source_transfer import BaseSourceTransferRegressor

__all__ = ["LinearInterpolationRegressor"]


class LinearInterpolationRegressor(BaseSourceTransferRegressor):
    r"""Blend of a source model and a target model, of any kind.

    One model is fitted on the source rows, one on the labelled target rows, and the
    prediction is ``theta`` times the target's plus ``1 - theta`` times the source's.
    The share theta is found by cross-validation on the labelled target rows. A simple
    baseline, and hard to beat: a useless source gets no share.

    Assumes that one of the two models, or their mean, is good on the target, whatever
    the shift. Reads the labels of the source, unless a fitted source model is given,
    and those of the target; unlabelled rows are left out.

    Cost: one fit on the source rows, ``n_folds + 1`` fits on the labelled target rows;
    the share itself has a closed form.

    It hurts hardly ever, but the gain is small where source and target model err alike;
    with a few labelled target rows the share is unsure.

    Parameters
    ----------
    source : object, default=None
        Fitted regressor. None: `estimator` is fitted on the labelled source rows.
        Cross-validation clones parameters and drops their fit: wrap a given model in
        `sklearn.frozen.FrozenEstimator` there.
    estimator : regressor, default=None
        What is fitted; None: `sklearn.linear_model.Ridge`, solved to 1e-8 for
        sparse rows. It is cloned.
    theta : float or "cv", default="cv"
        Share of the target model, from 0 to 1. "cv": the share of least squared error,
        with predictions out of fold of the target model.
    n_folds : int, default=5
        Number of folds for "cv"; with fewer labelled target rows, one a row. With one
        labelled target row the share is 0.

    Attributes
    ----------
    theta_ : float
        Share of the target model.
    source_estimator_ : regressor
        The source model, fitted or given.
    target_estimator_ : regressor or None
        The target model; None without labelled target rows.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    LinearInterpolationClassifier : The same for classes.
    SourceRegularizedRegressor : Blends coefficients in place of predictions.
    PredictorFeatures : Lets a model learn what to make of the source's predictions.

    Notes
    -----
    With the source model q and out-of-fold predictions t of the target model [1]_, the
    share is that of linear stacking [2]_ of the two, :math:`\sum_i s_i (t_i - q_i)
    (y_i - q_i) / \sum_i s_i (t_i - q_i)^2`, cut to the interval from 0 to 1.

    References
    ----------
    .. [1] H. Daumé III. Frustratingly Easy Domain Adaptation. ACL, 2007 (LININT).
    .. [2] L. Breiman. Stacked Regressions. Machine Learning 24, 1996.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LinearInterpolationRegressor
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(120, 8))
    >>> y = X.sum(axis=1) + rng.normal(size=120)
    >>> y[100:] += X[100:, 0]
    >>> sample_domain = np.repeat([1, -1], [100, 20])
    >>> model = LinearInterpolationRegressor().fit(X, y, sample_domain=sample_domain)
    >>> round(model.theta_, 2)
    0.76
    """

    def __init__(self, source=None, estimator=None, *, theta="cv", n_folds=5):
        self.source = source
        self.estimator = estimator
        self.theta = theta
        self.n_folds = n_folds

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Fit both models and find the share of the target's.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Source and target rows, in any order. With a given source model the source
            rows are left out.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are marked NaN and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with a given source model, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        check_number("theta", self.theta, low=0, high=1, also=("cv",))
        check_integer("n_folds", self.n_folds, low=2)
        estimator = Ridge(tol=1e-8) if self.estimator is None else self.estimator
        if not hasattr(estimator, "fit") or isinstance(estimator, type):
            raise TypeError(
                f"`estimator` must be a regressor or None, got {estimator!r}. Pass an "
                "instance of a scikit-learn class."
            )
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        names = getattr(self, "feature_names_in_", None)
        if self.source is None:
            source = rows.source
            self.source_estimator_ = fit_rows(
                estimator, source.X, source.y, source.weight
            )
        else:
            check_given_model(self.source, "predict", self.n_features_in_, names)
            self.source_estimator_ = self.source
        target = rows.target
        self.theta_, self.target_estimator_ = 0.0, None
        if len(target.y) == 0:
            self._warn_no_labelled_target()
            return self
        self.target_estimator_ = fit_rows(estimator, target.X, target.y, target.weight)
        self.theta_ = self.theta
        if self.theta == "cv":
            self.theta_ = self._best_share(estimator, target)
        return self

    def _best_share(self, estimator, target):
        by_source = self._values_of(self.source_estimator_, target.X)
        if len(target.y) < 2:
            return 0.0
        by_target = out_of_fold(
            estimator, target, self.n_folds, by_source, self._values_of
        )
        return best_share_of_squares(target.y, by_target, by_source, target.weight)

    def _values_of(self, model, X):
        names = getattr(self, "feature_names_in_", None)
        return given_values(model, X, names)

    def _predict(self, X):
        values = self._values_of(self.source_estimator_, X)
        if self.target_estimator_ is None:
            return values
        other = self._values_of(self.target_estimator_, X)
        return self.theta_ * other + (1 - self.theta_) * values

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = given_takes_sparse(self.source) and given_takes_sparse(
            self.estimator
        )
        return tags
