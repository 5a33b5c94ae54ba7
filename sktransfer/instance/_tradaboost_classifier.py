from math import ceil

import numpy as np

from sktransfer.instance._boosting_weights import source_factor
from sktransfer.instance._tradaboost_base import BaseTrAdaBoostClassifier

__all__ = ["TrAdaBoostClassifier"]


class TrAdaBoostClassifier(BaseTrAdaBoostClassifier):
    r"""TrAdaBoost: boosting in which source rows that contradict the target fade.

    Weak learners are fitted in rounds on the labelled rows of both domains. A target
    row that a round gets wrong gains weight, as in AdaBoost; a source row that it gets
    wrong loses weight, since it may not be of use to the target. The later half of the
    rounds votes. All source domains are taken as one.

    Assumes that part of the source rows obey the target's rule, whatever the shift, and
    that a weak learner can tell them from the rest. Reads the labels of the source and
    of the target; unlabelled rows are left out.

    Cost: `n_estimators` fits of the weak learner on the labelled rows, with the default
    ``O(n p log(n))`` each: about 20 s for 100,000 rows of 20 columns on one core. The
    comparison with the target alone, `baseline_folds`, takes that many times as long
    again; None saves it.

    It hurts where the weak learner fits the few target rows without error: from then on
    only source rows move. A weaker learner, or a linear one, is better there. With
    dozens of labelled target rows, boosting on them alone is often as good: compare
    `target_only_score_`.

    Parameters
    ----------
    estimator : classifier, default=None
        The weak learner, whose `fit` takes `sample_weight`. It is cloned for each
        round, and every random state in it is drawn from `random_state`. None:
        `sklearn.tree.DecisionTreeClassifier` of depth 2.
    n_estimators : int, default=30
        Number of rounds.
    dynamic : bool, default=False
        Whether the weights of source rows grow with the total weight of the target
        rows, so that those that are right keep their share. Without it the source fades
        even where it is right.
    baseline_folds : int or None, default=3
        Number of folds of the labelled target rows for the comparison with the target
        alone; with fewer rows, one a row. The only row of a class is always trained
        on. None: no comparison.
    random_state : int, RandomState instance or None, default=0
        Draws the random states of the weak learners.

    Attributes
    ----------
    estimators_ : list of classifier
        The weak learner of each round. Rounds that would repeat the last one are not
        made.
    estimator_errors_ : ndarray of shape (n_rounds,)
        Their errors on the labelled target rows, with the weights of the round.
    estimator_weights_ : ndarray of shape (n_rounds,)
        Weights of their votes, 0 for those that do not vote.
    source_shares_ : ndarray of shape (n_rounds,)
        Share of the whole weight that the source rows had in each round.
    target_only_score_ : float or None
        Accuracy of AdaBoost, with the same weak learner, on the labelled target rows
        alone: out of fold, on labelled target rows.
    transfer_score_ : float or None
        Accuracy of this method on the same folds. If it is not higher, the source does
        not help.
    baseline_note_ : str or None
        Why the two scores are None, if they are.
    classes_ : ndarray of shape (n_classes,)
        Classes of the source and of the target.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    MultiSourceTrAdaBoostClassifier : In each round one of several sources.
    TrAdaBoostRegressor : The same for values.
    BoostedTransferClassifier : Boosting on the target from a source model's scores.

    Notes
    -----
    With n different source rows, N rounds and K classes, :math:`\beta = 1 / (1 +
    \sqrt{2 \ln n / N})`. In round t, with the weights :math:`w_i`, let
    :math:`\varepsilon_t` be the weighted share of the labelled target rows on which the
    weak learner :math:`h_t` is wrong, and :math:`\alpha_t = \ln((1 - \varepsilon_t) /
    \varepsilon_t) + \ln(K - 1)`. Then

    .. math:: w_i \leftarrow \begin{cases}
        w_i \, C_t \, \beta^{[h_t(x_i) \ne y_i]} & \text{source} \\
        w_i \, e^{\alpha_t [h_t(x_i) \ne y_i]} & \text{target}
        \end{cases}

    and :math:`\alpha_t` is the vote of the rounds from :math:`\lceil N / 2 \rceil` on.
    For two classes and :math:`C_t = 1` this is [1]_, with :math:`\beta_t =
    e^{-\alpha_t}`. The term :math:`\ln(K - 1)` is that of multi-class AdaBoost [3]_:
    the weak learner need only be better than chance, :math:`\varepsilon_t < 1 - 1 / K`.
    With `dynamic`, :math:`C_t` is the factor by which the total weight of the target
    grows: :math:`2 (1 - \varepsilon_t)` of [2]_ for two classes, :math:`K (1 -
    \varepsilon_t)` in general, and 1 where nothing is wrong.

    The papers leave two cases open. A round that is no better than chance does not
    vote, leaves the target rows as they are, and all source rows lose weight as if
    wrong. An error below that of half a row counts as this in the vote, so that a round
    without error does not rule alone. If no voter is better than chance, all vote
    alike.

    `predict_proba` gives the shares of the votes; they are no calibrated
    probabilities. The weights that the weak learner gets have the sum of those given,
    mean one without `sample_weight`. Equal rows count as one row of their weight.
    Without labelled target rows it is plain AdaBoost on the source, and warns.

    References
    ----------
    .. [1] W. Dai, Q. Yang, G.-R. Xue, Y. Yu. Boosting for Transfer Learning. ICML,
       2007.
    .. [2] S. Al-Stouhi, C. K. Reddy. Adaptive Boosting for Transfer Learning Using
       Dynamic Updates. ECML PKDD, 2011.
    .. [3] J. Zhu, H. Zou, S. Rosset, T. Hastie. Multi-class AdaBoost. Statistics and
       Its Interface 2, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer import TrAdaBoostClassifier
    >>> rng = np.random.RandomState(0)
    >>> X, X_new = rng.normal(size=(430, 8)), rng.normal(size=(1000, 8))
    >>> y, y_new = X[:, 0] + X[:, 1] > 0, X_new[:, 0] + X_new[:, 1] > 0
    >>> domain = np.repeat([1, -1], [400, 30])
    >>> y[(domain > 0) & (abs(X[:, 0]) > 1.2)] ^= True  # the source is wrong there
    >>> model = TrAdaBoostClassifier(LogisticRegression())
    >>> model = model.fit(X, y, sample_domain=domain)
    >>> print(round(model.score(X_new, y_new), 2))
    0.88
    >>> print(round(model.target_only_score_, 2), round(model.transfer_score_, 2))
    0.87 0.93
    """

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=30,
        dynamic=False,
        baseline_folds=3,
        random_state=0,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.dynamic = dynamic
        self.baseline_folds = baseline_folds
        self.random_state = random_state

    def _rounds(self, rows, rng):
        factor = source_factor(np.sum(rows.domain > 0), self.n_estimators)
        first = ceil(self.n_estimators / 2) - 1
        return self._voted(rows, rng, factor, first=first, dynamic=self.dynamic)
