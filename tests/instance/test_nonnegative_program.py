import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import nnls

from sktransfer.instance._nonnegative_program import solve_nonnegative


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("guess", ["none but one", "all", "any"])
def test_equals_nonnegative_least_squares(seed, guess):
    rng = np.random.RandomState(seed)
    B, target = rng.normal(size=(40, 25)), rng.normal(size=40)
    positive = {
        "none but one": np.arange(25) == seed,
        "all": np.ones(25, dtype=bool),
        "any": rng.uniform(size=25) < 0.5,
    }[guess]
    before = positive.copy()
    y, solved = solve_nonnegative(B.T @ B, B.T @ target, positive)
    assert solved
    assert_allclose(y, nnls(B, target)[0], atol=1e-10)
    assert_array_equal(positive, before)


def test_where_there_is_no_solution_to_be_found():
    # A matrix that is not positive definite, and too few exchanges.
    y, solved = solve_nonnegative(-np.eye(3), np.ones(3), np.ones(3, dtype=bool))
    assert not solved
    assert y.min() >= 0
    H, linear = np.eye(2) + 0.5, np.array([1.0, -1.0])
    for max_iter, expected in ((1, False), (5, True)):
        start = np.array([False, True])
        y, solved = solve_nonnegative(H, linear, start, max_iter=max_iter)
        assert solved is expected
    assert_allclose(y, [2 / 3, 0])
