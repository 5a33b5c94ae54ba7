"""How many rows of each class stay, and which: the part all strategies share."""

import numpy as np

__all__ = ["canonical_order", "choose", "class_quotas"]


def canonical_order(X, y=None):
    """Sort rows by their content: all columns, then the label.

    Everything computed on rows in this order is the same, to the last bit, in whatever
    order the caller had them. Rows equal in X and y are interchangeable.
    """
    # `+ 0.0` makes the two zeros one.
    keys = list((X + 0.0).T)
    if y is not None:
        keys += list(np.nan_to_num(y).reshape(len(X), -1).T)
    # lexsort takes the last key for the first.
    return np.lexsort(keys[::-1])


def class_quotas(sizes, n_select):
    """Share `n_select` among classes in proportion to their sizes, at least one each.

    Largest remainders; a class that would get nothing takes one from the class that is
    furthest above its exact share.

    Parameters
    ----------
    sizes : ndarray of shape (n_classes,), int
        Rows of each class, all positive.
    n_select : int
        From the number of classes to the number of rows.

    Returns
    -------
    ndarray of shape (n_classes,), int
        Sums to `n_select`; each from 1 to the size of its class.
    """
    sizes = np.asarray(sizes, dtype=np.int64)
    # Whole numbers: a remainder is a tie only if it is one.
    quotas, remainders = np.divmod(sizes * n_select, sizes.sum())
    first = np.lexsort((-sizes, -remainders))
    quotas[first[: n_select - quotas.sum()]] += 1
    quotas = np.maximum(quotas, 1)
    while quotas.sum() > n_select:
        excess = quotas * sizes.sum() - sizes * n_select
        quotas[np.argmax(np.where(quotas > 1, excess, np.iinfo(np.int64).min))] -= 1
    return quotas


def choose(scores, n_select, classes=None):
    """Return the mask of the rows with the highest scores; of equal ones the first.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Higher: chosen first.
    n_select : int
        How many.
    classes : ndarray of shape (n_samples,), default=None
        Classes whose proportions are kept (-1, no label, counts as one).

    Returns
    -------
    ndarray of shape (n_samples,), bool
    """
    chosen = np.zeros(len(scores), dtype=bool)
    best_first = np.argsort(-scores, kind="stable")
    if classes is None:
        chosen[best_first[:n_select]] = True
        return chosen
    names, sizes = np.unique(classes, return_counts=True)
    for name, quota in zip(names, class_quotas(sizes, n_select), strict=True):
        chosen[best_first[classes[best_first] == name][:quota]] = True
    return chosen
