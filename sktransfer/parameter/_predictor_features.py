import numpy as np
from scipy import sparse
from sklearn.base import OneToOneFeatureMixin, clone, is_classifier, is_regressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils.validation import check_is_fitted

from sktransfer._domains import Domains, domain_mask
from sktransfer._validation import check_choice, check_integer
from sktransfer.base import BaseAligner
from sktransfer.joint._row_order import labelled_order
from sktransfer.parameter._cross_fitting import content_folds
from sktransfer.parameter._given_model import (
    check_given_model,
    given_predictions,
    given_takes_sparse,
)

__all__ = ["PredictorFeatures"]

_METHODS = ("predict_proba", "decision_function", "predict")


class PredictorFeatures(BaseAligner):
    r"""Predictions of a source model as features.

    A model is fitted on the labelled source rows, and what it predicts is appended to
    the features of all rows. The model fitted next learns from labelled target rows how
    far to trust the source. The baseline called PRED.

    Assumes that the source's predictions say something of the target's labels, rightly
    or wrongly, whatever the shift: a linear model that follows can rescale or invert
    them. Reads the labels of the source only; the model that follows needs those of
    target rows, and may leave out the source's.

    Source rows get the predictions of a model that has not seen them: they are dealt
    into folds by their content, and each is predicted by the model of the other folds.
    Otherwise the column would look better on source rows than it is. Target rows get
    those of the model of all source rows.

    Cost: ``n_folds + 1`` fits of the estimator on the source rows, none with a given
    model. Sparse rows stay sparse.

    It hurts where few target rows are labelled and the source is much better predicted
    than the target: the model that follows then trusts the column too far.

    Parameters
    ----------
    source : object, default=None
        Fitted classifier or regressor; then all rows get its predictions, and it should
        not have seen those of fit. None: `estimator` is fitted on the labelled source
        rows. Cross-validation clones parameters and drops their fit: wrap a given model
        in `sklearn.frozen.FrozenEstimator` there.
    estimator : classifier or regressor, default=None
        What is fitted. None: `sklearn.linear_model.LogisticRegression` for classes,
        `sklearn.linear_model.Ridge` for values. It is cloned.
    method : {"auto", "predict_proba", "decision_function", "predict"}, default="auto"
        What is asked of it; "auto": the first of these that it has. Of two columns of
        probabilities the second is kept.
    keep_input : bool, default=True
        Whether the features come first in the output; False leaves the predictions
        alone.
    n_folds : int, default=5
        Number of folds of the source rows.

    Attributes
    ----------
    source_estimator_ : estimator
        The model of all source rows, fitted or given. Fitted inside, it knows classes
        by their numbers, in sorted order.
    fold_estimators_ : list of estimators
        The models for the source rows of each fold; empty with a given model.
    method_ : str
        What is asked of them.
    is_identity_ : bool
        Whether there was no target row and no given model, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    LinearInterpolationClassifier : Blends predictions with one number.
    sktransfer.FeatureAugmenter : Copies features in place of predictions.

    Notes
    -----
    A row x becomes :math:`(x, f(x))` with the source model f [1]_; source rows of fold
    k get :math:`f_{-k}(x)`, from all other folds, as in stacking [2]_. As the fold is a
    function of the row, `transform` with ``sample_domain`` gives the rows of fit the
    same columns as `fit_transform`.

    References
    ----------
    .. [1] H. Daumé III. Frustratingly Easy Domain Adaptation. ACL, 2007 (PRED).
    .. [2] D. H. Wolpert. Stacked Generalization. Neural Networks 5, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from sktransfer import PredictorFeatures
    >>> source = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    >>> PredictorFeatures(source).fit_transform([[3.0], [4.0]])
    array([[3., 6.],
           [4., 8.]])
    """

    def __init__(
        self,
        source=None,
        estimator=None,
        *,
        method="auto",
        keep_input=True,
        n_folds=5,
    ):
        self.source = source
        self.estimator = estimator
        self.method = method
        self.keep_input = keep_input
        self.n_folds = n_folds

    def _check_fit(self, X, y, sample_domain):
        check_choice("method", self.method, ("auto", *_METHODS))
        check_choice("keep_input", self.keep_input, (True, False))
        check_integer("n_folds", self.n_folds, low=2)
        if self.source is None:
            return super()._check_fit(X, y, sample_domain)
        # A given model needs neither domain: no warning, no demand for both.
        X = self._check_X(X, reset=True)
        if sample_domain is not None:
            domain_mask(sample_domain, X.shape[0])
        return X, Domains(np.full(X.shape[0], -1), np.zeros(X.shape[0], dtype=bool))

    def _fit_domains(self, X, y, domains):
        if self.source is None:
            return super()._fit_domains(X, y, domains)
        self.is_identity_ = False
        names = getattr(self, "feature_names_in_", None)
        self.method_ = self._method_of(self.source)
        check_given_model(self.source, self.method_, X.shape[1], names)
        self.source_estimator_, self.fold_estimators_ = self.source, []
        self._count_columns(X)
        return None

    def _fit(self, X_source, y_source, X_target, y_target):
        regression = y_source is not None and y_source.dtype.kind == "f"
        known = np.zeros(0, bool)
        if y_source is not None:
            known = np.isfinite(y_source) if regression else y_source >= 0
        if not known.any():
            raise ValueError(
                f"{type(self).__name__} needs labelled source rows, got none. Label "
                "some, or give a fitted model as `source`."
            )
        rows = np.flatnonzero(known)
        X, y = X_source[rows], y_source[rows]
        order = labelled_order(X, y)
        X, y = X[order], y[order]
        estimator = self._estimator(regression)
        self.method_ = self._method_of(estimator)
        self.source_estimator_ = clone(estimator).fit(X, y)
        folds, self.fold_estimators_ = content_folds(X, self.n_folds), []
        for fold in range(self.n_folds):
            train = np.flatnonzero(folds != fold)
            if not regression and len(np.unique(y[train])) < len(np.unique(y)):
                raise ValueError(
                    f"{type(self).__name__}: all source rows of a class are in one of "
                    f"{self.n_folds} folds, so no other fold knows it. Add source rows "
                    "of that class, or give a fitted model as `source`."
                )
            if len(train) == 0:
                raise ValueError(
                    f"{type(self).__name__} needs labelled source rows in two folds at "
                    f"least, got {len(y)} labelled source rows. Add source rows that "
                    "differ, or give a fitted model as `source`."
                )
            self.fold_estimators_.append(clone(estimator).fit(X[train], y[train]))
        self._count_columns(X_target)

    def _estimator(self, regression):
        if self.estimator is None:
            return Ridge(tol=1e-8) if regression else LogisticRegression()
        if not hasattr(self.estimator, "fit") or isinstance(self.estimator, type):
            raise TypeError(
                "`estimator` must be a classifier, a regressor or None, got "
                f"{self.estimator!r}. Pass an instance of a scikit-learn class."
            )
        wrong = is_classifier if regression else is_regressor
        if wrong(self.estimator):
            kind = "values" if regression else "classes"
            raise TypeError(
                f"`estimator` is {self.estimator!r}, but the labels in y are {kind}. "
                "Use a regressor for values, a classifier for classes."
            )
        return self.estimator

    def _method_of(self, model):
        if self.method != "auto":
            if not hasattr(model, self.method):
                raise TypeError(
                    f"{model!r} has no {self.method}. Set method='auto', or use a "
                    "model that has it."
                )
            return self.method
        return next((name for name in _METHODS if hasattr(model, name)), "predict")

    def _count_columns(self, X):
        self._n_columns = self._predictions(self.source_estimator_, X[:1]).shape[1]
        self._n_features_out = self._n_columns + self.keep_input * X.shape[1]

    def _predictions(self, model, X):
        names = getattr(self, "feature_names_in_", None)
        found = given_predictions(model, self.method_, X, names)
        if found.dtype.kind not in "biuf":
            raise ValueError(
                f"{model!r} predicts {found.dtype} by {self.method_}; features must be "
                "numbers. Use predict_proba or decision_function."
            )
        found = found.reshape(X.shape[0], -1)
        if self.method_ == "predict_proba" and found.shape[1] == 2:
            found = found[:, 1:]
        return found.astype(X.dtype)

    def _joined(self, X, columns):
        if not self.keep_input:
            return columns
        if sparse.issparse(X):
            return sparse.hstack([X, columns], format="csr", dtype=X.dtype)
        return np.hstack([X, columns])

    def _map(self, X, domain):
        if self.is_identity_:
            return X.copy()
        columns = np.empty((X.shape[0], self._n_columns), dtype=X.dtype)
        target = np.ones(X.shape[0], bool) if domain is None else domain < 0
        if not self.fold_estimators_:
            target[:] = True
        rows = np.flatnonzero(target)
        if len(rows):
            columns[rows] = self._predictions(self.source_estimator_, X[rows])
        source = np.flatnonzero(~target)
        folds = content_folds(X[source], self.n_folds) if len(source) else []
        for fold in np.unique(folds).astype(int):
            part = source[folds == fold]
            columns[part] = self._predictions(self.fold_estimators_[fold], X[part])
        return self._joined(X, columns)

    def _map_source(self, X):
        return self._map(X, np.ones(X.shape[0], int))

    def _map_target(self, X):
        return self._map(X, None)

    def get_feature_names_out(self, input_features=None):
        """Return names of the output columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns.

        Returns
        -------
        ndarray of str
            The input's names, where it is kept, then "prediction0" and so on.
        """
        check_is_fitted(self)
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        if self.is_identity_:
            return names
        new = np.array([f"prediction{i}" for i in range(self._n_columns)], dtype=object)
        return np.append(names, new) if self.keep_input else new

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = given_takes_sparse(self.source) and given_takes_sparse(
            self.estimator
        )
        return tags
