"""What the transfer tree and the transfer forest share: growing, reading, refining."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state

from sktransfer._validation import check_choice, check_integer
from sktransfer.parameter._given_model import check_given_model
from sktransfer.parameter._source_models import joined_classes
from sktransfer.parameter._source_transfer import BaseSourceTransferClassifier
from sktransfer.parameter._tree_arrays import TreeArrays, distinct_rows
from sktransfer.parameter._tree_refinement import refined

__all__ = ["BaseTransferTrees"]

_METHODS = ("ser", "strut", "mix")
_MAX_SEED = np.iinfo(np.int32).max


class BaseTransferTrees(BaseSourceTransferClassifier):
    """Base of the tree and the forest.

    A concrete class writes `__init__` with `source`, `method`, `max_depth`,
    `min_samples_leaf` and `random_state`, and `_fit_trees`.
    """

    def _check_parameters(self):
        check_choice("method", self.method, _METHODS)
        check_integer("max_depth", self.max_depth, low=1, also=(None,))
        check_integer("min_samples_leaf", self.min_samples_leaf, low=1)

    def _fit_trees(self, rows, *, n_trees, bootstrap, max_features, n_jobs):
        """Set classes, source trees and refined trees, given labelled rows."""
        given = self.source is not None
        names = getattr(self, "feature_names_in_", None)
        if given:
            check_given_model(self.source, "predict_proba", self.n_features_in_, names)
        known = rows.target.y if given else rows.y
        self.classes_ = joined_classes([self.source] if given else [], known)
        n_classes = len(self.classes_)
        source, target = (
            distinct_rows(part.X, np.searchsorted(self.classes_, part.y), part.weight)
            if len(part.y)
            else None
            for part in (rows.source, rows.target)
        )
        rng = check_random_state(self.random_state)
        if given:
            columns = np.searchsorted(self.classes_, self.source.classes_)
            features = _feature_numbers(self.source, self.n_features_in_, names)
            self.source_trees_ = [
                TreeArrays.read(model.tree_, columns, n_classes, features)
                for model in _fitted_trees(self.source)
            ]
        else:
            self.source_trees_ = Parallel(n_jobs=n_jobs)(
                delayed(_grow)(
                    *source,
                    n_classes,
                    bootstrap,
                    max_features=max_features,
                    max_depth=self.max_depth,
                    min_samples_leaf=self.min_samples_leaf,
                    random_state=rng.randint(_MAX_SEED),
                )
                for _ in range(n_trees)
            )
        if target is None:
            self._warn_no_labelled_target()
            self.trees_ = list(self.source_trees_)
            return self
        pairs = Parallel(n_jobs=n_jobs)(
            delayed(_refine)(
                tree,
                *target,
                self.method,
                max_features=max_features,
                max_depth=self.max_depth,
                min_samples_leaf=self.min_samples_leaf,
                random_state=rng.randint(_MAX_SEED),
            )
            for tree in self.source_trees_
        )
        self.trees_ = [tree for pair in pairs for tree in pair]
        return self

    def _scores(self, X):
        X = np.asarray(X, dtype=np.float32)
        total = np.zeros((len(X), len(self.classes_)))
        for tree in self.trees_:
            total += tree.predict_proba(X)
        return total / len(self.trees_)


def _fitted_trees(model):
    if hasattr(model, "tree_"):
        return [model]
    trees = getattr(model, "estimators_", None)
    trees = [] if trees is None else np.ravel(trees).tolist()
    if not trees or not all(hasattr(tree, "tree_") for tree in trees):
        raise TypeError(
            "`source` must be a fitted DecisionTreeClassifier, a forest of them or "
            f"None, got {model!r}. None grows the trees on the labelled source rows."
        )
    if any(not hasattr(tree, "classes_") for tree in trees):
        raise TypeError(
            f"The source model {model!r} is made of regression trees. Use a "
            "RandomForestClassifier or an ExtraTreesClassifier."
        )
    return trees


def _feature_numbers(model, n_features, names):
    """Return which column of X each of the model's features is."""
    known = getattr(model, "feature_names_in_", None)
    if known is None or names is None:
        return np.arange(n_features)
    return np.array([list(names).index(name) for name in known])


def _grow(X, y, weight, n_classes, bootstrap, *, random_state, **parameters):
    """Grow a tree and read it."""
    rng = np.random.RandomState(random_state)
    if bootstrap:
        # Of distinct rows, so that a row given twice is a row of twice the weight.
        drawn = np.bincount(rng.randint(len(y), size=len(y)), minlength=len(y))
        kept = np.flatnonzero(drawn)
        X, y, weight = X[kept], y[kept], weight[kept] * drawn[kept]
    model = DecisionTreeClassifier(random_state=rng, **parameters)
    model.fit(X, y, sample_weight=weight)
    return TreeArrays.read(model.tree_, model.classes_, n_classes)


def _refine(tree, X, y, weight, method, *, random_state, **parameters):
    """Refine a tree; branches are grown like the source trees."""
    rng = np.random.RandomState(random_state)
    n_classes = tree.value.shape[1]

    def grow(X, y, weight):
        seed = rng.randint(_MAX_SEED)
        return _grow(X, y, weight, n_classes, False, random_state=seed, **parameters)

    least = parameters["min_samples_leaf"]
    return refined(tree, X, y, weight, method, grow, least)
