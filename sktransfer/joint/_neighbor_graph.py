"""The graph of nearest neighbours among rows, and its Laplacian."""

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import euclidean_distances

__all__ = ["neighbor_graph", "normalized_laplacian"]

_TIE = 1e-10
_BLOCK_BYTES = 64 * 2**20


def neighbor_graph(Z, n_neighbors, *, mutual=False):
    """Join every row with its nearest ones, and with itself.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features)
        Rows of length one, or of about that length.
    n_neighbors : int
        Number of neighbours, at most all other rows. Rows that tie with the last one
        are neighbours, too, so that the order of the rows does not matter.
    mutual : bool, default=False
        Whether rows are joined only where each is among the other's neighbours.

    Returns
    -------
    sparse array of shape (n_samples, n_samples)
        Symmetric weights: rows are joined where one is among the other's neighbours
        (or each, see `mutual`), by ``1 - d^2 / 2`` for their distance d if that is
        positive: the cosine of rows of length one.
    """
    n_samples = len(Z)
    n_neighbors = min(n_neighbors, n_samples - 1)
    step = max(1, _BLOCK_BYTES // (8 * n_samples))
    blocks = []
    for start in range(0, n_samples, step):
        own = np.arange(start, min(start + step, n_samples))
        squares = euclidean_distances(Z[own], Z, squared=True)
        squares[np.arange(len(own)), own] = -1.0  # each row is its own first
        last = np.partition(squares, n_neighbors, axis=1)[:, n_neighbors]
        near = squares <= last[:, None] + _TIE
        weights = 1.0 - np.maximum(squares[near], 0.0) / 2
        blocks.append(sparse.csr_array((weights, np.nonzero(near)), near.shape))
    graph = sparse.vstack(blocks, format="csr")
    graph.data = np.maximum(graph.data, 0.0)
    graph.eliminate_zeros()
    # Either of two rows may have found the other; rounding must not part the two.
    joined = graph.minimum(graph.T) if mutual else graph.maximum(graph.T)
    return joined.tocsr()


def normalized_laplacian(graph):
    """Return ``I - D^(-1/2) W D^(-1/2)`` for symmetric weights W with degrees D.

    Every row has a positive degree: it is joined with itself.
    """
    roots = 1.0 / np.sqrt(np.asarray(graph.sum(axis=0)).ravel())
    scaled = sparse.diags_array(roots) @ graph @ sparse.diags_array(roots)
    return (sparse.eye_array(len(roots)) - scaled).tocsr()
