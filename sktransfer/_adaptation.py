"""Applies the adapters in the slot of `TransferClassifier` and `TransferRegressor`."""

import warnings

import numpy as np
from sklearn.base import clone
from sklearn.utils import get_tags

from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter
from sktransfer.exceptions import NoTargetWarning

__all__ = ["adapt", "adapter_list", "adapters_allow", "align_rows"]

_KINDS = (BaseAligner, BaseWeighter, BaseSelector)


def adapter_list(adapter):
    """Return the slot's content as a list, or raise for what is no adapter."""
    if adapter is None or (isinstance(adapter, str) and adapter == "passthrough"):
        return []
    adapters = list(adapter) if isinstance(adapter, list | tuple) else [adapter]
    for item in adapters:
        if not isinstance(item, _KINDS):
            raise TypeError(
                "`adapter` must be an aligner, a weighter, a selector, a list of them, "
                f"or None, got {item!r}. An ordinary transformer belongs in a Pipeline "
                "before this step or inside `estimator`; a method of your own derives "
                "from BaseAligner, BaseWeighter or BaseSelector."
            )
    return adapters


def adapters_allow(adapters, tag):
    """Whether every adapter carries the input tag, for example "sparse"."""
    return all(getattr(get_tags(item).input_tags, tag) for item in adapters)


def adapt(adapters, X, y, domains):
    """Fit clones of `adapters` in order.

    Parameters
    ----------
    adapters : list
        From `adapter_list`.
    X : array-like of shape (n_samples, n_features)
        All rows.
    y : array-like of shape (n_samples,)
        Labels, unlabelled rows marked.
    domains : Domains
        Where the rows are from.

    Returns
    -------
    fitted : list
        The fitted clones.
    X : array-like of shape (n_kept, n_features_out)
        The rows that stay, mapped.
    rows : ndarray of shape (n_kept,)
        Their numbers among the rows of the input.
    weights : ndarray of shape (n_kept,) or None
        Product of the weighters' weights; None if there is no weighter.
    """
    fitted, weights = [], None
    rows = np.arange(len(domains.domain))
    for adapter in map(clone, adapters):
        labels = take_rows(y, rows)
        kwargs = {"sample_domain": domains.domain[rows]} if domains.has_target else {}
        with warnings.catch_warnings():
            if not domains.has_target:
                # The meta-estimator has already said so, and labels that are all
                # there must not be searched for markers again.
                warnings.simplefilter("ignore", NoTargetWarning)
                labels = None
            if isinstance(adapter, BaseAligner):
                X = adapter.fit_transform(X, labels, **kwargs)
            else:
                adapter.fit(X, labels, **kwargs)
        if isinstance(adapter, BaseWeighter):
            new = adapter.sample_weight_
            weights = new if weights is None else weights * new
        elif isinstance(adapter, BaseSelector):
            kept = np.flatnonzero(adapter.support_)
            X, rows = take_rows(X, kept), rows[kept]
            weights = None if weights is None else weights[kept]
        fitted.append(adapter)
    return fitted, X, rows, weights


def align_rows(fitted, X, sample_domain):
    """Map rows through the fitted aligners; weighters and selectors leave X alone."""
    for adapter in fitted:
        if isinstance(adapter, BaseAligner):
            X = adapter.transform(X, sample_domain=sample_domain)
    return X


def take_rows(X, rows):
    """Return the given rows of an array, sparse matrix, DataFrame or list."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    if isinstance(X, list):
        return [X[i] for i in rows]
    if hasattr(X, "tocsr"):
        return X.tocsr()[rows]
    return X[rows]
