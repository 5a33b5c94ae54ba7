"""A decision tree as arrays, read from scikit-learn's and open to changes."""

from dataclasses import dataclass

import numpy as np

__all__ = ["TreeArrays", "distinct_rows"]


@dataclass(frozen=True)
class TreeArrays:
    """Nodes of a tree; the root is node 0, and children come after their parent.

    Attributes
    ----------
    left, right : ndarray of shape (n_nodes,)
        Numbers of the children, -1 in leaves. A row goes left where its feature is at
        most the threshold.
    feature : ndarray of shape (n_nodes,)
        Number of the feature, -1 in leaves.
    threshold : ndarray of shape (n_nodes,)
        Threshold, NaN in leaves.
    value : ndarray of shape (n_nodes, n_classes)
        Shares of the classes.
    weight : ndarray of shape (n_nodes,)
        Total weight of the rows that the shares are of.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    value: np.ndarray
    weight: np.ndarray

    @classmethod
    def read(cls, tree, columns, n_classes, features=None):
        """Copy a fitted scikit-learn tree.

        Parameters
        ----------
        tree : sklearn.tree._tree.Tree
            Attribute `tree_` of a fitted classifier.
        columns : ndarray of int
            Number of each class of the tree among all classes.
        n_classes : int
            Number of all classes.
        features : ndarray of int, default=None
            Number of each feature of the tree among the columns; None: the same.
        """
        value = np.zeros((tree.node_count, n_classes))
        value[:, columns] = tree.value[:, 0, : len(columns)]
        value /= value.sum(axis=1, keepdims=True)
        leaf = tree.children_left < 0
        feature = np.where(leaf, 0, tree.feature)
        feature = feature if features is None else features[feature]
        return cls(
            tree.children_left.astype(np.int64),
            tree.children_right.astype(np.int64),
            np.where(leaf, -1, feature),
            np.where(leaf, np.nan, tree.threshold),
            value,
            tree.weighted_n_node_samples.astype(np.float64),
        )

    @classmethod
    def from_nodes(cls, nodes):
        """Build from rows of (left, right, feature, threshold, value, weight)."""
        left, right, feature, threshold, value, weight = zip(*nodes, strict=True)
        return cls(
            np.array(left, dtype=np.int64),
            np.array(right, dtype=np.int64),
            np.array(feature, dtype=np.int64),
            np.array(threshold, dtype=np.float64),
            np.array(value),
            np.array(weight, dtype=np.float64),
        )

    @property
    def n_nodes(self):
        """Number of nodes."""
        return len(self.left)

    @property
    def is_leaf(self):
        """Mask of the leaves."""
        return self.left < 0

    def apply(self, X):
        """Return the leaf of each row, level by level.

        Parameters
        ----------
        X : ndarray of shape (n_rows, n_features), float32
            Rows, in the precision in which scikit-learn compares.
        """
        node = np.zeros(len(X), dtype=np.int64)
        rows = np.arange(len(X))
        while len(rows):
            at = node[rows]
            inner = self.left[at] >= 0
            rows, at = rows[inner], at[inner]
            goes_left = X[rows, self.feature[at]] <= self.threshold[at]
            node[rows] = np.where(goes_left, self.left[at], self.right[at])
        return node

    def predict_proba(self, X):
        """Return the shares of the classes in the leaf of each row."""
        return self.value[self.apply(X)]

    def node_weights(self, X, y, weight):
        """Return the weight of each class among the rows that pass each node."""
        totals = np.zeros_like(self.value)
        np.add.at(totals, (self.apply(X), y), weight)
        for node in np.flatnonzero(~self.is_leaf)[::-1]:
            totals[node] = totals[self.left[node]] + totals[self.right[node]]
        return totals

    def pruned(self, stop, totals):
        """Return a copy in which the nodes in the mask `stop` are leaves.

        Leaves in `stop` that rows reach take the shares of these rows.

        Parameters
        ----------
        stop : ndarray of shape (n_nodes,), bool
            Nodes to end at.
        totals : ndarray of shape (n_nodes, n_classes)
            Weights of the classes among the rows of each node.
        """
        nodes, stack = [], [(0, None, 0)]
        while stack:
            node, parent, side = stack.pop()
            if parent is not None:
                nodes[parent][side] = len(nodes)
            value, weight = self.value[node], self.weight[node]
            if stop[node] and totals[node].sum() > 0:
                weight = totals[node].sum()
                value = totals[node] / weight
            if stop[node] or self.left[node] < 0:
                nodes.append([-1, -1, -1, np.nan, value, weight])
                continue
            stack.append((self.right[node], len(nodes), 1))
            stack.append((self.left[node], len(nodes), 0))
            split = self.feature[node], self.threshold[node]
            nodes.append([-1, -1, *split, value, weight])
        return TreeArrays.from_nodes(nodes)


def distinct_rows(X, y, weight):
    """Add up the weights of equal rows, and sort: the order of the rows is forgotten.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    y : ndarray of shape (n_rows,)
        Class numbers.
    weight : ndarray of shape (n_rows,)
        Weights, > 0.

    Returns
    -------
    X : ndarray of shape (n_distinct, n_features), float32
    y : ndarray of shape (n_distinct,)
    weight : ndarray of shape (n_distinct,)
    """
    # scikit-learn's trees compare in single precision.
    X = X.astype(np.float32) + np.float32(0)  # -0 and 0 are the same value
    if len(X) == 0:
        return X, y, weight
    order = np.lexsort((weight, y, *X.T[::-1]))
    X, y, weight = X[order], y[order], weight[order]
    new = np.r_[True, np.any(X[1:] != X[:-1], axis=1) | (y[1:] != y[:-1])]
    return X[new], y[new], np.add.reduceat(weight, np.flatnonzero(new))
