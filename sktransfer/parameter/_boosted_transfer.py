"""What the boosted estimators share: parameters, the source model, the trees."""

import numpy as np

from sktransfer._validation import check_integer, check_number
from sktransfer.parameter._blended_models import fit_rows
from sktransfer.parameter._boosted_tree_count import chosen_rounds, out_of_fold_losses
from sktransfer.parameter._boosted_trees import (
    TreeSettings,
    add_trees,
    boosting_rounds,
)
from sktransfer.parameter._given_model import check_given_model, given_takes_missing
from sktransfer.parameter._merged_rows import merged_rows, sorted_rows
from sktransfer.parameter._source_transfer import BaseSourceTransfer
from sktransfer.parameter._target_folds import target_folds

__all__ = ["BaseBoostedTransfer"]


class BaseBoostedTransfer(BaseSourceTransfer):
    """Base of the boosted classifier and regressor, beside the base of its kind."""

    def _check_settings(self):
        check_integer("n_estimators", self.n_estimators, low=0, also=("cv",))
        check_integer("max_estimators", self.max_estimators, low=0)
        check_integer("max_depth", self.max_depth, low=1, also=(None,))
        check_integer("max_leaf_nodes", self.max_leaf_nodes, low=2, also=(None,))
        check_integer("min_samples_leaf", self.min_samples_leaf, low=1)
        check_number("learning_rate", self.learning_rate, low=0, low_open=True)
        check_number("l2_regularization", self.l2_regularization, low=0)
        check_integer("n_folds", self.n_folds, low=2)
        check_integer("n_iter_no_change", self.n_iter_no_change, low=1)
        return TreeSettings(
            self.learning_rate,
            self.max_depth,
            self.max_leaf_nodes,
            self.min_samples_leaf,
            self.l2_regularization,
        )

    def _set_source(self, source, default, method):
        """Take the given source model, or fit one on the source rows."""
        if self.source is not None:
            names = getattr(self, "feature_names_in_", None)
            check_given_model(self.source, method, self.n_features_in_, names)
            self.source_estimator_ = self.source
            return
        # What counts rows, as most defaults do, should count equal ones.
        ours = self.estimator is None
        rows = merged_rows(source) if ours else sorted_rows(source)
        model = default if ours else self.estimator
        self.source_estimator_ = fit_rows(model, rows.X, rows.y, rows.weight)

    def _boost(self, rows, targets, starts, kept, loss, settings):
        """Choose the number of rounds and grow their trees.

        Parameters
        ----------
        rows : LabelledRows
            Labelled target rows, merged.
        targets : ndarray of shape (n_rows, n_outputs)
            What the loss compares the scores with.
        starts : callable
            ``starts(train)`` returns the scores of all rows to start from, given the
            numbers of the rows whose labels may be read.
        kept : ndarray of shape (n_rows,)
            Loss of each row without a tree.
        loss : object
            One of `_linear_losses`.
        settings : TreeSettings
            How trees are grown.
        """
        X, n_rounds = rows.X.astype(np.float32), self.n_estimators
        self.cv_losses_ = None
        if n_rounds == "cv":
            # The rows are sorted, and NaN has no place in any other order.
            place = np.arange(len(X), dtype=np.float64)[:, None]
            folds = target_folds(place, rows.y, self.n_folds, stratify=True)
            losses = out_of_fold_losses(
                X,
                targets,
                rows.weight,
                starts,
                kept,
                loss,
                settings,
                folds,
                most=self.max_estimators if len(X) > 1 else 0,
                patience=self.n_iter_no_change,
            )
            self.cv_losses_ = losses @ rows.weight / rows.weight.sum()
            n_rounds = chosen_rounds(losses, rows.weight)
        start = starts(np.arange(len(X)))
        rounds = boosting_rounds(X, targets, rows.weight, start, loss, settings)
        self.trees_ = [next(rounds) for _ in range(n_rounds)]
        self.n_estimators_ = n_rounds

    def _staged_scores(self, start, X):
        """Yield the scores after 1, 2, … rounds; the array is used again."""
        scores, X = start.copy(), np.ascontiguousarray(X, dtype=np.float32)
        for trees in self.trees_:
            add_trees(scores, trees, X)
            yield scores

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = given_takes_missing(
            self.source
        ) and given_takes_missing(self.estimator)
        return tags
