import numpy as np

from sktransfer._domains import domain_mask
from sktransfer._joined_rows import content_order_by_domain
from sktransfer._kernels import kernel_blocks, kernel_matrix
from sktransfer._validation import check_integer, check_number
from sktransfer.joint._base import BaseJointClassifier
from sktransfer.joint._manifold_embedding import learn_embedding
from sktransfer.joint._neighbor_graph import neighbor_graph, normalized_laplacian
from sktransfer.joint._selective_alignment import align_selectively
from sktransfer.joint._structural_risk import StructuralRisk

__all__ = ["SelectiveManifoldClassifier"]


class SelectiveManifoldClassifier(BaseJointClassifier):
    r"""Manifold alignment that trusts the surest target rows of each class first.

    Each domain is centred, and all rows are projected on their principal axes. There a
    least-squares classifier in a kernel's space is fitted to the labelled rows, such
    that its scores differ little between rows that are each other's neighbours, and
    that the mean scores of the domains, and of each class in both, agree. A target row
    counts for its predicted class only once it is among the surest of that class; the
    share of them grows round by round until every row counts.

    Assumes that the domains share a low-dimensional structure, up to a shift of the
    mean, in which rows that are each other's neighbours have the same class, and that
    every class has some target rows: where one is missing, or is far rarer than the
    others, rows of other classes are drawn into it. Reads the source labels, and the
    target's where there are any: such rows are fitted like source rows, count in every
    round and keep their labels. Several source domains count as one.

    Cost: the principal axes of all rows; for n rows in all and k components,
    ``O(n^2 k)`` for the graph and one ``n x n`` factorisation for all rounds,
    ``O(n^3)``; two matrices of that size in memory.

    Parameters
    ----------
    n_components : int, default=45
        Number of principal axes of all rows; fewer where they have fewer directions.
    n_neighbors : int, default=7
        Two rows are joined if each is among so many nearest rows of the other.
    gamma : float, default=0.5
        Width of the rbf kernel ``exp(-gamma d^2)`` between embedded rows, which have
        length one.
    graph_weight : float, default=1.0
        Weight of the graph. 0: no graph.
    discrepancy_weight : float, default=10.0
        Weight of the discrepancy between the domains.
    balance : float, default=0.9
        What counts in the discrepancy: 0, only the domains' means; 1, only those of
        the classes; 0.5, both alike.
    regularization : float, default=0.1
        Weight of the norm in the kernel's space.
    n_rounds : int, default=10
        Number of rounds; in round k the share ``k / n_rounds`` of each class's target
        rows counts. 0: no discrepancy.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    transduction_ : ndarray of shape (n_target,)
        Class of each target row of fit: its label or else the last prediction.
    n_selected_ : list of int
        Number of target rows that counted for a class in each round.
    objective_ : list of float
        Least risk without the discrepancy, then that of each round, under the
        discrepancy of that round.
    source_mean_, target_mean_ : ndarray of shape (n_features,)
        What is subtracted from rows of either domain.
    projection_ : ndarray of shape (n_features, n_kept)
        What centred rows are multiplied with.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.ManifoldAlignedClassifier : All pseudo-labels count from the start.
    sktransfer.SelectivePseudoLabelClassifier : Sure rows shape a projection.

    Notes
    -----
    The risk is that of manifold embedded distribution alignment [1]_: with one-hot
    labels Y, the Gram matrix K of all rows, the diagonal matrix A that picks the
    labelled ones, the normalised Laplacian L of the graph, and the matrix M of the
    discrepancy, of Frobenius norm one, the scores are :math:`F = K \beta` with

    .. math::

       \min_\beta \; \|A (Y - F)\|^2 + \eta \, \mathrm{tr}(\beta^T K \beta)
           + \mathrm{tr}(F^T (\lambda M + \rho L) F).

    Three things are of this library. The graph joins mutual neighbours only, so that a
    row between two clusters joins neither. As in selective pseudo-labelling [2]_, the
    surest rows of each predicted class count first, here by the margin between the two
    best scores: no class is crowded out by a first guess that is wrong. And the mean
    score of each class over the target rows is subtracted, so that a class which the
    source has more of does not win by that.

    Target rows, and all rows at prediction time unless `sample_domain` says otherwise,
    are centred by the target's mean. A domain with a single row has the mean of the
    other. The scores are not probabilities, so there is no `predict_proba`.

    References
    ----------
    .. [1] J. Wang, W. Feng, Y. Chen, H. Yu, M. Huang, P. S. Yu. Visual Domain
       Adaptation with Manifold Embedded Distribution Alignment. ACM Multimedia, 2018.
    .. [2] Q. Wang, T. P. Breckon. Unsupervised Domain Adaptation via Structured
       Prediction Based Selective Pseudo-Labeling. AAAI, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import SelectiveManifoldClassifier
    >>> rng = np.random.RandomState(0)
    >>> angle = np.repeat([0.0, 1.5, 0.6, 2.1], 50) + 0.1 * rng.normal(size=200)
    >>> X = np.c_[np.cos(angle), np.sin(angle)]
    >>> y = np.repeat([0, 1, -1, -1], 50)
    >>> model = SelectiveManifoldClassifier().fit(X, y)
    >>> float(np.mean(model.predict(X[100:]) == np.repeat([0, 1], 50)))
    1.0
    """

    def __init__(
        self,
        n_components=45,
        *,
        n_neighbors=7,
        gamma=0.5,
        graph_weight=1.0,
        discrepancy_weight=10.0,
        balance=0.9,
        regularization=0.1,
        n_rounds=10,
    ):
        self.n_components = n_components
        self.n_neighbors = n_neighbors
        self.gamma = gamma
        self.graph_weight = graph_weight
        self.discrepancy_weight = discrepancy_weight
        self.balance = balance
        self.regularization = regularization
        self.n_rounds = n_rounds

    def _check_parameters(self):
        check_integer("n_components", self.n_components, low=1)
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_number("gamma", self.gamma, low=0, low_open=True)
        check_number("graph_weight", self.graph_weight, low=0)
        check_number("discrepancy_weight", self.discrepancy_weight, low=0)
        check_number("balance", self.balance, low=0, high=1)
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_integer("n_rounds", self.n_rounds, low=0)

    def _fit_domains(
        self, X_source, y_source, X_target, y_target, *, source_domain, target_domain
    ):
        if not np.any(target_domain < 0):
            # The source stands in for the target: its rows shall not count twice.
            X_target, y_target = X_target[:0], y_target[:0]
        self._fit(X_source, y_source, X_target, y_target)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_parameters()
        n_source = len(y_source)
        order = content_order_by_domain(X_source, y_source, X_target, y_target)
        X, y = np.r_[X_source, X_target][order], np.r_[y_source, y_target][order]
        X = X.astype(np.float64, copy=False)
        self.source_mean_, self.target_mean_ = _means(X[:n_source], X[n_source:])
        self._embed = learn_embedding(
            X[:n_source] - self.source_mean_,
            X[n_source:] - self.target_mean_,
            self.n_components,
            method="pca",
            center=False,
            normalize=True,
        )
        self.projection_ = self._embed.projection
        Z = self._embed(X - self._means_of(np.arange(len(y)) >= n_source))
        laplacian = None
        if self.graph_weight > 0:
            graph = neighbor_graph(Z, self.n_neighbors, mutual=True)
            laplacian = normalized_laplacian(graph)
        risk = StructuralRisk(
            kernel_matrix(Z, gamma=self.gamma),
            y,
            len(self.classes_),
            laplacian,
            is_gram=True,
            graph_weight=self.graph_weight,
            regularization=self.regularization,
        )
        found = align_selectively(
            risk,
            y[:n_source],
            y[n_source:],
            balance=self.balance,
            discrepancy_weight=self.discrepancy_weight,
            n_rounds=self.n_rounds,
        )
        self._coefficients, self._offset = found.coefficients, found.offset
        self._rows = Z
        self.objective_, self.n_selected_ = found.objective, found.n_selected
        labels = np.empty_like(y_target)
        labels[order[n_source:] - n_source] = found.labels
        self.transduction_ = self.classes_[labels]

    def _means_of(self, is_target):
        return np.where(is_target[:, None], self.target_mean_, self.source_mean_)

    def _scores_of(self, X, sample_domain):
        X = self._checked_rows(X, sample_domain)
        is_target = np.ones(len(X), dtype=bool)
        if sample_domain is not None:
            is_target = domain_mask(sample_domain, len(X)) < 0
        centred = X.astype(np.float64) - self._means_of(is_target)
        return self._scores(centred).astype(X.dtype, copy=False)

    def _scores(self, X):
        Z = self._embed(X)
        scores = np.empty((len(Z), len(self.classes_)))
        for rows, block in kernel_blocks(Z, self._rows, gamma=self.gamma):
            scores[rows] = block @ self._coefficients
        return scores - self._offset


def _means(X_source, X_target):
    """Return the domains' means; that of one row, or of none, is the other's."""
    source = X_source.mean(axis=0)
    if len(X_target) < 2:
        return source, source
    target = X_target.mean(axis=0)
    return (source if len(X_source) > 1 else target), target
