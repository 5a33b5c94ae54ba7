"""Columns in common units for both domains, and what is constant said exactly."""

import numpy as np

__all__ = ["column_means", "common_scales", "row_blocks"]


def column_means(X):
    """Return the mean of each column, exactly its value where it is constant."""
    constant = X.max(axis=0) == X.min(axis=0)
    return np.where(constant, X[0], X.mean(axis=0))


def common_scales(X_source, X_target):
    """Return the centre and the standard deviation of columns, both domains alike.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_samples, n_features), float64
        Rows of the domains. Each domain counts the same, whatever its size.

    Returns
    -------
    centre, scale : ndarray of shape (n_features,)
        A column that is constant over both domains has scale one.
    """
    means = [column_means(X) for X in (X_source, X_target)]
    centre = (means[0] + means[1]) / 2
    squares = [_mean_square(X, centre) for X in (X_source, X_target)]
    scale = np.sqrt((squares[0] + squares[1]) / 2)
    return centre, np.where(scale > 0, scale, 1.0)


def _mean_square(X, centre):
    total = sum(np.square(X[rows] - centre).sum(axis=0) for rows in row_blocks(X))
    return total / X.shape[0]


def row_blocks(X, entries=2**22):
    """Yield slices of the rows of X of about so many entries."""
    step = max(1, entries // max(1, X.shape[1]))
    for start in range(0, X.shape[0], step):
        yield slice(start, start + step)
