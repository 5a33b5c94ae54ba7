"""Rows that are set aside for early stopping."""

import numpy as np
from sklearn.model_selection import train_test_split

__all__ = ["split_rows"]


def split_rows(rows, is_target, fraction, seed, *, by_class):
    """Set target rows aside; any rows if none is target.

    Parameters
    ----------
    rows : Rows
        All rows of the phase.
    is_target : ndarray of shape (n_rows,), bool
        Which of them are of the target.
    fraction : float or None
        Share of the target rows; None: no row.
    seed : int
        Which of them.
    by_class : bool
        Whether each class keeps its share.

    Returns
    -------
    kept, held : Rows, Rows or None
    """
    if fraction is None:
        return rows, None
    pool = np.flatnonzero(is_target) if is_target.any() else np.arange(len(rows.y))
    try:
        _, held = train_test_split(
            pool,
            test_size=fraction,
            random_state=seed,
            stratify=rows.y[pool] if by_class else None,
        )
    except ValueError as error:
        raise ValueError(
            f"validation_fraction={fraction} cannot be set aside from {len(pool)} "
            f"rows: {error} Raise it, label more target rows, or leave it None."
        ) from error
    kept = np.setdiff1d(np.arange(len(rows.y)), held)
    return rows.take(kept), rows.take(np.sort(held))
