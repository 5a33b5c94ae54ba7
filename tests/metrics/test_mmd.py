import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.metrics.pairwise import pairwise_kernels

from sktransfer.metrics import mmd

KERNELS = ["linear", "rbf", "laplacian", "poly", "cosine"]
ESTIMATORS = ["biased", "unbiased"]


def draw(seed, n=30, m=20, p=3, shift=1.0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, p)), rng.normal(size=(m, p)) + shift


def by_loops(X, Y, kernel, estimator):
    """The definition, pair by pair."""
    Z = np.r_[X, Y]
    width = {} if kernel in ("linear", "cosine") else {"gamma": 0.3}
    K = pairwise_kernels(Z, metric=kernel, **width)
    n, m = len(X), len(Y)
    keep_equal = estimator == "biased"
    xx = [K[i, j] for i in range(n) for j in range(n) if i != j or keep_equal]
    yy = [K[n + i, n + j] for i in range(m) for j in range(m) if i != j or keep_equal]
    xy = [K[i, n + j] for i in range(n) for j in range(m)]
    return np.mean(xx) + np.mean(yy) - 2 * np.mean(xy)


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("kernel", KERNELS)
def test_definition(kernel, estimator, monkeypatch):
    from sktransfer.metrics import _mmd

    X, Y = draw(0)
    expected = by_loops(X, Y, kernel, estimator)
    got = mmd(X, Y, kernel=kernel, gamma=0.3, estimator=estimator)
    assert_allclose(got, expected, rtol=1e-10)
    monkeypatch.setattr(_mmd, "_TILE", 7)
    got = mmd(X, Y, kernel=kernel, gamma=0.3, estimator=estimator)
    assert_allclose(got, expected, rtol=1e-10)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(2, 25),
    m=st.integers(2, 25),
    kernel=st.sampled_from(KERNELS),
    estimator=st.sampled_from([*ESTIMATORS, "linear"]),
)
def test_symmetry_order_and_zero(seed, n, m, kernel, estimator):
    X, Y = draw(seed, n, m)
    rng = np.random.RandomState(seed)
    value = mmd(X, Y, kernel=kernel, estimator=estimator)
    shuffled = mmd(
        X[rng.permutation(n)], Y[rng.permutation(m)], kernel=kernel, estimator=estimator
    )
    assert_allclose(shuffled, value, rtol=1e-7, atol=1e-10)
    if estimator != "linear":
        swapped = mmd(Y, X, kernel=kernel, estimator=estimator)
        assert_allclose(swapped, value, rtol=1e-7, atol=1e-10)
    assert mmd(X, X[rng.permutation(n)], kernel=kernel) < 1e-10
    assert mmd(X, Y, kernel=kernel) >= 0


def gaussian_mmd(p, gamma, shift, scale):
    """Squared MMD of N(0, I) and N(shift, scale^2 I) with kernel exp(-gamma d^2)."""

    def expected(variance, distance):
        # E exp(-gamma |z|^2) for z ~ N(mean, variance I), |mean|^2 = distance.
        spread = 1 + 2 * gamma * variance
        return spread ** (-p / 2) * np.exp(-gamma * distance / spread)

    return (
        expected(2, 0)
        + expected(2 * scale**2, 0)
        - 2 * expected(1 + scale**2, p * shift**2)
    )


def test_closed_form_for_gaussians():
    p, gamma, shift, scale = 3, 0.2, 0.5, 0.7
    truth = gaussian_mmd(p, gamma, shift, scale)
    errors = []
    for n in (100, 3000):
        values = []
        for seed in range(5):
            rng = np.random.RandomState(seed)
            X, Y = rng.normal(size=(n, p)), scale * rng.normal(size=(n, p)) + shift
            values.append(mmd(X, Y, gamma=gamma, estimator="unbiased"))
        errors.append(np.abs(np.array(values) - truth).mean() / truth)
    assert errors[1] < 0.05
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("estimator", ["unbiased", "linear"])
def test_centred_on_zero_without_shift(estimator):
    values = [
        mmd(
            *draw(seed, 40, 40, shift=0.0),
            gamma=0.2,
            estimator=estimator,
            random_state=10_000 + seed,
        )
        for seed in range(200)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * error
    biased = [mmd(*draw(s, 40, 40, shift=0.0), gamma=0.2) for s in range(50)]
    assert np.mean(biased) > 3 * error


def test_linear_time_estimate_is_right_on_average():
    truth = gaussian_mmd(3, 0.2, 1.0, 1.0)
    values = [
        mmd(
            *draw(seed, 300, 300),
            gamma=0.2,
            estimator="linear",
            random_state=10_000 + seed,
        )
        for seed in range(60)
    ]
    error = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values) - truth) < 3 * error


def test_float32_and_sparse():
    X, Y = draw(0, 200, 100, p=8)
    X[X < 0.5] = 0
    for kernel in ("linear", "rbf", "poly", "cosine"):
        expected = mmd(X, Y, kernel=kernel)
        single = mmd(X.astype(np.float32), Y.astype(np.float32), kernel=kernel)
        assert_allclose(single, expected, rtol=1e-4)
        thin = mmd(sparse.csr_array(X), sparse.csr_matrix(Y), kernel=kernel)
        assert_allclose(thin, expected, rtol=1e-10)
    with pytest.raises(TypeError, match="dense data is required"):
        mmd(sparse.csr_array(X), Y, kernel="laplacian")


@pytest.mark.parametrize("estimator", ["biased", "unbiased", "linear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_only_small_blocks_in_the_type_of_the_rows(estimator, dtype):
    blocks = []

    def kernel(A, B):
        blocks.append((len(A), len(B)))
        assert A.dtype == B.dtype == dtype
        return A @ B.T

    X, Y = (Z.astype(dtype) for Z in draw(0, 3000, 2500))
    value = mmd(X, Y, kernel=kernel, estimator=estimator)
    assert np.max(blocks) <= 1024
    if estimator != "linear":
        expected = mmd(X, Y, kernel="linear", estimator=estimator)
        assert_allclose(value, expected, rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_memory_does_not_grow_with_the_number_of_pairs(dtype):
    # The whole kernel of 10,000 rows would take 200 MB in float32 alone.
    X, Y = (Z.astype(dtype) for Z in draw(0, 5000, 5000, p=20))
    tracemalloc.start()
    try:
        mmd(X, Y)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 40 * 2**20


def test_bad_input():
    X, Y = draw(0)
    with pytest.raises(ValueError, match="the same columns, got 3 and 2 columns"):
        mmd(X, Y[:, :2])
    with pytest.raises(ValueError, match="at least two rows of each sample, got 1"):
        mmd(X, Y[:1], estimator="unbiased")
    with pytest.raises(ValueError, match="`estimator` must be one of"):
        mmd(X, Y, estimator="fast")
    with pytest.raises(ValueError, match="Input X_target contains NaN"):
        mmd(X, np.full_like(Y, np.nan))
    assert mmd(np.ones((4, 2)), np.ones((3, 2))) == 0.0
