"""What aligners of subspaces share: axes of a domain, their number, the projection."""

from sklearn.decomposition import PCA

__all__ = ["count_components", "principal_axes", "project"]


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
    """Return the fitted principal component analysis of the rows."""
    n_samples, n_features = X.shape
    # Where rows are many, the covariance is the least arithmetic.
    many = n_samples > 10 * n_features
    return PCA(n_components, svd_solver="covariance_eigh" if many else "full").fit(X)


def project(X, mean, components):
    """Return ``(X - mean) @ components`` in the type of X."""
    components = components.astype(X.dtype, copy=False)
    mapped = X @ components
    mapped -= mean.astype(X.dtype, copy=False) @ components
    return mapped
