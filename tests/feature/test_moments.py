import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from sklearn.covariance import ledoit_wolf_shrinkage

from sktransfer.feature import _moments
from sktransfer.feature._moments import (
    mean_and_covariance,
    shrinkage,
    symmetric_power,
)


@settings(deadline=None)
@given(seed=st.integers(0, 10**6), n=st.integers(2, 40), p=st.integers(1, 8))
def test_moments_and_shrinkage(seed, n, p):
    X = np.random.RandomState(seed).normal(size=(n, p)) * 3 + 100
    mean, covariance = mean_and_covariance(X)
    assert_allclose(mean, X.mean(axis=0))
    assert_allclose(covariance, np.cov(X.T).reshape(p, p), atol=1e-10)
    share = shrinkage(X, mean, covariance)
    assert_allclose(share, ledoit_wolf_shrinkage(X) if p > 1 else 0.0, atol=1e-9)


def test_in_blocks(monkeypatch):
    X = np.random.RandomState(0).normal(size=(100, 3)).astype(np.float32) + 1000
    monkeypatch.setattr(_moments, "_BLOCK_BYTES", 84)
    _, covariance = mean_and_covariance(X)
    assert_allclose(covariance, np.cov(X.T.astype(float)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("power", [-1.0, -0.5, 0.5, 2.0])
def test_powers(power):
    rng = np.random.RandomState(0)
    root = rng.normal(size=(5, 5))
    matrix = root @ root.T
    back = symmetric_power(symmetric_power(matrix, power), 1 / power)
    assert_allclose(back, matrix, atol=1e-9)
    assert_allclose(symmetric_power(np.zeros((2, 2)), power), 0)


def test_one_row_has_no_covariance():
    _, covariance = mean_and_covariance(np.ones((1, 3)))
    assert_allclose(covariance, 0)
    assert shrinkage(np.ones((1, 3)), np.ones(3), covariance) == 0
