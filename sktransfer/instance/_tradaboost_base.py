"""What the boosting estimators with labelled target rows share."""

import warnings
from abc import abstractmethod
from dataclasses import replace

import numpy as np
from sklearn.metrics import accuracy_score
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state

from sktransfer._validation import check_integer
from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance._boosting_rounds import boosted_rounds, check_weak_learner
from sktransfer.instance._boosting_rows import boosting_rows
from sktransfer.instance._boosting_weights import LoweredSource, final_votes
from sktransfer.instance._target_baseline import Baseline, compared_out_of_fold
from sktransfer.instance._weighted_votes import VotesOfModels
from sktransfer.parameter._given_model import given_takes_missing, given_takes_sparse
from sktransfer.parameter._source_transfer import (
    BaseSourceTransfer,
    BaseSourceTransferClassifier,
)

__all__ = ["BaseTrAdaBoost", "BaseTrAdaBoostClassifier", "on_one_domain"]


def on_one_domain(rows):
    """Return rows as target rows: boosting them is plain AdaBoost."""
    return replace(rows, domain=np.full(len(rows.y), -1))


class BaseTrAdaBoost(BaseSourceTransfer):
    """Settings, rows, and the comparison with boosting on the target alone."""

    def _check_settings(self, kind):
        check_integer("n_estimators", self.n_estimators, low=1)
        check_integer("baseline_folds", self.baseline_folds, low=2, also=(None,))
        if self.estimator is not None:
            check_weak_learner(self.estimator, kind)

    def _boosting_rows(self, X, y, sample_domain, sample_weight, *, pooled=True):
        rows = self._labelled_rows(X, y, sample_domain, sample_weight, fits_source=True)
        if not np.any(rows.domain < 0):
            warnings.warn(
                f"{type(self).__name__} found no labelled target row, so it is plain "
                "AdaBoost on the source rows. Label some target rows and pass "
                "sample_domain.",
                NoTargetWarning,
                stacklevel=3,
            )
        return boosting_rows(rows, pooled=pooled)

    def _keep(self, rounds, votes):
        self.estimators_ = rounds.models
        self.estimator_errors_ = rounds.errors
        self.estimator_weights_ = votes
        self.source_shares_ = rounds.source_shares

    def _keep_baseline(self, baseline):
        self.target_only_score_ = baseline.target_only
        self.transfer_score_ = baseline.transfer
        self.baseline_note_ = baseline.note

    def _no_baseline(self, rows):
        """Return why there is nothing to compare, None where there is."""
        if not np.any(rows.domain > 0):
            return Baseline(note="There is no labelled target row.")
        if self.baseline_folds is None:
            return Baseline(note="`baseline_folds` is None.")
        return None

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = given_takes_sparse(self.estimator)
        tags.input_tags.allow_nan = given_takes_missing(self.estimator)
        return tags


class BaseTrAdaBoostClassifier(BaseSourceTransferClassifier, BaseTrAdaBoost):
    """Base of the classifiers.

    A concrete class writes `__init__` and ``_rounds(rows, rng)``, which boosts source
    and target rows and returns the rounds with the votes of their models.
    """

    _pooled = True

    @abstractmethod
    def _rounds(self, rows, rng):
        """Return the rounds and the votes."""

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Boost on the labelled rows of both domains.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats) and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, so that no target row has a label.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows before the first round.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        self._check_settings("classifier")
        rows = self._boosting_rows(
            X, y, sample_domain, sample_weight, pooled=self._pooled
        )
        self.classes_ = np.unique(rows.y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, got one "
                f"class: {self.classes_.tolist()[0]!r}."
            )
        rng = check_random_state(self.random_state)
        has_source = np.any(rows.domain > 0)
        boost = self._rounds if has_source else self._plain_rounds
        self._keep(*boost(rows, rng))
        self._keep_baseline(self._no_baseline(rows) or self._compared(rows, rng))
        return self

    def _learner(self):
        if self.estimator is None:
            return DecisionTreeClassifier(max_depth=2)
        return self.estimator

    def _voted(self, rows, rng, factor, *, first=0, dynamic=False, choices=None):
        n_classes = len(np.unique(rows.y))
        rounds = boosted_rounds(
            rows,
            self._learner(),
            LoweredSource(factor, n_classes, dynamic),
            self.n_estimators,
            rng,
            classes=True,
            choices=choices,
        )
        votes = final_votes(
            rounds.errors,
            self.n_estimators,
            first=first,
            n_classes=n_classes,
            n_target=np.sum(rows.domain < 0),
        )
        return rounds, votes

    def _plain_rounds(self, rows, rng):
        return self._voted(on_one_domain(rows), rng, 1.0)

    def _compared(self, rows, rng):
        def fitted(boost):
            def fit(some):
                rounds, votes = boost(some, rng)
                return VotesOfModels(rounds.models, votes, self.classes_)

            return fit

        return compared_out_of_fold(
            rows,
            self.baseline_folds,
            fitted(self._rounds),
            fitted(self._plain_rounds),
            accuracy_score,
            classes=True,
        )

    def _scores(self, X):
        votes = VotesOfModels(self.estimators_, self.estimator_weights_, self.classes_)
        return votes.shares(X)
