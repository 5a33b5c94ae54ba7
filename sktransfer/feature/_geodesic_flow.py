"""The geodesic between two subspaces: its kernel in closed form, and distances."""

import numpy as np

__all__ = ["geodesic_flow_factor", "subspace_disagreement"]


def geodesic_flow_factor(source_axes, target_axes):
    """Return the factor F of the geodesic flow kernel ``F F'``.

    The kernel is the mean of the projections on all subspaces between the two, along
    the shortest path: with principal angles a, and the pair of directions that spans
    the plane of each angle, it is a 2 x 2 block for each angle.

    Parameters
    ----------
    source_axes, target_axes : ndarray of shape (n_features, n_components)
        Orthonormal columns.

    Returns
    -------
    ndarray of shape (n_features, 2 * n_components)
        Inner products of rows times F are the kernel.
    """
    left, cosines, right = np.linalg.svd(source_axes.T @ target_axes)
    angles = np.arccos(np.clip(cosines, 0.0, 1.0))
    first = source_axes @ left
    second = target_axes @ right.T - first * cosines
    lengths = np.linalg.norm(second, axis=0)
    # The sine from the residual is exact where the arc cosine has no digits left.
    small = lengths < 0.5
    angles[small] = np.arcsin(lengths[small])
    distinct = lengths > 1e-12
    second = np.divide(second, lengths, out=np.zeros_like(second), where=distinct)
    # sin(2a) / 2a and (1 - cos(2a)) / 2a, without dividing by zero.
    ratio = np.sinc(2 * angles / np.pi)
    cross = np.sin(angles) * np.sinc(angles / np.pi)
    blocks = 0.5 * np.array([[1 + ratio, cross], [cross, 1 - ratio]])
    values, vectors = np.linalg.eigh(np.moveaxis(blocks, -1, 0))
    roots = vectors * np.sqrt(np.maximum(values, 0.0))[:, None, :]
    return np.hstack(
        [
            first * roots[:, 0, k] + second * roots[:, 1, k]
            for k in (1, 0)  # the large half first
        ]
    )


def subspace_disagreement(source_axes, target_axes, joint_axes):
    """Return the mean sine of the largest angles to the joint subspace.

    Parameters
    ----------
    source_axes, target_axes, joint_axes : ndarray of shape (n_features, n_components)
        Principal axes of both domains and of all rows, in order.

    Returns
    -------
    ndarray of shape (n_components,)
        For the first 1, 2, ... axes: between 0 and 1.
    """
    products = [source_axes.T @ joint_axes, target_axes.T @ joint_axes]
    sines = np.empty((2, joint_axes.shape[1]))
    for d in range(1, joint_axes.shape[1] + 1):
        for i, product in enumerate(products):
            cosine = np.linalg.svd(product[:d, :d], compute_uv=False)[-1]
            sines[i, d - 1] = np.sqrt(max(0.0, 1 - cosine**2))
    return sines.mean(axis=0)
