"""Transfer components: the mathematics of Pan et al. (2011), as pure functions.

Maximise tr(W' K H K W) subject to W' (K L K + mu G) W = I, where H centres, L is a
discrepancy of the domains and G = I, or a diagonal of penalties of the rows. The
conditions are K H K w = lambda (K L K + mu G) w. L = V diag(l) V' has low rank, so

    B = mu I + Y diag(l) Y',  Y = G^(-1/2) K V,
    B^(-1/2) = (I - Q diag(1 - sqrt(mu / (mu + b))) Q') / sqrt(mu)

with Q diag(b) Q' the low-rank part, and the components are the leading eigenvectors of
the *symmetric* B^(-1/2) G^(-1/2) K H K G^(-1/2) B^(-1/2). A trap: the matrix
(K L K + mu I)^-1 K H K is not symmetric; a symmetric solver on it, which one meets,
returns wrong components.

The "primal" form regularises the projection: X' H X w = lambda (X' L X + mu I) w. The
dual form of a linear kernel is the primal one of the features X R with
R R' = X' G^-1 X, mapped by R w.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from sktransfer.feature._signed_components import signed_components, whitening

__all__ = [
    "Components",
    "Coordinates",
    "coordinates",
    "kernel_components",
    "linear_components",
]

_DENSE_ROWS = 1200
_DENSE_RANK = 400
_REFINED_ROWS = 400


@dataclass(frozen=True)
class Components:
    """Transfer components.

    Attributes
    ----------
    values : ndarray of shape (k,)
        Variance over penalised discrepancy of each, best first; k is less than asked
        for where the data give no more.
    projection : ndarray of shape (n_features or n_samples, k)
        Rows are mapped by features, or by kernel values with the rows, times this.
    coefficients : ndarray of shape (n_samples, k) or None
        W of the dual form, where the rows are penalised.
    """

    values: np.ndarray
    projection: np.ndarray
    coefficients: np.ndarray | None = None


def _inverse_root(Y, weights, mu):
    """Return the function A -> (mu I + Y diag(w) Y')^(-1/2) A, for weights >= 0."""
    basis, triangle = linalg.qr(Y, mode="economic")
    added, rotation = linalg.eigh((triangle * weights) @ triangle.T)
    basis = basis @ rotation
    shrink = 1.0 - np.sqrt(mu / (mu + np.maximum(added, 0.0)))

    def apply(A):
        inner = (basis.T @ A) * (shrink if A.ndim == 1 else shrink[:, None])
        return (A - basis @ inner) / np.sqrt(mu)

    return apply


def _leading(values, vectors, n_components, floor, reference):
    """Sort by falling eigenvalue and leave out what is zero to rounding.

    Rounding is measured by the largest eigenvalue, and by that without centring, which
    is all that is left of rows that do not differ.
    """
    order = np.argsort(values)[::-1]
    smallest = max(floor * float(values[order[0]]), floor * float(reference))
    order = order[values[order] > smallest][:n_components]
    return values[order], vectors[:, order]


@dataclass(frozen=True)
class Coordinates:
    """Coordinates in which the regularisation is the identity.

    Attributes
    ----------
    weight : ndarray of shape (rank,) or (rank, rank)
        Mapped rows are Q times this (a diagonal, or a matrix) times vectors.
    ones : ndarray of shape (rank,)
        ``weight' o`` with o = Q' 1 / sqrt(n_samples).
    factor : ndarray of shape (rank, rank) or None
        C with ``C C' = Q' G^-1 Q`` where rows are penalised.
    """

    weight: np.ndarray
    ones: np.ndarray
    factor: np.ndarray | None = None

    @cached_property
    def scatter(self):
        """``weight' (I - o o') weight``."""
        weight = self.weight
        square = np.diag(weight**2) if weight.ndim == 1 else weight.T @ weight
        return square - np.outer(self.ones, self.ones)

    @property
    def uncentred(self):
        """The largest entry of the scatter's diagonal, without o."""
        return float(np.max(np.square(np.atleast_2d(self.weight)).sum(axis=0)))

    def scatter_product(self, v):
        """Return the scatter times v, where the weight is a diagonal."""
        return self.weight**2 * v - self.ones * (self.ones @ v)

    def times(self, A):
        """Return ``weight' A``."""
        if self.weight.ndim == 2:
            return self.weight.T @ A
        return self.weight * A if A.ndim == 1 else self.weight[:, None] * A


def coordinates(space, *, primal, penalties=None):
    """Return the coordinates of the primal or dual form, which do not depend on L.

    Parameters
    ----------
    space : RowSpace
        The rows.
    primal : bool
        Whether the projection is regularised (primal) or its dual coefficients.
    penalties : ndarray of shape (n_samples,), default=None
        Diagonal of G, for the dual form; None: the identity.

    Returns
    -------
    Coordinates
    """
    factor = None
    if penalties is not None:
        rows = space.rows
        factor = linalg.cholesky((rows.T / penalties) @ rows, lower=True)
        weight = space.squares[:, None] * factor
        return Coordinates(weight, weight.T @ space.ones, factor)
    weight = space.scales if primal else space.squares
    return Coordinates(weight, weight * space.ones)


def linear_components(
    space, discrepancy, mu, n_components, *, primal, penalties=None, known=None
):
    """Components of a linear kernel, from the coordinates of its features.

    Parameters
    ----------
    space : RowSpace
        From `row_space`, or `gram_space` for any kernel.
    discrepancy : Discrepancy
        L. Where it has negative weights, the projections have equal norms.
    mu : float
        Regularisation.
    n_components : int
        How many.
    primal : bool
        Whether the projection is regularised (primal) or its dual coefficients.
    penalties : ndarray of shape (n_samples,), default=None
        Diagonal of G, for the dual form; None: the identity.
    known : tuple of Coordinates and Whitening, default=None
        What was found for the same space and penalties; the second may be None.

    Returns
    -------
    Components
    """
    if known is None:
        known = coordinates(space, primal=primal, penalties=penalties), None
    within, whitened = known
    Y = space.coordinates_by_part(discrepancy.parts, discrepancy.values)
    Y = within.times(Y)
    if discrepancy.is_signed:
        whitened = whitened or whitening(within.scatter, within.uncentred)
        values, vectors = signed_components(
            whitened, Y, discrepancy.weights, mu, n_components
        )
    else:
        values, vectors = _eigenvectors(
            within, Y, discrepancy.weights, mu, n_components
        )
    coefficients = None
    if primal:
        projected = vectors
    elif within.factor is None:
        projected = space.scales[:, None] * vectors
    else:
        factor = within.factor
        projected = space.scales[:, None] * (factor @ vectors)
        back = linalg.solve_triangular(factor, vectors, lower=True, trans="T")
        coefficients = space.rows @ back / penalties[:, None]
    return Components(values, space.to_features(projected), coefficients)


def _eigenvectors(within, Y, weights, mu, n_components):
    inverse_root = _inverse_root(Y, weights, mu)
    n = len(Y)
    values = None
    if within.weight.ndim == 1 and n > _DENSE_RANK and n_components <= n // 4:
        # A diagonal between matrices of low rank, which costs next to nothing.
        values, vectors = _lanczos(
            lambda v: inverse_root(within.scatter_product(inverse_root(v.ravel()))),
            n,
            n_components,
        )
    if values is None:
        symmetric = inverse_root(inverse_root(within.scatter).T)
        symmetric = (symmetric + symmetric.T) / 2
        if n_components < n // 6:
            last = [n - n_components, n - 1]
            values, vectors = linalg.eigh(symmetric, subset_by_index=last)
        else:
            # For so many of them, all are found in less time.
            values, vectors = linalg.eigh(symmetric, driver="evd")
    reference = 0.1 * within.uncentred / mu
    values, vectors = _leading(values, vectors, n_components, 1e-12, reference)
    return values, inverse_root(vectors)


def _lanczos(product, n, k):
    """Return the k leading eigenpairs, or None twice where Lanczos is too slow."""
    start = np.random.RandomState(0).normal(size=n)
    operator = LinearOperator((n, n), matvec=product, dtype=float)
    ncv = max(2 * k + 1, 40)
    try:
        return eigsh(operator, k, which="LA", v0=start, tol=1e-13, ncv=ncv, maxiter=200)
    except ArpackNoConvergence:
        return None, None


def kernel_components(
    K, discrepancy, mu, n_components, start, *, penalties=None, tol=None
):
    """Components of any kernel from its Gram matrix, which is only multiplied with.

    Parameters
    ----------
    K : ndarray of shape (n_samples, n_samples)
        Gram matrix of all rows.
    discrepancy : Discrepancy
        L, without negative weights.
    mu : float
        Regularisation.
    n_components : int
        How many.
    start : ndarray of shape (n_samples,) or (n_samples, k)
        Start of the iteration; it must follow the rows when they are permuted.
        More columns, the coefficients of a similar problem, are refined together.
    penalties : ndarray of shape (n_samples,), default=None
        Diagonal of G; None: the identity.
    tol : float, default=None
        How exactly, as a share of the largest eigenvalue; None: to rounding.

    Returns
    -------
    Components
        The W above as projection: rows are mapped by ``kernel(row, X) @ W``.
    """
    n = len(K)
    root = np.ones(n, K.dtype) if penalties is None else 1 / np.sqrt(penalties)
    root = root.astype(K.dtype, copy=False)[:, None]
    Y = root * (K @ discrepancy.vectors.astype(K.dtype, copy=False))
    inverse_root = _inverse_root(Y, discrepancy.weights.astype(K.dtype), mu)
    floor = 1e-6 if K.dtype == np.float32 else 1e-12

    def symmetric(A):
        columns = A.reshape(n, -1)
        columns = K @ (root * inverse_root(columns)).astype(K.dtype, copy=False)
        columns -= columns.mean(axis=0)
        return inverse_root(root * (K @ columns)).reshape(A.shape)

    wide = n_components > n // 10
    if start.ndim == 2 and n > _REFINED_ROWS and not wide:
        values, vectors = _refined(symmetric, start / root, n_components, tol)
    elif n <= _DENSE_ROWS or wide:
        dense = symmetric(np.eye(n, dtype=K.dtype)).astype(np.float64)
        values, vectors = linalg.eigh((dense + dense.T) / 2)
    else:
        operator = LinearOperator((n, n), matvec=symmetric, dtype=K.dtype)
        values, vectors = eigsh(
            operator,
            n_components,
            which="LA",
            v0=start.astype(K.dtype),
            tol=tol or (1e-5 if K.dtype == np.float32 else 1e-10),
            ncv=min(n, max(2 * n_components + 1, 40)),
        )
    reference = 0.1 * np.square(root[:, 0] * K.sum(axis=0)).sum() / n / mu
    values, vectors = _leading(values, vectors, n_components, floor, reference)
    W = root * inverse_root(vectors.astype(K.dtype))
    return Components(values, W, W)


def _refined(symmetric, start, n_components, tol, max_iter=20):
    """Leading eigenpairs by Rayleigh and Ritz from a good start, all together."""
    vectors = linalg.qr(start, mode="economic")[0]
    image = symmetric(vectors)
    for _ in range(max_iter):
        values, rotation = linalg.eigh(vectors.T @ image)
        rotation, values = rotation[:, ::-1], values[::-1]
        vectors, image = vectors @ rotation, image @ rotation
        residual = (image - vectors * values)[:, :n_components]
        if np.linalg.norm(residual) <= (tol or 1e-10) * values[0]:
            break
        vectors, image = vectors[:, : 2 * n_components], image[:, : 2 * n_components]
        residual -= vectors @ (vectors.T @ residual)
        fresh = linalg.qr(residual, mode="economic")[0]
        fresh -= vectors @ (vectors.T @ fresh)
        fresh = linalg.qr(fresh, mode="economic")[0]
        vectors = np.hstack([vectors, fresh])
        image = np.hstack([image, symmetric(fresh)])
    return values, vectors
