"""Linear denoisers in closed form: the corruption is averaged out (Chen et al., 2012).

A row x with a bias entry 1 is corrupted by setting each entry but the bias to zero with
probability `noise`. The matrix W that minimises the expected squared error of W times
the corrupted row is E[P] E[Q]^-1, with P and Q the second moments of clean with
corrupted and of corrupted with corrupted rows.
"""

import numpy as np
from scipy import linalg, sparse
from sklearn.utils.extmath import safe_sparse_dot

__all__ = ["denoiser", "frequent_columns", "second_moments", "split_denoisers"]


def second_moments(X, Y=None):
    """Return the mean products of the columns of X with those of Y, bias last.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_columns)
        Rows, without the bias.
    Y : {ndarray, sparse matrix} of shape (n_samples, n_other), default=None
        Rows; None: X itself.

    Returns
    -------
    ndarray of shape (n_columns + 1, n_other + 1)
        Dense, float64.
    """
    other = X if Y is None else Y
    products = safe_sparse_dot(X.T, other)
    if sparse.issparse(products):
        products = products.toarray()
    moments = np.empty((X.shape[1] + 1, other.shape[1] + 1))
    moments[:-1, :-1] = products / X.shape[0]
    moments[:-1, -1] = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
    moments[-1, :-1] = np.asarray(other.mean(axis=0, dtype=np.float64)).ravel()
    moments[-1, -1] = 1.0
    return moments


def denoiser(moments, cross, noise, ridge):
    """Return the matrix that reconstructs clean columns from corrupted ones.

    Parameters
    ----------
    moments : ndarray of shape (n_inputs + 1, n_inputs + 1)
        Second moments of the columns that are corrupted, bias last.
    cross : ndarray of shape (n_inputs + 1, n_outputs)
        Those of the same columns with the columns to reconstruct.
    noise : float
        Probability that an entry is set to zero; the bias never is.
    ridge : float
        Added to the diagonal of the corrupted moments but for the bias, in units of
        their mean.

    Returns
    -------
    ndarray of shape (n_inputs + 1, n_outputs)
        For rows from the left, with the bias last.
    """
    kept = np.full(len(moments), 1.0 - noise)
    kept[-1] = 1.0
    corrupted = moments * np.outer(kept, kept)
    diagonal = np.arange(len(moments) - 1)
    corrupted[diagonal, diagonal] = kept[:-1] * moments[diagonal, diagonal]
    unit = corrupted[diagonal, diagonal].mean()
    # Columns that are zero in all rows would make the matrix singular.
    ridge = ridge * (unit if unit > 0 else 1.0)
    corrupted[diagonal, diagonal] += ridge
    return _solve(corrupted, kept[:, None] * cross)


def _solve(matrix, right):
    try:
        return linalg.solve(matrix, right, assume_a="pos")
    except linalg.LinAlgError:
        return linalg.lstsq(matrix, right)[0]


def frequent_columns(X, n_columns):
    """Return the columns with most entries that are not zero, most frequent first."""
    if sparse.issparse(X):
        counts = np.bincount(X.indices[X.data != 0], minlength=X.shape[1])
    else:
        counts = np.count_nonzero(X, axis=0)
    return np.argsort(-counts, kind="stable")[:n_columns]


def split_denoisers(X, outputs, n_block, noise, ridge, rng):
    """Return a denoiser of few columns from each of many blocks of columns.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    outputs : ndarray of shape (n_outputs,)
        The columns to reconstruct.
    n_block : int
        Most columns of a block.
    noise, ridge : float
        See `denoiser`.
    rng : RandomState instance
        For the split into blocks.

    Returns
    -------
    ndarray of shape (n_features + 1, n_outputs)
        The mean of the reconstructions, as one matrix; bias last.
    """
    n_features = X.shape[1]
    blocks = np.array_split(
        rng.permutation(n_features), int(np.ceil(n_features / n_block))
    )
    clean = X[:, outputs]
    weights = np.zeros((n_features + 1, len(outputs)))
    for block in blocks:
        part = X[:, block]
        cross = second_moments(part, clean)[:, :-1]
        found = denoiser(second_moments(part), cross, noise, ridge)
        weights[block] = found[:-1] / len(blocks)
        weights[-1] += found[-1] / len(blocks)
    return weights
