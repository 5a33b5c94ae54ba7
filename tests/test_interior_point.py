import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer._active_set import solve_active_set
from sktransfer._box_slab import project_box_slab, projected_gradient_norm
from sktransfer._interior_point import solve_interior_point


def problem(seed, n, p, ridge=1e-5):
    rng = np.random.RandomState(seed)
    X, Y = rng.normal(size=(n, p)), 0.7 * rng.normal(size=(n, p)) + 0.5
    return rbf_kernel(X, gamma=0.5) + ridge * np.eye(n), rbf_kernel(X, Y).sum(axis=1)


def norm_of(w, K, linear, bounds):
    w = project_box_slab(w, *bounds)
    scale = np.linalg.norm(linear)
    return projected_gradient_norm(w, K @ w - linear, np.trace(K), scale, *bounds)


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 60),
    p=st.integers(1, 5),
    upper=st.sampled_from([1.5, 10.0, 1000.0]),
    eps=st.sampled_from([0.0, 0.1, 0.9]),
)
def test_both_ends_agree(seed, n, p, upper, eps):
    K, linear = problem(seed, n, p)
    bounds = (upper, n * (1 - eps), n * (1 + eps))
    inside = solve_interior_point(K, linear, *bounds)
    assert norm_of(inside, K, linear, bounds) < 1e-6
    exact = solve_active_set(K, linear, *bounds, inside)
    if exact is not None:
        assert norm_of(exact, K, linear, bounds) < 1e-10
        assert_allclose(exact, inside, atol=1e-4 * inside.max())


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("upper", [10.0, 1000.0])
def test_nearly_singular_matrices_end_exactly(p, upper):
    n = 400
    K, linear = problem(0, n, p)
    bounds = (upper, 0.1 * n, 1.9 * n)
    inside = solve_interior_point(K, linear, *bounds)
    exact = solve_active_set(K, linear, *bounds, inside)
    assert norm_of(exact, K, linear, bounds) < 1e-12


def test_a_wrong_guess_is_corrected():
    K, linear = problem(3, 40, 8)
    bounds = (5.0, 20.0, 60.0)
    first = solve_active_set(K, linear, *bounds, np.ones(40))
    second = solve_active_set(K, linear, *bounds, np.where(first > 1, 1.0, 0.0))
    assert_allclose(first, second, atol=1e-9)


def test_nothing_to_exchange_or_no_end():
    # A held sum with no free weight leaves nothing to solve for.
    assert solve_active_set(np.eye(3), np.ones(3), 1.0, 3.0, 3.0, np.ones(3)) is None
    # A singular matrix is refused, not divided by.
    start = np.full(3, 0.5)
    assert solve_active_set(np.zeros((3, 3)), np.ones(3), 1.0, 0, 3, start) is None
    w = solve_interior_point(np.zeros((3, 3)), np.zeros(3), 2.0, 1.0, 3.0)
    assert np.isfinite(w).all()


def test_inputs_are_left_alone():
    K, linear = problem(0, 30, 2)
    copies = K.copy(), linear.copy()
    w = solve_interior_point(K, linear, 10.0, 15.0, 45.0)
    start = w.copy()
    solve_active_set(K, linear, 10.0, 15.0, 45.0, w)
    for array, copy in zip((K, linear, w), (*copies, start), strict=True):
        assert_array_equal(array, copy)
