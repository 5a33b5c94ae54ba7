import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sktransfer._joined_rows import join_rows
from sktransfer._kernels import (
    Kernel,
    check_kernel,
    content_subsample,
    resolve_gamma,
)
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.instance._matching_base import BaseMatchingWeighter, by_source_domain
from sktransfer.instance._mean_matching import match_means

__all__ = ["KernelMeanMatchingWeighter"]


class KernelMeanMatchingWeighter(BaseMatchingWeighter):
    r"""Kernel mean matching: weigh source rows so that their mean equals the target's.

    The means are those in the space of a kernel, so that with the "rbf" or "laplacian"
    kernel the whole distribution is matched as far as the bounds allow. Every source
    row takes part; `upper_bound` and `eps` hold exactly for `coefficients_`.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Several source domains
    are weighted to it one by one, each to mean one; to take them as one, give them one
    number. Reads no labels. Where the domains hardly overlap the weights collapse on a
    few rows; a `WeightCollapseWarning` then names the effective sample size.

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
    objective_ : float or ndarray of shape (n_source_domains,)
        Value of the objective below; here and below, with several source domains a
        value for each.
    mmd_before_ : float or ndarray of shape (n_source_domains,)
        Squared maximum mean discrepancy of the unweighted source rows.
    mmd_after_ : float or ndarray of shape (n_source_domains,)
        The same with the weights.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    projected_gradient_norm_ : float or ndarray of shape (n_source_domains,)
        Norm reached.
    n_iter_ : int or ndarray of shape (n_source_domains,)
        Number of gradient steps.
    converged_ : bool or ndarray of shape (n_source_domains,)
        Whether the norm is below `tol`.
    gamma_ : float or ndarray of shape (n_source_domains,)
        The width used.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
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

    Where all rows of a domain are given k times they count once, in :math:`n_s` too.

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

    def _match(self, X_source, X_target):
        eps = self._check_params(X_source.shape[0])
        # The programme is ill-conditioned, so it is posed in float64; the base hands
        # the weights back in the type of X.
        X_source, X_target = X_source.astype(np.float64), X_target.astype(np.float64)
        kernel, landmarks = self._kernel_of(join_rows(X_source, X_target))
        match = match_means(
            X_source,
            X_target,
            kernel,
            upper_bound=self.upper_bound,
            eps=eps,
            landmarks=landmarks,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        if not match.converged:
            warnings.warn(
                f"KernelMeanMatchingWeighter stopped after {match.n_iter} steps at a "
                f"projected-gradient norm of {match.norm:.1e}, above tol={self.tol}. "
                "Raise max_iter or tol; scaling the features often helps.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return match

    def _kernel_of(self, rows):
        """Return the kernel for rows of both domains, and its landmarks if any."""
        gamma = resolve_gamma(self.gamma, rows, kernel=self.kernel)
        kernel = Kernel(self.kernel, gamma, self.degree, self.coef0)
        if self.solver == "exact":
            return kernel, None
        rng = check_random_state(self.random_state)
        return kernel, rows[content_subsample(rows, self.n_landmarks, rng)]

    def _keep(self, matches, weights):
        self.coefficients_ = weights
        self.objective_ = by_source_domain([m.objective for m in matches])
        self.mmd_before_ = by_source_domain([m.mmd_before for m in matches])
        self.mmd_after_ = by_source_domain([m.mmd_after for m in matches])
        self.projected_gradient_norm_ = by_source_domain([m.norm for m in matches])
        self.n_iter_ = by_source_domain([m.n_iter for m in matches])
        self.converged_ = by_source_domain([m.converged for m in matches])
        self.gamma_ = by_source_domain([m.gamma for m in matches])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = isinstance(self.kernel, str) and self.kernel in (
            "linear",
            "rbf",
            "poly",
            "cosine",
        )
        return tags
