import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.spatial.distance import cdist

from sktransfer import NearestNeighborWeighter
from sktransfer.instance._neighbor_counts import neighbor_counts
from sktransfer.instance._row_groups import row_groups
from tests.instance.known_ratios import KNOWN, agreement, draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)


def fit(X, domain, *args, **params):
    return NearestNeighborWeighter(*args, **params).fit(X, sample_domain=domain)


def draw(n_source=80, n_target=60, p=3, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[rng.normal(size=(n_source, p)), rng.normal(size=(n_target, p)) + 0.7]
    return X, np.repeat([1, -1], [n_source, n_target])


def counted(source, target, k):
    """Go through the target rows one by one."""
    votes = np.zeros(len(source))
    for row in cdist(target, source):
        votes[np.argsort(row)[:k]] += 1
    return votes


def source_counts(source, target, k):
    _, point_of, counts = neighbor_counts(source, target, k)
    return counts[point_of]


@pytest.mark.parametrize("p", [1, 3, 6, 7, 30])
@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("n_source", [60, 1500])
def test_equals_counting(p, k, n_source):
    X, domain = draw(n_source, 300, p)
    source, target = X[domain > 0], X[domain < 0]
    expected = counted(source, target, k)
    assert_array_equal(source_counts(source, target, k), expected)
    thin = source_counts(sparse.csr_array(source), sparse.csr_array(target), k)
    assert_array_equal(thin, expected)


def test_cells_of_a_line():
    # The cell of 1 reaches from 0.5 to 3.
    source = np.array([[0.0], [1.0], [5.0]])
    target = np.array([[0.4], [0.6], [2.9], [3.1], [9.0]])
    assert_array_equal(source_counts(source, target, 1), [1, 2, 2])


def test_equal_rows_share():
    source = np.array([[0.0], [0.0], [1.0], [1.0], [1.0], [1.0]])
    target = np.array([[0.1], [0.2]])
    assert_array_equal(source_counts(source, target, 1), [1, 1, 0, 0, 0, 0])
    assert_allclose(source_counts(source, target, 3), [2, 2, 0.5, 0.5, 0.5, 0.5])
    assert_allclose(source_counts(source, target, 10), 2)


@pytest.mark.parametrize("case", KNOWN)
@pytest.mark.parametrize("p", [1, 2])
def test_follows_the_true_ratio(case, p):
    for seed in (0, 1):
        errors = []
        for n in (500, 6000):
            X, domain, ratio = draw_known(case, p, n, seed)
            k = int(np.sqrt(2 * n))
            weights = fit(X, domain, k, smoothing=0).sample_weight_
            errors.append(mean_error(weights, ratio))
        assert agreement(weights, ratio) > 0.9
        assert errors[1] < 0.75 * errors[0]


def test_five_columns():
    X, domain, ratio = draw_known("gaussians", 5, 4000)
    assert agreement(fit(X, domain, 60).sample_weight_, ratio) > 0.9


def test_single_votes_scatter_but_averages_are_sound():
    X, domain, ratio = draw_known("gaussians", 2, 4000)
    weights = fit(X, domain, smoothing=0).sample_weight_
    assert agreement(weights, ratio) < 0.8
    by_group = np.array_split(np.argsort(ratio), 10)
    means = np.array([[weights[g].mean(), ratio[g].mean()] for g in by_group])
    assert_allclose(means[:, 0], means[:, 1], rtol=0.25, atol=0.02)


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    p=st.sampled_from([1, 2, 8]),
    n_source=st.integers(1, 30),
    n_target=st.integers(1, 30),
    k=st.integers(1, 5),
    repeat=st.booleans(),
)
def test_weights_for_any_rows(seed, p, n_source, n_target, k, repeat):
    X, domain = draw(n_source, n_target, p, seed)
    if repeat:
        X = np.round(X)
    weights = fit(X, domain, k).sample_weight_
    assert weights.min() > 0
    assert_allclose(weights[:n_source].mean(), 1)
    order = np.random.RandomState(seed).permutation(len(domain))
    again = fit(X[order], domain[order], k).sample_weight_
    assert_allclose(again, weights[order], rtol=1e-12)
    assert_allclose(fit(4.0 * X, domain, k).sample_weight_, weights, rtol=1e-12)
    counts = source_counts(X[domain > 0], X[domain < 0], k)
    assert_allclose(counts.sum(), n_target * min(k, n_source))
    target = X[domain < 0]
    twice = fit(np.r_[X, target], np.r_[domain, -np.ones(n_target)], k)
    assert_allclose(twice.sample_weight_[: len(X)], weights, rtol=1e-12)


def test_weigh():
    X, domain = draw(p=7)
    weighter = fit(X, domain)
    source = X[domain > 0]
    assert_array_equal(weighter.weigh(source), weighter.sample_weight_[domain > 0])
    new = draw(seed=3, p=7)[0]
    nearest = cdist(new, source).argmin(axis=1)
    assert_array_equal(weighter.weigh(new), weighter.sample_weight_[:80][nearest])
    again = pickle.loads(pickle.dumps(weighter))
    assert_array_equal(again.weigh(new), weighter.weigh(new))


def test_smoothing():
    X, domain = draw()
    counts = source_counts(X[domain > 0], X[domain < 0], 1)
    for smoothing in (0.0, 0.5, 1.0):
        expected = counts + smoothing
        got = fit(X, domain, smoothing=smoothing).sample_weight_[:80]
        assert_allclose(got, expected / expected.mean())
    assert_allclose(fit(X, domain, smoothing=1e9).sample_weight_, 1, rtol=1e-6)


def test_clip_and_flatten():
    X, domain = draw()
    plain = fit(X, domain).sample_weight_[:80]
    assert_allclose(fit(X, domain, flatten=0).sample_weight_, 1)
    half, cut = np.sqrt(plain), np.minimum(plain, 1.5)
    assert_allclose(fit(X, domain, flatten=0.5).sample_weight_[:80], half / half.mean())
    assert_allclose(fit(X, domain, clip=1.5).sample_weight_[:80], cut / cut.mean())


def test_many_columns_and_tiny_data():
    X, domain = draw(30, 20, p=1000)
    assert np.isfinite(fit(X, domain, 3).sample_weight_).all()
    two = fit(np.array([[0.0], [1.0]]), np.array([1, -1]))
    assert_array_equal(two.sample_weight_, [1, 1])


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array])
def test_row_groups(kind):
    rng = np.random.RandomState(0)
    X = rng.randint(3, size=(200, 3)).astype(float)
    groups, first, sizes = row_groups(kind(X))
    expected = np.unique(X, axis=0, return_inverse=True, return_counts=True)
    assert len(first) == len(expected[0])
    assert_array_equal(X[first][groups], X)
    assert_array_equal(np.sort(sizes), np.sort(expected[2]))
    order = rng.permutation(200)
    again = row_groups(kind(X[order]))
    assert_array_equal(again[0], groups[order])
    assert_array_equal(X[order][again[1]], X[first])


def test_row_groups_beside_a_huge_column():
    # The small column is lost in the projection, not in the comparison.
    X = np.c_[np.full(6, 1e18), [0.0, 1.0, 0.0, 2.0, 1.0, 0.0]]
    groups, first, sizes = row_groups(X)
    assert_array_equal(X[first][groups], X)
    assert sorted(sizes) == [1, 2, 3]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"n_neighbors": 0}, "`n_neighbors` must be an integer"),
        ({"smoothing": -1.0}, "`smoothing` must be a finite number"),
        ({"clip": 0.0}, "`clip` must be a finite number"),
        ({"flatten": 2.0}, "`flatten` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    X, domain = draw()
    with pytest.raises(ValueError, match=sentence):
        fit(X, domain, **params)
