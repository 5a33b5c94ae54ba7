"""Transfer components where the matrix L of the domains has negative weights, too.

Then B = mu I + Y diag(l) Y' may be indefinite, and no component can be scaled by it.
The components are the w with the smallest eta in

    B w = eta S w,  S = scatter of the coordinates,

those of the largest lambda = 1 / eta where B is definite. S does not change with L, so
it is decomposed once, S = A diag(s) A'. Directions N without variance have no finite
eta; the condition N' B w = 0 gives the part of w in them. With

    M = (diag(1 / l) + Y' N N' Y / mu)^(-1),  Z = diag(s)^(-1/2) A' Y,

and w = v - N N' Y M Y' v / mu, v = A diag(s)^(-1/2) u, what remains is

    (diag(mu / s) + Z M Z') u = eta u,

a diagonal plus a matrix of low rank. Shifted by a negative number it is inverted, and
its negative eigenvalues are counted, at the cost of a few products with Z. Negative eta
spread over orders of magnitude, as directions of little variance may have them; so the
spectrum is sliced, and each slice found by a shift of its own.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import LinearOperator, eigsh

__all__ = ["Whitening", "signed_components", "whitening"]

_DENSE = 400
_SLICE = 30.0


@dataclass(frozen=True)
class Whitening:
    """S = A diag(s) A', and the directions N in which the rows do not differ.

    Attributes
    ----------
    variances : ndarray of shape (rank,)
        s.
    axes : ndarray of shape (n_coordinates, rank)
        A.
    null : ndarray of shape (n_coordinates, n_coordinates - rank)
        N.
    """

    variances: np.ndarray
    axes: np.ndarray
    null: np.ndarray


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
    kept = variances > max(1e-9 * variances[-1], 1e-12 * uncentred)
    return Whitening(variances[kept], axes[:, kept], axes[:, ~kept])


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
    constant = space.null.T @ Y
    inverses, rotation = linalg.eigh(np.diag(1 / weights) + constant.T @ constant / mu)
    weights = 1 / inverses
    Z = ((space.axes.T @ Y) / scales) @ rotation
    if n <= _DENSE or k > n // 4:
        dense = np.diag(diagonal) + (Z * weights) @ Z.T
        ratios, vectors = linalg.eigh(dense, subset_by_index=[0, k - 1])
    else:
        ratios, vectors = _smallest(diagonal, Z, weights, k)
    inner = weights[:, None] * (Z.T @ vectors) / mu
    vectors = space.axes @ (vectors / scales)
    vectors -= space.null @ (constant @ (rotation @ inner))
    return 1 / ratios, vectors / np.linalg.norm(vectors, axis=0)


@dataclass(frozen=True)
class _Shifted:
    """``diag(d) + Z diag(l) Z' - shift`` for a shift below all of d."""

    inverse: np.ndarray
    scaled: np.ndarray
    core: np.ndarray

    @classmethod
    def at(cls, shift, diagonal, Z, weights):
        inverse = 1.0 / (diagonal - shift)
        scaled = inverse[:, None] * Z
        return cls(inverse, scaled, np.diag(1.0 / weights) + Z.T @ scaled)

    def count_below(self, weights):
        """Return how many eigenvalues lie below the shift."""
        # By the inertia of [[d - shift, Z], [Z', -1 / l]], which has both complements.
        return int(np.sum(weights < 0) - np.sum(linalg.eigvalsh(self.core) < 0))

    def first_above(self, k):
        """Return the k smallest (eigenvalue - shift) > 0 with their vectors."""
        n, factor = len(self.inverse), linalg.lu_factor(self.core)

        def product(v):
            v = v.ravel()
            inner = linalg.lu_solve(factor, self.scaled.T @ v)
            return self.inverse * v - self.scaled @ inner

        operator = LinearOperator((n, n), matvec=product, dtype=float)
        start = np.sqrt(self.inverse / self.inverse.max())
        ncv = min(n, max(2 * k + 1, 40))
        values, vectors = eigsh(operator, k, which="LA", v0=start, tol=1e-12, ncv=ncv)
        order = np.argsort(-values)
        return 1.0 / values[order], vectors[:, order]


def _smallest(diagonal, Z, weights, k):
    """Smallest eigenpairs of ``diag(d) + Z diag(l) Z'``, slice by slice from below."""
    edge = -diagonal.min()
    slices = [(edge, _Shifted.at(edge, diagonal, Z, weights), k)]
    while (below := slices[-1][1].count_below(weights)) > 0:
        edge *= _SLICE
        slices.append((edge, _Shifted.at(edge, diagonal, Z, weights), min(k, below)))
    ratios, vectors = [np.empty(0)], [np.empty((len(diagonal), 0))]
    found = 0
    for shift, shifted, up_to in reversed(slices):
        if up_to > found:
            above, basis = shifted.first_above(up_to - found)
            ratios.append(above + shift)
            vectors.append(basis)
            found = up_to
    return np.concatenate(ratios), np.hstack(vectors)
