import numpy as np
from sklearn.base import clone
from sklearn.linear_model import Ridge

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.joint._joint_transport import (
    SquaredDistances,
    joint_transport,
    restore_rows,
)
from sktransfer.joint._regressor_base import BaseJointRegressor
from sktransfer.joint._row_order import labelled_order

__all__ = ["JointTransportRegressor"]


class JointTransportRegressor(BaseJointRegressor):
    r"""Joint distribution optimal transport: learn a regressor for the target.

    Source rows, values included, are moved onto target rows, each taken together with
    the value that the regressor predicts for it. The plan and the regressor are
    improved in turn: the regressor is fitted on target rows with the mean values the
    plan brings, the plan follows the features and what the regressor predicts.

    Assumes that the joint distribution of features and value moves to the target's by
    a transport of low cost: features and the function that links them to the value may
    both change, the distribution of the values may not. Reads the values of the source
    and of labelled target rows; those keep their own value.

    Cost: a round is one exact transport problem and one fit of `estimator` on the
    target rows. Up to a million pairs of rows the network
    simplex sees all costs; beyond, it sees some tens of pairs a row and those that its
    dual prices ask for, and costs are made in blocks: memory grows with ``n_source +
    n_target``, time with some ten passes over all pairs. "sinkhorn" holds all pairs.

    Parameters
    ----------
    estimator : regressor, default=None
        Any regressor. None: ``Ridge()``.
    alpha : float, default=1.0
        Weight of the distance of the features. Squared distances are divided by the
        largest of them, squared gaps of values by the variance of the source's values,
        so units do not matter.
    method : {"emd", "sinkhorn"}, default="emd"
        "emd" finds the best plan exactly, "sinkhorn" a blurred one.
    regularization : float, default=0.1
        Weight of the entropy for "sinkhorn", in units of the cost.
    n_iter : int, default=10
        Largest number of rounds.
    tol : float, default=1e-5
        Stop where the objective falls by less than this share of itself.

    Attributes
    ----------
    estimator_ : regressor
        The fitted clone of `estimator`.
    plan_ : {sparse array, ndarray} of shape (n_source_rows, n_target_rows)
        Share of the mass that goes from each labelled source row of fit to each target
        row, both in the order of X; sparse for "emd". Without target rows the source
        stands in for them.
    objective_ : list of float
        Mean cost of the plan after each round, for "sinkhorn" plus `regularization`
        times the divergence of the plan from the one that sends every row everywhere.
        It falls: a round that does not lower it is not kept.
    n_iter_ : int
        Number of rounds kept.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.JointTransportClassifier : The same for classification.
    sktransfer.TransferRegressor : Adapts first and learns then.

    Notes
    -----
    The objective is

    .. math:: \min_{f, \gamma} \sum_{ij} \gamma_{ij} \left(\alpha d(x_i, x_j) +
        (y_i - f(x_j))^2 / s^2\right)

    over plans :math:`\gamma` between uniform weights [1]_, :math:`s^2` the variance of
    the source's values. Given the plan, the best :math:`f` is the least squares fit to
    :math:`n_t \gamma^T y`. For a labelled target row its value stands in the place of
    :math:`f(x_j)`, and it is fitted to it. The first plan looks at the features alone.

    References
    ----------
    .. [1] N. Courty, R. Flamary, A. Habrard, A. Rakotomamonjy. Joint Distribution
       Optimal Transportation for Domain Adaptation. NeurIPS, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import JointTransportRegressor
    >>> rng = np.random.RandomState(0)
    >>> X_source, X_target = rng.normal(size=(80, 1)), rng.normal(size=(80, 1)) + 5
    >>> y = np.r_[X_source[:, 0], np.full(80, np.nan)]
    >>> model = JointTransportRegressor().fit(np.r_[X_source, X_target], y)
    >>> bool(model.score(X_target, X_target[:, 0] - 5) > 0.9)
    True
    """

    def __init__(
        self,
        estimator=None,
        *,
        alpha=1.0,
        method="emd",
        regularization=0.1,
        n_iter=10,
        tol=1e-5,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.method = method
        self.regularization = regularization
        self.n_iter = n_iter
        self.tol = tol

    def _fit(self, X_source, y_source, X_target, y_target):
        check_number("alpha", self.alpha, low=0)
        check_choice("method", self.method, ("emd", "sinkhorn"))
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_integer("n_iter", self.n_iter, low=1)
        check_number("tol", self.tol, low=0)
        by_source = labelled_order(X_source, y_source)
        by_target = labelled_order(X_target, y_target)
        X_source, y_source = X_source[by_source], y_source[by_source]
        X_target, y_target = X_target[by_target], y_target[by_target]
        labeled = ~np.isnan(y_target)
        spread = np.std(y_source) or 1.0
        distances = SquaredDistances(X_source, X_target)
        scale = np.sqrt(self.alpha / distances.largest())

        def costs_at(model):
            # Features and values side by side: the cost is one squared distance.
            source, target = scale * X_source, scale * X_target
            if model is not None:
                shown = np.where(labeled, y_target, model.predict(X_target))
                source = np.c_[source, y_source / spread]
                target = np.c_[target, shown / spread]
            return SquaredDistances(source, target)

        def refit(plan):
            moved = len(X_target) * (plan.T @ y_source)
            return clone(self._inner()).fit(
                X_target, np.where(labeled, y_target, moved)
            )

        self.estimator_, plan, self.objective_ = joint_transport(
            costs_at,
            refit,
            distances.shape,
            method=self.method,
            regularization=self.regularization,
            n_iter=self.n_iter,
            tol=self.tol,
        )
        self.plan_ = restore_rows(plan, by_source, by_target)
        self.n_iter_ = len(self.objective_)

    def _inner(self):
        return Ridge() if self.estimator is None else self.estimator

    def _predict(self, X):
        return self.estimator_.predict(X)
