"""Kernel mean matching as a programme: rows, a kernel and bounds to coefficients."""

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import normalize

from sktransfer._kernels import kernel_mean, nystroem_map
from sktransfer._solvers import EXACT_ROWS, solve_by_columns, solve_dense
from sktransfer.instance._source_gram import ExactGram, FeatureGram, RidgedGram

__all__ = ["MeanMatch", "match_means"]

_FULL_RANK = ("rbf", "laplacian")
_RIDGE = 1e-5


@dataclass(frozen=True)
class MeanMatch:
    """Coefficients of source rows, and what is known of them.

    Attributes
    ----------
    weights : ndarray of shape (n_source,)
        The coefficients.
    objective : float
        Value of the objective.
    mmd_before, mmd_after : float
        Squared maximum mean discrepancy without the weights and with them.
    norm : float
        Norm of the projected gradient reached.
    n_iter : int
        Number of gradient steps.
    converged : bool
        Whether the norm is below the tolerance.
    gamma : float
        Width of the kernel.
    """

    weights: np.ndarray
    objective: float
    mmd_before: float
    mmd_after: float
    norm: float
    n_iter: int
    converged: bool
    gamma: float


def match_means(
    X_source, X_target, kernel, *, upper_bound, eps, landmarks=None, tol, max_iter
):
    """Weigh source rows so that their mean in the space of a kernel is the target's.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains, float64: the programme is ill-conditioned.
    kernel : Kernel
        The kernel, with a width.
    upper_bound : float
        No coefficient is larger.
    eps : float
        The mean coefficient lies within 1 - eps and 1 + eps.
    landmarks : {ndarray, sparse matrix} of shape (n, n_features), default=None
        Rows of the Nyström approximation of the kernel; None: it is exact.
    tol : float
        Largest norm of the projected gradient, relative to that of the linear term.
    max_iter : int
        Largest number of gradient steps.

    Returns
    -------
    MeanMatch
    """
    n = X_source.shape[0]
    gram, attraction, target_mean = _problem(X_source, X_target, kernel, landmarks)
    result, objective = _solve(
        gram,
        n * attraction,
        (float(upper_bound), n * (1 - eps), n * (1 + eps)),
        full_rank=isinstance(kernel.kernel, str) and kernel.kernel in _FULL_RANK,
        exact=landmarks is None,
        tol=tol,
        max_iter=max_iter,
    )
    weights = result.weights
    square = 2 * (objective + n * (attraction @ weights))
    total = max(float(weights.sum()), np.finfo(float).tiny)
    after = square / total**2 - 2 * (attraction @ weights) / total + target_mean
    before = gram.mean() - 2 * attraction.mean() + target_mean
    return MeanMatch(
        weights,
        objective,
        max(float(before), 0.0),
        max(float(after), 0.0),
        result.norm,
        result.n_iter,
        result.converged,
        kernel.gamma,
    )


def _problem(X_source, X_target, kernel, landmarks):
    """Return the Gram matrix, the mean kernel with the target, and its own mean."""
    features = _features(X_source, X_target, kernel, landmarks)
    if features is not None:
        F_source, centre = features
        return FeatureGram(F_source), F_source @ centre, float(centre @ centre)
    attraction = kernel_mean(X_source, X_target, **kernel.params)
    target_mean = ExactGram(X_target, kernel).mean()
    return ExactGram(X_source, kernel), attraction, target_mean


def _features(X_source, X_target, kernel, landmarks):
    """Return the features of source rows and their mean over target rows."""
    if landmarks is not None:
        mapping = nystroem_map(landmarks, **kernel.params)
        return mapping.features(X_source), mapping.mean(X_target)
    if kernel.kernel not in ("linear", "cosine"):
        return None
    if kernel.kernel == "cosine":
        X_source, X_target = normalize(X_source), normalize(X_target)
    return X_source, np.asarray(X_target.mean(axis=0)).ravel()


def _solve(gram, linear, bounds, *, full_rank, exact, tol, max_iter):
    """Return the result of the solver, and the objective."""
    options = {"tol": tol, "max_iter": max_iter}
    trace = max(gram.trace, np.finfo(float).tiny)
    # A kernel of low rank has many solutions; gradient steps from equal weights find
    # an even one. A kernel that tells all rows apart has a single solution, but where
    # rows are nearly alike only a ridge makes it certain.
    if not full_rank:
        result = solve_dense(gram.product(), linear, trace, *bounds, **options)
        return result, result.objective
    n, gram = gram.n, RidgedGram(gram, _RIDGE * trace / gram.n)
    few = n <= EXACT_ROWS
    result = solve_by_columns(
        gram.columns,
        gram.block,
        linear,
        trace,
        *bounds,
        tol=min(tol, 1e-12) if few else tol,
        max_iter=max_iter,
        max_rows=n // 3 if few else min(3000, n // 2),
    )
    if result is None and (few or exact):
        K = gram.block(np.arange(n))
        result = solve_dense(K.__matmul__, linear, trace, *bounds, matrix=K, **options)
    elif result is None:
        result = solve_dense(gram.product(), linear, trace, *bounds, **options)
    square = result.weights @ result.weights
    return result, result.objective - 0.5 * gram.ridge * square
