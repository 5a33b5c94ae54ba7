import warnings
from dataclasses import replace
from functools import partial

import numpy as np
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state

from sktransfer._kernels import (
    Kernel,
    check_kernel,
    content_subsample,
    kernel_blocks,
    kernel_matrix,
    kernel_mean,
    nystroem_map,
    resolve_gamma,
)
from sktransfer._solvers import EXACT_ROWS, solve_by_columns, solve_dense
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseWeighter
from sktransfer.instance._shaped_weights import check_shape, shaped_weights

__all__ = ["KernelMeanMatchingWeighter"]

_FULL_RANK = ("rbf", "laplacian")
_RIDGE = 1e-5


class _ExactGram:
    """The source rows' Gram matrix, made only as far as it is asked for."""

    def __init__(self, X, kernel):
        self.X, self.kernel, self.n = X, kernel, X.shape[0]

    @property
    def trace(self):
        return float(sum(np.trace(b) for b in self._diagonal_blocks()))

    def _diagonal_blocks(self, step=256):
        for start in range(0, self.n, step):
            yield kernel_matrix(self.X[start : start + step], **self.kernel.params)

    def block(self, rows):
        return kernel_matrix(self.X[rows], **self.kernel.params)

    def columns(self, rows, values):
        out = np.empty(self.n)
        for part, block in kernel_blocks(self.X, self.X[rows], **self.kernel.params):
            out[part] = block @ values
        return out

    def product(self):
        return partial(np.matmul, kernel_matrix(self.X, **self.kernel.params))

    def mean(self):
        return float(kernel_mean(self.X, self.X, **self.kernel.params).mean())


class _FeatureGram:
    """The Gram matrix F F' of given features."""

    def __init__(self, F):
        self.F, self.n = F, F.shape[0]

    @property
    def trace(self):
        if sparse.issparse(self.F):
            return float(self.F.multiply(self.F).sum())
        return float(np.einsum("ij,ij->", self.F, self.F))

    def block(self, rows):
        return self.F[rows] @ self.F[rows].T

    def columns(self, rows, values):
        return self.F @ (self.F[rows].T @ values)

    def product(self):
        return lambda v: self.F @ (self.F.T @ v)

    def mean(self):
        centre = np.asarray(self.F.mean(axis=0)).ravel()
        return float(centre @ centre)


class _Ridged:
    """A Gram matrix with a constant added to its diagonal."""

    def __init__(self, gram, ridge):
        self.gram, self.ridge, self.n = gram, ridge, gram.n

    def block(self, rows):
        K = self.gram.block(rows)
        K[np.diag_indices(len(rows))] += self.ridge
        return K

    def columns(self, rows, values):
        out = self.gram.columns(rows, values)
        out[rows] += self.ridge * values
        return out

    def product(self):
        product = self.gram.product()
        return lambda v: product(v) + self.ridge * v


class KernelMeanMatchingWeighter(BaseWeighter):
    r"""Kernel mean matching: weigh source rows so that their mean equals the target's.

    The means are those in the space of a kernel, so that with the "rbf" or "laplacian"
    kernel the whole distribution is matched as far as the bounds allow. Every source
    row takes part; `upper_bound` and `eps` hold exactly for `coefficients_`.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Several source domains
    count as one. Reads no labels. Where
    the domains hardly overlap the weights collapse on a few rows; a
    `WeightCollapseWarning` then names the effective sample size.

    Cost: ``O((n_source + n_target)^2 p)`` time for the means of the kernel, in small
    blocks. The programme itself is solved on the rows that get weight, usually few, so
    no ``n x n`` matrix is held for "rbf" and "laplacian"; only where most rows get
    weight (few columns, a small `upper_bound`), two of ``8 n_source^2`` bytes and
    ``O(n_source^3)`` time up to 3,000 source rows, above one and gradient steps.
    ``O((n_source + n_target) m p)`` time with ``solver="nystroem"``.

    Parameters
    ----------
    kernel : str or callable, default="rbf"
        One of "linear", "rbf", "laplacian", "poly" and "cosine", or a function of two
        arrays of rows that returns their kernel matrix.
    gamma : float, "median" or None, default="median"
        Width of "rbf", "laplacian" and "poly": a number; "median": 1 over the median
        squared distance ("laplacian": L1 distance) between rows of both domains; None:
        1 / n_features.
    degree : float, default=3
        Degree of "poly".
    coef0 : float, default=1.0
        Constant of "poly".
    upper_bound : float, default=1000.0
        B: no coefficient is larger. Lower it to spread the weight over more rows.
    eps : float, default=None
        The mean coefficient lies within ``1 - eps`` and ``1 + eps``. None:
        ``(sqrt(n_source) - 1) / sqrt(n_source)``.
    clip : float, default=None
        Weights above `clip` times their mean count as that. `coefficients_` stay.
    flatten : float, default=1.0
        Weights are taken to this power, 0 to 1, after `clip`; 0 gives equal weights.
    solver : {"exact", "nystroem"}, default="exact"
        "nystroem" replaces the kernel by its Nyström approximation.
    n_landmarks : int, default=500
        Number of landmarks of "nystroem", drawn from both domains.
    tol : float, default=1e-5
        Largest norm of the projected gradient, relative to that of the linear term.
    max_iter : int, default=5000
        Largest number of gradient steps.
    random_state : int, RandomState instance or None, default=0
        For the draw of landmarks. It depends on the content of the rows and not on
        their order.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: the coefficients scaled to mean one on source
        rows, one on target rows.
    coefficients_ : ndarray of shape (n_source,)
        The solution for the source rows, in their order in X.
    objective_ : float
        Value of the objective below.
    mmd_before_ : float
        Squared maximum mean discrepancy of the unweighted source rows.
    mmd_after_ : float
        The same with the weights.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    projected_gradient_norm_ : float
        Norm reached.
    n_iter_ : int
        Number of gradient steps.
    converged_ : bool
        Whether the norm is below `tol`.
    gamma_ : float
        The width used.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.InstanceSelector : Leaves rows out instead.
    sktransfer.MMDAligner : Brings the same means together by a projection.

    Notes
    -----
    The coefficients :math:`\beta` minimise [1]_

    .. math::

       \tfrac12 \beta^T K \beta - \kappa^T \beta, \quad
       \kappa_i = \frac{n_s}{n_t} \sum_j k(x_i, x^t_j), \quad
       0 \le \beta_i \le B, \quad
       \bigl| \textstyle\sum_i \beta_i - n_s \bigr| \le n_s \epsilon .

    In few columns the matrix of the "rbf" and "laplacian" kernels is nearly singular:
    many coefficients give the same weighted mean to rounding. To make them certain, and
    as even as the match allows, 1e-5 of its mean is added to the diagonal of K;
    `objective_` and `mmd_after_` are without it. Up to 3,000 source rows the solution
    is exact to rounding; above, it is within `tol`, and may rest on fewer rows than the
    even one.

    References
    ----------
    .. [1] J. Huang, A. J. Smola, A. Gretton, K. M. Borgwardt, B. Schölkopf. Correcting
       Sample Selection Bias by Unlabeled Data. NeurIPS, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import KernelMeanMatchingWeighter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(200, 1)), 0.5 * rng.normal(size=(100, 1)) + 1]
    >>> sample_domain = np.r_[np.ones(200), -np.ones(100)]
    >>> weighter = KernelMeanMatchingWeighter(upper_bound=10)
    >>> weights = weighter.fit(X, sample_domain=sample_domain).sample_weight_[:200]
    >>> round(float(np.average(X[:200, 0], weights=weights)), 1)
    1.0
    >>> weighter.mmd_after_ < 0.01 * weighter.mmd_before_
    True
    """

    def __init__(
        self,
        *,
        kernel="rbf",
        gamma="median",
        degree=3,
        coef0=1.0,
        upper_bound=1000.0,
        eps=None,
        clip=None,
        flatten=1.0,
        solver="exact",
        n_landmarks=500,
        tol=1e-5,
        max_iter=5000,
        random_state=0,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.upper_bound = upper_bound
        self.eps = eps
        self.clip = clip
        self.flatten = flatten
        self.solver = solver
        self.n_landmarks = n_landmarks
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _check_params(self, n_source):
        check_kernel(self.kernel)
        check_number("degree", self.degree, low=0, low_open=True)
        check_number("coef0", self.coef0)
        check_number("upper_bound", self.upper_bound, low=0, low_open=True)
        check_number("eps", self.eps, low=0, also=(None,))
        check_shape(self.clip, self.flatten)
        check_choice("solver", self.solver, ("exact", "nystroem"))
        check_integer("n_landmarks", self.n_landmarks, low=1)
        check_number("tol", self.tol, low=0, low_open=True)
        check_integer("max_iter", self.max_iter, low=1)
        root = np.sqrt(n_source)
        eps = (root - 1) / root if self.eps is None else float(self.eps)
        if self.upper_bound < 1 - eps:
            raise ValueError(
                f"upper_bound={self.upper_bound} and eps={eps:.3g} leave no solution: "
                f"the mean coefficient must be at least 1 - eps = {1 - eps:.3g}, but "
                "none may be above upper_bound. Raise upper_bound or eps."
            )
        return eps

    def _weights(self, X_source, y_source, X_target, y_target):
        n = X_source.shape[0]
        eps = self._check_params(n)
        # The programme is ill-conditioned, so it is posed in float64; the base hands
        # the weights back in the type of X.
        X_source, X_target = X_source.astype(np.float64), X_target.astype(np.float64)
        gram, attraction, target_mean = self._problem(X_source, X_target)
        bounds = (float(self.upper_bound), n * (1 - eps), n * (1 + eps))
        result = self._solve(gram, n * attraction, bounds)
        self._keep(result, gram, attraction, target_mean)
        return shaped_weights(result.weights, self.clip, self.flatten)

    def _problem(self, X_source, X_target):
        """Return the Gram matrix, the mean kernel with the target, and its own mean."""
        stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
        X = stack([X_source, X_target])
        X = X.tocsr() if sparse.issparse(X) else X
        self.gamma_ = resolve_gamma(self.gamma, X, kernel=self.kernel)
        kernel = Kernel(self.kernel, self.gamma_, self.degree, self.coef0)
        features = self._features(X_source, X_target, kernel)
        if features is not None:
            F_source, centre = features
            return _FeatureGram(F_source), F_source @ centre, float(centre @ centre)
        attraction = kernel_mean(X_source, X_target, **kernel.params)
        return (
            _ExactGram(X_source, kernel),
            attraction,
            _ExactGram(X_target, kernel).mean(),
        )

    def _features(self, X_source, X_target, kernel):
        """Return the features of source rows and their mean over target rows."""
        if self.solver == "nystroem":
            stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
            rng = check_random_state(self.random_state)
            X = stack([X_source, X_target])
            rows = content_subsample(X, self.n_landmarks, rng)
            landmarks = X.tocsr()[rows] if sparse.issparse(X) else X[rows]
            mapping = nystroem_map(landmarks, **kernel.params)
            return mapping.features(X_source), mapping.mean(X_target)
        if self.kernel not in ("linear", "cosine"):
            return None
        if self.kernel == "cosine":
            X_source, X_target = normalize(X_source), normalize(X_target)
        return X_source, np.asarray(X_target.mean(axis=0)).ravel()

    def _solve(self, gram, linear, bounds):
        options = {"tol": self.tol, "max_iter": self.max_iter}
        trace = max(gram.trace, np.finfo(float).tiny)
        # A kernel of low rank has many solutions; gradient steps from equal weights
        # find an even one. A kernel that tells all rows apart has a single solution,
        # but where rows are nearly alike only a ridge makes it certain.
        if not isinstance(self.kernel, str) or self.kernel not in _FULL_RANK:
            return solve_dense(gram.product(), linear, trace, *bounds, **options)
        n, gram = gram.n, _Ridged(gram, _RIDGE * trace / gram.n)
        few = n <= EXACT_ROWS
        result = solve_by_columns(
            gram.columns,
            gram.block,
            linear,
            trace,
            *bounds,
            tol=min(self.tol, 1e-12) if few else self.tol,
            max_iter=self.max_iter,
            max_rows=n // 3 if few else min(3000, n // 2),
        )
        if result is None and (few or self.solver == "exact"):
            K = gram.block(np.arange(n))
            result = solve_dense(
                K.__matmul__, linear, trace, *bounds, matrix=K, **options
            )
        elif result is None:
            result = solve_dense(gram.product(), linear, trace, *bounds, **options)
        square = result.weights @ result.weights
        return replace(result, objective=result.objective - 0.5 * gram.ridge * square)

    def _keep(self, result, gram, attraction, target_mean):
        weights, n = result.weights, gram.n
        self.coefficients_ = weights
        self.objective_ = result.objective
        self.n_iter_, self.converged_ = result.n_iter, result.converged
        self.projected_gradient_norm_ = result.norm
        square = 2 * (result.objective + n * (attraction @ weights))
        total = max(float(weights.sum()), np.finfo(float).tiny)
        after = square / total**2 - 2 * (attraction @ weights) / total + target_mean
        before = gram.mean() - 2 * attraction.mean() + target_mean
        self.mmd_before_ = max(float(before), 0.0)
        self.mmd_after_ = max(float(after), 0.0)
        if not result.converged:
            warnings.warn(
                f"KernelMeanMatchingWeighter stopped after {result.n_iter} steps at a "
                f"projected-gradient norm of {result.norm:.1e}, above tol={self.tol}. "
                "Raise max_iter or tol; scaling the features often helps.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = isinstance(self.kernel, str) and self.kernel in (
            "linear",
            "rbf",
            "poly",
            "cosine",
        )
        return tags
