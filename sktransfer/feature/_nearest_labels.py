"""The label of the nearest labelled row by angle: the pseudo-labels of the rounds."""

import numpy as np

__all__ = ["nearest_labels"]

# So many multiplications OpenBLAS does in place, more of them on rearranged copies.
_IN_PLACE = 10**6
_BLOCK_BYTES = 2**21


def nearest_labels(rows, labels, queries):
    """Return for each query the label of the row at the smallest angle.

    On rows of unit length that is the nearest neighbour. All pairs are compared, by
    products of blocks in float32 that stay in the cache: for some dozens of columns no
    search tree is faster. Fortran order saves a copy.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_components)
        Labelled rows; of several at the smallest angle the first counts.
    labels : ndarray of shape (n_rows,)
        Their labels.
    queries : ndarray of shape (n_queries, n_components)
        Rows to be labelled.

    Returns
    -------
    ndarray of shape (n_queries,)
    """
    columns = np.ascontiguousarray(_unit(rows).T)
    queries = _unit(queries)
    nearest = np.empty(len(queries), dtype=np.intp)
    step = _IN_PLACE // columns.size
    if step < 10:
        step = max(16, _BLOCK_BYTES // (4 * len(rows)))
    block = np.empty((min(step, len(queries)), len(rows)), dtype=np.float32)
    for start in range(0, len(queries), step):
        part = queries[start : start + step]
        cosines = np.matmul(part, columns, out=block[: len(part)])
        cosines.argmax(axis=1, out=nearest[start : start + step])
    return labels[nearest]


def _unit(Z):
    norms = np.sqrt(np.einsum("ij,ij->i", Z, Z))
    norms[norms == 0] = 1
    unit = np.empty_like(Z, dtype=np.float32)
    return np.multiply(Z, (1 / norms)[:, None], out=unit, casting="unsafe")
