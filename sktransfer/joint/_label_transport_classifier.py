import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.joint._base import BaseProbabilisticClassifier
from sktransfer.joint._carried_labels import (
    carry_by_entropic_plans,
    carry_by_exact_plan,
)
from sktransfer.joint._joint_transport import restore_rows
from sktransfer.joint._label_transport import known_groups, row_groups, settled_shares
from sktransfer.joint._row_order import labelled_order
from sktransfer.joint._truncated_costs import NORMALIZATIONS, TruncatedCosts

__all__ = ["LabelTransportClassifier"]


class LabelTransportClassifier(BaseProbabilisticClassifier):
    r"""Optimal transport of labels: target rows get the labels of what moves onto them.

    A transport plan moves the source rows onto the target rows at least cost, and each
    takes its label along. A target row's class probabilities are the shares of the
    classes among what arrives. With "jcpot" the class proportions of the target are
    estimated along with the plan, from one or several sources.

    "sinkhorn" and "emd" assume that the features move by a transport of low cost, while
    the shares of the classes stay. Several sources count as one, every row the same.
    "jcpot" assumes target shift: the shares of the classes differ between all domains,
    the rows of a class are alike in all. Reads the labels of the source and of labelled
    target rows; those keep their label, and source rows of other classes are kept away.

    Cost: "sinkhorn" and "jcpot" hold some six matrices with an entry for each pair of
    rows, 2 GB for 6,000 rows in both domains; an iteration passes over one of them
    twice. "emd" is one exact transport problem, which needs POT; beyond a million pairs
    its memory grows with ``n_source + n_target``.

    Parameters
    ----------
    method : {"sinkhorn", "emd", "jcpot"}, default="sinkhorn"
        A plan blurred by an entropy, the exact plan, or blurred plans of all sources
        together with the target's class proportions.
    regularization : float, default=0.05
        Weight of the entropy, in units of the costs. Small values give plans that are
        nearly exact, after many iterations; "emd" does not look at it.
    normalization : {"median", "mean", "max"}, default="median"
        Costs are squared distances, divided by the median, the mean or the largest of
        them, so that the scale of X does not count.
    truncation : float, default=10.0
        The largest cost: further away all is equally far. One outlier would otherwise
        decide about the share of its class in "jcpot".
    debias : bool, default=True
        For "jcpot": take from the costs of a source row what it costs to move it within
        its own source. Otherwise classes that scatter little, or in whose neighbourhood
        there are many rows, draw mass: in 800 dimensions most of it. False is the
        published method.
    max_iter : int, default=1000
        Largest number of iterations of "sinkhorn" and "jcpot".
    tol : float, default=1e-4
        They stop where an iteration moves less than this share of the mass.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    transduction_ : ndarray of shape (n_target_rows,)
        Class of each target row of fit.
    label_distributions_ : ndarray of shape (n_target_rows, n_classes)
        Shares of the classes in each target row of fit.
    target_prior_ : ndarray of shape (n_classes,)
        Class proportions of the target: estimated by "jcpot", else those of the source.
    plan_ : {sparse array, ndarray} of shape (n_source_rows, n_target_rows)
        Share of the mass that goes from each labelled source row of fit to each target
        row, both in the order of X; sparse for "emd". For "jcpot" the mean over the
        sources' plans, each from its own rows. Without target rows the source stands in
        for them.
    source_potentials_ : ndarray of shape (n_source_rows,)
        Dual prices of the source rows, in units of the costs.
    n_iter_ : int
        Number of iterations, 1 for "emd".
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.JointTransportClassifier : Improves the plan and a classifier in turn.
    sktransfer.OptimalTransportAligner : Moves the rows rather than the labels.

    Notes
    -----
    With plan :math:`\gamma` and n target rows, row j has the class probabilities
    :math:`n \sum_i \gamma_{ij} [y_i = c]` [1]_ [2]_. An entropic plan is
    :math:`\gamma_{ij} = \exp((f_i + g_j - c_{ij}) / \varepsilon)`, so a new row x gets
    the column that the potentials f give it,

    .. math:: P(c \mid x) \propto \sum_{i: y_i = c} \exp((f_i - c(x_i, x)) /
        \varepsilon).

    For "emd" it is the limit :math:`\varepsilon \to 0`: the label of the source row
    with the largest :math:`f_i - c(x_i, x)`. Equal target rows share what arrives; a
    row that equals a target row of fit gets that row's shares back.

    "jcpot" minimises the mean over the sources k of
    :math:`\varepsilon KL(\gamma^k | \exp(-c^k / \varepsilon))` over plans and class
    proportions h, where a row of class c weighs :math:`h_c / n^k_c` [2]_. The update of
    h is the exact projection, the geometric mean of the class's row sums; the published
    one puts the arithmetic mean in its place and stops beside the minimum. `debias`
    subtracts from :math:`c^k_{ij}` the potential of row i in the entropic plan of
    source k onto itself in which no row goes to itself, akin to debiased barycenters
    [3]_. A source that lacks a class has no say on h and moves only the mass of the
    classes it has, to target rows of its choice; where every source lacks a class, they
    count as one.

    Every few iterations the potentials of whole classes are solved for by Newton's
    method: classes that lie apart exchange hardly any mass by row and column scaling.

    References
    ----------
    .. [1] J. Solomon, R. Rustamov, L. Guibas, A. Butscher. Wasserstein Propagation for
       Semi-Supervised Learning. ICML, 2014.
    .. [2] I. Redko, N. Courty, R. Flamary, D. Tuia. Optimal Transport for Multi-source
       Domain Adaptation under Target Shift. AISTATS, 2019.
    .. [3] H. Janati, M. Cuturi, A. Gramfort. Debiased Sinkhorn Barycenters. ICML, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LabelTransportClassifier
    >>> rng = np.random.RandomState(0)
    >>> y_source, y_target = np.repeat([0, 1], [50, 50]), np.repeat([0, 1], [80, 20])
    >>> labels = np.r_[y_source, y_target]
    >>> X = rng.normal(size=(200, 2)) + np.c_[8 * labels, 0 * labels]
    >>> y = np.r_[y_source, np.full(100, -1)]
    >>> model = LabelTransportClassifier(method="jcpot").fit(X, y)
    >>> model.target_prior_.round(2)
    array([0.8, 0.2])
    >>> bool(model.score(X[100:], y_target) > 0.95)
    True
    """

    def __init__(
        self,
        *,
        method="sinkhorn",
        regularization=0.05,
        normalization="median",
        truncation=10.0,
        debias=True,
        max_iter=1000,
        tol=1e-4,
    ):
        self.method = method
        self.regularization = regularization
        self.normalization = normalization
        self.truncation = truncation
        self.debias = debias
        self.max_iter = max_iter
        self.tol = tol

    def _check_parameters(self):
        check_choice("method", self.method, ("sinkhorn", "emd", "jcpot"))
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_choice("normalization", self.normalization, NORMALIZATIONS)
        check_number("truncation", self.truncation, low=0, low_open=True)
        check_choice("debias", self.debias, (True, False))
        check_integer("max_iter", self.max_iter, low=1)
        check_number("tol", self.tol, low=0)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._fit_domains(
            X_source,
            y_source,
            X_target,
            y_target,
            source_domain=np.ones(len(y_source), dtype=np.int64),
            target_domain=None,
        )

    def _fit_domains(
        self, X_source, y_source, X_target, y_target, *, source_domain, target_domain
    ):
        self._check_parameters()
        by_source = labelled_order(X_source, y_source)
        by_target = labelled_order(X_target, y_target)
        X_source, y_source = X_source[by_source], y_source[by_source]
        X_target, y_target = X_target[by_target], y_target[by_target]
        self._costs = TruncatedCosts(
            X_source,
            X_target,
            y_source,
            y_target,
            normalization=self.normalization,
            truncation=self.truncation,
        )
        n_classes = len(self.classes_)
        if self.method == "emd":
            groups, _ = row_groups(X_source)
            carried = carry_by_exact_plan(
                self._costs, y_source, groups, y_target >= 0, n_classes
            )
        else:
            carried = carry_by_entropic_plans(
                self._costs,
                y_source,
                source_domain[by_source] if self.method == "jcpot" else None,
                n_classes,
                regularization=self.regularization,
                debias=self.debias,
                tol=self.tol,
                max_iter=self.max_iter,
            )
        self._warn_unless_settled(carried.moved)
        groups, self._known = row_groups(X_target)
        shares, self._known_shares = settled_shares(carried.shares, y_target, groups)
        self._rule, self.n_iter_ = carried.rule, carried.n_iter
        self.target_prior_ = carried.proportions
        self.label_distributions_ = shares[np.argsort(by_target)]
        self.transduction_ = self.classes_[self.label_distributions_.argmax(axis=1)]
        self.plan_ = restore_rows(carried.plan, by_source, by_target)
        self.source_potentials_ = carried.potentials[np.argsort(by_source)]

    def _warn_unless_settled(self, moved):
        if moved > self.tol:
            warnings.warn(
                f"LabelTransportClassifier stopped after {self.max_iter} iterations, "
                f"the last of which moved {moved:.1g} of the mass. Raise `max_iter` or "
                "`regularization`.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _scores(self, X):
        shares = np.empty((X.shape[0], len(self.classes_)))
        known = known_groups(X, self._known)
        shares[known >= 0] = self._known_shares[known[known >= 0]]
        new = np.flatnonzero(known < 0)
        for rows, costs in self._costs.blocks(X[new]):
            shares[new[rows]] = self._rule.shares(costs)
        return shares
