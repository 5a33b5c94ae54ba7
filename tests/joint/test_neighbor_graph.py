import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist

import sktransfer.joint._neighbor_graph as module
from sktransfer.joint._locality_preserving import unit_rows
from sktransfer.joint._neighbor_graph import neighbor_graph, normalized_laplacian


def unit_sample(seed=0, n=50):
    return unit_rows(np.random.RandomState(seed).normal(size=(n, 4)) + 0.5)


def by_sorting(Z, k):
    """Row by row, from all cosines."""
    cosines = Z @ Z.T
    W = np.zeros_like(cosines)
    for i, row in enumerate(cosines):
        others = np.delete(np.arange(len(Z)), i)
        near = others[np.argsort(-row[others])[:k]]
        W[i, near] = row[near]
        W[i, i] = 1
    W = np.maximum(W, 0)
    return np.maximum(W, W.T)


@pytest.mark.parametrize("k", [1, 5, 49, 80])
def test_weights_are_the_cosines_of_the_nearest(k):
    Z = unit_sample()
    graph = neighbor_graph(Z, k).toarray()
    assert_allclose(graph, by_sorting(Z, min(k, 49)), atol=1e-12)
    assert_array_equal(graph, graph.T)
    assert graph.min() >= 0


def test_blocks_change_nothing(monkeypatch):
    Z = unit_sample()
    whole = neighbor_graph(Z, 5).toarray()
    monkeypatch.setattr(module, "_BLOCK_BYTES", 8 * len(Z) * 7)
    assert_allclose(neighbor_graph(Z, 5).toarray(), whole, atol=1e-12)


def test_rows_of_any_length():
    Z = 0.3 * np.random.RandomState(0).normal(size=(20, 3))
    graph = neighbor_graph(Z, 19).toarray()
    expected = np.maximum(1 - cdist(Z, Z) ** 2 / 2, 0)
    assert_allclose(graph, expected, atol=1e-12)


def test_far_rows_stay_alone():
    graph = neighbor_graph(np.array([[1.0, 0], [1, 0], [-1, 0]]), 1)
    assert_allclose(graph.toarray(), [[1, 1, 0], [1, 1, 0], [0, 0, 1]])
    assert_allclose(
        normalized_laplacian(graph).toarray(),
        [[0.5, -0.5, 0], [-0.5, 0.5, 0], [0, 0, 0]],
        atol=1e-15,
    )


def test_ties_are_joined_in_any_order():
    # Four corners: every row has two nearest ones.
    Z = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]]) / 2
    expected = neighbor_graph(Z, 1).toarray()
    assert_array_equal((expected > 0).sum(axis=1), 3)
    for order in ([3, 1, 0, 2], [2, 3, 1, 0]):
        graph = neighbor_graph(Z[order], 1).toarray()
        assert_allclose(graph, expected[np.ix_(order, order)])


def test_permuted_rows_permute_the_graph():
    Z = np.repeat(unit_sample(n=15), 3, axis=0)  # ties everywhere
    order = np.random.RandomState(1).permutation(len(Z))
    expected = neighbor_graph(Z, 4).toarray()[np.ix_(order, order)]
    assert_allclose(neighbor_graph(Z[order], 4).toarray(), expected, atol=1e-12)


def test_laplacian_by_its_definition():
    graph = neighbor_graph(unit_sample(), 5)
    W = graph.toarray()
    degrees = W.sum(axis=1)
    L = normalized_laplacian(graph).toarray()
    assert_allclose(L, np.eye(50) - W / np.sqrt(np.outer(degrees, degrees)), atol=1e-14)
    assert_allclose(L @ np.sqrt(degrees), 0, atol=1e-12)
    assert np.linalg.eigvalsh(L)[0] > -1e-12


def test_one_row():
    graph = neighbor_graph(np.ones((1, 2)), 10)
    assert_allclose(graph.toarray(), [[1.0]])
    assert_allclose(normalized_laplacian(graph).toarray(), [[0.0]])


def test_mutual_neighbours_only():
    Z = unit_sample()
    squares = cdist(Z, Z) ** 2
    # Each row is its own first neighbour.
    near = squares <= np.sort(squares, axis=1)[:, [5]]
    expected = np.where(near & near.T, np.maximum(1 - squares / 2, 0), 0)
    assert_allclose(neighbor_graph(Z, 5, mutual=True).toarray(), expected, atol=1e-12)
