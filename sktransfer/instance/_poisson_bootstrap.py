"""Resampled means: each row is counted a Poisson number of times, all draws at once."""

import numpy as np

__all__ = ["resampled_class_means", "resampled_means", "resampled_sums"]

_BLOCK = 2**22


def resampled_sums(values, n_bootstrap, rng):
    """Return sums of rows under random counts.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
        Rows, in an order that depends on their content alone.
    n_bootstrap : int
        Number of resamples.
    rng : RandomState instance
        For the counts, which are independent Poisson variables of mean one.

    Returns
    -------
    sums : ndarray of shape (n_bootstrap, n_columns)
    counts : ndarray of shape (n_bootstrap,)
        Number of rows drawn.
    """
    sums, counts = np.zeros((n_bootstrap, values.shape[1])), np.zeros(n_bootstrap)
    step = max(1, _BLOCK // n_bootstrap)
    for start in range(0, len(values), step):
        block = values[start : start + step]
        drawn = rng.poisson(1.0, (len(block), n_bootstrap)).astype(np.float64)
        sums += drawn.T @ block
        counts += drawn.sum(axis=0)
    return sums, counts


def resampled_means(values, n_bootstrap, rng):
    """Return means of resampled rows; those of all rows where none was drawn."""
    sums, counts = resampled_sums(values, n_bootstrap, rng)
    means = sums / np.maximum(counts, 1.0)[:, None]
    means[counts == 0] = values.mean(axis=0)
    return means


def resampled_class_means(values, labels, n_classes, n_bootstrap, rng):
    """Return means of resampled rows class by class, and the classes' shares.

    Parameters
    ----------
    values : ndarray of shape (n_samples, n_columns)
        Rows, in an order that depends on their content alone.
    labels : ndarray of shape (n_samples,)
        Class numbers; every class has a row.
    n_classes, n_bootstrap : int
        Numbers of classes and resamples.
    rng : RandomState instance
        For the counts.

    Returns
    -------
    means : ndarray of shape (n_bootstrap, n_classes, n_columns)
    shares : ndarray of shape (n_bootstrap, n_classes)
        A class of which no row was drawn keeps the mean of all its rows, and counts
        for half a row.
    """
    means = np.empty((n_bootstrap, n_classes, values.shape[1]))
    totals = np.empty((n_bootstrap, n_classes))
    for c in range(n_classes):
        rows = values[labels == c]
        sums, counts = resampled_sums(rows, n_bootstrap, rng)
        means[:, c] = sums / np.maximum(counts, 1.0)[:, None]
        means[counts == 0, c] = rows.mean(axis=0)
        totals[:, c] = np.maximum(counts, 0.5)
    return means, totals / totals.sum(axis=1, keepdims=True)
