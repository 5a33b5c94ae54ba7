"""Transfer components where the matrix L of the domains has negative weights, too.

Then mu I + Y diag(l) Y' may be indefinite, and no component can be scaled by it. The
components are the w with the smallest eta in

    (mu I + Y diag(l) Y') w = eta S w,  S = scatter of the coordinates,

those of the largest lambda = 1 / eta where the matrix is definite. S does not change
with L, so it is decomposed once, S = A diag(s) A'; with w = A diag(s)^(-1/2) u that is

    (diag(mu / s) + Z diag(l) Z') u = eta u,  Z = diag(s)^(-1/2) A' Y,

a diagonal plus a matrix of low rank, of which a shift below the spectrum can be
inverted at the cost of a few products with Z.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, eigsh

__all__ = ["Whitening", "signed_components", "whitening"]

_DENSE = 400


@dataclass(frozen=True)
class Whitening:
    """S = A diag(s) A' without the directions in which the rows do not differ.

    Attributes
    ----------
    variances : ndarray of shape (rank,)
        s.
    axes : ndarray of shape (n_coordinates, rank)
        A.
    """

    variances: np.ndarray
    axes: np.ndarray


def whitening(scatter, uncentred):
    """Decompose the scatter of the rows.

    Parameters
    ----------
    scatter : ndarray of shape (n_coordinates, n_coordinates)
        S.
    uncentred : float
        Largest scatter of a coordinate before centring: what rounding is measured by.

    Returns
    -------
    Whitening
    """
    variances, axes = linalg.eigh(scatter)
    kept = variances > max(1e-10 * variances[-1], 1e-12 * uncentred)
    return Whitening(variances[kept], axes[:, kept])


def signed_components(space, Y, weights, mu, n_components):
    """Return 1 / eta and the vectors w of unit norm, smallest eta first.

    Parameters
    ----------
    space : Whitening
        S.
    Y : ndarray of shape (n_coordinates, rank of L)
        Vectors of L in the coordinates.
    weights : ndarray of shape (rank of L,)
        l.
    mu : float
        Regularisation.
    n_components : int
        How many.

    Returns
    -------
    values : ndarray of shape (k,)
        k is less than `n_components` where the rows give no more.
    vectors : ndarray of shape (n_coordinates, k)
    """
    n = len(space.variances)
    k = min(n_components, n)
    if k == 0:
        return np.empty(0), np.empty((len(space.axes), 0))
    scales = np.sqrt(space.variances)[:, None]
    diagonal = mu / space.variances
    Z = (space.axes.T @ Y) / scales
    if n <= _DENSE or k > n // 4:
        dense = np.diag(diagonal) + (Z * weights) @ Z.T
        ratios, vectors = linalg.eigh(dense, subset_by_index=[0, k - 1])
    else:
        ratios, vectors = _smallest(diagonal, Z, weights, k)
    vectors = space.axes @ (vectors / scales)
    return 1.0 / ratios, vectors / np.linalg.norm(vectors, axis=0)


def _smallest(diagonal, Z, weights, k):
    """Smallest eigenpairs of ``diag(d) + Z diag(l) Z'`` by Lanczos on its inverse."""
    triangle = linalg.qr(Z, mode="r")[0][: Z.shape[1]]
    lowest = linalg.eigvalsh((triangle * weights) @ triangle.T)[0]
    # Below the smallest eigenvalue by as much as the diagonal's smallest entry.
    shift = min(lowest, 0.0)
    inverse = 1.0 / (diagonal - shift + diagonal.min())
    shift -= diagonal.min()
    scaled = inverse[:, None] * Z
    core = linalg.lu_factor(np.diag(1.0 / weights) + Z.T @ scaled)

    def product(v):
        v = v.ravel()
        return inverse * v - scaled @ linalg.lu_solve(core, scaled.T @ v)

    operator = LinearOperator((len(diagonal),) * 2, matvec=product, dtype=float)
    start = np.sqrt(inverse / inverse.max())
    ncv = min(len(diagonal), max(2 * k + 1, 40))
    values, vectors = eigsh(operator, k, which="LA", v0=start, tol=1e-12, ncv=ncv)
    order = np.argsort(-values)
    return 1.0 / values[order] + shift, vectors[:, order]
