import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer.metrics import effective_sample_size

WEIGHTS = st.lists(st.floats(0, 1e6), min_size=1, max_size=30).filter(
    lambda weights: max(weights) > 0
)


@settings(deadline=None)
@given(WEIGHTS)
def test_between_one_and_the_number_of_positive_weights(weights):
    size = effective_sample_size(weights)
    assert 1 - 1e-12 <= size <= np.count_nonzero(weights) * (1 + 1e-12)
    assert isinstance(size, float)


@settings(deadline=None)
@given(WEIGHTS, st.floats(-150, 150), st.randoms(use_true_random=False))
def test_scale_order_and_zeros_do_not_matter(weights, exponent, random):
    size = effective_sample_size(weights)
    # Weights that the scaling takes out of the range of floats are left out.
    scaled = np.array(weights) * 10.0**exponent
    if np.all((scaled > 1e-290) | (np.array(weights) == 0)):
        np.testing.assert_allclose(effective_sample_size(scaled), size, rtol=1e-9)
    shuffled = [*random.sample(weights, len(weights)), 0.0]
    np.testing.assert_allclose(effective_sample_size(shuffled), size, rtol=1e-9)


@settings(deadline=None)
@given(WEIGHTS, st.integers(2, 4))
def test_repeating_all_rows_multiplies_it(weights, times):
    np.testing.assert_allclose(
        effective_sample_size(weights * times),
        times * effective_sample_size(weights),
        rtol=1e-9,
    )


@settings(deadline=None)
@given(WEIGHTS)
def test_it_is_n_over_one_plus_squared_variation(weights):
    # Kish: n / (1 + cv^2) with the coefficient of variation of the weights.
    weights = np.array(weights) / max(weights)
    variation = weights.std() / weights.mean()
    expected = len(weights) / (1 + variation**2)
    np.testing.assert_allclose(effective_sample_size(weights), expected, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_extreme_scales_neither_overflow_nor_vanish(scale):
    weights = np.array([1.0, 2.0, 3.0, 0.0]) * scale
    np.testing.assert_allclose(effective_sample_size(weights), 36 / 14)


def test_limit_cases():
    assert effective_sample_size([3.0] * 7) == 7
    assert effective_sample_size([0, 0, 5]) == 1
    assert effective_sample_size(np.ones(5, np.float32)) == 5
    assert effective_sample_size(np.array([True, False, True])) == 2


def test_a_mean_of_noise_has_the_variance_that_it_says():
    # Var(sum w x / sum w) = sigma^2 / n_eff for independent x: the meaning of Kish's
    # number. 20,000 draws make the estimate's relative error about 1 %.
    rng = np.random.RandomState(0)
    weights = rng.exponential(size=50)
    draws = rng.normal(size=(20_000, 50)) @ weights / weights.sum()
    expected = 1 / effective_sample_size(weights)
    np.testing.assert_allclose(draws.var(), expected, rtol=0.05)


@pytest.mark.parametrize(
    ("weights", "sentence"),
    [
        ([], r"must be a vector of weights, got shape \(0,\)"),
        ([[1.0, 2.0]], r"must be a vector of weights, got shape \(1, 2\)"),
        (1.0, r"must be a vector of weights, got shape \(\)"),
        (
            [1.0, -1.0],
            "finite and >= 0 with at least one positive weight",
        ),
        ([0.0, 0.0], "got values from 0.0 to 0.0"),
        ([1.0, np.nan], "finite and >= 0"),
        ([1.0, np.inf], "finite and >= 0 .* to inf"),
    ],
)
def test_bad_weights(weights, sentence):
    with pytest.raises(ValueError, match=sentence):
        effective_sample_size(weights)
