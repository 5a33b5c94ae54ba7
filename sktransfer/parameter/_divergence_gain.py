"""A new threshold for a split, by the class shares that it should give on each side."""

import numpy as np

__all__ = ["best_threshold", "divergence_gain", "information_gain"]

_TIE = 1e-12


def _shares(counts):
    total = counts.sum(axis=-1, keepdims=True)
    return counts / np.where(total > 0, total, 1.0)


def _entropy(shares):
    logarithm = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return -(shares * logarithm).sum(axis=-1)


def _weighted(left, right):
    """Return the shares of the total weight on both sides."""
    on_left, on_right = left.sum(axis=-1), right.sum(axis=-1)
    return on_left / (on_left + on_right), on_right / (on_left + on_right)


def information_gain(left, right):
    """Return how much a split lowers the entropy of the classes, in bits.

    Parameters
    ----------
    left, right : ndarray of shape (..., n_classes)
        Weights of the classes on either side.

    Returns
    -------
    ndarray of shape (...)
    """
    on_left, on_right = _weighted(left, right)
    after = on_left * _entropy(_shares(left)) + on_right * _entropy(_shares(right))
    return _entropy(_shares(left + right)) - after


def divergence_gain(left, right, source_left, source_right):
    r"""Return how near the class shares on both sides are to those of the source.

    :math:`1 - \sum_k \frac{|S_k|}{|S|} \mathrm{JSD}(Q_k, Q'_k)` over both sides k, with
    the Jensen-Shannon divergence in bits: 1 for equal shares, 0 for shares that have no
    class in common.

    Parameters
    ----------
    left, right : ndarray of shape (..., n_classes)
        Weights of the classes of the target rows on either side.
    source_left, source_right : ndarray of shape (n_classes,)
        Shares of the classes of the source.

    Returns
    -------
    ndarray of shape (...)
    """
    on_left, on_right = _weighted(left, right)
    return (
        1
        - on_left * _jensen_shannon(_shares(left), source_left)
        - on_right * _jensen_shannon(_shares(right), source_right)
    )


def _jensen_shannon(first, second):
    between = _entropy((first + second) / 2)
    return between - (_entropy(first) + _entropy(second)) / 2


def best_threshold(x, y, weight, source_left, source_right, min_samples_leaf=1):
    """Find the threshold of the largest divergence gain, sides swapped or not.

    Thresholds lie half-way between neighbouring values. Only those count whose
    information gain is not smaller than that of the thresholds next to them.

    Parameters
    ----------
    x : ndarray of shape (n_rows,)
        Values of the feature.
    y : ndarray of shape (n_rows,)
        Class numbers.
    weight : ndarray of shape (n_rows,)
        Weights.
    source_left, source_right : ndarray of shape (n_classes,)
        Shares of the classes that the source had on either side.
    min_samples_leaf : int, default=1
        Fewest rows on either side.

    Returns
    -------
    threshold : float or None
        None if there is none.
    swapped : bool
        Whether the sides of the source should be swapped.
    """
    order = np.argsort(x, kind="stable")
    x, y, weight = x[order], y[order], weight[order]
    last = np.flatnonzero(x[1:] > x[:-1])
    enough = (last + 1 >= min_samples_leaf) & (len(x) - last - 1 >= min_samples_leaf)
    last = last[enough]
    if len(last) == 0:
        return None, False
    by_class = np.zeros((len(x), len(source_left)))
    by_class[np.arange(len(x)), y] = weight
    summed = np.cumsum(by_class, axis=0)
    left = summed[last]
    right = np.maximum(summed[-1] - left, 0.0)
    gain = information_gain(left, right)
    around = np.r_[0.0, gain, 0.0]
    peak = gain >= np.maximum(around[:-2], around[2:]) - _TIE
    straight = divergence_gain(left, right, source_left, source_right)
    turned = divergence_gain(left, right, source_right, source_left)
    best = np.where(peak, np.maximum(straight, turned), -np.inf)
    # Equal up to rounding: the smallest threshold, and the sides as they were.
    chosen = np.flatnonzero(best >= best.max() - _TIE)[0]
    low, high = float(x[last[chosen]]), float(x[last[chosen] + 1])
    swapped = bool(turned[chosen] > straight[chosen] + _TIE)
    return low + (high - low) / 2, swapped
