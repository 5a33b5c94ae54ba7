import numpy as np
from sklearn.base import is_classifier

from sktransfer._joined_rows import content_order_by_domain
from sktransfer._kernels import kernel_blocks, kernel_matrix
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.joint._base import BaseJointClassifier
from sktransfer.joint._manifold_alignment import align_by_rounds
from sktransfer.joint._manifold_embedding import learn_embedding
from sktransfer.joint._neighbor_graph import neighbor_graph, normalized_laplacian
from sktransfer.joint._self_training import fit_clone
from sktransfer.joint._structural_risk import StructuralRisk

__all__ = ["ManifoldAlignedClassifier"]


class ManifoldAlignedClassifier(BaseJointClassifier):
    r"""Manifold embedded distribution alignment: a kernel classifier of both domains.

    Rows are embedded between the subspaces of source and target. There a least-squares
    classifier in a kernel's space is fitted to the labelled rows, with two penalties:
    scores shall differ little between near rows of either domain, and the mean scores
    of the domains, and of each class in both, shall agree. The target's classes are
    the classifier's own predictions, refined round by round.

    Assumes that the domains share a low-dimensional structure in which near rows have
    the same class, and that most of the first predictions are right. Where a class
    is missing in the target, or rows of different classes are nearest, it draws classes
    together that should stay apart. Reads the source labels, and the target's where
    there are any: such rows are fitted like source rows and keep their labels. Several
    source domains count as one.

    Cost: principal axes of both domains; for n rows in all and k embedded columns,
    ``O(n^2 k)`` for the graph; with ``kernel="rbf"`` one ``n x n`` factorisation for
    all rounds, ``O(n^3)``, and two matrices of that size; with ``kernel="linear"``
    ``O(n k^2)`` and none.

    Parameters
    ----------
    n_components : int, default=20
        Number of principal axes of each domain, or of all rows with
        ``embedding="pca"``; fewer where a domain has fewer directions.
    embedding : {"geodesic", "pca"} or None, default="geodesic"
        The feature map of the geodesic flow kernel, `GeodesicFlowAligner` without its
        centring by domain; the principal components of all rows; or the columns as
        they are.
    center : bool, default=True
        Whether the mean of all rows is subtracted first. The published code does not:
        its columns are standardised in each domain before.
    normalize : bool, default=True
        Whether each embedded row is divided by its length, so that only directions
        count. Otherwise all are divided by the root of their mean squared length.
    kernel : {"rbf", "linear"}, default="rbf"
        Kernel of the classifier, between embedded rows. "linear" is for many rows;
        its classes are half-spaces through the origin, and it is less accurate.
    gamma : float, default=0.5
        Width of the rbf kernel ``exp(-gamma d^2)``, for rows whose mean squared length
        is one. 0.5 is the rule of the published code, ``1 / (2 s^2)`` with the mean
        length s.
    n_neighbors : int, default=10
        Number of nearest rows of either domain each row is joined with.
    graph_weight : float, default=1.0
        Weight of the graph, rho. 0: no graph.
    discrepancy_weight : float, default=10.0
        Weight of the discrepancy between the domains, lambda.
    balance : float or "auto", default="auto"
        What counts in the discrepancy: 0, only the domains' means; 1, only those of
        the classes. "auto": estimated in each round by how well a linear classifier
        tells the domains apart within the classes, against as a whole.
    regularization : float, default=0.1
        Weight of the norm in the kernel's space, eta.
    n_rounds : int, default=10
        Most rounds of pseudo-labels; they end when no label changes. 0: no discrepancy.
    initial : object, default=None
        Classifier that gives the first pseudo-labels, fitted on the labelled embedded
        rows. None: the solution without the discrepancy, which costs nothing. The
        published code takes ``KNeighborsClassifier(1)``.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    transduction_ : ndarray of shape (n_target,)
        Class of each target row of fit: its label or else the last prediction.
    objective_ : list of float
        Least risk of each round, under the discrepancy of that round.
    balance_ : list of float
        Balance of each round.
    n_iter_ : int
        Number of rounds.
    projection_ : ndarray of shape (n_features, n_columns) or None
        What centred rows are multiplied with.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.GeodesicFlowAligner : The embedding, before any classifier.
    sktransfer.MMDAligner : The discrepancy as an objective for features.
    sktransfer.SelectivePseudoLabelClassifier : Pseudo-labels that join by confidence.

    Notes
    -----
    With one-hot labels Y, the Gram matrix K of all rows, the diagonal matrix A that
    picks the labelled ones, the normalised Laplacian L of the graph and the matrix M of
    the discrepancy, of Frobenius norm one, the scores are :math:`F = K \beta` and [1]_

    .. math::

       \min_\beta \; \|A (Y - F)\|^2 + \eta \, \mathrm{tr}(\beta^T K \beta)
           + \mathrm{tr}(F^T (\lambda M + \rho L) F)

    is solved by :math:`\beta = ((A + \lambda M + \rho L) K + \eta I)^{-1} A Y`. M has a
    rank of at most one more than there are classes. A new row x has the scores
    :math:`\sum_i \beta_i k(x, x_i)`, embedded by the map of fit, whichever domain it is
    from. They are not probabilities, and a softmax of them is not calibrated, so there
    is no `predict_proba`.

    The objective falls with each solution under the discrepancy it is found for; as
    that follows the labels, `objective_` need not fall from round to round.

    References
    ----------
    .. [1] J. Wang, W. Feng, Y. Chen, H. Yu, M. Huang, P. S. Yu. Visual Domain
       Adaptation with Manifold Embedded Distribution Alignment. ACM Multimedia, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import ManifoldAlignedClassifier
    >>> rng = np.random.RandomState(0)
    >>> angle = np.repeat([0.0, 1.5, 0.6, 2.1], 50) + 0.1 * rng.normal(size=200)
    >>> X = np.c_[np.cos(angle), np.sin(angle)]
    >>> y = np.repeat([0, 1, -1, -1], 50)
    >>> model = ManifoldAlignedClassifier().fit(X, y)
    >>> float(np.mean(model.predict(X[100:]) == np.repeat([0, 1], 50)))
    1.0
    """

    def __init__(
        self,
        n_components=20,
        *,
        embedding="geodesic",
        center=True,
        normalize=True,
        kernel="rbf",
        gamma=0.5,
        n_neighbors=10,
        graph_weight=1.0,
        discrepancy_weight=10.0,
        balance="auto",
        regularization=0.1,
        n_rounds=10,
        initial=None,
    ):
        self.n_components = n_components
        self.embedding = embedding
        self.center = center
        self.normalize = normalize
        self.kernel = kernel
        self.gamma = gamma
        self.n_neighbors = n_neighbors
        self.graph_weight = graph_weight
        self.discrepancy_weight = discrepancy_weight
        self.balance = balance
        self.regularization = regularization
        self.n_rounds = n_rounds
        self.initial = initial

    def _check_parameters(self):
        check_integer("n_components", self.n_components, low=1)
        check_choice("embedding", self.embedding, ("geodesic", "pca", None))
        check_choice("center", self.center, (True, False))
        check_choice("normalize", self.normalize, (True, False))
        check_choice("kernel", self.kernel, ("rbf", "linear"))
        check_number("gamma", self.gamma, low=0, low_open=True)
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_number("graph_weight", self.graph_weight, low=0)
        check_number("discrepancy_weight", self.discrepancy_weight, low=0)
        check_number("balance", self.balance, low=0, high=1, also=("auto",))
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_integer("n_rounds", self.n_rounds, low=0)
        known = self.initial is None or (
            hasattr(self.initial, "fit") and is_classifier(self.initial)
        )
        if not known:
            raise TypeError(
                "`initial` must be a classifier or None, got "
                f"{self.initial!r}. Pass KNeighborsClassifier(1), for example."
            )

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
        self._embed = learn_embedding(
            X[:n_source],
            X[n_source:],
            self.n_components,
            method=self.embedding,
            center=self.center,
            normalize=self.normalize,
        )
        self.projection_ = self._embed.projection
        Z = self._embed(X)
        is_gram = self.kernel == "rbf"
        risk = StructuralRisk(
            kernel_matrix(Z, gamma=self.gamma) if is_gram else Z,
            y,
            len(self.classes_),
            normalized_laplacian(neighbor_graph(Z, self.n_neighbors))
            if self.graph_weight > 0
            else None,
            is_gram=is_gram,
            graph_weight=self.graph_weight,
            regularization=self.regularization,
        )
        found = align_by_rounds(
            risk,
            Z,
            y[:n_source],
            y[n_source:],
            self._first_labels(Z, y, n_source),
            balance=self.balance,
            discrepancy_weight=self.discrepancy_weight,
            n_rounds=self.n_rounds,
        )
        self._coefficients = found.coefficients
        self._rows = Z if is_gram else None
        self.objective_, self.balance_ = found.objective, found.balance
        self.n_iter_ = len(found.balance)
        labels = np.empty_like(y_target)
        labels[order[n_source:] - n_source] = found.labels
        self.transduction_ = self.classes_[labels]

    def _first_labels(self, Z, y, n_source):
        if self.initial is None or len(y) == n_source:
            return None
        known = y >= 0
        model = fit_clone(self.initial, Z[known], y[known])
        return model.predict(Z[n_source:])

    def _scores(self, X):
        Z = self._embed(X)
        if self._rows is None:
            return (Z @ self._coefficients).astype(X.dtype, copy=False)
        scores = np.empty((len(Z), len(self.classes_)), dtype=X.dtype)
        for rows, block in kernel_blocks(Z, self._rows, gamma=self.gamma):
            scores[rows] = block @ self._coefficients
        return scores
