"""An order of rows that depends on their content alone."""

import numpy as np

__all__ = ["content_order", "row_numbers"]

_BLOCK_BYTES = 2**26


def content_order(X, y, weight, is_target):
    """Sort the rows by content: batches must not depend on the order they came in.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Rows.
    y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        Targets as numbers.
    weight : ndarray of shape (n_samples,)
        Weights.
    is_target : ndarray of shape (n_samples,), bool
        Whether a row is of the target.

    Returns
    -------
    ndarray of shape (n_samples,)
        Row numbers.
    """
    columns = y.reshape(len(y), -1).T
    return np.lexsort((weight, *columns, is_target, row_numbers(X)))


def row_numbers(X):
    """Return a number for each row that depends on its content alone.

    The last digits of a product depend on where in X the row stands, hence the
    rounding, relative to the largest.
    """
    flat = X.reshape(len(X), -1)
    direction = np.random.RandomState(0).normal(size=flat.shape[1])
    step = max(1, _BLOCK_BYTES // direction.nbytes)
    blocks = [flat[i : i + step] for i in range(0, len(flat), step)]
    values = np.concatenate([block.astype(np.float64) @ direction for block in blocks])
    return np.round(values / max(np.abs(values).max(), np.finfo(float).tiny), 12)
