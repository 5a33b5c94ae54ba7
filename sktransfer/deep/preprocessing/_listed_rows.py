"""Rows that are no rows of a table: images, texts, clips."""

from collections.abc import Mapping, Set
from os import PathLike

import numpy as np
from scipy.sparse import issparse

__all__ = ["check_listed", "describe"]


def describe(item):
    """Say in a few words what an item is."""
    if isinstance(item, np.generic):
        item = item.item()
    if item is None or isinstance(item, bool | int | float | complex):
        return repr(item)
    shape = getattr(item, "shape", None)
    name = type(item).__name__
    return f"{name} of shape {tuple(shape)}" if isinstance(shape, tuple) else name


def check_listed(X, kind):
    """Raise unless X has a length and a row for each sample; return it.

    It is not made a list: its rows may be read one by one from a disk.
    """
    is_single = isinstance(X, str | bytes | PathLike) or not hasattr(X, "__len__")
    if is_single or getattr(X, "shape", None) == ():
        raise TypeError(
            f"X must be a list, Series or array with {kind} in each row, got "
            f"{describe(X)}. Wrap a single one in a list."
        )
    if issparse(X):
        raise TypeError(
            f"Sparse data are not supported: X must have {kind} in each row. Use "
            "`.toarray()` if its rows are such."
        )
    if isinstance(X, Mapping | Set):
        raise TypeError(
            f"X must be a list, Series or array with {kind} in each row, got "
            f"{describe(X)}."
        )
    if hasattr(X, "columns"):
        raise ValueError(
            f"X must have {kind} in each row, got a table with the columns "
            f"{list(X.columns)}. Pass one of them, X[column]."
        )
    if len(X) == 0:
        raise ValueError(f"X must have {kind} in each row, got no row.")
    return X
