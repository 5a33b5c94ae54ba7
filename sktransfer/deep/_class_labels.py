"""Labels of classes in one type, and the marker that cannot be told from a class."""

import numpy as np

__all__ = [
    "check_indicator",
    "check_no_float_marker",
    "class_codes",
    "is_indicator",
    "plain_labels",
]


def plain_labels(labels):
    """Return objects that are not strings with the type of their values."""
    if labels.dtype.kind != "O" or all(isinstance(v, str) for v in labels):
        return labels
    return np.array(labels.tolist())


def class_codes(y, classes):
    """Return the positions of labels among the sorted classes."""
    unknown = ~np.isin(y, classes)
    if unknown.any():
        first = y[unknown].tolist()[0]
        raise ValueError(
            f"y holds the label {first!r}, which is not among the classes "
            f"{classes.tolist()}. Name all classes in the first call: "
            "partial_fit(X, y, classes=...)."
        )
    return np.searchsorted(classes, y).astype(np.int64)


def is_indicator(y):
    """Whether y has several columns: several labels a row."""
    return y.ndim == 2 and y.shape[1] > 1


def check_indicator(y, n_labels):
    """Return several labels a row as floats; raise unless they are 0 and 1."""
    if y.shape[1] != n_labels:
        raise ValueError(
            f"y has {y.shape[1]} labels a row, after {n_labels} in the first call. Fit "
            "anew."
        )
    known = np.isin(y, [0, 1])
    if not known.all():
        raise ValueError(
            "y has several columns, so it must hold 0 or 1 for each label and row, got "
            f"{y[~known].tolist()[0]!r}. Unlabelled rows hold -1 in all columns."
        )
    return y.astype(np.float64)


def check_no_float_marker(labels):
    """Raise where -1.0 may be a class or the marker of unlabelled rows."""
    if -1 in labels and len(np.unique(labels)) > 2:
        raise ValueError(
            "y holds floats with -1.0 among several labels. Unlabelled rows are -1 in "
            "integer labels and NaN in float labels: convert y to integers, or pass "
            "unlabeled=None if -1.0 is a class."
        )
