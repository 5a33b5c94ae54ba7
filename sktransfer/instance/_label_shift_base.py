"""The steps of weighing by label shift, from labels to weights."""

import warnings
from abc import abstractmethod

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import check_random_state

from sktransfer._kernels import content_order, resolve_gamma
from sktransfer.base import BaseWeighter
from sktransfer.exceptions import UninformativeClassifierWarning
from sktransfer.instance._black_box_shift import confusion_means, indistinct
from sktransfer.instance._class_kernel_means import (
    class_kernel_means,
    landmark_kernel_means,
)
from sktransfer.instance._out_of_fold import (
    cross_predictions,
    default_classifier,
)
from sktransfer.instance._prior_estimates import (
    PriorEstimate,
    by_confusion,
    by_kernel,
    by_likelihood,
)
from sktransfer.instance._regularized_shift import uncertainty_of_confusion
from sktransfer.instance._shaped_weights import shaped_weights
from sktransfer.instance._source_labels import source_labels
from sktransfer.instance._value_target_shift import (
    fit_value_weights,
    kernel_sums,
    landmark_sums,
    smoother,
)

__all__ = ["BaseLabelShift"]

_EXACT_PAIRS = 4 * 10**8
# Not set by every fit.
_OF_A_FIT = (
    "classes_",
    "source_prior_",
    "target_prior_",
    "class_weight_",
    "prior_interval_",
    "source_domains_",
    "estimator_",
    "calibration_",
    "gamma_",
)


class BaseLabelShift(BaseWeighter):
    """The fit of `LabelShiftWeighter`, whose parameters it reads."""

    @abstractmethod
    def _check_params(self):
        """Raise unless the parameters are what they should be."""

    def _check_fit(self, X, y, sample_domain):
        for name in _OF_A_FIT:
            vars(self).pop(name, None)
        return super()._check_fit(X, y, sample_domain)

    def _source_weights(self, X, y, domains):
        self._check_params()
        labels = source_labels(type(self).__name__, X, y, domains)
        self.source_domains_ = np.unique(domains.domain[~domains.is_target])
        X_source, X_target = X[labels.rows], X[domains.is_target]
        X_target = X_target[content_order(X_target, 0)]
        rng = check_random_state(self.random_state)
        if labels.classes is None:
            found = self._value_weights(X_source, labels, X_target, rng)
        else:
            found = self._class_weights(X_source, labels, X_target, rng)
        weights = np.ones(X.shape[0])
        weights[labels.rows] = self._scaled(found)
        return weights[~domains.is_target]

    def _weights(self, X_source, y_source, X_target, y_target):
        """Say why it is not used: class numbers do not give back the user's classes."""
        raise NotImplementedError("`_source_weights` sees the user's labels.")

    def _class_weights(self, X_source, labels, X_target, rng):
        """Estimate the target's class shares; return the weights of the rows."""
        n_classes = len(labels.classes)
        estimate = PriorEstimate(np.ones(1), np.ones((1, 1)))
        if n_classes > 1:
            estimate = self._estimate(X_source, labels, X_target, rng)
        if not estimate.known:
            self._warn_of_ignorance()
        self.classes_, self.target_prior_ = labels.classes, estimate.shares
        counts = np.bincount(labels.labels, minlength=n_classes)
        self.source_prior_ = counts / counts.sum()
        self.class_weight_ = self.target_prior_ / self.source_prior_
        interval = (
            estimate.interval(self.confidence_level) if self.n_bootstrap else None
        )
        self.prior_interval_ = interval

        def ratios(rows):
            counts = np.bincount(labels.labels[rows], minlength=n_classes)
            return (self.target_prior_ / np.maximum(counts, 1))[labels.labels[rows]]

        return self._by_domain(labels.domain, ratios)

    def _by_domain(self, domain, ratios):
        """Return shaped ratios, of mean one in each source domain."""
        weights = np.zeros(len(domain))
        for number in np.unique(domain):
            rows = np.flatnonzero(domain == number)
            found = ratios(rows)
            if found.sum() > 0:
                found = shaped_weights(found, self.clip, self.flatten)
                weights[rows] = found / found.mean()
        return weights

    def _estimate(self, X_source, labels, X_target, rng):
        options = {"n_bootstrap": self.n_bootstrap, "rng": rng}
        y, n_classes = labels.labels, len(labels.classes)
        if self.method == "kmm":
            means = self._kernel_means(X_source, y, X_target, n_classes, rng)
            options.update(upper_bound=self.upper_bound, eps=self.eps)
            return by_kernel(means, y, **options)
        hard = self.predictions == "hard" and self.method != "em"
        source, target = self._predictions(X_source, labels, X_target, hard)
        if self.method == "em":
            options["calibration"] = self.calibration
            estimate, self.calibration_ = by_likelihood(source, y, target, **options)
            return estimate
        confusion = confusion_means(source, y, n_classes)
        penalty = None
        if self.method == "rlls":
            penalty = self.regularization
            if penalty == "auto":
                penalty = uncertainty_of_confusion(len(y), n_classes)
        elif indistinct(confusion, source, y):
            raise self._useless()
        options.update(penalty=penalty, shift_scale=self.shift_scale)
        return by_confusion(confusion, source, y, target, **options)

    def _useless(self):
        return ValueError(
            f"{type(self).__name__}: the predictions hardly tell all classes apart "
            "(the confusion matrix is singular, or as good as), so class shares cannot "
            "be estimated from them. Give a better classifier as `estimator`, merge "
            "classes that look alike, set predictions='soft', or use method='em' or "
            "method='kmm'."
        )

    def _warn_of_ignorance(self):
        warnings.warn(
            f"{type(self).__name__}: the predicted probabilities say no more of the "
            "source's labels than class shares do, so the target's shares are taken "
            "to be those of the source, and weights are one. Give a better classifier "
            "as `estimator`, add labelled source rows, or use method='kmm'.",
            UninformativeClassifierWarning,
            stacklevel=2,
        )

    def _predictions(self, X_source, labels, X_target, hard):
        estimator = self.estimator
        if estimator is None:
            # In double precision, so that the type of X changes nothing.
            estimator = default_classifier(X_source)
            X_source = X_source.astype(np.float64, copy=False)
            X_target = X_target.astype(np.float64, copy=False)
        self._check_folds_possible(estimator, labels)
        source, target, self.estimator_ = cross_predictions(
            estimator,
            X_source,
            labels,
            X_target,
            n_folds=self.n_folds,
            hard=hard,
            feature_names=getattr(self, "feature_names_in_", None),
        )
        return source, target

    def _check_folds_possible(self, estimator, labels):
        counts = np.bincount(labels.labels)
        if counts.min() < 2 and not isinstance(estimator, FrozenEstimator):
            label = labels.classes.tolist()[counts.argmin()]
            raise ValueError(
                f"{type(self).__name__}: class {label!r} has a single labelled source "
                "row, and cross-fitting needs two of each class. Add rows, leave the "
                "class out, use method='kmm', or give a fitted classifier in "
                "sklearn.frozen.FrozenEstimator."
            )

    def _kernel_params(self, X_source):
        self.gamma_ = resolve_gamma(self.gamma, X_source, kernel=self.kernel)
        return {"kernel": self.kernel, "gamma": self.gamma_}

    def _by_landmarks(self, n_source, n_target):
        if self.solver == "auto":
            return n_source * (n_source + n_target) > _EXACT_PAIRS
        return self.solver == "nystroem"

    def _kernel_means(self, X_source, y, X_target, n_classes, rng):
        # The programme is ill-conditioned, so it is posed in float64.
        X_source, X_target = X_source.astype(np.float64), X_target.astype(np.float64)
        params = self._kernel_params(X_source)
        rows = X_source, y, X_target, n_classes
        if self._by_landmarks(X_source.shape[0], X_target.shape[0]):
            return landmark_kernel_means(*rows, self.n_landmarks, rng, **params)
        return class_kernel_means(*rows, **params)

    def _value_weights(self, X_source, labels, X_target, rng):
        if self.method != "kmm":
            raise ValueError(
                f"method={self.method!r} estimates the shares of classes, but y holds "
                "values (floats). Use method='kmm', or pass classes as integers or "
                "strings."
            )
        X_source, X_target = X_source.astype(np.float64), X_target.astype(np.float64)
        params = self._kernel_params(X_source)
        gamma = resolve_gamma("median", labels.labels[:, None])

        def ratios(rows):
            X, y = X_source[rows], labels.labels[rows]
            basis = smoother(y, gamma, self.ridge, self.n_knots)
            sums = X, X_target, basis.vectors
            if self._by_landmarks(X.shape[0], X_target.shape[0]):
                sums = landmark_sums(*sums, self.n_landmarks, rng, **params)
            else:
                sums = kernel_sums(*sums, **params)
            bounds = {"upper_bound": self.upper_bound, "eps": self.eps}
            return fit_value_weights(basis, *sums, y, **bounds)

        return self._by_domain(labels.domain, ratios)
