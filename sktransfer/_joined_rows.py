"""Source rows, then target rows, in one array."""

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer._kernels import content_order

__all__ = ["content_codes", "content_order_by_domain", "join_rows"]


def join_rows(X_source, X_target):
    """Return the rows of both domains, source rows first."""
    if sparse.issparse(X_source):
        return sparse.vstack([X_source, X_target]).tocsr()
    return np.vstack([X_source, X_target])


def content_codes(X, labels):
    """Give classes numbers by the content of their rows, whatever they are called.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    labels : ndarray of shape (n_samples,)
        Class numbers, -1 for none.

    Returns
    -------
    ndarray of shape (n_samples,)
        Numbers from 0 in the order of a random projection of the classes' mean rows,
        -1 for none.
    """
    codes = np.full(len(labels), -1)
    labeled = np.flatnonzero(labels >= 0)
    if len(labeled) == 0:
        return codes
    direction = np.random.RandomState(0).normal(size=X.shape[1])
    keys = safe_sparse_dot(X, direction.astype(X.dtype, copy=False))[labeled]
    _, classes = np.unique(labels[labeled], return_inverse=True)
    means = np.bincount(classes, weights=keys) / np.bincount(classes)
    codes[labeled] = np.argsort(np.argsort(means, kind="stable"))[classes]
    return codes


def content_order_by_domain(X_source, y_source, X_target, y_target):
    """Order the joined rows within their domains by content alone.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains.
    y_source, y_target : ndarray of shape (n_samples,)
        Class numbers, -1 for none: among equal rows the label decides.

    Returns
    -------
    ndarray of shape (n_source + n_target,)
        Numbers of the joined rows, those of the source first.
    """
    source = _labelled_order(X_source, y_source)
    return np.r_[source, X_source.shape[0] + _labelled_order(X_target, y_target)]


def _labelled_order(X, y):
    by_label = np.argsort(y, kind="stable")
    return by_label[content_order(X[by_label], 0)]
