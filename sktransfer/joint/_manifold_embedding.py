"""One linear map of both domains into the space where their manifold is looked for."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh

from sktransfer.feature._geodesic_flow import geodesic_flow_factor
from sktransfer.joint._locality_preserving import unit_rows

__all__ = ["Embedding", "leading_axes", "learn_embedding"]

_LEAST_VARIANCE = 1e-10


@dataclass(frozen=True)
class Embedding:
    """Rows are centred, projected, and scaled; both domains alike.

    Attributes
    ----------
    mean : ndarray of shape (n_features,)
        What is subtracted.
    projection : ndarray of shape (n_features, n_columns) or None
        What rows are multiplied with; None: they stay.
    length : float or None
        What rows are divided by; None: each by its own length.
    """

    mean: np.ndarray
    projection: np.ndarray | None
    length: float | None

    def __call__(self, X):
        """Return the embedded rows, in float64."""
        rows = X.astype(np.float64) - self.mean
        if self.projection is not None:
            rows = rows @ self.projection
        return unit_rows(rows) if self.length is None else rows / self.length


def learn_embedding(X_source, X_target, n_components, *, method, center, normalize):
    """Learn the map from the rows of both domains.

    Parameters
    ----------
    X_source, X_target : ndarray of shape (n_samples, n_features)
        Rows; the target may have none.
    n_components : int
        Number of principal axes, or of those of each domain; fewer where the rows do
        not vary in as many directions.
    method : {"geodesic", "pca"} or None
        The feature map of the geodesic flow kernel between the domains' principal
        subspaces (the joint principal axes where one domain has a single row), the
        joint principal axes, or the columns themselves.
    center : bool
        Whether the mean of all rows is subtracted.
    normalize : bool
        Whether each row is divided by its length, or all rows by the root of their
        mean squared length.

    Returns
    -------
    Embedding
    """
    X = np.r_[X_source, X_target].astype(np.float64, copy=False)
    mean = X.mean(axis=0) if center else np.zeros(X.shape[1])
    projection = None
    if method == "geodesic":
        projection = _geodesic(X[: len(X_source)], X[len(X_source) :], n_components)
    if method == "pca" or (method == "geodesic" and projection.shape[1] == 0):
        projection = leading_axes(X, n_components)
        if projection.shape[1] == 0:
            projection = np.zeros((X.shape[1], 1))
    if normalize:
        return Embedding(mean, projection, None)
    rows = Embedding(mean, projection, 1.0)(X)
    length = float(np.sqrt(np.square(rows).sum(axis=1).mean()))
    return Embedding(mean, projection, length if length > 0 else 1.0)


def _geodesic(X_source, X_target, n_components):
    source = leading_axes(X_source, n_components)
    target = leading_axes(X_target, n_components)
    n_common = min(source.shape[1], target.shape[1])
    if n_common == 0:
        return np.zeros((len(source), 0))
    return geodesic_flow_factor(source[:, :n_common], target[:, :n_common])


def leading_axes(X, n_components):
    """Return the first principal axes that have variance.

    They are eigenvectors of the smaller of the covariance and the Gram matrix, no more
    of them than are wanted.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows, of mean zero or not.
    n_components : int
        Most axes.

    Returns
    -------
    ndarray of shape (n_features, n_kept)
        Orthonormal columns; none where all rows are equal, or fewer than two.
    """
    n_samples, n_features = X.shape
    if n_samples < 2:
        return np.zeros((n_features, 0))
    mean = X.mean(axis=0)
    rows = X - mean
    wide = n_features > n_samples
    products = rows @ rows.T if wide else rows.T @ rows
    size = len(products)
    first = size - min(n_components, size)
    squares, vectors = eigh(products, subset_by_index=[first, size - 1])
    squares, vectors = squares[::-1], vectors[:, ::-1]
    rounding = size * n_samples * np.finfo(float).eps ** 2 * np.square(mean).sum()
    kept = squares > max(_LEAST_VARIANCE * squares[0], rounding)
    if not wide:
        return vectors[:, kept]
    # Again orthonormal to rounding, whatever the spread of the variances.
    return np.linalg.qr(rows.T @ vectors[:, kept])[0]
