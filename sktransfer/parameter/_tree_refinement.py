"""Source trees refined on target rows: by their structure, or by their thresholds."""

import numpy as np

from sktransfer.parameter._divergence_gain import best_threshold
from sktransfer.parameter._tree_arrays import TreeArrays

__all__ = ["expanded", "reduced", "refined", "rethresholded"]

_TIE = 1e-9


def refined(tree, X, y, weight, method, grow, min_samples_leaf):
    """Return the refined trees: one, or for "mix" two.

    Parameters
    ----------
    tree : TreeArrays
        The source's.
    X : ndarray of shape (n_rows, n_features), float32
        Labelled target rows, at least one.
    y : ndarray of shape (n_rows,)
        Class numbers.
    weight : ndarray of shape (n_rows,)
        Weights, > 0.
    method : {"ser", "strut", "mix"}
        Structure expansion and reduction, structure transfer, or both.
    grow : callable
        (X, y, weight) -> TreeArrays.
    min_samples_leaf : int
        Fewest rows on either side of a new threshold.

    Returns
    -------
    list of TreeArrays
    """
    trees = []
    if method in ("ser", "mix"):
        larger = expanded(tree, X, y, weight, grow)
        trees.append(reduced(larger, X, y, weight))
    if method in ("strut", "mix"):
        trees.append(rethresholded(tree, X, y, weight, min_samples_leaf))
    return trees


def expanded(tree, X, y, weight, grow):
    """Replace each leaf that rows reach by the tree grown on these rows."""
    leaves = tree.apply(X)
    parts = [
        tree.left.tolist(),
        tree.right.tolist(),
        tree.feature.tolist(),
        tree.threshold.tolist(),
        list(tree.value),
        tree.weight.tolist(),
    ]
    for leaf in np.unique(leaves):
        rows = np.flatnonzero(leaves == leaf)
        if np.all(y[rows] == y[rows[0]]):
            share = np.zeros(tree.value.shape[1])
            share[y[rows[0]]] = 1.0
            parts[4][leaf], parts[5][leaf] = share, weight[rows].sum()
            continue
        branch = grow(X[rows], y[rows], weight[rows])
        # The root of the branch takes the place of the leaf, the rest comes at the end.
        shift = len(parts[0]) - 1
        left = np.where(branch.is_leaf, -1, branch.left + shift)
        right = np.where(branch.is_leaf, -1, branch.right + shift)
        new = (left, right, branch.feature, branch.threshold, branch.value)
        for part, values in zip(parts, (*new, branch.weight), strict=True):
            part[leaf] = values[0]
            part.extend(values[1:])
    return TreeArrays.from_nodes(list(zip(*parts, strict=True)))


def reduced(tree, X, y, weight):
    """Cut off, from the bottom up, subtrees that are no better than a leaf.

    A subtree goes where the rows that reach it are classified at least as well by their
    most frequent class; the new leaf has the shares of these rows. Where no row passes,
    both errors are 0, so the subtree goes, and the leaf keeps the source's shares.
    """
    totals = tree.node_weights(X, y, weight)
    sums = totals.sum(axis=1)
    as_leaf = sums - totals.max(axis=1)
    # A leaf classifies by its own shares.
    own = np.argmax(tree.value, axis=1)
    errors = sums - totals[np.arange(tree.n_nodes), own]
    stop = np.zeros(tree.n_nodes, dtype=bool)
    for node in np.flatnonzero(~tree.is_leaf)[::-1]:
        below = errors[tree.left[node]] + errors[tree.right[node]]
        stop[node] = as_leaf[node] <= below + _TIE * sums[node]
        errors[node] = as_leaf[node] if stop[node] else below
    return tree.pruned(stop, totals)


def rethresholded(tree, X, y, weight, min_samples_leaf=1):
    """Keep the structure and choose the thresholds anew, from the top down.

    Every split keeps its feature and gets the threshold that divides the target rows
    most like the source's rows; where that is with the sides swapped, the subtrees are
    swapped. A node whose rows are of one class, too few, or equal in the feature
    becomes a leaf. All leaves get the shares of the target rows.
    """
    n_classes = tree.value.shape[1]
    nodes, stack = [], [(0, np.arange(len(y)), None, 0)]
    while stack:
        node, rows, parent, side = stack.pop()
        here = len(nodes)
        if parent is not None:
            nodes[parent][side] = here
        counts = np.bincount(y[rows], weights=weight[rows], minlength=n_classes)
        nodes.append([-1, -1, -1, np.nan, counts / counts.sum(), counts.sum()])
        if tree.left[node] < 0 or np.count_nonzero(counts) < 2:
            continue
        left, right = tree.left[node], tree.right[node]
        x = X[rows, tree.feature[node]]
        threshold, swapped = best_threshold(
            x,
            y[rows],
            weight[rows],
            tree.value[left],
            tree.value[right],
            min_samples_leaf,
        )
        if threshold is None:
            continue
        if swapped:
            left, right = right, left
        nodes[here][2:4] = tree.feature[node], threshold
        goes_left = x <= threshold
        stack.append((right, rows[~goes_left], here, 1))
        stack.append((left, rows[goes_left], here, 0))
    return TreeArrays.from_nodes(nodes)
