import numpy as np

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.joint._base import BaseProbabilisticClassifier
from sktransfer.joint._gradual_steps import steps_by_domain, steps_by_likeness
from sktransfer.joint._self_training import (
    check_probabilistic,
    fit_clone,
    join_rows,
    probabilities_of,
    pseudo_labels,
    takes_sparse,
)

__all__ = ["GradualTransferClassifier"]


class GradualTransferClassifier(BaseProbabilisticClassifier):
    r"""Gradual self-training: from the source to the target in small steps.

    The source's classifier labels the rows of the nearest target domain; a new one is
    fitted on them and labels the next domain, and so on. The last one predicts.

    Assumes that the target domains form a chain from the source in which neighbours
    differ little, though the ends may differ a lot: the data of one day after the
    other, of one age after the other. Reads the source labels, and the target's where
    there are any: such rows keep their labels. Several source domains count as one.

    Cost: one fit of the estimator for each step, and one for the source. Sparse rows
    are taken if the estimator takes them.

    Parameters
    ----------
    estimator : object, default=None
        Classifier with `predict_proba`. None: logistic regression. Regularise it: a
        classifier that fits its own pseudo-labels perfectly learns nothing from them.
    order : {"number", "distance"}, default="number"
        In which order the target domains are visited. "number": -1, then -2, then -3.
        "distance": always the one with the smallest maximum mean discrepancy from the
        domain before, beginning at the source.
    drop : float, default=0.1
        Share of the rows of each step, those predicted least confidently, that get no
        pseudo-label.
    n_steps : int, default=None
        Split a single target domain into so many groups, rows like the source first.
        The classifier of each step then learns from the source and all groups so far,
        since new rows may be like any of them. None: a target domain is one step.
    split : {"distance", "classifier"}, default="distance"
        How like the source a row is: by its distance to the nearest source row, or by a
        linear classifier that tells the domains apart.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    estimator_ : object
        The estimator of the last step.
    estimators_ : list of object
        The estimator of the source, then that of each step.
    domains_ : ndarray of shape (n_domains,)
        Numbers of the target domains in the order they were visited.
    steps_ : ndarray of shape (n_target,)
        In which step each target row of fit took part, from 0.
    transduction_ : ndarray of shape (n_target,)
        Class of each target row of fit: its label, or else the prediction of the
        estimator of its step; with `n_steps` that of the last estimator.
    n_selected_ : list of int
        Number of pseudo-labels given in each step.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.SelfTrainedTransferClassifier : Stays with the source and one target.

    Notes
    -----
    Without `n_steps`, each step fits on its own pseudo-labels alone, not on the source
    [1]_; a class that none of them has keeps the rows that stood for it before.

    References
    ----------
    .. [1] A. Kumar, T. Ma, P. Liang. Understanding Self-Training for Gradual Domain
       Adaptation. ICML, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import GradualTransferClassifier
    >>> rng = np.random.RandomState(0)
    >>> steps, truth = np.repeat(np.arange(7), 40), np.tile([0, 1], 140)
    >>> angle = 0.4 * steps + np.pi * truth + 0.3 * rng.normal(size=280)
    >>> X = np.c_[np.cos(angle), np.sin(angle)]
    >>> model = GradualTransferClassifier()
    >>> _ = model.fit(X, np.where(steps == 0, truth, -1), sample_domain=1 - 2 * steps)
    >>> model.score(X[steps == 6], truth[steps == 6])
    1.0
    """

    def __init__(
        self,
        estimator=None,
        *,
        order="number",
        drop=0.1,
        n_steps=None,
        split="distance",
    ):
        self.estimator = estimator
        self.order = order
        self.drop = drop
        self.n_steps = n_steps
        self.split = split

    def _check_parameters(self):
        check_choice("order", self.order, ("number", "distance"))
        check_number("drop", self.drop, low=0, high=1, high_open=True)
        check_integer("n_steps", self.n_steps, low=1, also=(None,))
        check_choice("split", self.split, ("distance", "classifier"))
        return check_probabilistic(self.estimator, type(self).__name__)

    def _fit_domains(
        self, X_source, y_source, X_target, y_target, *, source_domain, target_domain
    ):
        estimator = self._check_parameters()
        if len(set(y_source.tolist())) < 2:
            raise ValueError(
                f"{type(self).__name__} sets out from a model of the source, which "
                "needs labelled source rows of at least two classes, got one class: "
                f"{self.classes_[y_source[:1]].tolist()[0]!r}."
            )
        if not np.any(target_domain < 0):
            # The source stands in for the target: there is nowhere to go.
            X_target, y_target = X_target[:0], y_target[:0]
            target_domain = target_domain[:0]
        self._number_steps(X_source, X_target, target_domain)
        self.estimators_ = [fit_clone(estimator, X_source, self.classes_[y_source])]
        self.n_selected_ = []
        self._walk(estimator, X_source, y_source, X_target, y_target)
        self.estimator_ = self.estimators_[-1]

    def _fit(self, X_source, y_source, X_target, y_target):
        domain = np.full(X_target.shape[0], -1)
        self._fit_domains(
            X_source,
            y_source,
            X_target,
            y_target,
            source_domain=np.ones(X_source.shape[0]),
            target_domain=domain,
        )

    def _number_steps(self, X_source, X_target, domain):
        self.steps_, self.domains_ = steps_by_domain(
            X_source, X_target, domain, self.order
        )
        if self.n_steps is None or not len(domain):
            return
        if len(self.domains_) > 1:
            raise ValueError(
                f"n_steps={self.n_steps} splits a single target domain, got the "
                f"domains {sorted(self.domains_.tolist())}. Leave n_steps None: each "
                "of them is a step; or give them one number."
            )
        self.steps_ = steps_by_likeness(X_source, X_target, self.n_steps, self.split)

    def _walk(self, estimator, X_source, y_source, X_target, y_target):
        labels, predicted = y_target.copy(), y_target.copy()
        X, y = X_source, y_source
        for step in range(self.steps_.max(initial=-1) + 1):
            free = np.flatnonzero((self.steps_ == step) & (y_target < 0))
            labels[free] = pseudo_labels(
                self._probabilities(X_target[free]), 1 - self.drop, balanced=False
            )
            self.n_selected_.append(int(np.sum(labels[free] >= 0)))
            if self.n_steps is None:
                rows = np.flatnonzero((self.steps_ == step) & (labels >= 0))
                # A class that is not among them keeps the rows it had.
                kept = np.flatnonzero(~np.isin(y, labels[rows]))
                X, y = X[kept], y[kept]
            else:
                rows = np.flatnonzero((self.steps_ <= step) & (labels >= 0))
                X, y = X_source, y_source
            X, y = join_rows(X, X_target[rows]), np.r_[y, labels[rows]]
            self.estimators_.append(fit_clone(estimator, X, self.classes_[y]))
            if self.n_steps is not None:
                free = np.flatnonzero(y_target < 0)
            predicted[free] = self._probabilities(X_target[free]).argmax(axis=1)
        self.transduction_ = self.classes_[predicted]

    def _probabilities(self, X):
        return probabilities_of(self.estimators_[-1], X, self.classes_)

    def _scores(self, X):
        return self._probabilities(X)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = takes_sparse(self.estimator)
        return tags
