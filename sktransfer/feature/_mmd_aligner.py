import numpy as np
from sklearn.preprocessing import normalize
from sklearn.utils import check_random_state
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer._joined_rows import (
    content_codes,
    content_order_by_domain,
    join_rows,
)
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
from sktransfer.feature._alignment_rounds import (
    AlignmentSettings,
    align_in_rounds,
    check_class_labels,
)
from sktransfer.feature._component_problem import GramProblem, SpaceProblem
from sktransfer.feature._component_scale import discrepancy_share, standard_factors
from sktransfer.feature._discrepancy import domain_gap
from sktransfer.feature._row_space import gram_space, row_space

__all__ = ["MMDAligner"]

_DEFAULT_COMPONENTS = 30


class MMDAligner(BaseAligner):
    r"""Transfer components: few directions on which the domains' means agree.

    Projects both domains to the components that keep the most variance while the
    maximum mean discrepancy (MMD) between source and target is small: transfer
    component analysis. With `conditional` the means of each class shall agree, too, by
    pseudo-labels of the target that are refined round by round: joint distribution
    adaptation and its relatives. Rows of either domain are mapped by the same map, new
    rows too.

    Assumes a shift of the marginal distribution (`conditional`: of each class, too)
    that a projection can undo, with the labels depending on the components in the same
    way in both domains. Reads no label; with `conditional`, those of the source and
    those given in the target. If the classes have other shares in the target than in
    the source, aligning the marginals can mix classes up: judge on labelled target
    rows.

    Cost: ``O(n p^2)`` for "primal", "linear" and "cosine" with p features; for the
    other kernels the ``n x n`` Gram matrix, ``8 n^2`` bytes (half of it in float32),
    and some tens of products with it; ``O(n m^2)`` with `kernel_approx` and m
    landmarks. A round costs ``O(n p k + p^3)`` or a few dozen products with the Gram
    matrix, and one comparison of all pairs for the nearest neighbours;
    "discriminative" with an exact kernel decomposes the Gram matrix once, ``O(n^3)``,
    and together with `instance_sparsity` in each round.

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
    conditional : bool, "weighted" or "discriminative", default=False
        False: only the domains' means, transfer component analysis [1]_. True: those
        of each class, too, joint distribution adaptation [2]_, or with `balance` the
        balanced one [3]_. "weighted": each class counts by its share of the domains
        [3]_. "discriminative": means of the same class shall agree and those of
        different classes shall not, the joint probability form [4]_.
    balance : float or "auto", default=0.5
        Of True and "weighted": between 0, the domains alone, and 1, the classes alone;
        0.5 is the published joint distribution adaptation. "auto": estimated round by
        round from how well linear classifiers tell the domains apart, as a whole and
        class by class.
    discrimination : float, default=0.1
        Of "discriminative": weight of the different classes.
    instance_sparsity : bool, default=False
        Whether the norms of the source rows' coefficients are penalised, so that rows
        unlike the target drop out: transfer joint matching [5]_. Not for "primal".
    n_iter : int, default=10
        Largest number of rounds, for `conditional` and `instance_sparsity`. The first
        reads no label; the loop ends when no pseudo-label changes.
    estimator : classifier, default=None
        Gives the pseudo-labels in the projection; None: the nearest labelled row by
        angle. Labelled target rows keep their labels and count as such.
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
        Of the generalised eigen-equation, best first. In "discriminative" the best are
        negative: there the means of different classes lie further apart than those of
        the same class, penalty included.
    projection_ : ndarray of shape (n_features or n_rows, n_components)
        Rows are mapped by features or kernel values times this matrix.
    n_components_ : int
        Number of components.
    gamma_ : float
        The width used.
    n_iter_ : int
        Number of rounds.
    balances_ : ndarray of shape (n_balances,)
        The balance of each round that has one: not the first.
    label_changes_ : ndarray of shape (n_labellings,)
        How many labels of target rows changed at each labelling; in the first all did.
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

    With `conditional`, :math:`L` adds such matrices of each class that both domains
    have, over the Frobenius norm, and has low rank: nothing of size ``n x n`` is made
    anew or solved. "discriminative" is not the same for rows that are moved, as the
    paper's is not: centre them. With `instance_sparsity`, the identity is replaced by
    a diagonal of :math:`1 / (2 |w_i|)` on source rows :math:`w_i` of :math:`W`, which
    makes the discrepancy plus :math:`\mu` times the sum of those norms fall.

    References
    ----------
    .. [1] S. J. Pan, I. W. Tsang, J. T. Kwok, Q. Yang. Domain Adaptation via Transfer
       Component Analysis. IEEE Transactions on Neural Networks 22(2), 2011.
    .. [2] M. Long, J. Wang, G. Ding, J. Sun, P. S. Yu. Transfer Feature Learning with
       Joint Distribution Adaptation. ICCV, 2013.
    .. [3] J. Wang, Y. Chen, S. Hao, W. Feng, Z. Shen. Balanced Distribution Adaptation
       for Transfer Learning. ICDM, 2017.
    .. [4] W. Zhang, D. Wu. Discriminative Joint Probability Maximum Mean Discrepancy
       for Domain Adaptation. IJCNN, 2020.
    .. [5] M. Long, J. Wang, G. Ding, J. Sun, P. S. Yu. Transfer Joint Matching for
       Unsupervised Domain Adaptation. CVPR, 2014.

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
        conditional=False,
        balance=0.5,
        discrimination=0.1,
        instance_sparsity=False,
        n_iter=10,
        estimator=None,
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
        self.conditional = conditional
        self.balance = balance
        self.discrimination = discrimination
        self.instance_sparsity = instance_sparsity
        self.n_iter = n_iter
        self.estimator = estimator
        self.kernel_approx = kernel_approx
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    def _check_params(self):
        if not self._is_primal:
            check_kernel(self.kernel)
        check_integer("n_components", self.n_components, low=1, also=(None,))
        check_number("mu", self.mu, low=0, low_open=True)
        check_number("degree", self.degree, low=0, low_open=True)
        check_number("coef0", self.coef0)
        check_choice(
            "conditional", self.conditional, (False, True, "weighted", "discriminative")
        )
        check_number("balance", self.balance, low=0, high=1, also=("auto",))
        check_number("discrimination", self.discrimination, low=0)
        check_choice("instance_sparsity", self.instance_sparsity, (False, True))
        check_integer("n_iter", self.n_iter, low=1)
        if self.instance_sparsity and self._is_primal:
            raise ValueError(
                "instance_sparsity=True penalises the coefficients of the rows, which "
                "kernel='primal' does not have. Take kernel='linear', or another one."
            )
        check_choice("kernel_approx", self.kernel_approx, (None, "nystroem"))
        check_integer("n_landmarks", self.n_landmarks, low=1)

    @property
    def _reads_target_labels(self):
        return bool(self.conditional)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        n_source, n_target = X_source.shape[0], X_target.shape[0]
        X = join_rows(X_source, X_target)
        if not self.conditional:
            none = np.full(n_source, -1), np.full(n_target, -1)
            mapped = self._fit_rows(X, *none)
            return mapped[:n_source], mapped[n_source:]
        check_class_labels(y_source, f"conditional={self.conditional!r}")
        # Ties between pseudo-labels must not go by the order of rows, nor by names.
        codes = content_codes(X, np.r_[y_source, y_target])
        order = content_order_by_domain(
            X_source, codes[:n_source], X_target, codes[n_source:]
        )
        codes = codes[order]
        found = self._fit_rows(X[order], codes[:n_source], codes[n_source:])
        mapped = np.empty_like(found)
        mapped[order] = found
        return mapped[:n_source], mapped[n_source:]

    def _fit_rows(self, X, y_source, y_target):
        self.gamma_ = resolve_gamma(self.gamma, X, kernel=self.kernel)
        self._kernel = Kernel(self.kernel, self.gamma_, self.degree, self.coef0)
        self._rows = self._nystroem = None
        problem = self._linear_problem(X) if self._is_linear else self._gram_problem(X)
        settings = AlignmentSettings(
            self.conditional,
            self.balance,
            self.discrimination,
            self.instance_sparsity,
            self.n_iter,
            self.estimator,
        )
        found = align_in_rounds(problem, X, y_source, y_target, settings)
        self.n_iter_ = found.n_iter
        self.balances_ = np.array(found.balances)
        self.label_changes_ = np.array(found.label_changes, dtype=int)
        gap = domain_gap(len(y_source), len(y_target))
        self.mmd_before_ = discrepancy_share(problem.square(gap), problem.variance, gap)
        mapped = problem.mapped(found.components)
        return self._finish(mapped, found.components, gap, X.dtype)

    def _finish(self, mapped, components, gap, dtype):
        """Store the components that are kept, scaled; return the mapped rows."""
        centred = (mapped - mapped.mean(axis=0)).astype(np.float64)
        kept = self._available(components.values, np.square(centred).sum(axis=0))
        centred = centred[:, kept]
        factors = standard_factors(centred)
        self.eigenvalues_ = components.values[kept].astype(np.float64)
        self.projection_ = (components.projection[:, kept] * factors).astype(dtype)
        self.mmd_after_ = discrepancy_share(
            np.square(centred.T @ gap).sum(), np.square(centred).sum(), gap
        )
        self.n_components_ = self._n_features_out = len(self.eigenvalues_)
        return (mapped[:, kept] * factors).astype(dtype)

    @property
    def _is_primal(self):
        return isinstance(self.kernel, str) and self.kernel == "primal"

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

    def _linear_problem(self, X):
        if self.kernel_approx == "nystroem" and self.kernel != "primal":
            rng = check_random_state(self.random_state)
            rows = content_subsample(X, self.n_landmarks, rng)
            self._nystroem = nystroem_map(X[rows], **self._kernel.params)
        F = self._features(X)
        return SpaceProblem(F, row_space(F), self.mu, self._wanted, self._is_primal)

    def _gram_problem(self, X):
        K = kernel_matrix(X, **self._kernel.params)
        self._rows = X
        if self.conditional == "discriminative":
            return SpaceProblem(K, gram_space(K), self.mu, self._wanted)
        # A start that is as good as random but moves with the rows.
        directions = np.random.RandomState(0).normal(size=X.shape[1])
        start = np.cos(7.0 * np.asarray(X @ directions) / (np.std(X) + 1e-12))
        return GramProblem(K, self.mu, self._wanted, start)

    @property
    def _wanted(self):
        return _DEFAULT_COMPONENTS if self.n_components is None else self.n_components

    def _available(self, values, variances):
        """Mask the components that are kept; raise if the data do not give them."""
        if len(values) == 0:
            raise ValueError(
                "The rows do not differ in the kernel's space, so there is no "
                "component. Check that X is not constant, and the width `gamma`."
            )
        if self.n_components is None:
            # Far above rounding, so that float32 and float64 agree on their number.
            return variances > 1e-5 * variances.max()
        if len(values) < self.n_components:
            raise ValueError(
                f"n_components={self.n_components} is more than the data give: with "
                f"kernel={self.kernel!r} there are {len(values)}. Lower n_components, "
                "or leave it None."
            )
        return np.ones(len(values), dtype=bool)

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
