"""Labels of further rows, written as those of fit were."""

import numpy as np

from sktransfer._domains import encode_labels, label_array

__all__ = ["label_codes", "label_names"]


def label_names(y, labeled):
    """Return the classes in the order of `encode_labels`' numbers; None for values."""
    codes = encode_labels(y, labeled)
    if codes is None or codes.dtype.kind == "f":
        return None
    y = label_array(y).ravel()
    names = np.empty(codes.max(initial=-1) + 1, dtype=object)
    names[codes[labeled]] = y[labeled]
    return np.array(names.tolist())


def label_codes(y, names, n_samples):
    """Write the labels of further rows as `encode_labels` wrote those of fit.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Labels; a class that `names` lacks counts as no label.
    names : ndarray of shape (n_classes,) or None
        From `label_names`.
    n_samples : int
        Number of rows.

    Returns
    -------
    ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Class numbers, -1 where there is none, or floats, NaN where there is none.
    """
    y = label_array(y)
    if y.ndim == 0 or len(y) != n_samples:
        raise ValueError(
            f"y must have one label for each of the {n_samples} rows of X, got shape "
            f"{y.shape}."
        )
    if names is None:
        return y.astype(np.float64)
    codes = {name: code for code, name in enumerate(names.tolist())}
    flat = y.ravel().tolist()
    return np.array([codes.get(label, -1) for label in flat], dtype=np.int64)
