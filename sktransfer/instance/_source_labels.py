"""Labels of the source rows: classes as numbers, or values."""

import warnings
from dataclasses import dataclass

import numpy as np

from sktransfer._domains import label_array
from sktransfer.joint._row_order import labelled_order

__all__ = ["SourceLabels", "source_labels"]

_MANY, _FEW_ROWS = 50, 5


@dataclass(frozen=True)
class SourceLabels:
    """The labelled source rows, in an order that depends on their content alone.

    Attributes
    ----------
    rows : ndarray of shape (n_labeled,)
        Their numbers.
    labels : ndarray of shape (n_labeled,)
        Class numbers, or values.
    domain : ndarray of shape (n_labeled,)
        Their domains' numbers.
    classes : ndarray of shape (n_classes,) or None
        The user's names of the classes; None: the labels are values.
    """

    rows: np.ndarray
    labels: np.ndarray
    domain: np.ndarray
    classes: np.ndarray | None


def source_labels(name, X, y, domains):
    """Find the labelled source rows; warn of classes that only the target has.

    Parameters
    ----------
    name : str
        Who asks, for messages.
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        All rows.
    y : array-like of shape (n_samples,) or None
        Their labels.
    domains : Domains
        Where they are from, and which are labelled.

    Returns
    -------
    SourceLabels
    """
    rows = np.flatnonzero(domains.labeled & ~domains.is_target)
    if y is None or not len(rows):
        raise ValueError(
            f"{name} needs labelled source rows, got none. Pass y with the labels of "
            "the source, or use a method that reads no labels, such as "
            "KernelMeanMatchingWeighter."
        )
    y = label_array(y)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y.ravel()
    if y.ndim > 1:
        raise ValueError(
            f"{name} takes one label a row, got y of shape {y.shape}. Pass one column "
            "of y at a time."
        )
    known, classes = _plain(y[rows]), None
    if _are_values(known):
        labels = known.astype(np.float64)
    else:
        classes, labels = np.unique(known, return_inverse=True)
        _check_no_values(name, known, classes)
        target = _plain(y[domains.labeled & domains.is_target])
        _warn_of_unknown(name, target, classes)
    order = labelled_order(X[rows], labels)
    rows = rows[order]
    return SourceLabels(rows, labels[order], domains.domain[rows], classes)


def _plain(y):
    """Return objects as what they are: numbers then sort as numbers."""
    return np.array(y.tolist()) if y.dtype.kind == "O" and len(y) else y


def _are_values(y):
    return y.dtype.kind == "f" and bool(np.any(y != np.round(y)))


def _check_no_values(name, known, classes):
    """Refuse values that happen to be whole numbers."""
    many = len(classes) > max(_MANY, len(known) / _FEW_ROWS)
    if known.dtype.kind == "f" and many:
        raise ValueError(
            f"{name}: y holds {len(classes)} different floats in {len(known)} labelled "
            "source rows, all of them whole numbers, which count as classes. If they "
            "are values, give them a fraction (y + 0.5 has the same weights); if they "
            "are classes, pass integers."
        )


def _warn_of_unknown(name, target, classes):
    known = set(classes.tolist())
    unknown = sorted(set(target.tolist()) - known, key=str)
    if unknown:
        warnings.warn(
            f"{name}: target rows are labelled {', '.join(map(repr, unknown))}, but no "
            "source row is. Label shift knows only the classes of the source, so the "
            "estimated shares leave the others out. Add source rows of them, or leave "
            "those target rows out.",
            UserWarning,
            stacklevel=5,
        )
