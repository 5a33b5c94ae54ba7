"""How far domains and classes lie apart, by classifiers of the domain."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse
from sklearn.linear_model import Ridge

from sktransfer._domain_balance import estimate_balance, proxy_distance


def by_refitting(X_source, X_target):
    """The definition: a ridge regression for each row that is left out."""
    n_source, n_target = len(X_source), len(X_target)
    X = np.r_[X_source, X_target]
    n, p = X.shape
    scatter = np.square(X - X.mean(axis=0)).sum()
    y = np.r_[np.full(n_source, n / n_source), np.full(n_target, -n / n_target)]
    left_out = np.empty(n)
    for i in range(n):
        others = np.arange(n) != i
        model = Ridge(alpha=0.1 * scatter / min(n, p), solver="cholesky")
        left_out[i] = model.fit(X[others], y[others]).predict(X[[i]])[0]
    middle = (left_out[:n_source].mean() + left_out[n_source:].mean()) / 2
    wrong = np.r_[left_out[:n_source] < middle, left_out[n_source:] > middle]
    error = (wrong[:n_source].mean() + wrong[n_source:].mean()) / 2
    return max(0.0, 2 * (1 - 2 * error))


@pytest.mark.parametrize("p", [3, 60])
@pytest.mark.parametrize("shift", [0.0, 0.8, 5.0])
def test_against_refitting(p, shift):
    rng = np.random.RandomState(0)
    source, target = rng.normal(size=(30, p)), rng.normal(size=(20, p))
    target[:, 0] += shift
    got = proxy_distance(source + 3.0, target + 3.0)
    assert_allclose(got, by_refitting(source, target), atol=1e-12)


@pytest.mark.parametrize("p", [4, 40])
def test_sparse_and_scale(p):
    rng = np.random.RandomState(1)
    source, target = rng.normal(size=(25, p)), rng.normal(size=(15, p)) + 0.6
    source[source < 0.5], target[target < 0.5] = 0, 0
    expected = proxy_distance(source, target)
    thin = proxy_distance(sparse.csr_array(source), sparse.csr_array(target))
    assert_allclose(thin, expected, atol=1e-12)
    assert_allclose(proxy_distance(1e-6 * source, 1e-6 * target), expected)
    single = proxy_distance(source.astype(np.float32), target.astype(np.float32))
    assert_allclose(single, expected, atol=0.05)


def test_limits():
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(200, 3))
    assert proxy_distance(rows, rows + 50.0) == 2
    assert proxy_distance(rows, rows) < 0.1
    # More columns than rows separate any two sets of rows that were learnt from.
    wide = rng.normal(size=(60, 400))
    assert proxy_distance(wide[:30], wide[30:]) < 0.8
    assert proxy_distance(np.ones((5, 2)), np.ones((4, 2))) == 0
    assert proxy_distance(rows[:1], rows[1:2]) == 0


def classes_in_two_domains(source_means, target_means, source_counts, target_counts):
    rng = np.random.RandomState(0)

    def draw(means, counts):
        y = np.repeat([0, 1], counts)
        return rng.normal(size=(len(y), 2)) + np.asarray(means)[y], y

    return *draw(source_means, source_counts), *draw(target_means, target_counts)


def test_only_the_classes_differ():
    # Either class moves as far as the other one, the opposite way.
    data = classes_in_two_domains(
        [[-6, 0], [6, 0]], [[-6, 4], [6, -4]], [200, 200], [200, 200]
    )
    assert estimate_balance(*data) > 0.85


def test_only_the_domains_differ():
    # The classes lie where they lay, but they have other shares.
    data = classes_in_two_domains(
        [[-6, 0], [6, 0]], [[-6, 0], [6, 0]], [360, 40], [40, 360]
    )
    assert estimate_balance(*data) < 0.15


def test_both_differ_and_nothing_differs():
    X, y, Z, _ = data = classes_in_two_domains(
        [[-6, 0], [6, 0]], [[-6, 9], [6, 9]], [100, 100], [100, 100]
    )
    assert_allclose(estimate_balance(*data), 0.5, atol=0.02)
    assert estimate_balance(X, y, Z, y, whole=0.0) == 1
    assert estimate_balance(X, y, Z, np.full(200, -1)) == 0.5
    codes = np.array([0, 1])
    assert estimate_balance(np.ones((2, 1)), codes, np.ones((2, 1)), codes) == 0.5
