"""Labelled rows in an order of their own, equal ones as one row of their weight."""

import numpy as np

from sktransfer.parameter._source_transfer import LabelledRows

__all__ = ["merged_rows", "sorted_rows"]


def sorted_rows(rows):
    """Return dense rows in an order that depends on their content alone.

    Parameters
    ----------
    rows : LabelledRows
        Rows, with NaN or without.

    Returns
    -------
    LabelledRows
    """
    codes = np.unique(rows.y, return_inverse=True)[1]
    order = np.lexsort((rows.weight, codes, *rows.X.T[::-1]))
    return LabelledRows(
        rows.X[order], rows.y[order], rows.weight[order], rows.domain[order]
    )


def merged_rows(rows):
    """Return dense rows sorted, those of equal features and label added up.

    A row given twice is then a row of twice the weight to whatever is fitted. Two
    missing values are equal; the domain is that of one of the rows.

    Parameters
    ----------
    rows : LabelledRows
        Rows, with NaN or without.

    Returns
    -------
    LabelledRows
    """
    if len(rows.y) == 0:
        return rows
    rows = sorted_rows(rows)
    one, other = rows.X[1:], rows.X[:-1]
    differ = (one != other) & ~(np.isnan(one) & np.isnan(other))
    new = np.flatnonzero(np.r_[True, differ.any(axis=1) | (rows.y[1:] != rows.y[:-1])])
    weight = np.add.reduceat(rows.weight, new)
    return LabelledRows(rows.X[new], rows.y[new], weight, rows.domain[new])
