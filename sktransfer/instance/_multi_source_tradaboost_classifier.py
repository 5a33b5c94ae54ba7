from dataclasses import replace

import numpy as np

from sktransfer.instance._boosting_rows import source_choices
from sktransfer.instance._boosting_weights import source_factor
from sktransfer.instance._tradaboost_base import BaseTrAdaBoostClassifier

__all__ = ["MultiSourceTrAdaBoostClassifier"]


class MultiSourceTrAdaBoostClassifier(BaseTrAdaBoostClassifier):
    r"""TrAdaBoost that in each round learns from the one source that helps most.

    In each round a weak learner is fitted for every source domain, on its rows and the
    target's, and the one with the least error on the labelled target rows is taken.
    Target rows that it gets wrong gain weight, source rows of all domains that it gets
    wrong lose weight. All rounds vote. Each positive number in `sample_domain` is a
    source.

    Assumes that at least one of the sources obeys the target's rule, or part of it,
    whatever the shift. Reads the labels of the sources and of the target; unlabelled
    rows are left out.

    Cost: in each round one fit of the weak learner a source, on the labelled rows of
    that source and of the target, with the default ``O(n p log(n))`` in all: about the
    time of `TrAdaBoostClassifier`. The comparison with the target alone,
    `baseline_folds`, takes that many times as long again; None saves it.

    It hurts where every source speaks for a part only: no round sees two of them at
    once. With few labelled target rows the choice of the source is a matter of chance.

    Parameters
    ----------
    estimator : classifier, default=None
        The weak learner, whose `fit` takes `sample_weight`. It is cloned for each
        round, and every random state in it is drawn from `random_state`. None:
        `sklearn.tree.DecisionTreeClassifier` of depth 2.
    n_estimators : int, default=30
        Number of rounds.
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
    source_domains_ : ndarray of shape (n_rounds,)
        Number of the source domain that each round took; 0 without labelled target
        rows.
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
    TrAdaBoostClassifier : All sources as one, and the definitions.
    BoostedTransferClassifier : Boosting on the target from a source model's scores.

    Notes
    -----
    This is MultiSourceTrAdaBoost of [1]_. With n different source rows in all and N
    rounds, a source row on which the round is wrong is multiplied by :math:`1 / (1 +
    \sqrt{2 \ln n / N})`, a target row by :math:`e^{\alpha_t}` with :math:`\alpha_t =
    \ln((1 - \varepsilon_t) / \varepsilon_t) + \ln(K - 1)`, where
    :math:`\varepsilon_t` is the weighted error on the target and K the number of
    classes; the paper has two, and half of each exponent for labels -1 and 1. The votes
    are :math:`\alpha_t`. Rounds without error or no better than chance are treated as
    in `TrAdaBoostClassifier`.

    `predict_proba` gives the shares of the votes. Of sources with the same error
    on the target, as often without any, the one that is right on more of its own rows
    is taken. Without labelled target rows
    it is plain AdaBoost on all source rows, and warns.

    References
    ----------
    .. [1] Y. Yao, G. Doretto. Boosting for Transfer Learning with Multiple Sources.
       CVPR, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer import MultiSourceTrAdaBoostClassifier
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(420, 4))
    >>> domain = np.repeat([1, 2, -1], [200, 200, 20])
    >>> y = np.where(domain == 1, X[:, 0] > X[:, 1], X[:, 0] + X[:, 1] > 0)
    >>> model = MultiSourceTrAdaBoostClassifier(LogisticRegression())
    >>> model = model.fit(X, y, sample_domain=domain)
    >>> print(np.mean(model.source_domains_ == 2))
    1.0
    """

    _pooled = False

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=30,
        baseline_folds=3,
        random_state=0,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.baseline_folds = baseline_folds
        self.random_state = random_state

    def _rounds(self, rows, rng):
        factor = source_factor(np.sum(rows.domain > 0), self.n_estimators)
        numbers, choices = source_choices(rows)
        rounds, votes = self._voted(rows, rng, factor, choices=choices)
        return replace(rounds, chosen=numbers[rounds.chosen]), votes

    def _keep(self, rounds, votes):
        super()._keep(rounds, votes)
        self.source_domains_ = rounds.chosen
