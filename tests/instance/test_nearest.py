import numpy as np
import pytest
from scipy.spatial.distance import cdist

from sktransfer.instance._nearest import nearest_scores


@pytest.mark.parametrize("n_neighbors", [1, 4, 30])
@pytest.mark.parametrize("n_features", [2, 30])
def test_equals_brute_force(n_neighbors, n_features):
    rng = np.random.RandomState(0)
    X_source = rng.normal(size=(30, n_features))
    X_target = rng.normal(size=(17, n_features))
    votes, scores = nearest_scores(X_source, X_target, n_neighbors)
    distances = cdist(X_target, X_source)
    expected = np.zeros(30, dtype=int)
    for row in distances:
        expected[np.argsort(row)[:n_neighbors]] += 1
    np.testing.assert_array_equal(votes, expected)
    assert votes.sum() == 17 * n_neighbors
    ranked = np.lexsort((distances.min(axis=0), -expected))
    np.testing.assert_array_equal(np.argsort(-scores), ranked)
    np.testing.assert_array_equal(np.floor(scores), votes)


def test_score_by_hand():
    X_source, X_target = np.array([[0.0], [1.0], [5.0]]), np.array([[1.0], [1.5]])
    votes, scores = nearest_scores(X_source, X_target, 1)
    np.testing.assert_array_equal(votes, [0, 2, 0])
    # Distances to the target 1, 0 and 3.5, mean 1.5.
    np.testing.assert_allclose(scores, [1 / (2 + 2 / 3), 2.5, 1 / (2 + 7 / 3)])


def test_equal_rows_are_taken_together():
    # Two of the five rows at 0 fill the second and third place, so all five are near.
    X_source = np.array([[1.0], [0.0], [0.0], [0.0], [0.0], [-0.0], [9.0]])
    votes, scores = nearest_scores(X_source, np.array([[0.9]]), 3)
    np.testing.assert_array_equal(votes, [1, 1, 1, 1, 1, 1, 0])
    assert len(set(scores[1:6])) == 1
    # One row nearer than they fills the only place.
    votes, _ = nearest_scores(X_source, np.array([[0.9]]), 1)
    np.testing.assert_array_equal(votes, [1, 0, 0, 0, 0, 0, 0])


def test_all_rows_if_there_are_fewer_than_neighbors():
    votes, scores = nearest_scores(np.zeros((2, 1)), np.zeros((3, 1)), 5)
    np.testing.assert_array_equal(votes, [3, 3])
    np.testing.assert_array_equal(scores, [3.5, 3.5])
