import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose

from sktransfer import DiscrepancyWeighter, KernelMeanMatchingWeighter
from sktransfer.instance._shaped_weights import shaped_weights

WEIGHTS = arrays(float, st.integers(1, 20), elements=st.floats(0, 100))


@settings(max_examples=50, deadline=None)
@given(WEIGHTS, st.none() | st.floats(0.1, 10), st.floats(0, 1))
def test_bounds_power_and_scale(weights, clip, flatten):
    shaped = shaped_weights(weights, clip, flatten)
    if weights.sum() == 0:
        assert_allclose(shaped, weights)
        return
    mean_one = weights / weights.mean()
    expected = np.minimum(mean_one, np.inf if clip is None else clip) ** flatten
    assert_allclose(shaped / shaped.mean(), expected / expected.mean(), rtol=1e-9)
    again = shaped_weights(3 * weights, clip, flatten)
    assert_allclose(again / again.mean(), shaped / shaped.mean(), rtol=1e-9)


@pytest.mark.parametrize("cls", [DiscrepancyWeighter, KernelMeanMatchingWeighter])
def test_of_the_weighters_that_solve_a_programme(cls):
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(60, 2)), rng.normal(size=(40, 2)) + 0.5]
    domain = np.repeat([1, -1], [60, 40])
    plain = cls().fit(X, sample_domain=domain)
    shaped = cls(clip=2.0, flatten=0.5).fit(X, sample_domain=domain)
    expected = shaped_weights(plain.sample_weight_[:60], 2.0, 0.5)
    assert_allclose(shaped.sample_weight_[:60], expected, rtol=1e-6)
    assert shaped.effective_sample_size_ > plain.effective_sample_size_
    for params in ({"clip": 0}, {"flatten": 2}):
        with pytest.raises(ValueError, match=f"`{next(iter(params))}` must be"):
            cls(**params).fit(X, sample_domain=domain)


def test_a_fit_without_target_forgets_the_one_before():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(30, 2)), np.arange(30) % 2
    weighter = KernelMeanMatchingWeighter(upper_bound=3.0)
    weighter.fit(X, np.where(np.arange(30) < 20, y, -1))
    assert hasattr(weighter, "mmd_after_")
    with pytest.warns(UserWarning, match="no target row"):
        weighter.fit(X, y)
    assert not hasattr(weighter, "mmd_after_")
