from collections import Counter
from functools import reduce
from math import gcd

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy import sparse

from sktransfer.instance._smallest_sample import smallest_sample


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
@settings(deadline=None, max_examples=30)
@given(
    values=st.lists(st.integers(0, 4), min_size=1, max_size=12),
    times=st.integers(1, 4),
    seed=st.integers(0, 1000),
)
def test_shares_stay(kind, values, times, seed):
    rows = np.random.RandomState(seed).permutation(np.tile(values, times))
    X = np.c_[rows, -rows].astype(np.float64)
    sample, place = smallest_sample(kind(X))
    sample = sample.toarray() if sparse.issparse(sample) else sample
    counts, kept = Counter(rows), Counter(sample[:, 0].astype(int))
    least = reduce(gcd, counts.values())
    assert kept == {value: count // least for value, count in counts.items()}
    assert_array_equal(sample[place], X)


def test_nothing_is_left_out_of_rows_of_no_common_factor():
    X = np.array([[0.0], [1.0], [1.0], [2.0], [2.0], [2.0]])
    sample, place = smallest_sample(X)
    assert sample is X
    assert_array_equal(X[place], X)


def test_the_first_of_equal_rows_stay_in_their_order():
    X = np.array([[3.0], [1.0], [3.0], [2.0], [1.0], [3.0], [2.0], [3.0]])
    sample, place = smallest_sample(X)
    assert_array_equal(sample[:, 0], [3, 1, 3, 2])
    assert_array_equal(sample[place], X)


def test_rows_that_are_all_equal_are_one_row():
    sample, place = smallest_sample(np.ones((7, 2), dtype=np.float32))
    assert sample.dtype == np.float32
    assert_array_equal(sample, np.ones((1, 2)))
    assert_array_equal(place, 0)
