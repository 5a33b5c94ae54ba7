from math import ceil

import numpy as np
from sklearn.metrics import r2_score
from sklearn.tree import DecisionTreeRegressor
from sklearn.utils import check_random_state

from sktransfer._validation import check_choice, check_integer
from sktransfer._whole_estimators import BaseWholeRegressor
from sktransfer.instance._boosting_rounds import boosted_rounds
from sktransfer.instance._boosting_weights import (
    LoweredSource,
    final_votes,
    source_factor,
)
from sktransfer.instance._target_baseline import Baseline, compared_out_of_fold
from sktransfer.instance._tradaboost_base import BaseTrAdaBoost, on_one_domain
from sktransfer.instance._two_stage_boosting import two_stages
from sktransfer.instance._weighted_votes import MedianOfModels

__all__ = ["TrAdaBoostRegressor"]


class TrAdaBoostRegressor(BaseWholeRegressor, BaseTrAdaBoost):
    r"""TrAdaBoost.R2: boosting for values that lets unlike source rows fade.

    Weak learners are fitted in rounds on the labelled rows of both domains. Target rows
    gain weight by their error, source rows lose weight by theirs, and the weighted
    median of the later half of the rounds is the prediction. With `two_stage` the
    source rows are first lowered in steps, folds of the labelled target rows choose the
    step, and then the source stays as it is while the target rows are boosted. All
    source domains are taken as one.

    Assumes that part of the source rows obey the target's rule, whatever the shift.
    Reads the labels of the source and of the target; unlabelled rows are left out.

    Cost: `n_estimators` fits of the weak learner on the labelled rows, with the default
    ``O(n p log(n))`` each, and `baseline_folds` times as long again for the comparison
    with the target alone. With `two_stage` it is about ``n_steps * n_folds *
    n_estimators`` fits, and the comparison costs nothing more.

    It hurts where the values of the source are off as a whole: rows fade by their error
    relative to the largest, so a common offset is not seen. Bring both to one scale
    first. Without `two_stage` the source's total weight may fade too fast or too slowly
    for the target.

    Parameters
    ----------
    estimator : regressor, default=None
        The weak learner, whose `fit` takes `sample_weight`. It is cloned for each
        round, and every random state in it is drawn from `random_state`. None:
        `sklearn.tree.DecisionTreeRegressor` of depth 3.
    n_estimators : int, default=30
        Number of rounds.
    two_stage : bool, default=False
        Whether to run two-stage TrAdaBoost.R2.
    n_steps : int, default=10
        Number of steps of the first stage, at least 2: the target's share of the weight
        rises evenly from what it is to one.
    n_folds : int, default=5
        Number of folds of the labelled target rows that choose the step; with fewer
        rows, one a row.
    baseline_folds : int or None, default=3
        Number of folds of the labelled target rows for the comparison with the target
        alone; with fewer rows, one a row. None: no comparison. With
        `two_stage` the folds of the first stage are used instead.
    random_state : int, RandomState instance or None, default=0
        Draws the random states of the weak learners.

    Attributes
    ----------
    estimators_ : list of regressor
        The weak learner of each round. Rounds that would repeat the last one are not
        made.
    estimator_errors_ : ndarray of shape (n_rounds,)
        Their weighted errors, the largest absolute error scaled to one: on the labelled
        target rows, or on all rows with `two_stage`.
    estimator_weights_ : ndarray of shape (n_rounds,)
        Weights in the median, 0 for those that do not count.
    source_shares_ : ndarray of shape (n_rounds,)
        Share of the whole weight that the source rows had in each round.
    target_only_score_ : float or None
        R squared of AdaBoost.R2, with the same weak learner, on the labelled target
        rows alone: out of fold, on labelled target rows.
    transfer_score_ : float or None
        R squared of this method on the same folds. If it is not higher, the source does
        not help.
    baseline_note_ : str or None
        Why the two scores are None, if they are.
    step_ : int or None
        Number of the chosen step; 0: the rows as given, ``n_steps - 1``: the target
        alone. None without `two_stage`.
    cv_errors_ : ndarray of shape (n_steps,) or None
        Mean squared error out of fold at each step.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    TrAdaBoostClassifier : The same for classes.
    BoostedTransferRegressor : Boosting on the target from a source model's values.
    LinearInterpolationRegressor : Blends a source model with one of the target.

    Notes
    -----
    In round t, let :math:`e_i = |y_i - h_t(x_i)| / \max_j |y_j - h_t(x_j)|` be the
    error of row i, the maximum over the rows of both domains, and
    :math:`\varepsilon_t` its weighted mean over the labelled target rows. With n
    different source rows and N rounds, :math:`\beta = 1 / (1 + \sqrt{2 \ln n / N})`,
    :math:`\beta_t = \varepsilon_t / (1 - \varepsilon_t)` and

    .. math:: w_i \leftarrow w_i \beta^{e_i} \text{ (source)}, \qquad
        w_i \leftarrow w_i \beta_t^{-e_i} \text{ (target)} .

    The rounds from :math:`\lceil N / 2 \rceil` on count in the median, with
    :math:`\ln(1 / \beta_t)`. This is TrAdaBoost.R2 of [1]_.

    In step t = 1, …, S - 1 of two-stage TrAdaBoost.R2 [1]_ the weak learner is fitted,
    and the source rows are multiplied by :math:`\beta^{e_i}` with the :math:`\beta`
    that gives the target the share :math:`s + t (1 - s) / (S - 1)` of the weight, from
    its share s at first. On the weights of a step, AdaBoost.R2 [2]_ moves the target
    rows by :math:`\beta_t^{1 - e_i}`, their total kept, with :math:`\varepsilon_t` over
    all rows; all its rounds count. The step of the least squared error on folds of the
    target is taken; each fold goes through the steps without its rows. For
    `transfer_score_` each fold gets the step that the other folds choose.

    Where the papers leave it open: a round with :math:`\varepsilon_t \ge 1/2` does not
    count, leaves the target rows as they are, and all source rows lose weight by
    :math:`\beta`; the second stage stops there. An error below that of half a row
    counts as this in the median. Equal rows count as one row of their weight. Without
    labelled target rows it is AdaBoost.R2 on the source, and warns. Weak learners are
    fitted with weights, not on a sample drawn by them as in
    `sklearn.ensemble.AdaBoostRegressor`.

    References
    ----------
    .. [1] D. Pardoe, P. Stone. Boosting for Regression Transfer. ICML, 2010.
    .. [2] H. Drucker. Improving Regressors Using Boosting Techniques. ICML, 1997.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import TrAdaBoostRegressor
    >>> rng = np.random.RandomState(0)
    >>> X, X_new = rng.uniform(size=(430, 3)), rng.uniform(size=(1000, 3))
    >>> y, y_new = np.sin(6 * X).sum(axis=1), np.sin(6 * X_new).sum(axis=1)
    >>> domain = np.repeat([1, -1], [400, 30])
    >>> y[(domain > 0) & (X[:, 0] > 0.7)] += 3  # the source is wrong there
    >>> model = TrAdaBoostRegressor().fit(X, y, sample_domain=domain)
    >>> print(round(model.score(X_new, y_new), 2))
    0.7
    >>> print(round(model.target_only_score_, 2), round(model.transfer_score_, 2))
    0.11 0.31
    """

    def __init__(
        self,
        estimator=None,
        *,
        n_estimators=30,
        two_stage=False,
        n_steps=10,
        n_folds=5,
        baseline_folds=3,
        random_state=0,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.two_stage = two_stage
        self.n_steps = n_steps
        self.n_folds = n_folds
        self.baseline_folds = baseline_folds
        self.random_state = random_state

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Boost on the labelled rows of both domains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are marked NaN and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, so that no target row has a value.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows before the first round.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        self._check_settings("regressor")
        check_choice("two_stage", self.two_stage, (True, False))
        check_integer("n_steps", self.n_steps, low=2)
        check_integer("n_folds", self.n_folds, low=2)
        rows = self._boosting_rows(X, y, sample_domain, sample_weight)
        rng = check_random_state(self.random_state)
        self.step_, self.cv_errors_ = None, None
        if self.two_stage and np.any(rows.domain > 0):
            self._fit_two_stages(rows, rng)
        else:
            self._keep(*self._rounds(rows, rng))
            self._keep_baseline(self._no_baseline(rows) or self._compared(rows, rng))
        return self

    def _learner(self):
        if self.estimator is None:
            return DecisionTreeRegressor(max_depth=3)
        return self.estimator

    def _rounds(self, rows, rng):
        n_source = np.sum(rows.domain > 0)
        factor = source_factor(n_source, self.n_estimators)
        rounds = boosted_rounds(
            rows,
            self._learner(),
            LoweredSource(factor),
            self.n_estimators,
            rng,
            classes=False,
        )
        first = ceil(self.n_estimators / 2) - 1 if n_source else 0
        return rounds, self._votes(rounds, rows, first)

    def _votes(self, rounds, rows, first=0):
        return final_votes(
            rounds.errors,
            self.n_estimators,
            first=first,
            n_target=np.sum(rows.domain < 0),
        )

    def _compared(self, rows, rng):
        def fit(some):
            rounds, votes = self._rounds(some, rng)
            return MedianOfModels(rounds.models, votes)

        def fit_alone(some):
            return fit(on_one_domain(some))

        return compared_out_of_fold(
            rows, self.baseline_folds, fit, fit_alone, r2_score, classes=False
        )

    def _fit_two_stages(self, rows, rng):
        stages = two_stages(
            rows, self._learner(), self.n_estimators, self.n_steps, self.n_folds, rng
        )
        self.step_, self.cv_errors_ = stages.step, stages.errors
        self._keep(stages.rounds, self._votes(stages.rounds, rows))
        target = rows.target
        if stages.errors is None or len(np.unique(target.y)) < 2:
            note = "Labelled target rows of two values are needed, got "
            note += f"{len(target.y)} of {len(np.unique(target.y))} value(s)."
            self._keep_baseline(Baseline(note=note))
            return
        scores = (
            float(r2_score(target.y, values, sample_weight=target.weight))
            for values in stages.predicted.T
        )
        self._keep_baseline(Baseline(*scores))

    def _predict(self, X):
        return MedianOfModels(self.estimators_, self.estimator_weights_).predict(X)
