"""Labels of classes in one type, and the marker that cannot be told from a class."""

import numpy as np

__all__ = ["check_no_float_marker", "plain_labels"]


def plain_labels(labels):
    """Return objects that are not strings with the type of their values."""
    if labels.dtype.kind != "O" or all(isinstance(v, str) for v in labels):
        return labels
    return np.array(labels.tolist())


def check_no_float_marker(labels):
    """Raise where -1.0 may be a class or the marker of unlabelled rows."""
    if -1 in labels and len(np.unique(labels)) > 2:
        raise ValueError(
            "y holds floats with -1.0 among several labels. Unlabelled rows are -1 in "
            "integer labels and NaN in float labels: convert y to integers, or pass "
            "unlabeled=None if -1.0 is a class."
        )
