"""A subspace that serves an objective and on which the domains' densities agree.

Minimise F(W) + mu D(W) over matrices W with orthonormal columns. F is
tr(W' A W) / tr(W' B W) or, where B is None, 1 + tr(W' A W); D is the squared MMD of a
Gaussian kernel between the projected rows. Both depend on the span of W alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy import linalg

from sktransfer._kernels import kernel_blocks
from sktransfer.feature._rbf_discrepancy import rbf_discrepancy

__all__ = [
    "SubspaceProblem",
    "fisher_matrices",
    "level_start",
    "locality_matrices",
    "objective_start",
    "principal_matrices",
    "solve_subspace",
]

_BLOCK_BYTES = 4 * 2**20


def principal_matrices(X):
    """Return A for principal components: less the covariance, of trace one."""
    scatter = _scatter(X)
    return -scatter / max(np.trace(scatter), np.finfo(float).tiny), None


def fisher_matrices(X, labels):
    """Return the scatter within the classes, and the total one.

    The ratio of both is least where the ratio of the scatter between to that within the
    classes is largest.
    """
    within = sum(_scatter(X[labels == label]) for label in np.unique(labels))
    return within, _scatter(X)


def locality_matrices(X, gamma):
    """Return X' L X and X' D X for the graph of heat-kernel similarities of all rows.

    Rows are centred by their means under the degrees D, which excludes the constant.
    """
    product, degrees = np.zeros((X.shape[1],) * 2), np.empty(len(X))
    blocks = kernel_blocks(X, X, kernel="rbf", gamma=gamma, block_bytes=_BLOCK_BYTES)
    for rows, block in blocks:
        degrees[rows] = block.sum(axis=1)
        product += X[rows].T @ (block @ X)
    mean = degrees @ X / degrees.sum()
    second = (X * degrees[:, None]).T @ X
    return second - product, second - degrees.sum() * np.outer(mean, mean)


def _scatter(X):
    centred = X - X.mean(axis=0)
    return centred.T @ centred


def objective_start(A, B, n_components, max_iter=100):
    """Return the W that minimises F alone, exactly.

    Parameters
    ----------
    A : ndarray of shape (n_features, n_features)
        Symmetric.
    B : ndarray of shape (n_features, n_features) or None
        Positive semi-definite.
    n_components : int
        Number of columns of W.
    max_iter : int, default=100
        Bound on the steps for the ratio, which converge quadratically.

    Returns
    -------
    ndarray of shape (n_features, n_components)
        Orthonormal columns.
    """
    if B is None:
        return linalg.eigh(A)[1][:, :n_components]
    ratio = 1.0
    for _ in range(max_iter):
        W = linalg.eigh(A - ratio * B)[1][:, :n_components]
        below = np.sum(W * (B @ W))
        if below <= 0:
            break
        new = np.sum(W * (A @ W)) / below
        if abs(new - ratio) <= 1e-14 * max(ratio, 1e-300):
            break
        ratio = new
    return W


def level_start(A, B, n_components, gap):
    """Return the W that minimises F among those on which the domains' means agree.

    Parameters
    ----------
    A, B : ndarray of shape (n_features, n_features)
        See `objective_start`.
    n_components : int
        Number of columns of W, less than there are features.
    gap : ndarray of shape (n_features,)
        Difference of the means, not zero.

    Returns
    -------
    ndarray of shape (n_features, n_components)
        Orthonormal columns, orthogonal to `gap`.
    """
    level = linalg.qr(gap[:, None])[0][:, 1:]
    inner = [None if M is None else level.T @ M @ level for M in (A, B)]
    return level @ objective_start(*inner, n_components)


@dataclass(frozen=True)
class SubspaceProblem:
    """F(W) + mu D(W).

    Attributes
    ----------
    source, target : ndarray of shape (n_rows, n_features)
        Rows whose densities shall agree.
    A, B : ndarray of shape (n_features, n_features)
        Of the objective; B may be None.
    gamma : float
        Width of the kernel between projected rows.
    mu : float
        Weight of the divergence.
    """

    source: np.ndarray
    target: np.ndarray
    A: np.ndarray
    B: np.ndarray | None
    gamma: float
    mu: float

    def objective(self, W):
        """Return F and its gradient in W."""
        AW = self.A @ W
        above = np.sum(W * AW)
        if self.B is None:
            return 1 + above, 2 * AW
        BW = self.B @ W
        below = np.sum(W * BW)
        if below <= 0:
            return 1.0, np.zeros_like(W)
        return above / below, 2 * (AW - above / below * BW) / below

    def divergence(self, W):
        """Return D and its gradient in W."""
        value, pull_source, pull_target = rbf_discrepancy(
            self.source @ W, self.target @ W, self.gamma
        )
        gradient = self.source.T @ pull_source + self.target.T @ pull_target
        return max(value, 0.0), gradient

    def total(self, W):
        """Return F + mu D and its gradient in W."""
        value, gradient = self.objective(W)
        if self.mu == 0:
            return value, gradient
        divergence, slope = self.divergence(W)
        return value + self.mu * divergence, gradient + self.mu * slope


def solve_subspace(problem, W, *, max_iter=100, tol=1e-5):
    """Descend from W along the manifold of orthonormal columns.

    Steps follow the projected gradient, with the length of Barzilai and Borwein, a QR
    decomposition to come back, and halving until the objective falls enough.

    Parameters
    ----------
    problem : SubspaceProblem
        What is minimised.
    W : ndarray of shape (n_features, n_components)
        Orthonormal columns to begin with.
    max_iter : int, default=100
        Bound on the steps.
    tol : float, default=1e-5
        The descent ends when the norm of the projected gradient is that share of what
        it was at the start, or the objective falls by less than a thousandth of `tol`.

    Returns
    -------
    W : ndarray of shape (n_features, n_components)
        Orthonormal columns.
    path : list of float
        The objective at the start and after each step; it falls.
    """
    value, gradient = problem.total(W)
    path = [value]
    if problem.mu == 0:
        return W, path
    slope = _tangent(W, gradient)
    norm = first = np.linalg.norm(slope)
    step = 0.1 / max(norm, np.finfo(float).tiny)
    for _ in range(max_iter):
        if norm <= max(tol * first, 1e-12):
            break
        moved, value, gradient = _armijo(problem, W, slope, step, path[-1])
        if moved is None:
            break
        path.append(value)
        new_slope = _tangent(moved, gradient)
        change, bend = moved - W, new_slope - slope
        step = abs(np.sum(change * bend)) / max(np.sum(bend * bend), 1e-300)
        W, slope, norm = moved, new_slope, np.linalg.norm(new_slope)
        if path[-2] - path[-1] <= 1e-3 * tol * abs(path[-1]):
            break
    return W, path


def _tangent(W, gradient):
    """Project the gradient; F and D depend on the span of W alone."""
    return gradient - W @ (W.T @ gradient)


def _armijo(problem, W, slope, step, value, n_halvings=30):
    decrease = 1e-4 * np.sum(slope * slope)
    for _ in range(n_halvings):
        moved = _orthonormal(W - step * slope)
        new, gradient = problem.total(moved)
        if new <= value - step * decrease:
            return moved, new, gradient
        step *= 0.5
    return None, value, None


def _orthonormal(W):
    """Q of the QR decomposition with a positive diagonal of R."""
    Q, R = np.linalg.qr(W)
    return Q * np.where(np.diag(R) < 0, -1.0, 1.0)
