"""Gradient boosting of given scores by regression trees."""

from dataclasses import dataclass

import numpy as np
from sklearn import config_context
from sklearn.tree import DecisionTreeRegressor

__all__ = ["BoostedTree", "TreeSettings", "add_trees", "boosting_rounds"]


@dataclass(frozen=True)
class TreeSettings:
    """How trees are grown, as in the estimators that take these parameters.

    Attributes
    ----------
    learning_rate : float
        Factor of every leaf's value.
    max_depth, max_leaf_nodes : int or None
        Bounds of a tree.
    min_samples_leaf : int
        Smallest total weight of the rows of a leaf.
    l2_regularization : float
        Penalty on half the squared values of the leaves.
    """

    learning_rate: float
    max_depth: int | None
    max_leaf_nodes: int | None
    min_samples_leaf: int
    l2_regularization: float


@dataclass(frozen=True)
class BoostedTree:
    """A tree and what it adds to the scores.

    Attributes
    ----------
    tree : DecisionTreeRegressor
        The fitted tree; of it only the splits count.
    value : ndarray of shape (n_nodes,)
        What each leaf adds, learning rate included; 0 in the inner nodes.
    """

    tree: DecisionTreeRegressor
    value: np.ndarray

    def predict(self, X):
        """Return what is added for each row of a float32 array."""
        return self.value[self.tree.apply(X, check_input=False)]


def add_trees(scores, trees, X):
    """Add a round of trees, one an output, to the scores of float32 rows, in place."""
    for output, tree in enumerate(trees):
        scores[:, output] += tree.predict(X)


def boosting_rounds(X, targets, weight, start, loss, settings):
    r"""Yield the trees of one round after another, without end.

    In each round every output gets a tree, whose splits fit the negative gradient g of
    the loss by least squares. A leaf R adds one Newton step, with the second
    derivatives h, to the scores of its rows: the learning rate times
    :math:`-\sum_R s_i g_i / (\sum_R s_i h_i + \lambda)`.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features), float32
        Rows; NaN is missing.
    targets : ndarray of shape (n_samples, n_outputs)
        What the loss compares the scores with.
    weight : ndarray of shape (n_samples,)
        Weights s of the rows, > 0.
    start : ndarray of shape (n_samples, n_outputs)
        Scores to start from.
    loss : object
        One of `_linear_losses`.
    settings : TreeSettings
        How trees are grown.

    Yields
    ------
    list of BoostedTree
        One for each output.
    """
    X, scores, missing = np.ascontiguousarray(X), start.copy(), np.isnan(X).any()
    while True:
        gradient, state = loss.gradient(scores, targets)
        curvature = loss.diagonal(state)
        trees = [
            _grow(X, *columns, weight, settings, missing)
            for columns in zip(gradient.T, curvature.T, strict=True)
        ]
        add_trees(scores, trees, X)
        yield trees


def _grow(X, gradient, curvature, weight, settings, missing):
    total, least = weight.sum(), settings.min_samples_leaf
    tree = DecisionTreeRegressor(
        max_depth=settings.max_depth,
        max_leaf_nodes=settings.max_leaf_nodes,
        # By weight, so that a row given twice is a row of twice the weight; a shade
        # less, because the share is rounded.
        min_weight_fraction_leaf=min(least * (1 - 1e-9) / total, 0.5),
        min_samples_split=2 if 2 * least <= total else len(X) + 1,
        random_state=0,
    )
    # Small trees take longer to check than to grow; without the check of X no NaN is
    # taken.
    given = None if np.all(weight == 1) else weight
    with config_context(skip_parameter_validation=True):
        tree.fit(X, -gradient, sample_weight=given, check_input=bool(missing))
    leaf, n_nodes = tree.apply(X, check_input=False), tree.tree_.node_count
    slope = np.bincount(leaf, weight * gradient, n_nodes)
    bend = np.bincount(leaf, weight * curvature, n_nodes) + settings.l2_regularization
    value = np.zeros(n_nodes)
    np.divide(-settings.learning_rate * slope, bend, out=value, where=bend > 1e-150)
    return BoostedTree(tree, value)
