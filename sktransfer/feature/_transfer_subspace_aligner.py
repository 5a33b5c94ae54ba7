import numpy as np
from scipy import linalg
from sklearn.utils import check_random_state

from sktransfer._kernels import content_subsample, resolve_gamma
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._principal_axes import project
from sktransfer.feature._transfer_subspace import (
    SubspaceProblem,
    fisher_matrices,
    level_start,
    locality_matrices,
    objective_start,
    principal_matrices,
    solve_subspace,
)

__all__ = ["TransferSubspaceAligner"]

_DEFAULT_COMPONENTS = 30


class TransferSubspaceAligner(BaseAligner):
    r"""Transfer subspace learning: a good subspace on which the densities agree.

    Finds orthonormal directions that serve an objective on the source rows, principal
    components, Fisher's discriminant or locality preserving projections, while the
    densities of the projected source and target rows stay close. Rows of either domain
    are mapped by the same projection.

    Assumes that some directions that are good for the source carry no shift, and that
    the labels depend on them in the same way in both domains. Reads the labels of the
    source with ``objective="flda"``, no labels otherwise. Several source domains count
    as one.

    Cost: a decomposition of the rows, ``O(n p min(n, p))``, and for each of up to
    `n_iter` steps ``O(m^2 d + m r d)`` with m = `max_samples` rows of each domain, d
    components and r the rank of the source; memory is linear in the rows, kernels are
    made in blocks. "lpp" takes ``O(n_source^2 r)`` once more.

    Parameters
    ----------
    n_components : int, default=None
        Number of directions. None: one less than there are classes with "flda", else
        30; at most the rank of the source rows.
    objective : {"flda", "pca", "lpp"}, default="flda"
        What the directions shall do for the source rows. "flda": little scatter within
        the classes, as a share of all scatter. "pca": much variance. "lpp": keep
        similar rows together, by the ratio of the graph's Laplacian to its degrees with
        the heat kernel for similarity.
    mu : float, default=1.0
        Weight of the divergence of the domains. 0: the objective alone. The objective
        is between 0 and 1, the divergence between 0 and 2.
    regularization : float, default=1.0
        Added to the diagonals of both matrices of "flda" and "lpp", in units of the
        mean of the second: directions of little variance, whose ratio is chance, are
        passed over. Not for "pca".
    gamma : float or "median", default="median"
        Width of the kernel between projected rows: ``1 / (4 h^2)`` for densities of
        bandwidth h. "median": 1 over the median squared distance of projected rows at
        the start.
    n_iter : int, default=100
        Largest number of steps.
    tol : float, default=1e-5
        The descent ends when the norm of the projected gradient is that share of what
        it was at the start.
    max_samples : int or None, default=1000
        Number of rows drawn from each domain for the divergence; None: all. The
        objective is taken over all rows.
    random_state : int, RandomState instance or None, default=0
        For that draw. It depends on the content of the rows and not on their order.

    Attributes
    ----------
    components_ : ndarray of shape (n_features, n_components)
        What centred rows are multiplied with: orthonormal columns, the source's
        variance along them falling.
    mean_ : ndarray of shape (n_features,)
        Mean of the source rows of fit.
    n_components_ : int
        Number of directions.
    gamma_ : float
        The width used.
    objectives_ : ndarray of shape (n_steps + 1,)
        Objective plus `mu` times divergence at the start and after each step.
    divergence_before_ : float
        Divergence of the rows drawn on the subspace of the objective alone.
    divergence_after_ : float
        The same on the subspace found.
    n_iter_ : int
        Number of steps.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.MMDAligner : Closed form for the means in a kernel's space.
    sktransfer.SubspaceAligner : Each domain has its own subspace.

    Notes
    -----
    It is :math:`\min_W F(W) + \mu D(W)` over :math:`W^T W = I` [1]_. D is the quadratic
    Bregman divergence :math:`\int (\hat p_s - \hat p_t)^2` of the kernel density
    estimates of the projected rows, times the constant that makes the kernel one at
    zero: a squared maximum mean discrepancy. F is the ratio of traces :math:`tr(W^T A
    W) / tr(W^T B W)` ("pca": the share of variance lost), whose minimum is found
    exactly. The descent starts there, or at the minimum among the subspaces on which
    the domains' means agree if that is lower: it finds a local minimum. F and D depend
    on the span of W alone; within it the axes are the principal ones of the source.

    References
    ----------
    .. [1] S. Si, D. Tao, B. Geng. Bregman Divergence-Based Regularization for Transfer
       Subspace Learning. IEEE Transactions on Knowledge and Data Engineering 22(7),
       2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import TransferSubspaceAligner
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(200, 3)) * [3, 2, 1]
    >>> X[100:, 0] += 10
    >>> sample_domain = np.r_[np.ones(100), -np.ones(100)]
    >>> aligner = TransferSubspaceAligner(1, objective="pca")
    >>> aligner = aligner.fit(X, sample_domain=sample_domain)
    >>> bool(abs(aligner.components_[0, 0]) < 0.2)  # the first column is shifted
    True
    """

    def __init__(
        self,
        n_components=None,
        *,
        objective="flda",
        mu=1.0,
        regularization=1.0,
        gamma="median",
        n_iter=100,
        tol=1e-5,
        max_samples=1000,
        random_state=0,
    ):
        self.n_components = n_components
        self.objective = objective
        self.mu = mu
        self.regularization = regularization
        self.gamma = gamma
        self.n_iter = n_iter
        self.tol = tol
        self.max_samples = max_samples
        self.random_state = random_state

    def _check_params(self):
        check_integer("n_components", self.n_components, low=1, also=(None,))
        check_choice("objective", self.objective, ("flda", "pca", "lpp"))
        check_number("mu", self.mu, low=0)
        check_number("regularization", self.regularization, low=0)
        check_number("gamma", self.gamma, low=0, low_open=True, also=("median",))
        check_integer("n_iter", self.n_iter, low=1)
        check_number("tol", self.tol, low=0)
        check_integer("max_samples", self.max_samples, low=1, also=(None,))

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        labels = self._class_labels(y_source)
        source, target = X_source.astype(np.float64), X_target.astype(np.float64)
        self.mean_ = source.mean(axis=0)
        # W lies in the span of the source rows, where the objective is defined.
        span = _span(source - self.mean_, np.finfo(X_source.dtype).eps)
        wanted = self._count(span.shape[1], labels)
        source, target = (source - self.mean_) @ span, (target - self.mean_) @ span
        A, B = self._matrices(source, labels)
        start = objective_start(A, B, wanted)
        rng = check_random_state(self.random_state)
        drawn = [self._sample(rows, rng) for rows in (source, target)]
        self.gamma_ = resolve_gamma(self.gamma, np.vstack(drawn) @ start)
        problem = SubspaceProblem(*drawn, A, B, self.gamma_, self.mu)
        begin = self._begin(problem, start, target.mean(axis=0))
        W, path = solve_subspace(problem, begin, max_iter=self.n_iter, tol=self.tol)
        self.objectives_ = np.array(path)
        self.n_iter_ = len(path) - 1
        self.divergence_before_ = float(problem.divergence(start)[0])
        self.divergence_after_ = float(problem.divergence(W)[0])
        self.components_ = span @ _on_principal_axes(W, source)
        self.n_components_ = self._n_features_out = wanted

    def _begin(self, problem, start, gap):
        """Return the better start: far apart, the densities give no direction."""
        if len(start) == start.shape[1] or self.mu == 0 or not np.any(gap):
            return start
        level = level_start(problem.A, problem.B, start.shape[1], gap)
        return min((start, level), key=lambda W: problem.total(W)[0])

    def _class_labels(self, y_source):
        """Return the labels that the objective needs, or None; raise if they lack."""
        if self.objective != "flda":
            return None
        if y_source is not None and (y_source.ndim > 1 or y_source.dtype.kind == "f"):
            raise ValueError(
                "objective='flda' needs class labels, one a row; y is continuous or "
                "has several columns. Set objective='pca' or 'lpp'."
            )
        n_classes = 0 if y_source is None else len(np.unique(y_source[y_source >= 0]))
        if n_classes < 2:
            raise ValueError(
                "objective='flda' separates the classes of the source and needs labels "
                f"of at least two, got {n_classes}. Pass y to fit, or set "
                "objective='pca' or 'lpp'."
            )
        return y_source

    def _count(self, room, labels):
        if room == 0:
            raise ValueError(
                "The source rows do not differ, so that there is no subspace. Give "
                "more source rows, or another aligner."
            )
        if self.n_components is None:
            known = None if labels is None else len(np.unique(labels[labels >= 0]))
            return min(_DEFAULT_COMPONENTS if known is None else known - 1, room)
        if self.n_components > room:
            raise ValueError(
                f"n_components={self.n_components} is more than the data give: the "
                f"source rows have rank {room}. Lower n_components, or leave it None."
            )
        return self.n_components

    def _matrices(self, source, labels):
        if self.objective == "pca":
            return principal_matrices(source)
        if self.objective == "flda":
            A, B = fisher_matrices(source[labels >= 0], labels[labels >= 0])
        else:
            A, B = locality_matrices(source, resolve_gamma("median", source))
        ridge = self.regularization * np.trace(B) / len(B) * np.eye(len(B))
        return A + ridge, B + ridge

    def _sample(self, X, rng):
        n_rows = len(X) if self.max_samples is None else self.max_samples
        return X[content_subsample(X, n_rows, rng)]

    def _map_target(self, X):
        return project(X, self.mean_, self.components_)

    def _map_source(self, X):
        return self._map_target(X)


def _span(centred, eps):
    """Orthonormal basis of the rows, without what is rounding."""
    n_rows, n_features = centred.shape
    if n_rows > n_features:
        values, vectors = linalg.eigh(centred.T @ centred)
        values, vectors = np.sqrt(np.maximum(values[::-1], 0)), vectors[:, ::-1]
        # The root of a squared matrix is exact to the root of the precision.
        floor = max(np.sqrt(np.finfo(float).eps), max(centred.shape) * eps)
    else:
        _, values, vectors = linalg.svd(centred, full_matrices=False)
        vectors, floor = vectors.T, max(centred.shape) * eps
    return vectors[:, values > floor * max(values[0], np.finfo(float).tiny)]


def _on_principal_axes(W, source):
    """Turn W within its span to the principal axes of the projected rows."""
    projected = source @ W
    projected -= projected.mean(axis=0)
    rotation = linalg.eigh(projected.T @ projected)[1][:, ::-1]
    skew = ((projected @ rotation) ** 3).sum(axis=0)
    return W @ (rotation * np.where(skew < 0, -1.0, 1.0))
