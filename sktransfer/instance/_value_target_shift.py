"""Target shift of values: smooth weights of y that bring X to the target's.

Weights are ``beta = R alpha`` with the smoother R = L (L + c I)^-1 of kernel ridge
regression on y, and the mean of X under them is that of the conditional mean embedding
of X given y, estimated with the same smoother. L has low rank, since y is a number, so
everything lives in its leading eigenvectors.
"""

from dataclasses import dataclass

import numpy as np

from sktransfer._kernels import (
    content_subsample,
    kernel_blocks,
    kernel_mean,
    nystroem_map,
)
from sktransfer.instance._small_program import solve_small_program

__all__ = ["Smoother", "fit_value_weights", "kernel_sums", "landmark_sums", "smoother"]

_EVEN = 3.0
_BOUNDED_ROWS = 2000


@dataclass(frozen=True)
class Smoother:
    """The smoother R = U diag(damping) U'.

    Attributes
    ----------
    vectors : ndarray of shape (n_samples, rank)
        U, orthonormal.
    damping : ndarray of shape (rank,)
        Eigenvalues of R, between 0 and 1.
    """

    vectors: np.ndarray
    damping: np.ndarray


def smoother(y, gamma, ridge, n_knots):
    """Return the smoother of kernel ridge regression on values.

    Parameters
    ----------
    y : ndarray of shape (n_samples,)
        Values.
    gamma : float
        Width of the rbf kernel of values.
    ridge : float
        c over the number of rows.
    n_knots : int
        The kernel is approximated on so many of the different values, evenly spaced in
        their order; with all of them it is exact.

    Returns
    -------
    Smoother
    """
    different = np.unique(y)
    places = np.linspace(0, len(different) - 1, min(n_knots, len(different)))
    knots = different[np.round(places).astype(int)][:, None]
    features = nystroem_map(knots, kernel="rbf", gamma=gamma).features(y[:, None])
    features = features - features.mean(axis=0)
    U, singular, _ = np.linalg.svd(features, full_matrices=False)
    kept = singular > 1e-7 * max(singular[0], 1e-7 * np.sqrt(len(y)))
    U, values = U[:, kept], np.square(singular[kept])
    constant = np.full((len(y), 1), 1 / np.sqrt(len(y)))
    damping = values / (values + ridge * len(y))
    return Smoother(np.hstack([constant, U]), np.r_[1.0, damping])


def kernel_sums(X_source, X_target, vectors, **params):
    """Return U' K U among source rows, and U' k with the mean of the target.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    vectors : ndarray of shape (n_source, rank)
        U.
    **params
        The kernel of rows.

    Returns
    -------
    ndarray of shape (rank, rank), ndarray of shape (rank,)
    """
    square = np.zeros((vectors.shape[1], vectors.shape[1]))
    for rows, block in kernel_blocks(X_source, X_source, **params):
        square += vectors[rows].T @ (block @ vectors)
    return square, vectors.T @ kernel_mean(X_source, X_target, **params)


def landmark_sums(X_source, X_target, vectors, n_landmarks, random_state, **params):
    """Return what `kernel_sums` does, from a Nyström approximation of the kernel."""
    rows = content_subsample(X_source, n_landmarks, random_state)
    mapping = nystroem_map(X_source[rows], **params)
    features = np.zeros((mapping.factor.shape[1], vectors.shape[1]))
    for rows, block in kernel_blocks(X_source, mapping.landmarks, **params):
        features += mapping.factor.T @ (block.T @ vectors[rows])
    return features.T @ features, features.T @ mapping.mean(X_target)


def fit_value_weights(basis, square, with_target, y, *, upper_bound, eps):
    """Return the weights of the source rows.

    Parameters
    ----------
    basis : Smoother
        The smoother R.
    square : ndarray of shape (rank, rank)
        U' K U.
    with_target : ndarray of shape (rank,)
        U' k.
    y : ndarray of shape (n_source,)
        Values; the bounds are held on at most 2,000 rows, evenly spaced in their order.
    upper_bound : float
        No weight is larger.
    eps : float
        The mean weight lies between 1 - eps and 1 + eps.

    Returns
    -------
    ndarray of shape (n_source,)
    """
    n, twice = len(y), np.square(basis.damping)
    P = twice[:, None] * square * twice
    linear = n * twice * with_target
    even = basis.vectors.sum(axis=0)
    # Of the weights that match about as well, those nearest to one.
    penalty = _EVEN / np.sqrt(n) * np.trace(P) / len(P)
    P, linear = P + penalty * np.eye(len(P)), linear + penalty * even
    G = basis.vectors * basis.damping
    rows = np.argsort(y, kind="stable")
    if n > _BOUNDED_ROWS:
        rows = rows[np.round(np.linspace(0, n - 1, _BOUNDED_ROWS)).astype(int)]
    bounds = np.full(len(rows), float(upper_bound)), G.sum(axis=0)
    sums = n * (1.0 - eps), n * (1.0 + eps)
    alpha = solve_small_program(P, linear, G[rows], *bounds, *sums, start=even)
    return np.clip(G @ alpha, 0, upper_bound)
