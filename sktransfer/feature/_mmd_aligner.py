import numpy as np
from scipy import sparse
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer._kernels import (
    Kernel,
    check_kernel,
    content_subsample,
    kernel_blocks,
    kernel_matrix,
    nystroem_map,
    resolve_gamma,
)
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._transfer_components import (
    domain_gap,
    kernel_components,
    linear_components,
    row_space,
)

__all__ = ["MMDAligner"]

_DEFAULT_COMPONENTS = 30


class MMDAligner(BaseAligner):
    r"""Transfer component analysis: few components on which the domains' means agree.

    Projects both domains to the components that keep the most variance while the
    maximum mean discrepancy (MMD) between source and target is small. Rows of either
    domain are mapped by the same map, new rows too.

    Assumes a shift of the marginal distribution that a projection can undo, with the
    labels depending on the components in the same way in both domains. Reads no label.
    If the classes have other shares in the target than in the source, aligning the
    marginals can mix classes up: judge on labelled target rows.

    Cost: ``O(n p^2)`` for "primal", "linear" and "cosine" with p features; for the
    other kernels the ``n x n`` Gram matrix, ``8 n^2`` bytes (half of it in float32),
    and some tens of products with it; ``O(n m^2)`` with `kernel_approx` and m
    landmarks.

    Parameters
    ----------
    n_components : int, default=None
        Number of components; None: up to 30, without those whose eigenvalue is less
        than 1e-5 of the largest.
    kernel : str or callable, default="primal"
        One of "primal", "linear", "rbf", "laplacian", "poly" and "cosine".
        "primal" works on the features themselves and regularises the projection;
        "linear" is the dual form of the paper for the linear kernel, which regularises
        the coefficients of the rows. A callable gets two arrays of rows and returns
        their kernel matrix.
    gamma : float, "median" or None, default="median"
        Width of "rbf", "laplacian" and "poly": a number; "median": 1 over the median
        squared distance ("laplacian": L1 distance) between rows; None: 1 / n_features.
    degree : float, default=3
        Degree of "poly".
    coef0 : float, default=1.0
        Constant of "poly".
    mu : float, default=1.0
        Regularisation, > 0: the smaller, the closer the means of the domains. On the
        scale of the published codes, which divide the matrix L of the domains by its
        Frobenius norm.
    kernel_approx : {None, "nystroem"}, default=None
        None: exact. "nystroem": the kernel is replaced by its Nyström approximation on
        `n_landmarks` rows, for large n.
    n_landmarks : int, default=500
        Number of landmarks, drawn from both domains.
    random_state : int, RandomState instance or None, default=0
        For the draw of landmarks. It depends on the content of the rows and not on
        their order.

    Attributes
    ----------
    eigenvalues_ : ndarray of shape (n_components,)
        Of the generalised eigen-equation, in falling order.
    projection_ : ndarray of shape (n_features or n_rows, n_components)
        Rows are mapped by features or kernel values times this matrix.
    n_components_ : int
        Number of components.
    gamma_ : float
        The width used.
    mmd_before_ : float
        Squared MMD between the domains in the kernel's space, as a share of the
        variance of all rows there.
    mmd_after_ : float
        The same of the mapped rows.
    is_identity_ : bool
        Whether there was no target to adapt to.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.KernelMeanMatchingWeighter : Brings the same means together by weights.
    sktransfer.metrics.mmd : The discrepancy itself.

    Notes
    -----
    With Gram matrix :math:`K` of all rows, centring matrix :math:`H`, and :math:`L =
    e e^T / |e|^2`, :math:`e_i = 1 / n_s` on source and :math:`-1 / n_t` on target rows,
    the columns of :math:`W` solve :math:`K H K w = \lambda (K L K + \mu I) w` for the
    largest :math:`\lambda` [1]_, and rows are mapped to :math:`K W`; "primal" solves
    :math:`X^T H X w = \lambda (X^T L X + \mu I) w` and maps to :math:`X W`. All
    components share one scale factor, which makes their mean variance over the rows of
    fit one; signs are chosen so that each component is skewed to the right.

    References
    ----------
    .. [1] S. J. Pan, I. W. Tsang, J. T. Kwok, Q. Yang. Domain Adaptation via Transfer
       Component Analysis. IEEE Transactions on Neural Networks 22(2), 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import MMDAligner
    >>> rng = np.random.RandomState(0)
    >>> X_source = rng.normal(size=(100, 3))
    >>> X_target = rng.normal(size=(80, 3)) + [0.0, 0.0, 4.0]
    >>> X = np.r_[X_source, X_target]
    >>> sample_domain = np.r_[np.ones(100), -np.ones(80)]
    >>> aligner = MMDAligner(n_components=2, mu=0.1)
    >>> Z = aligner.fit_transform(X, sample_domain=sample_domain)
    >>> Z.shape
    (180, 2)
    >>> round(aligner.mmd_before_, 2), round(aligner.mmd_after_, 2)
    (2.25, 0.0)
    """

    def __init__(
        self,
        n_components=None,
        *,
        kernel="primal",
        gamma="median",
        degree=3,
        coef0=1.0,
        mu=1.0,
        kernel_approx=None,
        n_landmarks=500,
        random_state=0,
    ):
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0
        self.mu = mu
        self.kernel_approx = kernel_approx
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def _check_params(self):
        if not (isinstance(self.kernel, str) and self.kernel == "primal"):
            check_kernel(self.kernel)
        check_integer("n_components", self.n_components, low=1, also=(None,))
        check_number("mu", self.mu, low=0, low_open=True)
        check_number("degree", self.degree, low=0, low_open=True)
        check_number("coef0", self.coef0)
        check_choice("kernel_approx", self.kernel_approx, (None, "nystroem"))
        check_integer("n_landmarks", self.n_landmarks, low=1)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
        X = stack([X_source, X_target])
        X = X.tocsr() if sparse.issparse(X) else X
        n_source, n_target = X_source.shape[0], X_target.shape[0]
        self.gamma_ = resolve_gamma(self.gamma, X, kernel=self.kernel)
        self._kernel = Kernel(self.kernel, self.gamma_, self.degree, self.coef0)
        self._rows = self._nystroem = None
        gap = domain_gap(n_source, n_target)
        if self._is_linear:
            mapped = self._fit_linear(X, gap)
        else:
            mapped = self._fit_kernel(X, gap)
        self.n_components_ = self._n_features_out = len(self.eigenvalues_)
        return mapped[:n_source], mapped[n_source:]

    @property
    def _is_linear(self):
        """Whether the map is linear in features that are cheap to have."""
        named = isinstance(self.kernel, str)
        return self.kernel_approx == "nystroem" or (
            named and self.kernel in ("primal", "linear", "cosine")
        )

    def _features(self, X):
        if self._nystroem is not None:
            return self._nystroem.features(X)
        return normalize(X) if self.kernel == "cosine" else X

    def _fit_linear(self, X, gap):
        if self.kernel_approx == "nystroem" and self.kernel != "primal":
            rng = check_random_state(self.random_state)
            rows = content_subsample(X, self.n_landmarks, rng)
            self._nystroem = nystroem_map(X[rows], **self._kernel.params)
        F = self._features(X)
        primal = isinstance(self.kernel, str) and self.kernel == "primal"
        space = row_space(F, gap)
        values, projection = linear_components(
            space, self.mu, self._wanted, primal=primal
        )
        values, projection = self._available(values, projection)
        variance = space.squares.sum() - space.squares @ space.ones**2
        discrepancy = space.squares @ space.gap**2
        mapped = np.asarray(safe_sparse_dot(F, projection))
        self.mmd_before_ = _share(discrepancy, variance, gap)
        return self._finish(mapped, projection, values, gap, X.dtype)

    def _fit_kernel(self, X, gap):
        K = kernel_matrix(X, **self._kernel.params)
        self._rows = X
        # A start that is as good as random but moves with the rows.
        directions = np.random.RandomState(0).normal(size=X.shape[1])
        start = np.cos(7.0 * np.asarray(X @ directions) / (np.std(X) + 1e-12))
        gap = gap.astype(K.dtype)
        values, coefficients = kernel_components(K, gap, self.mu, self._wanted, start)
        values, coefficients = self._available(values, coefficients)
        variance = np.trace(K) - K.sum(dtype=np.float64) / len(K)
        self.mmd_before_ = _share(gap @ (K @ gap), variance, gap)
        return self._finish(K @ coefficients, coefficients, values, gap, X.dtype)

    @property
    def _wanted(self):
        return _DEFAULT_COMPONENTS if self.n_components is None else self.n_components

    def _available(self, values, vectors):
        """Return the components that the data give; raise if more were asked for."""
        if len(values) == 0:
            raise ValueError(
                "The rows do not differ in the kernel's space, so there is no "
                "component. Check that X is not constant, and the width `gamma`."
            )
        if self.n_components is None:
            # Far above rounding, so that float32 and float64 agree on their number.
            kept = values > 1e-5 * values[0]
            return values[kept], vectors[:, kept]
        if len(values) < self.n_components:
            raise ValueError(
                f"n_components={self.n_components} is more than the data give: with "
                f"kernel={self.kernel!r} there are {len(values)}. Lower n_components, "
                "or leave it None."
            )
        return values, vectors

    def _finish(self, mapped, projection, values, gap, dtype):
        centred = (mapped - mapped.mean(axis=0)).astype(np.float64)
        variance = float(np.square(centred).sum())
        scale = np.sqrt(len(mapped) * len(values) / variance)
        factor = scale * np.where((centred**3).sum(axis=0) < 0, -1.0, 1.0)
        self.projection_ = (projection * factor).astype(dtype)
        self.eigenvalues_ = values.astype(np.float64)
        self.mmd_after_ = _share(np.square(centred.T @ gap).sum(), variance, gap)
        return (mapped * factor).astype(dtype)

    def _map_target(self, X):
        if self._rows is None:
            return np.asarray(safe_sparse_dot(self._features(X), self.projection_))
        mapped = np.empty((X.shape[0], self.n_components_), dtype=X.dtype)
        for rows, block in kernel_blocks(X, self._rows, **self._kernel.params):
            mapped[rows] = block @ self.projection_
        return mapped

    def _map_source(self, X):
        return self._map_target(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = isinstance(self.kernel, str) and self.kernel in (
            "primal",
            "linear",
            "cosine",
        )
        return tags


def _share(discrepancy, variance, gap):
    """Squared MMD over mean variance, from sums over rows with e / |e| for e."""
    # e sums to one over the source rows, which fixes |e|.
    squared_norm = 1.0 / float(gap[gap > 0].sum(dtype=np.float64)) ** 2
    mean_variance = max(float(variance) / len(gap), np.finfo(float).tiny)
    return max(float(discrepancy), 0.0) * squared_norm / mean_variance
