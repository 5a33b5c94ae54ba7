"""Supervised locality preserving projection, from sums over classes alone.

The graph joins all rows of a class. With its weights W, degrees D and Laplacian
L = D - W, maximise v' X' D X v over v' (X' L X + r I) v. The graph is a union of
cliques, so with n_c rows of class c, X' D X = sum_c n_c sum_i x_i x_i', and X' L X is
the same with the class's mean taken off: no n x n matrix is needed.
"""

import numpy as np
from scipy.linalg import eigh

__all__ = ["locality_preserving_projection", "unit_rows"]


def unit_rows(X):
    """Return the rows divided by their lengths; zero rows stay zero."""
    lengths = np.linalg.norm(X, axis=1, keepdims=True)
    return X / np.where(lengths > 0, lengths, 1)


def locality_preserving_projection(X, labels, regularization):
    """Return the projection that keeps the rows of a class together.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; without a label they take no part.
    labels : ndarray of shape (n_samples,)
        Class numbers, -1 where there is none.
    regularization : float
        Added to the diagonal of X' L X, in units of the mean diagonal of X' D X.

    Returns
    -------
    ndarray of shape (n_features, n_features)
        The generalised eigenvectors by falling eigenvalue, of length one in the metric
        of the regularised X' L X: rows are mapped by ``X @ projection``.
    """
    n_features = X.shape[1]
    total = np.zeros((n_features, n_features))
    within = np.zeros((n_features, n_features))
    for label in np.unique(labels[labels >= 0]):
        rows = X[labels == label]
        centred = rows - rows.mean(axis=0)
        total += len(rows) * (rows.T @ rows)
        within += len(rows) * (centred.T @ centred)
    unit = np.trace(total) / n_features
    ridge = regularization * unit if unit > 0 else 1.0
    within[np.diag_indices(n_features)] += ridge
    return eigh(total, within)[1][:, ::-1]
