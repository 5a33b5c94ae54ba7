"""How many rows of each class stay, and which: the part all strategies share."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.instance._sparse_ranks import sparse_ranks

__all__ = ["Wanted", "canonical_order", "check_wanted", "choose", "class_quotas"]


def canonical_order(X, y=None):
    """Sort rows by their content: all columns, then the label.

    Everything computed on rows in this order is the same, to the last bit, in whatever
    order the caller had them. Rows equal in X and y are interchangeable.
    """
    if sparse.issparse(X):
        keys = [sparse_ranks(X)]
    else:
        # `+ 0.0` makes the two zeros one.
        keys = list((X + 0.0).T)
    if y is not None:
        keys += list(np.nan_to_num(y).reshape(X.shape[0], -1).T)
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


def check_wanted(fraction, n_select, balance, n_source):
    """Raise unless the parameters of how many rows stay make sense together."""
    check_number("fraction", fraction, low=0, low_open=True, high=1, also=(None,))
    check_integer("n_select", n_select, low=1, also=(None,))
    check_choice("balance", balance, (True, False))
    if fraction is not None and n_select is not None:
        raise ValueError(
            f"Only one of `fraction` and `n_select` may be given, got "
            f"fraction={fraction!r} and n_select={n_select!r}. Leave one at None."
        )
    if n_select is not None and n_select > n_source:
        raise ValueError(
            f"`n_select` must be at most the number of source rows, {n_source}, "
            f"got {n_select}. Lower it, or use `fraction`."
        )


@dataclass(frozen=True)
class Wanted:
    """How many rows shall stay, and whether class by class.

    Parameters
    ----------
    n_source : int
        Number of source rows.
    fraction : float or None
        Part of the rows to keep.
    n_select : int or None
        Number of rows to keep.
    classes : ndarray of shape (n_source,) or None
        Classes whose proportions are kept.
    """

    n_source: int
    fraction: float | None
    n_select: int | None
    classes: np.ndarray | None

    @property
    def counted(self):
        """Whether the number was asked for."""
        return self.fraction is not None or self.n_select is not None

    def count(self, natural):
        """Return the number of rows to keep, `natural` if none was asked for."""
        wanted = natural
        if self.n_select is not None:
            wanted = int(self.n_select)
        elif self.fraction is not None:
            wanted = int(np.floor(self.fraction * self.n_source + 0.5))
        return self._enough_for_each(max(1, wanted))

    def _enough_for_each(self, count):
        if self.classes is None:
            return count
        n_classes = len(np.unique(self.classes))
        if self.n_select is not None and self.n_select < n_classes:
            raise ValueError(
                "`n_select` must be at least the number of classes when the selection "
                f"is balanced, {n_classes} here (unlabelled source rows count as one), "
                f"got {self.n_select}."
            )
        return max(count, n_classes)

    def quotas(self, count):
        """Return class positions and how many rows of each stay; None: unbalanced."""
        if self.classes is None:
            return None, None
        _, positions, sizes = np.unique(
            self.classes, return_inverse=True, return_counts=True
        )
        return positions, class_quotas(sizes, count)

    def choose(self, natural, scores):
        """Return the mask of the rows that stay."""
        if not self.counted and self.classes is None:
            return natural
        return choose(scores, self.count(int(natural.sum())), self.classes)
