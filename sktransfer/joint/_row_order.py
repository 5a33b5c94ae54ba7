"""An order of labelled rows that depends on their content alone."""

import numpy as np

from sktransfer._kernels import content_order

__all__ = ["labelled_order"]


def labelled_order(X, y):
    """Return row numbers in an order that the order of the rows cannot change.

    Solvers that stop early or break ties by position give the same result then.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Their labels: among equal rows the label decides.

    Returns
    -------
    ndarray of shape (n_samples,)
        Row numbers.
    """
    by_label = np.argsort(y, kind="stable")
    return by_label[content_order(X[by_label], 0)]
