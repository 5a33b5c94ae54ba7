import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import linprog

from sktransfer.joint._easy_transfer import class_prices, programmed_labels


def by_linear_programme(distances):
    n_rows, n_classes = distances.shape
    result = linprog(
        distances.ravel(),
        A_ub=-np.kron(np.ones(n_rows), np.eye(n_classes)),
        b_ub=-np.ones(n_classes),
        A_eq=np.kron(np.eye(n_rows), np.ones(n_classes)),
        b_eq=np.ones(n_rows),
        bounds=(0, 1),
    )
    return result.x.reshape(distances.shape)


@pytest.mark.parametrize("seed", range(20))
def test_labels_are_those_of_the_linear_programme(seed):
    rng = np.random.RandomState(seed)
    n_classes = rng.randint(2, 7)
    n_rows = rng.randint(n_classes, 15)
    # Offsets leave classes empty unless the programme fills them.
    distances = rng.rand(n_rows, n_classes) + 3 * rng.rand(n_classes)
    labels, held = programmed_labels(distances)
    expected = by_linear_programme(distances)
    assert_array_equal(labels, expected.argmax(axis=1))
    counts = np.bincount(labels, minlength=n_classes)
    assert counts.min() > 0
    assert_array_equal(held, counts == 1)


@pytest.mark.parametrize("seed", range(20))
def test_prices_are_dual_and_reproduce_the_labels(seed):
    rng = np.random.RandomState(seed)
    distances = rng.rand(rng.randint(6, 20), 6) + 3 * rng.rand(6)
    labels, held = programmed_labels(distances)
    prices = class_prices(distances, labels, held)
    assert prices.min() >= 0
    assert_allclose(prices[~held], 0, atol=1e-12)
    paid = np.sort(distances - prices, axis=1)
    assert_array_equal((distances - prices).argmin(axis=1), labels)
    assert np.min(paid[:, 1] - paid[:, 0]) > 1e-9
    # No duality gap.
    total = distances[np.arange(len(labels)), labels].sum()
    assert_allclose(paid[:, 0].sum() + prices.sum(), total)


def test_two_rows_by_hand():
    distances = np.array([[1.0, 4.0], [2.0, 3.0], [0.0, 9.0]])
    labels, held = programmed_labels(distances)
    assert_array_equal(labels, [0, 1, 0])
    # Row 1 comes from a price of 1 on, row 0 from 3 on; one path length gives the
    # least, two the most.
    assert_allclose(class_prices(distances, labels, held), [0, (1 + 3 + 3) / 3])


def test_nearest_classes_cost_nothing():
    distances = np.array([[1.0, 2.0], [2.0, 1.0], [1.0, 3.0]])
    labels, held = programmed_labels(distances)
    assert_array_equal(labels, [0, 1, 0])
    assert_allclose(class_prices(distances, labels, held), 0)


def test_classes_that_need_no_row():
    distances = np.array([[1.0, 4.0, 9.0], [2.0, 3.0, 9.0], [0.0, 9.0, 9.0]])
    labels, held = programmed_labels(distances, np.array([True, True, False]))
    assert_array_equal(labels, [0, 1, 0])
    assert_array_equal(held, [False, True, False])
    assert_allclose(class_prices(distances, labels, held)[[0, 2]], 0)


def test_fewer_rows_than_classes_are_not_constrained():
    labels, held = programmed_labels(np.array([[1.0, 0.5, 2.0], [1.0, 0.1, 2.0]]))
    assert_array_equal(labels, [1, 1])
    assert not held.any()
