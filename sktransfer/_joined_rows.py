"""Source rows, then target rows, in one array."""

import numpy as np
from scipy import sparse

from sktransfer._kernels import content_order

__all__ = ["content_order_by_domain", "join_rows"]


def join_rows(X_source, X_target):
    """Return the rows of both domains, source rows first."""
    if sparse.issparse(X_source):
        return sparse.vstack([X_source, X_target]).tocsr()
    return np.vstack([X_source, X_target])


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
