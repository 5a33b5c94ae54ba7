import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from sktransfer._box_slab import project_box_slab

BOUNDS = st.tuples(
    st.floats(0.5, 50), st.floats(0, 1), st.floats(0, 1), st.integers(1, 30)
)


@settings(deadline=None, max_examples=200)
@given(seed=st.integers(0, 10**6), bounds=BOUNDS, scale=st.floats(1e-3, 1e3))
def test_projection(seed, bounds, scale):
    upper, first, second, n = bounds
    low, high = np.sort([first, second]) * n * upper
    rng = np.random.RandomState(seed)
    v = scale * rng.normal(size=n)
    w = project_box_slab(v, upper, low, high)
    assert w.min() >= 0
    assert w.max() <= upper
    slack = 1e-9 * max(high, 1.0)
    assert low - slack <= w.sum() <= high + slack
    # The optimality conditions: v - w is the same number on all free entries, pushes
    # down those at zero and up those at the bound, and has the sign of the side hit.
    free = (w > 0) & (w < upper)
    theta = np.median((v - w)[free]) if free.any() else None
    if theta is not None:
        tol = 1e-7 * max(scale, upper)
        assert_allclose((v - w)[free], theta, atol=tol)
        assert np.all(v[w == 0] - theta <= tol)
        assert np.all(v[w == upper] - theta >= upper - tol)
        if theta > tol:
            assert_allclose(w.sum(), high, atol=slack)
        if theta < -tol:
            assert_allclose(w.sum(), low, atol=slack)
    assert_allclose(project_box_slab(w, upper, low, high), w, atol=slack)
    order = rng.permutation(n)
    again = project_box_slab(v[order], upper, low, high)
    assert_allclose(again, w[order], atol=slack)
