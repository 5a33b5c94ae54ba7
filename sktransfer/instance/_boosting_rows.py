"""Labelled rows of both domains, merged and in an order of their own, and folds."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from sktransfer._joined_rows import join_rows
from sktransfer.parameter._merged_rows import merged_rows
from sktransfer.parameter._source_transfer import LabelledRows

__all__ = ["boosting_rows", "dealt_folds", "source_choices"]


def boosting_rows(rows, *, pooled=True):
    """Return the source rows, then the target rows, equal ones as one row.

    Parameters
    ----------
    rows : LabelledRows
        Rows of any domains. Without source rows or without target rows those there are
        come out as the target's.
    pooled : bool, default=True
        Whether all source domains are one, with number 1. Else they keep their
        numbers, but stand in an order of their content.

    Returns
    -------
    LabelledRows
        Target rows have domain -1.
    """
    source, target = rows.source, rows.target
    if len(target.y) == 0 or len(source.y) == 0:
        return _numbered(merged_rows(rows), -1)
    parts = [_numbered(source, 1)] if pooled else _split(source)
    parts = sorted((merged_rows(part) for part in parts), key=_content_key)
    joined = _numbered(merged_rows(target), -1)
    for part in reversed(parts):
        joined = _joined(part, joined)
    return joined


def _split(source):
    return [source.take(source.domain == number) for number in source.source_domains]


def _numbered(rows, number):
    return replace(rows, domain=np.full(len(rows.y), number))


def _joined(one, other):
    return LabelledRows(
        join_rows(one.X, other.X),
        np.concatenate([one.y, other.y]),
        np.concatenate([one.weight, other.weight]),
        np.concatenate([one.domain, other.domain]),
    )


def _content_key(rows):
    """Return a number of the content of the rows alone."""
    direction = np.random.RandomState(0).normal(size=rows.X.shape[1])
    X = rows.X if sparse.issparse(rows.X) else np.nan_to_num(rows.X)
    return len(rows.y), float(rows.weight @ (X @ direction))


def source_choices(rows):
    """Return the numbers of the source domains, and of their and the target's rows."""
    target = np.flatnonzero(rows.domain < 0)
    numbers, first = np.unique(rows.domain[rows.domain > 0], return_index=True)
    numbers = numbers[np.argsort(first)]
    return numbers, [
        np.r_[np.flatnonzero(rows.domain == number), target] for number in numbers
    ]


def dealt_folds(y, n_folds):
    """Deal rows, in the order of their labels, out to folds.

    Parameters
    ----------
    y : ndarray of shape (n_rows,)
        Labels or values, of rows in an order of their own.
    n_folds : int
        Number of folds; with fewer rows, one for each.

    Returns
    -------
    ndarray of shape (n_rows,)
        The fold in which each row is tested.
    """
    folds = np.empty(len(y), dtype=np.int64)
    folds[np.argsort(y, kind="stable")] = np.arange(len(y)) % min(n_folds, len(y))
    return folds
