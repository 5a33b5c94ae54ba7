import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse, stats

from sktransfer.metrics import mmd, mmd_test


def draw(seed, n=30, m=20, shift=0.0):
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, 2)), rng.normal(size=(m, 2)) + shift


@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_statistics_equal_mmd_of_the_permuted_samples(estimator, monkeypatch):
    from sktransfer.metrics import _mmd_test as module

    splits = {}
    original = module._statistics

    def spy(X, columns, *args):
        splits.update(X=X, columns=columns)
        return original(X, columns, *args)

    monkeypatch.setattr(module, "_statistics", spy)
    X, Y = draw(0, shift=0.5)
    result = mmd_test(
        X, Y, gamma=0.5, estimator=estimator, n_permutations=20, random_state=0
    )
    statistics = [result.statistic, *result.null_distribution]
    for column, statistic in zip(splits["columns"].T, statistics, strict=True):
        first, second = splits["X"][column], splits["X"][~column]
        expected = mmd(first, second, gamma=0.5, estimator=estimator)
        assert_allclose(statistic, expected, atol=1e-12)
    assert_allclose(result.statistic, mmd(X, Y, gamma=0.5, estimator=estimator))
    larger = np.sum(result.null_distribution >= result.statistic - 1e-12)
    assert result.pvalue == (1 + larger) / 21


@pytest.mark.slow
@pytest.mark.parametrize("estimator", ["biased", "unbiased"])
def test_level(estimator):
    draws, alpha = 400, 0.1
    rejected = sum(
        mmd_test(
            *draw(seed, 15, 25), n_permutations=99, estimator=estimator, random_state=1
        ).pvalue
        <= alpha
        for seed in range(draws)
    )
    low, high = stats.binom(draws, alpha).interval(0.999)
    assert low <= rejected <= high


def test_power():
    pvalues = [mmd_test(*draw(s, shift=1.0), random_state=0).pvalue for s in range(10)]
    assert np.mean(np.array(pvalues) <= 0.05) >= 0.9


def test_equal_rows_are_no_evidence():
    assert mmd_test(np.ones((9, 2)), np.ones((8, 2)), random_state=0).pvalue == 1.0


def test_order_of_the_rows_and_sparse_input():
    X, Y = draw(0, shift=0.4)
    expected = mmd_test(X, Y, random_state=3, n_permutations=99)
    shuffled = mmd_test(X[::-1], Y[::-1], random_state=3, n_permutations=99)
    assert_allclose(shuffled.null_distribution, expected.null_distribution)
    thin = mmd_test(
        sparse.csr_array(X), sparse.csr_array(Y), random_state=3, n_permutations=99
    )
    assert_allclose(thin.null_distribution, expected.null_distribution)
    assert thin.pvalue == shuffled.pvalue == expected.pvalue


def test_bad_input():
    X, Y = draw(0)
    with pytest.raises(ValueError, match="`n_permutations` must be an integer"):
        mmd_test(X, Y, n_permutations=0)
    with pytest.raises(ValueError, match="at least two rows of each sample, got 30"):
        mmd_test(X, Y[:1], estimator="unbiased")
    with pytest.raises(ValueError, match="the same columns"):
        mmd_test(X, Y[:, :1])
