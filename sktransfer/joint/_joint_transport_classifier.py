import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.utils.metaestimators import available_if

from sktransfer._joined_rows import content_codes, join_rows
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer._weights import accepts_weights, fit_weighted
from sktransfer.joint._base import BaseJointClassifier
from sktransfer.joint._joint_transport import (
    LOSSES,
    SquaredDistances,
    class_losses,
    joint_transport,
    restore_rows,
)
from sktransfer.joint._row_order import labelled_order

__all__ = ["JointTransportClassifier"]

_NO_MASS = 1e-9


def _gives_probabilities(self):
    inner = getattr(self, "estimator_", None)
    inner = self._inner() if inner is None else inner
    inner.predict_proba  # noqa: B018  (raises the inner estimator's own sentence)
    return True


class JointTransportClassifier(BaseJointClassifier):
    r"""Joint distribution optimal transport: learn a classifier for the target.

    Source rows, labels included, are moved onto target rows, each taken together with
    the label that the classifier predicts for it. The plan and the classifier are
    improved in turn: the classifier is fitted on target rows that carry the labels the
    plan brings, the plan follows the features and what the classifier predicts.

    Assumes that the joint distribution of features and label moves to the target's by
    a transport of low cost: features and the rule that links them to the label may
    both change, the shares of the classes may not, as every source row weighs the
    same. Reads the labels of the source and of labelled target rows; of those the own
    label is learned, and source rows of other classes are kept away.

    Cost: a round is one exact transport problem and one fit of `estimator` on some
    ``n_source + n_target`` weighted rows. Up to a million pairs of rows the network
    simplex sees all costs; beyond, it sees some tens of pairs a row and those that its
    dual prices ask for, and costs are made in blocks: memory grows with ``n_source +
    n_target``, time with some ten passes over all pairs. "sinkhorn" holds all pairs.

    Parameters
    ----------
    estimator : classifier, default=None
        Any classifier whose `fit` takes `sample_weight`. It sees the classes as numbers
        0, 1, …. None: ``LogisticRegression()``.
    alpha : float, default=1.0
        Weight of the distance of the features. Squared distances are divided by the
        largest of them.
    loss : {"log_loss", "squared", "hinge"}, default="log_loss"
        Loss of the label in the cost. The first two look at `predict_proba`, "hinge"
        at `decision_function`; the last two are sums over the classes, each against
        the rest.
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
    estimator_ : classifier
        The fitted clone of `estimator`. Its class k is ``classes_[class_order_[k]]``.
    class_order_ : ndarray of shape (n_classes,)
        0, 1, … if `estimator` is given. The default takes the classes in the order of
        their rows' content, so that their names do not matter.
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
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.JointTransportRegressor : The same for regression.
    sktransfer.TransferClassifier : Adapts first and learns then.

    Notes
    -----
    The objective is

    .. math:: \min_{f, \gamma} \sum_{ij} \gamma_{ij} \left(\alpha d(x_i, x_j) +
        \mathcal{L}(y_i, f(x_j))\right)

    over plans :math:`\gamma` between uniform weights [1]_. For a labelled target row
    its label stands in the place of :math:`f(x_j)`. The first plan looks at the
    features alone. Probabilities below 1e-7 count as 1e-7 in the loss.

    References
    ----------
    .. [1] N. Courty, R. Flamary, A. Habrard, A. Rakotomamonjy. Joint Distribution
       Optimal Transportation for Domain Adaptation. NeurIPS, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import JointTransportClassifier
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat([0, 1], 50)
    >>> X_source = rng.normal(size=(100, 2)) + np.c_[6 * y, 0 * y]
    >>> X_target = rng.normal(size=(100, 2)) + np.c_[6 * y + 4, 0 * y]
    >>> model = JointTransportClassifier()
    >>> model = model.fit(np.r_[X_source, X_target], np.r_[y, np.full(100, -1)])
    >>> bool(model.score(X_target, y) > 0.95)
    True
    """

    __metadata_request__predict_proba = {"sample_domain": True}

    def __init__(
        self,
        estimator=None,
        *,
        alpha=1.0,
        loss="log_loss",
        method="emd",
        regularization=0.1,
        n_iter=10,
        tol=1e-5,
    ):
        self.estimator = estimator
        self.alpha = alpha
        self.loss = loss
        self.method = method
        self.regularization = regularization
        self.n_iter = n_iter
        self.tol = tol

    def _inner(self):
        return LogisticRegression() if self.estimator is None else self.estimator

    def _check_parameters(self):
        check_number("alpha", self.alpha, low=0)
        check_choice("loss", self.loss, LOSSES)
        check_choice("method", self.method, ("emd", "sinkhorn"))
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_integer("n_iter", self.n_iter, low=1)
        check_number("tol", self.tol, low=0)
        inner = self._inner()
        needed = "decision_function" if self.loss == "hinge" else "predict_proba"
        if not hasattr(inner, needed):
            raise ValueError(
                f"loss={self.loss!r} needs an estimator with {needed}, which "
                f"{type(inner).__name__} has not. Take another loss or estimator."
            )
        if not accepts_weights(inner):
            raise ValueError(
                f"{type(inner).__name__} takes no sample_weight in fit, but the "
                "transported labels of target rows are weighted. Take an estimator "
                "that does."
            )

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_parameters()
        y_source, y_target = self._renumbered(X_source, y_source, X_target, y_target)
        by_source = labelled_order(X_source, y_source)
        by_target = labelled_order(X_target, y_target)
        X_source, y_source = X_source[by_source], y_source[by_source]
        X_target, y_target = X_target[by_target], y_target[by_target]
        classes = np.eye(len(self.classes_))
        onehot = classes[y_source]
        labeled = y_target >= 0
        known = classes[y_target[labeled]]
        distances = SquaredDistances(X_source, X_target)
        weight = self.alpha / distances.largest()

        def costs_at(model):
            if model is None:
                return lambda rows: weight * distances(rows)
            shown = self._shown(model, X_target)
            shown[labeled] = 2 * known - 1 if self.loss == "hinge" else known
            losses = np.ascontiguousarray(class_losses(shown, self.loss).T)

            def costs(rows):
                block = distances(rows)
                block *= weight
                block += losses[y_source[rows]]
                return block

            return costs

        def refit(plan):
            mass = len(X_target) * (plan.T @ onehot)
            mass[labeled] = known
            rows, codes = np.nonzero(mass > _NO_MASS)
            if len(np.unique(codes)) < 2:
                own = self.class_order_[codes[:1]]
                raise ValueError(
                    f"{type(self).__name__} learns from target rows with the classes "
                    "that reach them, and one class alone does: "
                    f"{self.classes_[own].tolist()[0]!r}. Pass more target rows."
                )
            model = clone(self._inner())
            return fit_weighted(model, X_target[rows], codes, mass[rows, codes], {})

        self.estimator_, plan, self.objective_ = joint_transport(
            costs_at,
            refit,
            distances.shape,
            method=self.method,
            regularization=self.regularization,
            n_iter=self.n_iter,
            tol=self.tol,
            groups=y_source,
        )
        self.plan_ = restore_rows(plan, by_source, by_target)
        self.n_iter_ = len(self.objective_)

    def _renumbered(self, X_source, y_source, X_target, y_target):
        labels = np.r_[y_source, y_target]
        self.class_order_ = np.arange(len(self.classes_))
        if self.estimator is None:
            # Logistic regression stops early, at a point that the order of the classes
            # decides by rounding, and the rounds carry the difference on.
            codes = content_codes(join_rows(X_source, X_target), labels)
            self.class_order_[codes[labels >= 0]] = labels[labels >= 0]
            labels = codes
        return labels[: len(y_source)], labels[len(y_source) :]

    def _shown(self, model, X):
        """Return what the loss looks at, one column a class."""
        n_classes = len(self.classes_)
        if self.loss != "hinge":
            # A class that no target row carries has probability zero.
            shown = np.zeros((X.shape[0], n_classes))
            shown[:, model.classes_] = model.predict_proba(X)
            return shown
        shown = np.full((X.shape[0], n_classes), -1.0)
        shown[:, model.classes_] = _decisions(model, X)
        return shown

    def _scores(self, X):
        columns = self.class_order_[self.estimator_.classes_]
        scores = np.full((X.shape[0], len(self.classes_)), -np.inf)
        if hasattr(self.estimator_, "predict_proba"):
            scores[:] = 0
            scores[:, columns] = self.estimator_.predict_proba(X)
        else:
            scores[:, columns] = _decisions(self.estimator_, X)
        return scores

    @available_if(_gives_probabilities)
    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities, if the estimator does.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but both domains share one rule.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return self._scores_of(X, sample_domain)


def _decisions(model, X):
    """Return one decision a class; two classes share one up to the sign."""
    decisions = model.decision_function(X)
    return np.c_[-decisions, decisions] if decisions.ndim == 1 else decisions
