import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sktransfer.instance._choice import canonical_order, choose, class_quotas

sizes_and_count = st.lists(st.integers(1, 40), min_size=1, max_size=6).flatmap(
    lambda sizes: st.tuples(st.just(sizes), st.integers(len(sizes), sum(sizes)))
)


@given(sizes_and_count)
def test_quotas_keep_the_proportions(case):
    sizes, n_select = np.array(case[0]), case[1]
    quotas = class_quotas(sizes, n_select)
    exact = sizes * n_select / sizes.sum()
    assert quotas.sum() == n_select
    assert np.all((quotas >= 1) & (quotas <= sizes))
    assert np.all(quotas < exact + 1)
    if exact.min() >= 1:
        assert np.all(quotas > exact - 1)


def test_quotas_by_hand():
    np.testing.assert_array_equal(class_quotas([70, 20, 10], 10), [7, 2, 1])
    # Exact shares 4.9, 0.05, 0.05: the last two are forced up, the first pays.
    np.testing.assert_array_equal(class_quotas([98, 1, 1], 5), [3, 1, 1])
    np.testing.assert_array_equal(class_quotas([3, 5], 4), [1, 3])
    np.testing.assert_array_equal(class_quotas([5], 3), [3])


def test_choose_takes_the_best_and_of_equal_ones_the_first():
    scores = np.array([1.0, 3.0, 2.0, 2.0, 2.0])
    np.testing.assert_array_equal(choose(scores, 3), [0, 1, 1, 1, 0])
    classes = np.array([0, 1, 1, 0, 1])
    # Shares of two rows: 0.8 and 1.2, so one of each.
    np.testing.assert_array_equal(choose(scores, 2, classes), [0, 1, 0, 1, 0])


def test_order_depends_on_content_alone():
    rng = np.random.RandomState(0)
    X, y = rng.randint(3, size=(50, 3)).astype(float), rng.randint(-1, 2, 50)
    X[X == 0] *= rng.choice([-1, 1], np.sum(X == 0))
    permuted = rng.permutation(50)
    one, other = (
        canonical_order(X, y),
        permuted[canonical_order(X[permuted], y[permuted])],
    )
    np.testing.assert_array_equal(X[one], X[other])
    np.testing.assert_array_equal(y[one], y[other])
    assert [tuple(row) for row in X[one]] == sorted(tuple(row) for row in X)


def test_order_takes_missing_and_several_labels():
    X = np.array([[1.0], [0.0], [1.0]])
    y = np.array([0.5, 1, np.nan])
    np.testing.assert_array_equal(canonical_order(X, y), [1, 2, 0])
    y = np.array([[2.0, 1.0], [0.0, 0.0], [2.0, 0.0]])
    np.testing.assert_array_equal(canonical_order(X, y), [1, 2, 0])
