import warnings
from dataclasses import fields

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from sktransfer._domains import encode_labels, label_array, resolve_domains
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._transport_costs import RowScale
from sktransfer.feature._transport_maps import (
    EntropicMap,
    NearestDisplacement,
    barycentric_images,
    equal_row_groups,
    fit_kernel_ridge,
    fit_ridge,
    transported_labels,
)
from sktransfer.feature._transport_problem import BY_CLASS, METHODS, TransportProblem
from sktransfer.joint._joint_transport import restore_rows
from sktransfer.joint._row_order import labelled_order

__all__ = ["OptimalTransportAligner"]


class OptimalTransportAligner(OneToOneFeatureMixin, BaseAligner):
    r"""Optimal transport: move source rows onto the target rows at the least cost.

    A plan sends the mass of the source rows to the target rows such that the mean
    squared distance is least; each source row is mapped to the mean of the target rows
    that it is sent to. Target rows stay as they are, so a model fitted on mapped source
    rows serves raw target rows.

    Assumes that the target came about by a move of the rows that keeps near rows near,
    and that the classes have the same shares in both domains, as every row is sent and
    met: otherwise rows are sent to other classes, which "unbalanced" and "partial"
    soften. With many columns distances say little, and the means over target rows lie
    closer together than rows do; then a linear map is often better. Judge on labelled
    target rows.

    Reads no labels, but for these: "class_lpl1" and "class_l1l2" read those of the
    source, `semi_supervised` those of both. Several source domains count as one.

    Cost: "emd" is one exact transport problem, for whose costs memory grows with
    ``n_source + n_target`` above a million pairs of rows. The other methods hold all
    pairs; "sinkhorn" takes some tens of products with them, the class methods and
    "unbalanced" some hundred, "laplace" and "partial" solve exact problems.

    Parameters
    ----------
    method : str, default="emd"
        "emd": exact. "sinkhorn": with an entropy, which blurs the plan and evens out
        noise. "class_lpl1" and "class_l1l2": with an entropy, and the mass of a target
        row shall come from one class, or from many rows of one class. "laplace": exact,
        and neighbours shall move alike. "unbalanced": with an entropy, and rows far off
        may send and get less. "partial": exact for the share `mass` that costs least,
        the rest is not moved.
    regularization : float, default=1.0
        Weight of the entropy. The unit here and below is the standard deviation of the
        squared distances, row and column means taken out: what decides a plan. The
        plan does not change with the scale of X.
    penalty : float, default=1.0
        Weight of what "class_lpl1", "class_l1l2" and "laplace" add. For "laplace", of
        the mean squared difference of the moves of neighbours against the mean squared
        move.
    n_neighbors : int, default=5
        Number of neighbours for "laplace".
    marginal_relaxation : float, default=10.0
        How much a row must lie farther off than others, in that unit, before it sends
        or gets clearly less, for "unbalanced".
    mass : float, default=0.9
        Share of the mass that "partial" moves, in (0, 1].
    semi_supervised : bool, default=False
        Whether source rows are kept from labelled target rows of other classes. They
        meet only if the shares of the classes leave no other way.
    mapping : {"barycentric", "linear", "kernel"}, default="barycentric"
        "barycentric": source rows of fit are mapped to their means of target rows; new
        ones are moved as the nearest source row of fit, for "sinkhorn" to the mean
        under the plan's extension to all rows. "linear" and "kernel": all source rows
        are mapped by an affine map, or by a smooth one with a Gaussian kernel, learned
        from those means.
    mapping_regularization : float, default=0.01
        For "linear" and "kernel": what draws the map towards one move for all rows. For
        "linear" in units of the mean variance of the columns.
    gamma : float, "median" or None, default="median"
        Width of the kernel of "kernel" on the scaled rows: a number; "median": 1 over
        the median squared distance; None: 1 / n_features.
    n_rounds : int, default=30
        Largest number of rounds of the class methods and of "laplace", each one
        problem without the penalty.
    n_iter : int, default=1000
        Largest number of iterations of an entropic problem.
    tol : float, default=1e-6
        Error to stop at: of the sums of the plan as a share of themselves, of its
        logarithms for "unbalanced".

    Attributes
    ----------
    plan_ : {sparse array, ndarray} of shape (n_source, n_target)
        Share of the mass that goes from each source row of fit to each target row, both
        in the order of X. Sparse for the exact methods. It sums to one, for "partial"
        to `mass`; but for that and for "unbalanced" every row sends and gets the same.
    source_mass_ : ndarray of shape (n_source,)
        Mass that each source row of fit sends, 1 where it sends its equal share. Rows
        that send nothing are moved as the nearest row that does; they may better be
        left out.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.LinearTransportAligner : The best linear map, from the covariances.
    sktransfer.JointTransportClassifier : Learns a classifier along with the plan.

    Notes
    -----
    The plan minimises [1]_

    .. math::

       \sum_{ij} P_{ij} \|x_i - z_j\|^2 + \epsilon \sum_{ij} P_{ij} \log P_{ij}
       + \eta \, \Omega(P)

    over :math:`P \ge 0` with row sums :math:`1 / n_s` and column sums :math:`1 / n_t`.
    With :math:`s_{jc}` the share of target row j that comes from source rows of class
    c, the penalty of "class_lpl1" is the mean over j of :math:`\sum_c \sqrt{s_{jc} +
    10^{-3}}`, that of "class_l1l2" the mean of :math:`n_t \sum_c \|P_{cj}\|`,
    :math:`P_{cj}` the entries of class c. Unlabelled source rows are a class of their
    own. Neither depends on the number of rows. The first is not convex; each round
    lowers the objective.
    "laplace" compares the moves of source rows, and of target rows back, with those of
    their neighbours [2]_; it stops at a duality gap of 2 %. "unbalanced" replaces the
    constraints by Kullback-Leibler divergences; its plan is scaled to sum one, which
    amounts to a constant in the costs.

    Equal source rows share one image.

    References
    ----------
    .. [1] N. Courty, R. Flamary, D. Tuia, A. Rakotomamonjy. Optimal Transport for
       Domain Adaptation. IEEE Transactions on Pattern Analysis and Machine
       Intelligence, 2017.
    .. [2] S. Ferradans, N. Papadakis, G. Peyré, J.-F. Aujol. Regularized Discrete
       Optimal Transport. SIAM Journal on Imaging Sciences, 2014.
    .. [3] M. Perrot, N. Courty, R. Flamary, A. Habrard. Mapping Estimation for Discrete
       Optimal Transport. NeurIPS, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import OptimalTransportAligner
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [12.0], [14.0]])
    >>> y = [0, 0, 1, -1, -1, -1]
    >>> aligner = OptimalTransportAligner()
    >>> aligner.fit_transform(X, y).ravel()
    array([10., 12., 14., 10., 12., 14.])
    >>> aligner.transform([[1.1]], sample_domain=["source"])
    array([[12.1]])

    What the labels of the source say of the target rows, through the plan:

    >>> aligner.transport_labels(y)
    array([[1., 0.],
           [1., 0.],
           [0., 1.]])
    """

    def __init__(
        self,
        method="emd",
        *,
        regularization=1.0,
        penalty=1.0,
        n_neighbors=5,
        marginal_relaxation=10.0,
        mass=0.9,
        semi_supervised=False,
        mapping="barycentric",
        mapping_regularization=0.01,
        gamma="median",
        n_rounds=30,
        n_iter=1000,
        tol=1e-6,
    ):
        self.method = method
        self.regularization = regularization
        self.penalty = penalty
        self.n_neighbors = n_neighbors
        self.marginal_relaxation = marginal_relaxation
        self.mass = mass
        self.semi_supervised = semi_supervised
        self.mapping = mapping
        self.mapping_regularization = mapping_regularization
        self.gamma = gamma
        self.n_rounds = n_rounds
        self.n_iter = n_iter
        self.tol = tol

    @property
    def _reads_target_labels(self):
        return self.semi_supervised

    def _check_params(self):
        check_choice("method", self.method, METHODS)
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_number("penalty", self.penalty, low=0)
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_number(
            "marginal_relaxation", self.marginal_relaxation, low=0, low_open=True
        )
        check_number("mass", self.mass, low=0, low_open=True, high=1)
        check_choice("semi_supervised", self.semi_supervised, (True, False))
        check_choice("mapping", self.mapping, ("barycentric", "linear", "kernel"))
        check_number(
            "mapping_regularization", self.mapping_regularization, low=0, low_open=True
        )
        check_number("gamma", self.gamma, low=0, low_open=True, also=("median", None))
        check_integer("n_rounds", self.n_rounds, low=1)
        check_integer("n_iter", self.n_iter, low=1)
        check_number("tol", self.tol, low=0)

    def _fit_domains(self, X, y, domains):
        self._domain = domains.domain
        return super()._fit_domains(X, y, domains)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        y_source = self._classes(y_source, len(X_source), "source")
        y_target = self._classes(y_target, len(X_target), "target")
        by_source = labelled_order(X_source, y_source)
        by_target = labelled_order(X_target, y_target)
        y_source, y_target = y_source[by_source], y_target[by_target]
        X_source, X_target_sorted = X_source[by_source], X_target[by_target]
        groups = (
            equal_row_groups(X_source, y_source),
            equal_row_groups(X_target_sorted, y_target),
        )
        names = [field.name for field in fields(TransportProblem)]
        problem = TransportProblem(**{name: getattr(self, name) for name in names})
        self._scale = RowScale(
            X_source, X_target_sorted, together=problem.sums_are_fixed
        )
        source = self._scale.of_source(X_source)
        target = self._scale.of_target(X_target_sorted)
        solution = problem.solve(source, target, y_source, y_target)
        self._warn_at(solution.limit)
        plan = solution.plan
        images, moved = barycentric_images(plan, target, groups[0])
        self._source_map = self._learn_map(
            source[moved], images[moved], target, solution
        )
        self._orders, self._groups = (by_source, by_target), groups
        self.plan_ = restore_rows(plan, by_source, by_target)
        mass = np.asarray(self.plan_.sum(axis=1)).ravel()
        self.source_mass_ = len(source) * mass
        if self.mapping != "barycentric":
            return None
        if not moved.all():
            images[~moved] = self._source_map(source[~moved])
        mapped = np.empty_like(X_source)
        mapped[by_source] = self._scale.to_target(images)
        return mapped, X_target

    def _classes(self, y, n_rows, domain):
        """Return class numbers of the rows, -1 where there is none or none is read."""
        by_class = self.method in BY_CLASS and domain == "source"
        if not (by_class or self.semi_supervised):
            return np.full(n_rows, -1)
        y = np.full(n_rows, -1) if y is None else y
        if y.dtype.kind == "f" or y.ndim > 1:
            raise ValueError(
                f"method={self.method!r} with semi_supervised={self.semi_supervised} "
                "compares classes, but y holds values of a regression. Take a method "
                "that reads no labels, and semi_supervised=False."
            )
        if by_class and not (y >= 0).any():
            raise ValueError(
                f"method={self.method!r} needs labels of source rows, got none. Pass "
                "y, or take a method that reads none, 'sinkhorn' say."
            )
        return y

    def _warn_at(self, limit):
        if limit is not None:
            other = (
                "or lower penalty" if limit == "n_rounds" else "regularization or tol"
            )
            warnings.warn(
                f"{type(self).__name__}: method={self.method!r} stopped at {limit}="
                f"{getattr(self, limit)} before its plan was as exact as asked for. "
                f"Raise {limit}, {other}.",
                ConvergenceWarning,
                stacklevel=5,
            )

    def _learn_map(self, rows, images, target, solution):
        if self.mapping == "linear":
            return fit_ridge(rows, images, self.mapping_regularization)
        if self.mapping == "kernel":
            return fit_kernel_ridge(
                rows, images, self.mapping_regularization, self.gamma
            )
        if solution.potential is None:
            return NearestDisplacement(rows, images)
        return EntropicMap(target, solution.potential, solution.blur)

    def _map_source(self, X):
        return self._scale.to_target(self._source_map(self._scale.of_source(X)))

    def _map_target(self, X):
        return X.copy()

    def transport_labels(self, y):
        """Return what the plan says of the target rows of fit by the source's labels.

        Parameters
        ----------
        y : array-like of shape (n_samples,)
            Labels of the rows of fit, in the order of X. Only those of source rows are
            read; unlabelled ones are left out.

        Returns
        -------
        ndarray of shape (n_target, n_classes) or (n_target,)
            For each target row of fit, in the order of X, the shares of the classes,
            sorted as by `numpy.unique`; for a regression the mean value. Target rows
            that get no mass have the mean of the source.
        """
        check_is_fitted(self)
        if self.is_identity_:
            raise ValueError(
                "transport_labels needs target rows, but fit found none. Mark "
                "unlabelled target rows in y or pass sample_domain to fit."
            )
        domains = resolve_domains(y, self._domain, len(self._domain))
        source = self._domain > 0
        labeled = domains.labeled & source
        if not labeled.any():
            raise ValueError("transport_labels needs labels of source rows, got none.")
        codes = encode_labels(label_array(y), labeled)[source]
        values = codes.reshape(len(codes), -1)
        if codes.dtype.kind != "f":
            values = np.eye(codes.max() + 1)[codes]
        by_source, by_target = self._orders
        arrived = transported_labels(
            self.plan_[by_source][:, by_target],
            values[by_source],
            labeled[source][by_source],
            self._groups,
        )
        shares = np.empty_like(arrived)
        shares[by_target] = arrived
        return shares if codes.dtype.kind != "f" or codes.ndim > 1 else shares.ravel()
