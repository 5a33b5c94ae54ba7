"""Pivot features and their prediction from the others: structural correspondence."""

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import safe_sparse_dot

__all__ = [
    "correspondence_directions",
    "mutual_information",
    "pivot_predictors",
    "presence",
    "presence_levels",
    "rank_pivots",
]


def presence_levels(X):
    """Return for each column the value above which it counts as present.

    Parameters
    ----------
    X : {ndarray, csr matrix} of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    ndarray of shape (n_features,)
        Zero where the column has both positive and other values, else its mean.
    """
    n_samples = X.shape[0]
    counts = _positive_counts(X)
    mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
    return np.where((counts > 0) & (counts < n_samples), 0.0, mean)


def _positive_counts(X):
    if sparse.issparse(X):
        return np.bincount(X.indices[X.data > 0], minlength=X.shape[1])
    return np.count_nonzero(X > 0, axis=0)


def presence(X, levels):
    """Return where the entries are above the levels, sparse if X is and it can be."""
    if not sparse.issparse(X):
        return X > levels
    if np.any(levels < 0):
        return X.toarray() > levels
    entries = X.tocoo()
    above = entries.data > levels[entries.col]
    rows, columns = entries.row[above], entries.col[above]
    ones = np.ones(len(rows))
    return sparse.csr_array((ones, (rows, columns)), shape=X.shape)


def mutual_information(counts, sizes):
    """Return the mutual information of a binary feature with the class, in nats.

    Parameters
    ----------
    counts : ndarray of shape (n_classes, n_features)
        In how many rows of each class each feature is present.
    sizes : ndarray of shape (n_classes,)
        Number of rows of each class.

    Returns
    -------
    ndarray of shape (n_features,)
    """
    n_rows = sizes.sum()
    present = counts.sum(axis=0)
    information = np.zeros(counts.shape[1])
    for size, count in zip(sizes, counts, strict=True):
        for joint, margin in ((count, present), (size - count, n_rows - present)):
            some = joint > 0
            ratio = joint[some] * n_rows / (size * margin[some])
            information[some] += joint[some] / n_rows * np.log(ratio)
    return information


def rank_pivots(source_counts, target_counts, n_source, n_target, min_count, scores):
    """Return the columns that may be pivots, best first.

    Parameters
    ----------
    source_counts, target_counts : ndarray of shape (n_features,)
        In how many rows of each domain each feature is present.
    n_source, n_target : int
        Number of rows.
    min_count : int
        A pivot is present in so many rows of each domain, or in half of its rows if
        that is less, and not present everywhere.
    scores : ndarray of shape (n_features,) or None
        Higher is better; None: the smaller of the shares in both domains. Ties go to
        the more frequent, then to the first.

    Returns
    -------
    ndarray of shape (n_candidates,)
    """
    shares = np.minimum(source_counts / n_source, target_counts / n_target)
    enough = (source_counts >= min(min_count, (n_source + 1) // 2)) & (
        target_counts >= min(min_count, (n_target + 1) // 2)
    )
    enough &= source_counts + target_counts < n_source + n_target
    # Rounded, so that equal scores tie in spite of rounding.
    scores = shares if scores is None else np.round(scores, 12)
    order = np.lexsort((-shares, -scores))
    return order[enough[order]]


def pivot_predictors(X, Y, regularization):
    """Return the ridge weights that predict each column of Y from X, all at once.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_inputs)
        Rows.
    Y : {ndarray, sparse matrix} of shape (n_samples, n_outputs)
        What is predicted.
    regularization : float
        Penalty in units of the mean squared norm of the centred columns.

    Returns
    -------
    ndarray of shape (n_inputs, n_outputs)
        Float64. Inputs and outputs are centred for the fit.
    """
    n_samples, n_inputs = X.shape
    X = X.astype(np.float64)
    Y = Y.toarray() if sparse.issparse(Y) else np.asarray(Y)
    Y = Y - Y.mean(axis=0, dtype=np.float64)
    mean = np.asarray(X.mean(axis=0)).ravel()
    if n_inputs <= n_samples:
        gram = _dense(safe_sparse_dot(X.T, X)) - n_samples * np.outer(mean, mean)
        unit = np.trace(gram) / n_inputs
        return _ridge(gram, _dense(safe_sparse_dot(X.T, Y)), regularization, unit)
    gram = _dense(safe_sparse_dot(X, X.T))
    means = gram.mean(axis=0)
    gram += means.mean() - means[:, None] - means[None, :]
    unit = np.trace(gram) / n_inputs
    return _dense(safe_sparse_dot(X.T, _ridge(gram, Y, regularization, unit)))


def _dense(array):
    return array.toarray() if sparse.issparse(array) else np.asarray(array)


def _ridge(gram, right, regularization, unit):
    gram[np.diag_indices_from(gram)] += regularization * (unit if unit > 0 else 1.0)
    return linalg.solve(gram, right, assume_a="pos", overwrite_a=True)


def correspondence_directions(weights, n_components):
    """Return the leading left singular vectors of the predictors, and their values.

    Parameters
    ----------
    weights : ndarray of shape (n_inputs, n_pivots)
        One predictor a column.
    n_components : int
        Number of vectors; those with less than 1e-4 of the largest value are left out.

    Returns
    -------
    directions : ndarray of shape (n_inputs, n_kept)
        Orthonormal; signs are chosen so that each is skewed to the right.
    values : ndarray of shape (n_kept,)
        Singular values, largest first.
    """
    squares, right = linalg.eigh(weights.T @ weights)
    values = np.sqrt(np.maximum(squares[::-1][:n_components], 0))
    kept = values > 1e-4 * max(values[0], np.finfo(float).tiny)
    directions = weights @ right[:, ::-1][:, :n_components][:, kept] / values[kept]
    directions *= np.where((directions**3).sum(axis=0) < 0, -1.0, 1.0)
    return directions, values[kept]
