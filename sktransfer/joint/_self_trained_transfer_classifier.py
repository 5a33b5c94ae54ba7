import numpy as np

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.joint._base import BaseProbabilisticClassifier
from sktransfer.joint._self_training import (
    check_probabilistic,
    fit_clone,
    join_rows,
    probabilities_of,
    pseudo_labels,
    takes_sparse,
)

__all__ = ["SelfTrainedTransferClassifier"]


class SelfTrainedTransferClassifier(BaseProbabilisticClassifier):
    r"""Self-training across domains: sure predictions become labels, round by round.

    Any classifier with probabilities is fitted on the source; the target rows that it
    predicts most confidently join the training rows with their predicted labels, and
    it is fitted again. The share of target rows grows with the rounds.

    Assumes that the classifier is right about most of the target rows it is surest of,
    and that the target's classes are separated by few rows; where it is sure and
    wrong, it learns its own errors. Reads the source labels, and the target's where
    there are any: such rows are always among the training rows. Several source domains
    count as one.

    Cost: ``n_rounds + 1`` fits of the estimator at most. Sparse rows are taken if the
    estimator takes them.

    Parameters
    ----------
    estimator : object, default=None
        Classifier with `predict_proba`. None: logistic regression.
    n_rounds : int, default=10
        Most rounds in which pseudo-labels are used. 0: the estimator is fitted on the
        labelled rows only.
    fraction : float, default=0.5
        Largest share of the unlabelled target rows that get a pseudo-label.
    fraction_step : float, default=0.1
        How much the share grows in each round until it is `fraction`.
    balanced : bool, default=True
        Whether the share holds for each predicted class, so that rare and hard classes
        get pseudo-labels as well.
    source_decay : float, default=1.0
        Factor on the weight of the source rows in each round, between 0 and 1. Below
        1, the estimator must take `sample_weight`.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    estimator_ : object
        The estimator of the last round.
    transduction_ : ndarray of shape (n_target,)
        Class of each target row of fit: its label or else the last prediction.
    n_selected_ : list of int
        Number of pseudo-labels used in each fit, 0 in the first.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.GradualTransferClassifier : Goes through domains in between.
    sktransfer.SelectivePseudoLabelClassifier : Learns a projection as well.

    Notes
    -----
    With `balanced`, the threshold :math:`t_c` is the confidence above which the wanted
    share of the rows predicted as class c lies, and a row gets the class with the
    largest :math:`p_c(x) / t_c` if that is at least 1 [1]_. Otherwise one threshold
    serves all classes. Training ends early when a round at the full share gives the
    labels of the round before and the source does not decay.

    References
    ----------
    .. [1] Y. Zou, Z. Yu, B. V. K. Vijaya Kumar, J. Wang. Unsupervised Domain Adaptation
       for Semantic Segmentation via Class-Balanced Self-Training. ECCV, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import SelfTrainedTransferClassifier
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(50, 2)), rng.normal(size=(50, 2)) + 4] * 0.5
    >>> X = np.r_[X, X + [1.2, -0.2]]
    >>> y = np.repeat([0, 1, -1, -1], 50)
    >>> model = SelfTrainedTransferClassifier().fit(X, y)
    >>> float(np.mean(model.predict(X[100:]) == np.repeat([0, 1], 50)))
    0.97
    """

    def __init__(
        self,
        estimator=None,
        *,
        n_rounds=10,
        fraction=0.5,
        fraction_step=0.1,
        balanced=True,
        source_decay=1.0,
    ):
        self.estimator = estimator
        self.n_rounds = n_rounds
        self.fraction = fraction
        self.fraction_step = fraction_step
        self.balanced = balanced
        self.source_decay = source_decay

    def _check_parameters(self):
        check_integer("n_rounds", self.n_rounds, low=0)
        check_number("fraction", self.fraction, low=0, high=1)
        check_number("fraction_step", self.fraction_step, low=0, low_open=True, high=1)
        check_choice("balanced", self.balanced, (True, False))
        check_number("source_decay", self.source_decay, low=0, low_open=True, high=1)
        return check_probabilistic(self.estimator, type(self).__name__)

    def _fit_domains(
        self, X_source, y_source, X_target, y_target, *, source_domain, target_domain
    ):
        if not np.any(target_domain < 0):
            # The source stands in for the target: its rows shall not count twice.
            X_target, y_target = X_target[:0], y_target[:0]
        self._fit(X_source, y_source, X_target, y_target)

    def _fit(self, X_source, y_source, X_target, y_target):
        estimator = self._check_parameters()
        given = y_target >= 0
        labels, source_weight, share = y_target, 1.0, 0.0
        self.n_selected_ = []
        for round_ in range(self.n_rounds + 1):
            chosen = np.flatnonzero(labels >= 0)
            X = join_rows(X_source, X_target[chosen]) if len(chosen) else X_source
            y = self.classes_[np.r_[y_source, labels[chosen]]]
            weights = np.ones(len(y))
            weights[: len(y_source)] = source_weight
            self.estimator_ = fit_clone(estimator, X, y, weights)
            self.n_selected_.append(int(len(chosen) - given.sum()))
            probabilities = probabilities_of(self.estimator_, X_target, self.classes_)
            if round_ == self.n_rounds or given.all():
                break
            before, share_before = labels, share
            share = min((round_ + 1) * self.fraction_step, self.fraction)
            labels = y_target.copy()
            labels[~given] = pseudo_labels(
                probabilities[~given], share, balanced=self.balanced
            )
            stable = share == share_before and np.array_equal(labels, before)
            if stable and self.source_decay == 1:
                break
            source_weight *= self.source_decay
        predicted = np.where(given, y_target, probabilities.argmax(axis=1))
        self.transduction_ = self.classes_[predicted]

    def _scores(self, X):
        return probabilities_of(self.estimator_, X, self.classes_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = takes_sparse(self.estimator)
        return tags
