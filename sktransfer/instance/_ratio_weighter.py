"""Base of weighters that know the ratio of the target's density to the source's."""

from abc import abstractmethod

import numpy as np
from scipy.special import logsumexp
from sklearn.utils.validation import check_is_fitted

from sktransfer._domains import domain_mask
from sktransfer.instance._domainwise_weighter import BaseDomainwiseWeighter
from sktransfer.instance._shaped_weights import check_shape

__all__ = ["BaseRatioWeighter"]


class BaseRatioWeighter(BaseDomainwiseWeighter):
    """Base of weighters whose weights are a density ratio, known at any row.

    A new one writes `__init__`, with `clip` and `flatten` among its parameters, and
    ``_fit_ratio(X_source, X_target)``. It returns a function of rows whose values are
    the logarithm of the ratio of target to source, up to a constant (-inf: zero), and
    those values for the source rows of fit if they are others than the function's
    (cross-fitted ones), else None. The arrays may be the caller's: they are neither
    changed nor kept. Extremes do no harm: everything stays in logarithms
    until the weights are scaled.
    """

    @abstractmethod
    def _fit_ratio(self, X_source, X_target):
        """Return the log ratio as a function of rows, and its values or None."""

    def _source_weights(self, X, y, domains):
        check_shape(self.clip, self.flatten)
        X_target = _rows_where(X, domains.is_target)
        numbers = domains.domain[~domains.is_target]
        self.source_domains_, counts = np.unique(numbers, return_counts=True)
        self._shares = counts / counts.sum()
        self.ratios_, self._scales = [], []
        weights = np.empty(len(numbers))
        for number in self.source_domains_:
            X_source = _rows_where(X, domains.domain == number)
            weights[numbers == number] = self._weights(X_source, None, X_target, None)
        return weights

    def _weights(self, X_source, y_source, X_target, y_target):
        """Weigh one source domain, and keep its ratio."""
        log_ratio, values = self._fit_ratio(X_source, X_target)
        values = log_ratio(X_source) if values is None else values
        self.ratios_.append(log_ratio)
        self._scales.append(self._scales_of(np.asarray(values, np.float64)))
        return np.exp(self._shaped(values, self._scales[-1]))

    def _scales_of(self, log_ratio):
        """Return the log mean of the ratio, and of what clip and flatten make of it."""
        first = _log_mean(log_ratio)
        if not np.isfinite(first):
            raise self._no_overlap()
        return first, _log_mean(self._shaped(log_ratio, (first, 0.0)))

    def _shaped(self, log_ratio, scales):
        log_weight = np.asarray(log_ratio, np.float64) - scales[0]
        if self.clip is not None:
            log_weight = np.minimum(log_weight, np.log(self.clip))
        if self.flatten == 0:
            return np.zeros_like(log_weight)
        return self.flatten * log_weight - scales[1]

    def weigh(self, X, *, sample_domain=None):
        """Return weights of any rows, on the scale of `sample_weight_`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that may come from the source.
        sample_domain : array-like of shape (n_samples,), default=None
            With several source domains: from which of them each row is. None: the ratio
            of the target to all source domains together.

        Returns
        -------
        ndarray of shape (n_samples,)
            Weights; for source rows of fit those of `sample_weight_`, where these are
            not cross-fitted. Ones if there was no target row in fit.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        if not hasattr(self, "ratios_"):
            return np.ones(X.shape[0], dtype=X.dtype)
        if sample_domain is None:
            log_weight = self._pooled(X)
        else:
            log_weight = self._by_domain(X, domain_mask(sample_domain, X.shape[0]))
        largest = np.log(np.finfo(X.dtype).max)
        return np.exp(np.minimum(log_weight, largest)).astype(X.dtype, copy=False)

    def _log_weights(self, X, k):
        return self._shaped(self.ratios_[k](X), self._scales[k])

    def _pooled(self, X):
        # The source is the mixture of its domains: the ratio is a harmonic mean.
        if len(self.ratios_) == 1:
            return self._log_weights(X, 0)
        logs = [self._log_weights(X, k) for k in range(len(self.ratios_))]
        shares = np.log(self._shares)[:, None]
        return -logsumexp(shares - np.stack(logs), axis=0)

    def _by_domain(self, X, domain):
        unknown = np.setdiff1d(domain, self.source_domains_)
        if len(unknown):
            raise ValueError(
                "`sample_domain` must name source domains of fit, "
                f"{self.source_domains_.tolist()}, got {unknown.tolist()} too. Leave "
                "it out to weigh by all source domains together."
            )
        log_weight = np.empty(X.shape[0])
        for k, number in enumerate(self.source_domains_):
            rows = domain == number
            if rows.any():
                log_weight[rows] = self._log_weights(X[rows], k)
        return log_weight


def _rows_where(X, mask):
    """Return some of the rows, without a copy where they follow each other."""
    numbers = np.flatnonzero(mask)
    start, stop = numbers[0], numbers[-1] + 1
    return X[start:stop] if stop - start == len(numbers) else X[numbers]


def _log_mean(logs):
    largest = logs.max()
    if np.isneginf(largest):
        return -np.inf
    return float(largest + np.log(np.exp(logs - largest).mean()))
