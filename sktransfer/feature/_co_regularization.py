"""Co-regularised feature augmentation as a change of features.

The penalty is w' Q w with Q = I + beta (L x S): S = U' U from the target rows, L the
Laplacian of the graph that joins every source domain to every target domain, one vertex
a copy of the features. Rows are mapped by Q^(-1/2), which is taken in the eigenvectors
of L and of S, never as a matrix of its own size.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

__all__ = ["AgreementMap", "co_regularization_map"]


@dataclass(frozen=True)
class AgreementMap:
    """The map ``Q^(-1/2)``, less the identity.

    Attributes
    ----------
    axes : ndarray of shape (n_features, rank)
        Eigenvectors of S.
    loss : ndarray of shape (n_domains, n_domains, rank)
        What is taken from the copies, by axis, for a row of each domain.
    """

    axes: np.ndarray
    loss: np.ndarray

    def apply(self, augmented, X, positions):
        """Map augmented rows.

        Parameters
        ----------
        augmented : ndarray of shape (n_samples, (1 + n_domains) * n_features)
            Rows of `augment`; they are changed.
        X : ndarray of shape (n_samples, n_features)
            The rows themselves.
        positions : ndarray of shape (n_samples,)
            Position of the domain of each row.

        Returns
        -------
        ndarray of shape (n_samples, (1 + n_domains) * n_features)
            The mapped rows, in the type of X.
        """
        axes = self.axes.astype(X.dtype, copy=False)
        along = X @ axes
        for copy, loss in enumerate(self.loss.astype(X.dtype, copy=False), start=1):
            columns = slice(copy * X.shape[1], (copy + 1) * X.shape[1])
            augmented[:, columns] -= (along * loss[positions]) @ axes.T
        return augmented


def co_regularization_map(X_target, is_source, beta):
    """Return the map for the given strength of agreement.

    Parameters
    ----------
    X_target : ndarray of shape (n_target, n_features)
        Rows on which the domains' models shall agree.
    is_source : ndarray of shape (n_domains,), bool
        Which copies belong to source domains.
    beta : float
        Weight of a squared disagreement.

    Returns
    -------
    AgreementMap
    """
    squares, axes = _eigen(X_target.astype(np.float64, copy=False))
    joined = (is_source[:, None] != is_source).astype(np.float64)
    laplacian = np.diag(joined.sum(axis=1)) - joined
    degrees, vectors = linalg.eigh(laplacian)
    # 1 - (1 + x)^(-1/2), without cancellation where x is small.
    strength = beta * np.maximum(degrees, 0)[:, None] * squares
    shrunk = -np.expm1(-0.5 * np.log1p(strength))
    return AgreementMap(axes, np.einsum("ki,di,ij->kdj", vectors, vectors, shrunk))


def _eigen(X):
    """Return the eigenvalues of X' X that are not zero, and their eigenvectors."""
    if X.shape[0] > X.shape[1]:
        squares, axes = linalg.eigh(X.T @ X)
    else:
        _, lengths, axes = linalg.svd(X, full_matrices=False)
        squares, axes = lengths**2, axes.T
    kept = squares > 1e-14 * max(squares.max(), 1e-300)
    return squares[kept], axes[:, kept]
