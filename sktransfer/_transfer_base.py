"""What the meta-estimators share: resolve, adapt, drop rows, fit with weights."""

import warnings

import numpy as np
from sklearn import get_config
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.utils import check_array, check_random_state, get_tags
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from sktransfer._adaptation import (
    adapt,
    adapter_list,
    adapters_allow,
    align_rows,
    take_rows,
)
from sktransfer._compat import (
    CallbackSupportMixin,
    begin_fit,
    check_sample_weight,
    fit_task,
    with_callbacks,
)
from sktransfer._domains import Domains, resolve_domains, target_is_one_new_class
from sktransfer._validation import check_choice
from sktransfer._weights import accepts_weights, fit_weighted
from sktransfer.exceptions import NoTargetWarning

__all__ = ["BaseTransfer", "inner_has"]

_DOMAIN = {"sample_domain": True}


def inner_has(name):
    """Condition for `available_if`: the estimator inside has the method `name`."""

    def check(self):
        inner = getattr(self, "estimator_", None)
        getattr(self._default_estimator() if inner is None else inner, name)
        return True

    return check


class BaseTransfer(CallbackSupportMixin, MetaEstimatorMixin, BaseEstimator):
    """Resolve domains, adapt, drop rows, fit the estimator with the weights."""

    __metadata_request__fit = _DOMAIN
    __metadata_request__predict = _DOMAIN
    __metadata_request__score = _DOMAIN

    def _check_X(self, X, *, reset):
        # The adapter and the estimator check the values; whatever they take (frames
        # with strings, sentences, images) must arrive as it came.
        if not (hasattr(X, "shape") or isinstance(X, list)):
            X = np.asarray(X)
        if isinstance(X, list) and not (X and isinstance(X[0], str)):
            X = np.asarray(X)
        if getattr(X, "ndim", 2) < 2 and np.asarray(X).dtype.kind in "biufc":
            check_array(X)  # raises scikit-learn's sentence about the shape
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _check_estimator(self):
        estimator = self._default_estimator()
        wanted = "regressor" if self._regression else "classifier"
        is_other = is_classifier if self._regression else is_regressor
        if not hasattr(estimator, "fit") or isinstance(estimator, type):
            raise TypeError(
                f"`estimator` must be a {wanted} or None, got {estimator!r}. Pass an "
                "instance of a scikit-learn class."
            )
        if is_other(estimator):
            other = "TransferClassifier" if self._regression else "TransferRegressor"
            raise TypeError(
                f"`estimator` must be a {wanted}, got {estimator!r}. Use {other}."
            )

    def _resolve(self, X, y, sample_domain):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        n_samples = X.shape[0] if hasattr(X, "shape") else len(X)
        y = self._check_y(y)
        domains = resolve_domains(
            y,
            sample_domain,
            n_samples,
            unlabeled=self.unlabeled,
            regression=self._regression,
        )
        check_choice("target_labels", self.target_labels, ("use", "ignore"))
        labeled = domains.labeled
        if self.target_labels == "ignore":
            labeled = labeled & ~domains.is_target
        if n_samples and not labeled.any():
            raise ValueError(
                "There is no labelled row to learn from. Label source rows"
                + (
                    ", or set target_labels='use' to learn from the labelled target "
                    "rows."
                    if domains.labeled.any()
                    else f" (unlabelled ones are marked {self.unlabeled!r}, '' or NaN)."
                )
            )
        return y, Domains(domains.domain, labeled)

    @with_callbacks
    def fit(self, X, y, *, sample_domain=None, sample_weight=None, **fit_params):
        """Adapt to the target rows, then fit the estimator on the labelled rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats).
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None:
            unlabelled rows are the target, labelled rows the source.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the fit of the estimator; a weighter's weights are
            multiplied with them.
        **fit_params : dict
            Further parameters for the estimator's `fit`; those with one entry a row
            are cut to the rows that are left.

        Returns
        -------
        self : object
            The fitted meta-estimator.
        """
        self._check_estimator()
        X = self._check_X(X, reset=True)
        y, domains = self._resolve(X, y, sample_domain)
        n_samples = len(y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, np.empty(n_samples))
        estimator = clone(self._default_estimator())
        adapters = adapter_list(self.adapter)
        if adapters and not domains.has_target:
            self._warn_no_target()

        context = begin_fit(self, X, y)
        labels = self._labels_for_adapters(y, domains)
        self.adapters_, X, rows, weights = adapt(adapters, X, labels, domains)
        keep = domains.labeled[rows]
        if weights is not None:
            keep &= weights != 0
        kept = np.flatnonzero(keep)
        X, y = take_rows(X, kept), take_rows(y, rows[kept])
        weights = _combined(weights, sample_weight, kept, rows)
        X, y, weights = self._without_weights(estimator, X, y, weights)
        fit_params = self._fit_params(fit_params, rows[kept], n_samples)
        with fit_task(context, self, estimator, X, y):
            self.estimator_ = fit_weighted(estimator, X, y, weights, fit_params)
        context.call_on_fit_task_end(estimator=self, X=X, y=y)
        return self

    def _labels_for_adapters(self, y, domains):
        """Labels with the default marker wherever none may be read."""
        known = y[domains.labeled]
        marker = "" if y.dtype.kind in "US" else -1
        if self._regression or y.ndim > 1:
            labels = np.array(y, dtype=np.float64)
            labels[~domains.labeled] = np.nan
        elif target_is_one_new_class(y, domains.labeled, domains.domain):
            # As floats: those say that it is a class, whatever it looks like.
            labels = np.full(len(y), np.nan)
            labels[domains.labeled] = np.unique(known, return_inverse=True)[1]
        elif marker in known or (y.dtype.kind == "f" and np.any(known % 1)):
            # As the classes' numbers: none of them can be mistaken for the marker.
            labels = np.full(len(y), -1)
            labels[domains.labeled] = np.unique(known, return_inverse=True)[1]
        elif y.dtype.kind == "f":
            labels = np.full(len(y), -1)
            labels[domains.labeled] = known
        elif y.dtype.kind in "Ob":
            labels = np.full(len(y), None)
            labels[domains.labeled] = known
        else:
            labels = y.astype(np.int64) if y.dtype.kind in "iu" else y.copy()
            labels[~domains.labeled] = marker
        return labels

    def _warn_no_target(self):
        warnings.warn(
            f"{type(self).__name__} has an adapter but found no target row, so nothing "
            "is adapted. Mark unlabelled target rows in y (-1, '' or NaN) or pass "
            "sample_domain. If y was re-encoded by an outer ensemble, put the ensemble "
            "inside.",
            NoTargetWarning,
            stacklevel=4,
        )

    def _without_weights(self, estimator, X, y, weights):
        """Leave out constant weights; refuse or resample where none are taken."""
        if weights is None or accepts_weights(estimator):
            return X, y, weights
        if len(weights) and np.ptp(weights) == 0:
            return X, y, None
        if not self.resample_if_needed:
            raise TypeError(
                f"{estimator!r} takes no sample_weight, but the rows have weights. Use "
                "an estimator that does, a selector instead of a weighter, or "
                "resample_if_needed=True (rows are then drawn by weight)."
            )
        rng = check_random_state(self.random_state)
        drawn = rng.choice(len(weights), len(weights), p=weights / weights.sum())
        drawn = np.sort(drawn)
        return take_rows(X, drawn), take_rows(y, drawn), None

    def _fit_params(self, fit_params, rows, n_samples):
        if fit_params and get_config()["enable_metadata_routing"]:
            fit_params = process_routing(self, "fit", **fit_params).estimator.fit
        return {
            key: take_rows(value, rows)
            if hasattr(value, "__len__")
            and not isinstance(value, str | dict)
            and len(value) == n_samples
            else value
            for key, value in fit_params.items()
        }

    def _aligned(self, X, sample_domain):
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        return align_rows(self.adapters_, X, sample_domain)

    def predict(self, X, *, sample_domain=None):
        """Predict for rows, all of them target rows unless `sample_domain` says more.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            What the fitted estimator predicts.
        """
        X = self._aligned(X, sample_domain)
        return self.estimator_.predict(X)

    def get_metadata_routing(self):
        """Return how metadata is routed: `sample_domain` here, the rest inside.

        Returns
        -------
        MetadataRouter
            The routing.
        """
        return (
            MetadataRouter(owner=self)
            .add_self_request(self)
            .add(
                estimator=self._default_estimator(),
                method_mapping=MethodMapping().add(caller="fit", callee="fit"),
            )
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._default_estimator())
        try:
            adapters = adapter_list(self.adapter)
        except TypeError:  # fit says what is wrong with it
            adapters = []
        tags.input_tags.sparse = inner.input_tags.sparse and adapters_allow(
            adapters, "sparse"
        )
        tags.input_tags.allow_nan = inner.input_tags.allow_nan and adapters_allow(
            adapters, "allow_nan"
        )
        tags.target_tags.multi_output = inner.target_tags.multi_output
        tags.target_tags.single_output = inner.target_tags.single_output
        tags.non_deterministic = inner.non_deterministic
        if tags.classifier_tags is not None and inner.classifier_tags is not None:
            tags.classifier_tags = inner.classifier_tags
        if tags.regressor_tags is not None and inner.regressor_tags is not None:
            tags.regressor_tags = inner.regressor_tags
        return tags


def _combined(weights, sample_weight, kept, rows):
    if weights is not None:
        weights = weights[kept]
    if sample_weight is None:
        return weights
    given = sample_weight[rows[kept]]
    return given if weights is None else given * weights
