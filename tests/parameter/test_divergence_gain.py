import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import jensenshannon

from sktransfer.parameter._divergence_gain import (
    best_threshold,
    divergence_gain,
    information_gain,
)

ZERO, ONE = np.array([1.0, 0.0]), np.array([0.0, 1.0])


def test_worked_by_hand():
    # Left one row of each class, right two of the second; the source had pure sides.
    left, right = np.array([1.0, 1.0]), np.array([0.0, 2.0])
    # H(1/4) = 1 bit + ... = 0.811278; minus the half bit that (1/2, 1/2) has.
    assert_allclose(
        divergence_gain(left, right, ZERO, ONE), 1 - 0.311278 / 2, atol=1e-6
    )
    # Turned round: left half off, right with no class in common.
    turned = 1 - (0.311278 + 1) / 2
    assert_allclose(divergence_gain(left, right, ONE, ZERO), turned, atol=1e-6)
    assert_allclose(information_gain(left, right), 0.811278 - 0.5, atol=1e-6)
    assert_allclose(divergence_gain(2 * ZERO, ONE, ZERO, ONE), 1)
    assert_allclose(divergence_gain(2 * ZERO, ONE, ONE, ZERO), 0, atol=1e-12)


def test_it_is_scipys_distance_squared():
    rng = np.random.RandomState(0)
    left, right = rng.uniform(size=(2, 20, 4))
    source = rng.dirichlet(np.ones(4), size=2)
    gains = divergence_gain(left, right, *source)
    for i in range(20):
        on_left = left[i].sum() / (left[i].sum() + right[i].sum())
        loss = on_left * jensenshannon(left[i], source[0], base=2) ** 2
        loss += (1 - on_left) * jensenshannon(right[i], source[1], base=2) ** 2
        assert_allclose(gains[i], 1 - loss)


@pytest.mark.parametrize("turned", [False, True])
def test_the_threshold_moves_with_the_target(turned):
    x = np.array([10.8, 10.1, 10.9, 10.3])
    y = np.array([1, 0, 1, 0]) ^ turned
    threshold, swapped = best_threshold(x, y, np.ones(4), ZERO, ONE)
    assert_allclose(threshold, 10.55)
    assert swapped is turned


def test_only_local_maxima_of_the_information_gain_count():
    # Classes 0 0 1 0 1 1 in order: the gain has its peaks after 2 and after 4 rows.
    y = np.array([0, 0, 1, 0, 1, 1])
    x = np.arange(6.0)
    # Source sides whose shares are met exactly after three rows, where no peak is.
    left, right = np.array([2 / 3, 1 / 3]), np.array([1 / 3, 2 / 3])
    counts = np.cumsum(np.eye(2)[y], axis=0)[:-1]
    gain = information_gain(counts, counts[-1] + np.eye(2)[1] - counts)
    assert gain[2] < min(gain[1], gain[3])
    assert_allclose(divergence_gain(counts[2], np.array([1.0, 2.0]), left, right), 1)
    threshold, swapped = best_threshold(x, y, np.ones(6), left, right)
    assert threshold in (1.5, 3.5)
    assert not swapped


def test_equal_values_weights_and_fewest_rows():
    x, y = np.array([1.0, 1.0, 2.0, 3.0]), np.array([0, 1, 1, 1])
    assert best_threshold(np.ones(4), y, np.ones(4), ZERO, ONE) == (None, False)
    assert best_threshold(x, y, np.ones(4), ZERO, ONE, 3) == (None, False)
    assert best_threshold(x, y, np.ones(4), ZERO, ONE, 2) == (1.5, False)
    # A weight is so many rows.
    many = np.array([1, 2, 3, 1])
    weighed = best_threshold(x, y, many.astype(float), ZERO, ONE)
    repeated = best_threshold(
        np.repeat(x, many), np.repeat(y, many), np.ones(7), ZERO, ONE
    )
    assert weighed == repeated
