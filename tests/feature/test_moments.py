import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.covariance import ledoit_wolf_shrinkage

from sktransfer.feature import _moments
from sktransfer.feature._moments import (
    mean_and_covariance,
    moments_and_shrinkage,
    symmetric_power,
)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 40), p=st.integers(1, 8))
def test_moments_and_shrinkage(seed, n, p):
    X = np.random.RandomState(seed).normal(size=(n, p)) * 3 + 100
    mean, covariance, share = moments_and_shrinkage(X)
    assert_allclose(mean, X.mean(axis=0))
    assert_allclose(covariance, np.cov(X.T).reshape(p, p), atol=1e-10)
    assert_allclose(share, ledoit_wolf_shrinkage(X) if p > 1 else 0.0, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_blocks(monkeypatch, dtype):
    X = np.random.RandomState(0).normal(size=(100, 3)).astype(dtype) + 1000
    expected = moments_and_shrinkage(X.astype(float))
    monkeypatch.setattr(_moments, "_BLOCK_ROWS", 7)
    tol = 1e-9 if dtype == np.float64 else 1e-3
    for got, want in zip(moments_and_shrinkage(X), expected, strict=True):
        assert_allclose(got, want, rtol=tol, atol=tol)
    assert_allclose(expected[1], np.cov(X.T.astype(float)), rtol=1e-9)
    assert_allclose(mean_and_covariance(X, ddof=0)[1], expected[1] * 0.99, rtol=tol)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_some_rows_that_are_far_from_the_mean_cost_no_digits(monkeypatch, dtype):
    # The rows that the shift is taken from are all of one kind.
    monkeypatch.setattr(_moments, "_SHIFT_ROWS", 1)
    X = np.random.RandomState(0).normal(size=(50_000, 2)).astype(dtype)
    X[0] = -3e4
    mean, covariance, share = moments_and_shrinkage(X)
    wide = X.astype(float)
    assert_allclose(mean, wide.mean(axis=0), rtol=1e-5)
    assert_allclose(covariance, np.cov(wide.T), rtol=1e-4)
    assert_allclose(share, ledoit_wolf_shrinkage(wide), rtol=1e-3)


def test_a_constant_column_is_no_reason_for_a_second_pass(monkeypatch):
    passes = []
    inner = _moments._centred_sums
    monkeypatch.setattr(
        _moments, "_centred_sums", lambda *args: passes.append(1) or inner(*args)
    )
    X = np.random.RandomState(0).normal(size=(3000, 3))
    X[:, 1] = 0.1
    _, covariance = mean_and_covariance(X)
    assert passes == [1]
    assert_allclose(covariance[1], 0, atol=1e-15)


def test_large_float32_rows_do_not_overflow():
    X = np.random.RandomState(0).normal(size=(50, 4))
    X[:, 0] *= 3
    _, covariance, share = moments_and_shrinkage((1e15 * X).astype(np.float32))
    expected = moments_and_shrinkage(X)
    assert_allclose(covariance / 1e30, expected[1], rtol=1e-3, atol=1e-6)
    assert_allclose(share, expected[2], rtol=1e-3)


@pytest.mark.parametrize("power", [-1.0, -0.5, 0.5, 2.0])
def test_powers(power):
    rng = np.random.RandomState(0)
    root = rng.normal(size=(5, 5))
    matrix = root @ root.T
    back = symmetric_power(symmetric_power(matrix, power), 1 / power)
    assert_allclose(back, matrix, atol=1e-9)
    assert_allclose(symmetric_power(np.zeros((2, 2)), power), 0)


def test_one_row_has_no_covariance():
    mean, covariance, share = moments_and_shrinkage(np.ones((1, 3)))
    assert_allclose(mean, 1)
    assert_allclose(covariance, 0)
    assert share == 0
