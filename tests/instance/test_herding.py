import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer._kernels import Kernel, kernel_matrix, kernel_mean
from sktransfer.exceptions import ClassLostWarning
from sktransfer.instance import InstanceSelector
from sktransfer.instance._herding import herd, kernel_diagonal, near_enough


def problem(kernel, n=25, n_target=30, seed=0):
    rng = np.random.RandomState(seed)
    X, X_target = rng.normal(size=(n, 2)), 0.5 * rng.normal(size=(n_target, 2)) + 0.7
    K = Kernel(kernel, 0.5)
    return X, X_target, K, kernel_mean(X, X_target, **K.params)


def squared_mmd(K, X, X_target):
    params = K.params
    return (
        kernel_matrix(X, **params).mean()
        - 2 * kernel_matrix(X, X_target, **params).mean()
        + kernel_matrix(X_target, **params).mean()
    )


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear", "poly", "cosine"])
def test_equals_brute_force(kernel):
    X, X_target, K, kappa = problem(kernel)
    picks = []
    for _ in range(8):
        rest = [row for row in range(len(X)) if row not in picks]
        found = [squared_mmd(K, X[[*picks, row]], X_target) for row in rest]
        picks.append(rest[int(np.argmin(found))])
    order, n_best, path = herd(X, kappa, K, n_picks=8)
    np.testing.assert_array_equal(order, picks)
    assert n_best == 8
    constant = kernel_matrix(X_target, **K.params).mean()
    expected = [squared_mmd(K, X[picks[: i + 1]], X_target) for i in range(8)]
    np.testing.assert_allclose(path + constant, expected, atol=1e-12)


def test_falls_faster_than_random_subsets():
    X, X_target, K, kappa = problem("rbf", 400, 300)
    X_target = X[:300] * 0.7 + 0.3
    kappa = kernel_mean(X, X_target, **K.params)
    order, _, _ = herd(X, kappa, K, n_picks=64)
    rng = np.random.RandomState(0)
    sizes = np.array([4, 16, 64])
    herded = [squared_mmd(K, X[order[:size]], X_target) for size in sizes]
    for size, value in zip(sizes, herded, strict=True):
        random = [
            squared_mmd(K, X[rng.permutation(400)[:size]], X_target) for _ in range(50)
        ]
        assert value < 0.4 * np.median(random)
    # Draws from the target itself fall like 1 / size, herding faster.
    fall = np.polyfit(np.log(sizes), np.log(herded), 1)[0]
    assert fall < -1.3


def test_the_number_is_the_largest_that_is_near_enough():
    X, X_target, K, kappa = problem("rbf", 300)
    every, _, whole = herd(X, kappa, K, n_picks=300)
    assert sorted(every) == list(range(300))
    constant = kernel_matrix(X_target, **K.params).mean()
    np.testing.assert_allclose(
        whole[-1] + constant, squared_mmd(K, X, X_target), atol=1e-12
    )
    enough = near_enough(X_target, K)
    np.testing.assert_allclose(enough + constant, (1 - constant) / 30, rtol=1e-9)
    order, n_best, _ = herd(X, kappa, K, enough=enough)
    np.testing.assert_array_equal(order, every[: len(order)])
    assert n_best == np.flatnonzero(whole <= enough)[-1] + 1
    assert 30 < n_best < 250
    assert len(order) < 300
    # None is near enough: the lowest.
    assert herd(X, kappa, K, enough=-10.0)[1] == np.argmin(whole) + 1


def test_target_equal_to_source_keeps_every_row():
    X, _, K, _ = problem("rbf", 40)
    kappa = kernel_mean(X, X, **K.params)
    assert herd(X, kappa, K, enough=near_enough(X, K))[1] == 40


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 1000), st.integers(3, 20))
def test_quotas_hold(seed, n_picks):
    X, _, K, kappa = problem("rbf", 20, seed=seed)
    classes = np.random.RandomState(seed).permutation(np.arange(20) % 3)
    quotas = np.array([n_picks - 2, 1, 1])
    quotas = np.minimum(quotas, np.bincount(classes))
    order, _, _ = herd(
        X, kappa, K, n_picks=quotas.sum(), classes=classes, quotas=quotas
    )
    np.testing.assert_array_equal(np.bincount(classes[order], minlength=3), quotas)
    assert len(set(order)) == len(order)


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "linear", "poly", "cosine"])
def test_diagonal(kernel):
    X, _, K, _ = problem(kernel)
    np.testing.assert_allclose(
        kernel_diagonal(X, K, step=7), np.diag(kernel_matrix(X, **K.params))
    )


def shifted():
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(80, 2)), 0.5 * rng.normal(size=(50, 2)) + 1]
    y = np.r_[np.arange(80) % 2, np.full(50, -1)]
    return X, y


def test_selector_scores_are_the_order_of_the_picks():
    X, y = shifted()
    fitted = InstanceSelector("herding", n_select=12).fit(X, y)
    scores, kept = fitted.scores_[:80], fitted.support_[:80]
    assert sorted(scores) == list(range(1, 81))
    np.testing.assert_array_equal(kept, scores > 68)
    more = InstanceSelector("herding", n_select=20).fit(X, y)
    # The first picks do not depend on how many follow.
    np.testing.assert_array_equal(more.scores_[:80][kept], scores[kept])
    witness = fitted.score_samples(X[:80])
    assert np.all(np.diff(witness[np.argsort(-scores)][12:]) <= 1e-12)


def test_scale_and_repeated_target_change_nothing():
    X, y = shifted()
    expected = InstanceSelector("herding").fit(X, y)
    scaled = InstanceSelector("herding").fit(X * 1024.0, y)
    np.testing.assert_array_equal(scaled.scores_, expected.scores_)
    gamma = 0.7
    once = InstanceSelector("herding", gamma=gamma).fit(X, y).support_[:80]
    twice = InstanceSelector("herding", gamma=gamma)
    twice.fit(np.r_[X, X[80:]], np.r_[y, y[80:]])
    np.testing.assert_array_equal(twice.support_[:80], once)


def test_balance_herds_class_by_class():
    X, y = shifted()
    # One class of the source is far from the target.
    X[:80][y[:80] == 1] -= 6.0
    with pytest.warns(ClassLostWarning):
        InstanceSelector("herding", n_select=10).fit(X, y)
    fitted = InstanceSelector("herding", n_select=10, balance=True).fit(X, y)
    np.testing.assert_array_equal(np.bincount(y[:80][fitted.support_[:80]]), [5, 5])
    natural = InstanceSelector("herding", balance=True).fit(X, y)
    counts = np.bincount(y[:80][natural.support_[:80]])
    assert abs(counts[0] - counts[1]) <= 1
