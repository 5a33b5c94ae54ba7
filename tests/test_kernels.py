import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics.pairwise import pairwise_kernels

from sktransfer._kernels import (
    KERNELS,
    content_subsample,
    kernel_matrix,
    kernel_mean,
    nystroem_map,
    resolve_gamma,
)


def draw(seed, n=30, m=20, p=4):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, p)), rng.normal(size=(m, p)) + 0.5


def width(kernel):
    return {} if kernel in ("linear", "cosine") else {"gamma": 0.3}


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), kernel=st.sampled_from(KERNELS))
def test_equals_scikit_learn(seed, kernel):
    X, Y = draw(seed)
    expected = pairwise_kernels(X, Y, metric=kernel, **width(kernel))
    assert_allclose(kernel_matrix(X, Y, kernel=kernel, gamma=0.3), expected)
    mean = kernel_mean(X, Y, kernel=kernel, gamma=0.3)
    assert_allclose(mean, expected.mean(axis=1), atol=1e-12)
    K = kernel_matrix(X, kernel=kernel, gamma=0.3)
    assert_allclose(K, K.T, atol=1e-12)
    assert np.linalg.eigvalsh(K).min() > -1e-8 * np.abs(K).max()


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), kernel=st.sampled_from(["rbf", "laplacian"]))
def test_order_of_the_rows(seed, kernel):
    X, _ = draw(seed)
    order = np.random.RandomState(seed).permutation(30)
    again = resolve_gamma("median", X[order], kernel=kernel)
    assert_allclose(again, resolve_gamma("median", X, kernel=kernel))
    first = X[content_subsample(X, 7, 0)]
    assert_allclose(X[order][content_subsample(X[order], 7, 0)], first)


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "poly", "linear", "cosine"])
def test_nystroem_with_all_rows(kernel):
    X, _ = draw(0)
    features = nystroem_map(X, kernel=kernel, gamma=0.3).features(X)
    K = kernel_matrix(X, kernel=kernel, gamma=0.3)
    assert_allclose(features @ features.T, K, atol=1e-6 * np.abs(K).max())


def test_types():
    X, Y = draw(0)
    for kernel in KERNELS:
        single = kernel_matrix(X.astype(np.float32), kernel=kernel, gamma=0.3)
        assert single.dtype == np.float32
    for kernel in ("rbf", "linear", "poly", "cosine"):
        thin = kernel_matrix(sparse.csr_array(X), sparse.csr_array(Y), kernel=kernel)
        assert_allclose(thin, kernel_matrix(X, Y, kernel=kernel))


def test_width():
    assert resolve_gamma(None, np.ones((3, 4))) == 0.25
    assert resolve_gamma("median", np.ones((9, 4))) == 0.25
    assert resolve_gamma("median", np.array([[0.0], [2.0]])) == 0.25
    with pytest.raises(ValueError, match="`gamma` must be a finite number"):
        resolve_gamma(0.0, np.ones((3, 4)))
