import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import logsumexp
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from sktransfer.instance._centre_kernels import draw_centres, weighted_rows
from sktransfer.instance._source_sums import SourceSums, log_sum


def draw(n_source=60, n_target=30, p=2, seed=0):
    rng = np.random.RandomState(seed)
    source = weighted_rows(rng.normal(size=(n_source, p)))
    target = weighted_rows(rng.normal(size=(n_target, p)) + 0.5)
    return source, draw_centres(target, 12, np.random.RandomState(0))


@pytest.mark.parametrize("gammas", [(0.3, 1.2, 4.8), (0.3, 1.0, 4.0, 16.0), (0.7,)])
def test_sums_of_each_fold_and_width(gammas):
    source, centres = draw()
    sums = SourceSums(source, centres, np.array(gammas), np.arange(60) % 2)
    assert_allclose(sums.shares, 0.5)
    # In any order.
    for k in np.random.RandomState(0).permutation(len(gammas)):
        rows = centres.rows + centres.origin
        for fold in (0, 1):
            K = rbf_kernel(source.X[fold::2], rows, gamma=gammas[k])
            assert_allclose(sums[k][fold], np.log(K.sum(axis=0) / 60), rtol=1e-10)


def test_rows_count_by_their_shares():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(10, 2))
    source = weighted_rows(np.repeat(X, np.arange(1, 11), axis=0))
    centres = draw_centres(weighted_rows(X), 4, rng)
    sums = SourceSums(source, centres, np.array([1.0]), np.zeros(10, dtype=int))
    K = rbf_kernel(X, centres.rows + centres.origin, gamma=1.0)
    assert_allclose(np.exp(sums[0][0]), np.arange(1, 11) @ K / 55, rtol=1e-10)


def test_far_rows_are_summed_in_logarithms():
    source, centres = draw()
    gammas = np.array([10.0, 4e3, 16e3])
    sums = SourceSums(source, centres, gammas, np.arange(60) % 3)
    squares = euclidean_distances(source.X, centres.rows + centres.origin, squared=True)
    for k, gamma in enumerate(gammas):
        for fold in range(3):
            expected = logsumexp(-gamma * squares[fold::3], axis=0) - np.log(60)
            assert_allclose(sums[k][fold], expected, rtol=1e-9)
    assert sums[2].min() < -1000


def test_log_sum():
    logs = np.array([[-1000.0, -1001.0, -np.inf], [5.0, 2.0, 1.0]])
    assert_allclose(log_sum(logs, axis=1), logsumexp(logs, axis=1), rtol=1e-14)
    assert_allclose(log_sum(logs, axis=0), logsumexp(logs, axis=0), rtol=1e-14)
