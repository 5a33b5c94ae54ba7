"""The three kinds of adapter, and what the author of a new one writes.

An *aligner* changes X, a *weighter* lets source rows count unequally, a *selector*
leaves source rows out. Each base validates, finds the domains, calls one hook with
explicit source and target arrays, and keeps the result. Bases have no `__init__`.
"""

import warnings
from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    OneToOneFeatureMixin,
    TransformerMixin,
)
from sklearn.utils.validation import check_is_fitted, validate_data

from sktransfer._domains import domain_mask, label_array, resolve_domains
from sktransfer._label_codes import label_names
from sktransfer._separation import lie_apart
from sktransfer.exceptions import (
    ClassLostWarning,
    NoTargetWarning,
    WeightCollapseWarning,
)
from sktransfer.metrics._effective_sample_size import effective_sample_size

__all__ = ["BaseAligner", "BaseSelector", "BaseWeighter"]


class _BaseAdapter(ABC, BaseEstimator):
    """What the three kinds share: validation and the domains of the rows of fit."""

    __metadata_request__fit = {"sample_domain": True}

    def _check_X(self, X, *, reset):
        sparse = self.__sklearn_tags__().input_tags.sparse
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=[np.float64, np.float32],
            accept_sparse="csr" if sparse else False,
        )

    def _check_fit(self, X, y, sample_domain):
        X = self._check_X(X, reset=True)
        domains = resolve_domains(y, sample_domain, X.shape[0])
        if not domains.has_target:
            warnings.warn(
                f"{type(self).__name__} found no target row, so it adapts nothing. "
                "Mark unlabelled target rows (-1, '' or NaN in y) or pass "
                "sample_domain. If y was re-encoded by an outer ensemble, put the "
                "ensemble inside TransferClassifier.",
                NoTargetWarning,
                stacklevel=3,
            )
        return X, domains


class BaseAligner(TransformerMixin, _BaseAdapter):
    """Base of transformers that bring source and target rows into a common space.

    A new aligner writes `__init__` and three hooks:

    - ``_fit(X_source, y_source, X_target, y_target)`` learns the maps. It may return
      the pair of mapped training rows ``(Z_source, Z_target)`` if they come for free,
      else None. It sets ``_n_features_out`` if the number of columns changes.
    - ``_map_source(X)`` and ``_map_target(X)`` map new rows of either domain.

    Labels arrive as class numbers with -1 where there is none (or floats with NaN), or
    None. Without target rows an aligner is the identity.
    """

    __metadata_request__transform = {"sample_domain": True}

    @abstractmethod
    def _fit(self, X_source, y_source, X_target, y_target):
        """Learn the maps; return the mapped training rows or None."""

    @abstractmethod
    def _map_source(self, X):
        """Map rows of the source domains."""

    @abstractmethod
    def _map_target(self, X):
        """Map rows of the target domains."""

    def _fit_domains(self, X, y, domains):
        self._n_features_out = X.shape[1]
        self.is_identity_ = not domains.has_target
        return None if self.is_identity_ else self._fit(*domains.split(X, y))

    def fit(self, X, y=None, *, sample_domain=None):
        """Learn the maps from source and target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,), default=None
            Labels; without `sample_domain` the unlabelled rows are the target.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        self : object
            The fitted aligner.
        """
        X, domains = self._check_fit(X, y, sample_domain)
        self._fit_domains(X, y, domains)
        return self

    def fit_transform(self, X, y=None, *, sample_domain=None):
        """Learn the maps and return the rows of fit, each mapped by its own domain.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,), default=None
            Labels; without `sample_domain` the unlabelled rows are the target.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The mapped rows, in the order of X. They differ from
            ``fit(X, y).transform(X)``, which takes all rows for target rows, unless
            `sample_domain` is given there too.
        """
        X, domains = self._check_fit(X, y, sample_domain)
        mapped = self._fit_domains(X, y, domains)
        if mapped is None:
            return self._map(X, domains.domain)
        return _interleave(*mapped, domains.is_target, X.dtype)

    def transform(self, X, *, sample_domain=None):
        """Map rows, all of them target rows unless `sample_domain` says otherwise.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to map.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The mapped rows.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        if sample_domain is not None:
            sample_domain = domain_mask(sample_domain, X.shape[0])
        return self._map(X, sample_domain)

    def _map(self, X, domain):
        """Map rows by their domains' numbers; None: all are target rows."""
        if self.is_identity_:
            return X.copy()
        is_target = np.ones(X.shape[0], bool) if domain is None else domain < 0
        if is_target.all():
            return self._map_target(X).astype(X.dtype, copy=False)
        if not is_target.any():
            return self._map_source(X).astype(X.dtype, copy=False)
        return _interleave(
            self._map_source(X[~is_target]),
            self._map_target(X[is_target]),
            is_target,
            X.dtype,
        )

    def get_feature_names_out(self, input_features=None):
        """Return names of the output columns.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; only looked at where columns are kept.

        Returns
        -------
        ndarray of str
            The input's names where columns are kept one to one, else the lower-case
            class name with a number.
        """
        check_is_fitted(self)
        one_to_one = self.is_identity_ or isinstance(self, OneToOneFeatureMixin)
        mixin = OneToOneFeatureMixin if one_to_one else ClassNamePrefixFeaturesOutMixin
        return mixin.get_feature_names_out(self, input_features)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def _interleave(Z_source, Z_target, is_target, dtype):
    mapped = np.empty((len(is_target), Z_source.shape[1]), dtype=dtype)
    mapped[~is_target] = Z_source
    mapped[is_target] = Z_target
    return mapped


class BaseWeighter(_BaseAdapter):
    """Base of methods that let source rows count unequally.

    A new weighter writes `__init__` and ``_weights(X_source, y_source, X_target,
    y_target)``, which returns one weight >= 0 for each source row, on any scale. The
    base scales them to mean one and warns if they collapse on a few rows, or if the
    domains lie apart; one whose weights do not rest on X sets ``_needs_overlap`` to
    False. One that balances whole domains writes ``_domain_factors(domains)``, too.

    Labels arrive as class numbers with -1 where there is none (or floats with NaN), or
    None. Without target rows all weights are one.
    """

    _needs_overlap = True

    @abstractmethod
    def _weights(self, X_source, y_source, X_target, y_target):
        """Return one weight for each source row."""

    def _domain_factors(self, domains):
        """Return what source rows and labelled target rows are multiplied with."""
        return 1.0, 1.0

    def fit(self, X, y=None, *, sample_domain=None):
        """Weigh the source rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,), default=None
            Labels; without `sample_domain` the unlabelled rows are the target.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        self : object
            The fitted weighter, with `sample_weight_`: one weight for each row of X,
            of mean one over the source rows and one on target rows, unless the method
            balances the domains.
        """
        X, domains = self._check_fit(X, y, sample_domain)
        self._forget()
        source = ~domains.is_target
        self.sample_weight_ = np.ones(X.shape[0], dtype=X.dtype)
        if domains.has_target:
            self.sample_weight_[source] = self._source_weights(X, y, domains)
        source_weights = self.sample_weight_[source]
        self.effective_sample_size_ = effective_sample_size(source_weights)
        if domains.has_target and self._needs_overlap and self._apart(X, domains):
            self._warn_of_no_overlap(len(source_weights))
        else:
            self._warn_if_collapsed(len(source_weights))
        if domains.has_target:
            source_factor, target_factor = self._domain_factors(domains)
            self.sample_weight_[source] *= source_factor
            self.sample_weight_[~source & domains.labeled] *= target_factor
        return self

    def _forget(self):
        """Drop what an earlier fit has found: without a target this one finds none."""
        kept = ("n_features_in_", "feature_names_in_")
        for name in list(vars(self)):
            if name.endswith("_") and not name.startswith("_") and name not in kept:
                delattr(self, name)

    def _source_weights(self, X, y, domains):
        """Return the weights of the source rows, of mean one."""
        return self._scaled(np.asarray(self._weights(*domains.split(X, y))))

    def _scaled(self, weights):
        mean = weights.mean(dtype=np.float64)
        if not (np.isfinite(mean) and mean > 0):
            raise self._no_overlap()
        return weights / mean

    def _no_overlap(self):
        return ValueError(
            f"{type(self).__name__} gave no source row a positive finite weight: "
            "the domains do not overlap at this setting. Scale the features, widen "
            "the kernel, or use an aligner."
        )

    def _apart(self, X, domains):
        """Tell whether there is a gap between source and target rows."""
        return lie_apart(X, ~domains.is_target, domains.is_target)

    def _warn_of_no_overlap(self, n_source):
        warnings.warn(
            f"{type(self).__name__}: the domains do not overlap, so the weights say "
            "nothing of the target, however even they are: the effective sample size "
            f"is {self.effective_sample_size_:.1f} of {n_source} source rows. Use an "
            "aligner, or leave out the features that tell the domains apart.",
            WeightCollapseWarning,
            stacklevel=3,
        )

    def _warn_if_collapsed(self, n_source):
        size = self.effective_sample_size_
        if size < max(0.02 * n_source, min(5, 0.5 * n_source)):
            warnings.warn(
                f"{type(self).__name__}: the weights collapse on a few rows: the "
                f"effective sample size is {size:.1f} of {n_source} source rows. A "
                "model fitted with them rests on those few. Limit the weights, widen "
                "the kernel, reduce the features, or use an aligner.",
                WeightCollapseWarning,
                stacklevel=3,
            )


class BaseSelector(_BaseAdapter):
    """Base of methods that leave source rows out.

    A new selector writes `__init__` and ``_select(X_source, y_source, X_target,
    y_target)``, which returns a mask of the source rows to keep and a score for each
    source row (higher: kept first). The base warns if a class is lost.

    Labels arrive as class numbers with -1 where there is none (or floats with NaN), or
    None. Without target rows every row is kept.
    """

    @abstractmethod
    def _select(self, X_source, y_source, X_target, y_target):
        """Return the mask of kept source rows and a score for each source row."""

    def fit(self, X, y=None, *, sample_domain=None):
        """Select among the source rows of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,), default=None
            Labels; without `sample_domain` the unlabelled rows are the target.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target".

        Returns
        -------
        self : object
            The fitted selector, with `support_` (mask of the rows of X that stay; all
            target rows do), `sample_weight_` (the same as 0 and 1) and `scores_`.
        """
        X, domains = self._check_fit(X, y, sample_domain)
        source = ~domains.is_target
        self.support_ = np.ones(X.shape[0], dtype=bool)
        self.scores_ = np.where(source, 1.0, np.nan)
        self._label_names = label_names(y, domains.labeled)
        if domains.has_target:
            X_source, y_source, X_target, y_target = domains.split(X, y)
            kept, scores = self._select(X_source, y_source, X_target, y_target)
            if not np.any(kept):
                raise ValueError(
                    f"{type(self).__name__} left no source row. Loosen the selection."
                )
            self.support_[source], self.scores_[source] = kept, scores
            self._warn_if_class_lost(y, source & domains.labeled)
        self.sample_weight_ = self.support_.astype(X.dtype)
        return self

    def _warn_if_class_lost(self, y, labeled_source):
        labels = None if y is None else label_array(y)
        if y is None or labels.ndim > 1 or labels.dtype.kind == "f":
            return
        labels = labels.tolist()
        before = {labels[i] for i in np.flatnonzero(labeled_source)}
        after = {labels[i] for i in np.flatnonzero(labeled_source & self.support_)}
        if lost := sorted(before - after, key=str):
            warnings.warn(
                f"{type(self).__name__} left out every source row of class "
                f"{', '.join(map(repr, lost))}. Keep more rows, or balance the "
                "selection over the classes.",
                ClassLostWarning,
                stacklevel=3,
            )
