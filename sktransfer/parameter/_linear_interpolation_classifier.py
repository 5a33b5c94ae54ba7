import numpy as np

from sktransfer._validation import check_integer, check_number
from sktransfer.joint._self_training import check_probabilistic
from sktransfer.parameter._blended_models import fit_rows, out_of_fold
from sktransfer.parameter._given_model import (
    check_given_model,
    given_probabilities,
    given_takes_sparse,
)
from sktransfer.parameter._interpolation import best_share_of_log_loss
from sktransfer.parameter._source_models import joined_classes
from sktransfer.parameter._source_transfer import BaseSourceTransferClassifier

__all__ = ["LinearInterpolationClassifier"]


class LinearInterpolationClassifier(BaseSourceTransferClassifier):
    r"""Blend of the probabilities of a source model and a target model, of any kind.

    One classifier is fitted on the source rows, one on the labelled target rows, and
    the probabilities are ``theta`` times the target's plus ``1 - theta`` times the
    source's. The share theta is found by cross-validation on the labelled target rows.
    A simple baseline, and hard to beat: a useless source gets no share.

    Assumes that one of the two models, or their mean, is good on the target, whatever
    the shift. Reads the labels of the source, unless a fitted source model is given,
    and those of the target; unlabelled rows are left out.

    Cost: one fit on the source rows, ``n_folds + 1`` fits on the labelled target rows,
    and a search in one variable.

    It hurts where a model is sure of itself and wrong: log loss, by which the share is
    found, punishes that more than errors of classes. With few labelled target rows the
    share is unsure.

    Parameters
    ----------
    source : object, default=None
        Fitted classifier with `predict_proba`; classes are matched by name. None:
        `estimator` is fitted on the labelled source rows. Cross-validation clones
        parameters and drops their fit: wrap a given model in
        `sklearn.frozen.FrozenEstimator` there.
    estimator : classifier, default=None
        What is fitted, with `predict_proba`; None:
        `sklearn.linear_model.LogisticRegression`. It is cloned.
    theta : float or "cv", default="cv"
        Share of the target model, from 0 to 1. "cv": the share of least log loss, with
        predictions out of fold of the target model.
    n_folds : int, default=5
        Number of folds for "cv"; with fewer labelled target rows, one a row.

    Attributes
    ----------
    theta_ : float
        Share of the target model; 0 where the labelled target rows are of one class.
    source_estimator_ : classifier
        The source model, fitted or given.
    target_estimator_ : classifier or None
        The target model; None without labelled target rows of two classes.
    classes_ : ndarray of shape (n_classes,)
        Classes of the source and of the target. A class that one of the models lacks
        has probability 0 there.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    LinearInterpolationRegressor : The same for values.
    SourceRegularizedClassifier : Blends coefficients in place of probabilities.
    PredictorFeatures : Lets a model learn what to make of the source's predictions.

    Notes
    -----
    With the probabilities q of the source model and t out of fold of the target model
    for the true classes, the share minimises [1]_

    .. math:: - \sum_i s_i \log(\theta t_i + (1 - \theta) q_i), \quad
        0 \le \theta \le 1,

    which is convex; rows to which both give 0 are left out of the sum.

    References
    ----------
    .. [1] H. Daumé III. Frustratingly Easy Domain Adaptation. ACL, 2007 (LININT).

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LinearInterpolationClassifier
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(240, 8))
    >>> y = (X.sum(axis=1) + rng.normal(size=240) > 0).astype(int)
    >>> y[200:] = X[200:].sum(axis=1) + 1.5 * X[200:, 0] > 0
    >>> sample_domain = np.repeat([1, -1], [200, 40])
    >>> model = LinearInterpolationClassifier().fit(X, y, sample_domain=sample_domain)
    >>> round(model.theta_, 2)
    0.78
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
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats) and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with a given source model, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        check_number("theta", self.theta, low=0, high=1, also=("cv",))
        check_integer("n_folds", self.n_folds, low=2)
        estimator = check_probabilistic(self.estimator, type(self).__name__)
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        target = rows.target
        self.source_estimator_ = self._source(estimator, rows.source)
        self.classes_ = joined_classes([self.source_estimator_], target.y)
        codes = np.searchsorted(self.classes_, target.y)
        self.theta_, self.target_estimator_ = 0.0, None
        if len(codes) == 0:
            self._warn_no_labelled_target()
            return self
        if len(np.unique(codes)) == 1:
            self._warn_source_alone(
                "got labelled target rows of one class only",
                "Label target rows of at least two classes.",
            )
            return self
        self.target_estimator_ = fit_rows(estimator, target.X, target.y, target.weight)
        self.theta_ = self.theta
        if self.theta == "cv":
            self.theta_ = self._best_share(estimator, target, codes)
        return self

    def _source(self, estimator, source):
        if self.source is not None:
            names = getattr(self, "feature_names_in_", None)
            check_given_model(self.source, "predict_proba", self.n_features_in_, names)
            return self.source
        held = np.unique(source.y)
        if len(held) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labelled source rows of at least two "
                f"classes, got one class: {held[0]!r}. Give a fitted model as "
                "`source`, or fit an ordinary classifier on the target rows."
            )
        return fit_rows(estimator, source.X, source.y, source.weight)

    def _best_share(self, estimator, target, codes):
        by_source = self._probabilities_of(self.source_estimator_, target.X)
        by_target = out_of_fold(
            estimator,
            target,
            self.n_folds,
            by_source,
            self._probabilities_of,
            codes=codes,
        )
        rows = np.arange(len(codes))
        return best_share_of_log_loss(
            by_target[rows, codes], by_source[rows, codes], target.weight
        )

    def _probabilities_of(self, model, X):
        names = getattr(self, "feature_names_in_", None)
        return given_probabilities(model, X, self.classes_, names)

    def _scores(self, X):
        shares = self._probabilities_of(self.source_estimator_, X)
        if self.target_estimator_ is None:
            return shares
        other = self._probabilities_of(self.target_estimator_, X)
        return self.theta_ * other + (1 - self.theta_) * shares

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = given_takes_sparse(self.source) and given_takes_sparse(
            self.estimator
        )
        return tags
