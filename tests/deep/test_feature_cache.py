import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from sktransfer.deep.frozen._feature_cache import FeatureCache


class Counted:
    """Squares of rows, and how many were asked for."""

    def __init__(self):
        self.n_rows = 0

    def __call__(self, X):
        self.n_rows += len(X)
        return X.astype(np.float64) ** 2


def test_rows_are_computed_once_whatever_array_they_come_in():
    cache, square = FeatureCache(), Counted()
    X = np.arange(20.0).reshape(10, 2)
    assert_array_equal(cache.compute("a", X, square), X**2)
    assert_array_equal(
        cache.compute("a", X[[7, 2, 2]].copy(), square), X[[7, 2, 2]] ** 2
    )
    assert square.n_rows == 10
    both = np.r_[X[:3], X[:3] + 100]
    assert_array_equal(cache.compute("a", both, square), both**2)
    assert square.n_rows == 13


def test_another_key_and_another_type_are_other_rows():
    cache, square = FeatureCache(), Counted()
    X = np.ones((2, 4))
    cache.compute("a", X[:1], square)
    cache.compute("b", X[:1], square)
    cache.compute("a", X[:1].astype(np.float32), square)
    cache.compute("a", X[:1].reshape(1, 2, 2), square)
    assert square.n_rows == 4


def test_equal_rows_are_computed_once():
    square = Counted()
    assert_array_equal(FeatureCache().compute("a", np.ones((6, 2)), square), 1.0)
    assert square.n_rows == 1


def test_memory_is_bounded_and_the_oldest_go_first():
    cache, square = FeatureCache(max_bytes=5 * 16), Counted()
    X = np.arange(20.0).reshape(10, 2)
    assert_array_equal(cache.compute("a", X, square), X**2)
    assert cache.n_bytes == 5 * 16
    cache.compute("a", X[-5:], square)
    assert square.n_rows == 10
    cache.compute("a", X[:1], square)
    assert square.n_rows == 11
    assert cache.n_bytes == 5 * 16


def test_what_is_kept_does_not_hold_the_batch():
    cache = FeatureCache()
    cache.compute("a", np.ones((3, 2)), lambda X: np.zeros((len(X), 4)))
    assert all(row.base is None for row in cache._rows.values())


def test_a_folder_is_shared(tmp_path):
    square = Counted()
    X = np.arange(20.0).reshape(10, 2)
    FeatureCache().compute("a", X[:6], square, tmp_path)
    other = FeatureCache()
    assert_array_equal(other.compute("a", X, square, tmp_path), X**2)
    assert square.n_rows == 10
    third = FeatureCache()
    assert_array_equal(third.compute("a", X[::-1], square, str(tmp_path)), X[::-1] ** 2)
    assert square.n_rows == 10
    third.compute("b", X[:1], square, tmp_path)
    assert square.n_rows == 11


def test_rows_that_memory_cannot_hold_come_from_the_folder(tmp_path):
    cache, square = FeatureCache(max_bytes=16), Counted()
    X = np.arange(20.0).reshape(10, 2)
    for _ in range(3):
        assert_array_equal(cache.compute("a", X, square, tmp_path), X**2)
    assert square.n_rows == 10


def test_a_cleared_cache_reads_the_folder_again(tmp_path):
    cache, square = FeatureCache(), Counted()
    X = np.arange(6.0).reshape(3, 2)
    cache.compute("a", X, square, tmp_path)
    cache.clear()
    assert cache.n_bytes == 0
    cache.compute("a", X, square, tmp_path)
    assert square.n_rows == 3


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30), st.integers(0, 200))
@settings(deadline=None, max_examples=50)
def test_always_what_the_function_gives(numbers, max_bytes):
    cache, square = FeatureCache(max_bytes=max_bytes), Counted()
    X = np.array(numbers, dtype=float)[:, None]
    for _ in range(2):
        assert_array_equal(cache.compute("a", X, square), X**2)
        assert cache.n_bytes <= max_bytes


def test_rows_from_memory_reach_the_folder(tmp_path):
    cache, square = FeatureCache(), Counted()
    X = np.arange(6.0).reshape(3, 2)
    cache.compute("a", X, square)
    cache.compute("a", X, square, tmp_path)
    assert_array_equal(FeatureCache().compute("a", X, square, tmp_path), X**2)
    assert square.n_rows == 3


def test_an_emptied_folder_is_filled_again(tmp_path):
    cache, square = FeatureCache(max_bytes=16), Counted()
    X = np.arange(6.0).reshape(3, 2)
    cache.compute("a", X, square, tmp_path)
    for path in tmp_path.rglob("*.npz"):
        path.unlink()
    assert_array_equal(cache.compute("a", X, square, tmp_path), X**2)
    assert list(tmp_path.rglob("*.npz"))


def test_damaged_files_are_made_again(tmp_path):
    square = Counted()
    X = np.arange(10.0).reshape(5, 2)
    FeatureCache().compute("key", X, square, tmp_path)
    (file,) = tmp_path.rglob("*.npz")
    content = file.read_bytes()
    known = FeatureCache(max_bytes=1)  # knows where the rows are, and nothing else
    assert_array_equal(known.compute("key", X, square, tmp_path), X**2)
    for damaged in (content[: len(content) // 2], b""):
        file.write_bytes(damaged)
        for cache in (known, FeatureCache()):
            assert_array_equal(cache.compute("key", X, square, tmp_path), X**2)


def test_memory_is_a_folder():
    with pytest.raises(TypeError, match=r"`memory` must be None, the path .*, got 3\."):
        FeatureCache().compute("a", np.ones((1, 2)), Counted(), 3)
