"""What aligners of subspaces share: axes of a domain, their number, the projection."""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import eigh
from sklearn.decomposition import PCA

from sktransfer.feature._moments import mean_and_covariance

__all__ = ["PrincipalAxes", "count_components", "principal_axes", "project"]


@dataclass(frozen=True)
class PrincipalAxes:
    """The mean of some rows and the directions in which they vary most.

    Attributes
    ----------
    mean_ : ndarray of shape (n_features,)
        The mean.
    components_ : ndarray of shape (n_components, n_features)
        Orthonormal axes; the largest entry of each is positive.
    """

    mean_: np.ndarray
    components_: np.ndarray


def count_components(n_components, X_source, X_target):
    """Return the number asked for, or for None all there are; raise if too many."""
    room = min(*X_source.shape, X_target.shape[0])
    if n_components is not None and n_components > room:
        raise ValueError(
            f"n_components={n_components} is more than the data give: with "
            f"{X_source.shape[0]} source rows, {X_target.shape[0]} target rows and "
            f"{X_source.shape[1]} features there are {room}. Lower n_components, or "
            "leave it None."
        )
    return room if n_components is None else n_components


def principal_axes(X, n_components):
    """Return the leading principal axes of the rows.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    n_components : int
        Number of axes.

    Returns
    -------
    PrincipalAxes
        Mean and axes, in the type of X.
    """
    n_samples, n_features = X.shape
    if n_samples <= 10 * n_features:
        found = PCA(n_components, svd_solver="full").fit(X)
        return PrincipalAxes(found.mean_, found.components_)
    # Where rows are many, the covariance is the least arithmetic.
    mean, covariance = mean_and_covariance(X)
    leading = [n_features - n_components, n_features - 1]
    vectors = eigh(covariance, subset_by_index=leading)[1][:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    vectors = vectors * np.sign(vectors[largest, np.arange(n_components)])
    return PrincipalAxes(mean.astype(X.dtype), vectors.T.astype(X.dtype))


def project(X, mean, components):
    """Return ``(X - mean) @ components`` in the type of X."""
    components = components.astype(X.dtype, copy=False)
    mapped = X @ components
    mapped -= mean.astype(X.dtype, copy=False) @ components
    return mapped
