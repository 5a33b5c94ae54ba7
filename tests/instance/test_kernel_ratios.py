"""What the two ratios of Gaussian kernels, by likelihood and by squares, share."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone

from sktransfer import KLIEPWeighter, ULSIFWeighter
from tests.instance.known_ratios import agreement, draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)
WEIGHTERS = [KLIEPWeighter(), ULSIFWeighter(), ULSIFWeighter(alpha=0.2)]
HEURISTIC = [KLIEPWeighter(gamma="median"), ULSIFWeighter(gamma="median", ridge=0.1)]
either = pytest.mark.parametrize("weighter", WEIGHTERS, ids=str)
KNOWN = [
    ("gaussians", 1),
    ("gaussians", 2),
    ("gaussians", 5),
    ("mixture", 1),
    ("mixture", 2),
    ("truncated", 1),
    ("truncated", 2),
]


def draw(n_source=60, n_target=50, p=2, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[
        rng.normal(size=(n_source, p)), 0.7 * rng.normal(size=(n_target, p)) + 0.5
    ]
    return X, np.repeat([1, -1], [n_source, n_target])


def weights_of(weighter, X, domain):
    return weighter.fit(X, sample_domain=domain).sample_weight_[domain > 0]


@pytest.mark.parametrize(
    ("weighter", "case", "p"),
    [
        *((KLIEPWeighter(), *known) for known in KNOWN),
        *((ULSIFWeighter(), *known) for known in [*KNOWN, ("truncated", 5)]),
    ],
    ids=str,
)
def test_follows_the_true_ratio(weighter, case, p):
    errors = {150: 0.0, 2500: 0.0}
    for seed in range(16):
        for n in errors:
            X, domain, ratio = draw_known(case, p, n, seed)
            weights = weights_of(weighter, X, domain)
            errors[n] += mean_error(weights, ratio)
        assert agreement(weights, ratio) > 0.9
    assert errors[2500] < 0.8 * errors[150]


@either
def test_clip_and_flatten(weighter):
    X, domain = draw(90, 70)
    plain = weights_of(weighter, X, domain)
    for params, expected in (
        ({"flatten": 0}, np.ones(90)),
        ({"flatten": 0.5}, np.sqrt(plain)),
        ({"clip": 1.5}, np.minimum(plain, 1.5)),
    ):
        found = weights_of(clone(weighter).set_params(**params), X, domain)
        assert_allclose(found, expected / expected.mean())


@pytest.mark.parametrize("weighter", HEURISTIC, ids=str)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), log_scale=st.floats(-15, 15), p=st.integers(1, 4))
def test_scale_changes_nothing(weighter, seed, log_scale, p):
    X, domain = draw(30, 25, p, seed)
    expected = weights_of(weighter, X, domain)
    scaled = weights_of(weighter, np.exp(log_scale) * X, domain)
    assert_allclose(scaled, expected, rtol=1e-3, atol=1e-3)


@either
@settings(deadline=None, max_examples=8)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 4),
    n_source=st.integers(1, 40),
    n_target=st.integers(1, 40),
    repeated=st.booleans(),
)
def test_order_and_repetition_change_nothing(
    weighter, seed, p, n_source, n_target, repeated
):
    X, domain = draw(n_source, n_target, p, seed)
    X = np.round(X) if repeated else X
    weights = weighter.fit(X, sample_domain=domain).sample_weight_
    assert weights.min() >= 0
    assert_allclose(weights[:n_source].mean(), 1)
    order = np.random.RandomState(seed).permutation(len(X))
    again = weighter.fit(X[order], sample_domain=domain[order]).sample_weight_
    assert_allclose(again, weights[order], rtol=1e-8, atol=1e-12)
    # The target three times, the source twice.
    X_more = np.r_[X, X, X[n_source:]]
    more = weighter.fit(X_more, sample_domain=np.r_[domain, domain, domain[n_source:]])
    assert_allclose(more.sample_weight_[:n_source], weights[:n_source], rtol=1e-6)


@either
def test_sparse_and_float32(weighter):
    X, domain = draw(p=6)
    X[np.abs(X) < 0.6] = 0
    dense = weights_of(weighter, X, domain)
    thin = weights_of(weighter, sparse.csr_array(X), domain)
    assert_allclose(thin, dense, rtol=1e-4, atol=1e-6)
    single = weights_of(weighter, X.astype(np.float32), domain)
    assert single.dtype == np.float32
    assert_allclose(single, dense, rtol=1e-2, atol=1e-3)


@either
def test_odd_rows(weighter):
    # Two rows; one source row; one target row; all rows equal; many columns; far apart.
    for n_source, n_target, p in [(1, 1, 1), (1, 20, 2), (20, 1, 2), (15, 12, 1000)]:
        weights = weights_of(weighter, *draw(n_source, n_target, p))
        assert np.isfinite(weights).all()
        assert_allclose(weights.mean(), 1)
    same = weights_of(weighter, np.ones((10, 3)), np.repeat([1, -1], 5))
    assert_allclose(same, 1)
    X, domain = draw()
    X[60:] += 1000
    far = weights_of(weighter, X, domain)
    assert np.isfinite(far).all()
    # The nearest source row has the weight.
    assert np.argmax(far) in np.argsort(X[:60].sum(axis=1))[-5:]


@either
def test_no_shift_gives_even_weights(weighter):
    rng = np.random.RandomState(0)
    X, domain = rng.normal(size=(2000, 2)), np.repeat([1, -1], 1000)
    fitted = weighter.fit(X, sample_domain=domain)
    assert fitted.effective_sample_size_ > 800


@either
def test_weigh_and_parts(weighter):
    X, domain = draw()
    fitted = weighter.fit(X, sample_domain=domain)
    assert_allclose(fitted.weigh(X[:60]), fitted.sample_weight_[:60], rtol=1e-10)
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.weigh(X), fitted.weigh(X))
    ratio = fitted.ratios_[0]
    assert fitted.gamma_ == ratio.gamma
    assert fitted.score_ == ratio.score
    two = weighter.fit(X, sample_domain=np.where(np.arange(110) < 30, 2, domain))
    assert two.gamma_.shape == two.score_.shape == (2,)
    assert_allclose(two.sample_weight_[:30].mean(), 1)
