import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sktransfer.instance._outward_search import search_outwards


@given(n=st.integers(1, 12), lowest=st.integers(0, 11), seed=st.integers(0, 1000))
def test_finds_the_bottom_of_a_valley(n, lowest, seed):
    steps = np.random.RandomState(seed).uniform(0.1, 1, n)
    lowest = min(lowest, n - 1)
    height = np.cumsum(steps)
    losses = np.abs(height - height[lowest])
    best, met = search_outwards(lambda k: losses[k], n)
    assert best == lowest
    assert all(met[k] == losses[k] for k in met)


@pytest.mark.parametrize(
    ("losses", "tried"),
    [
        ([4, 2, 1, 2, 4], {1, 2, 3}),
        ([4, 1, 2, 3, 4], {0, 1, 2}),
        ([4, 3, 2, 1, 0], {1, 2, 3, 4}),
        ([np.inf, np.inf, np.inf], {0, 1}),
        ([1], {0}),
        ([1, 2], {0, 1}),
        ([2, 1], {0, 1}),
    ],
)
def test_tries_no_more_than_it_must(losses, tried):
    best, met = search_outwards(losses.__getitem__, len(losses))
    assert set(met) == tried
    assert losses[best] == min(losses)
