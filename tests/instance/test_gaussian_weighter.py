import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import multivariate_normal, norm
from sklearn.covariance import LedoitWolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from sktransfer import GaussianWeighter
from sktransfer.exceptions import WeightCollapseWarning
from tests.instance.known_ratios import agreement, draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)


def fit(X, domain, *args, **params):
    return GaussianWeighter(*args, **params).fit(X, sample_domain=domain)


def draw(n_source=80, n_target=60, p=3, seed=0):
    rng = np.random.RandomState(seed)
    mix = rng.normal(size=(p, p)) / np.sqrt(p) + np.eye(p)
    source, target = (
        rng.normal(size=(n_source, p)) @ mix,
        rng.normal(size=(n_target, p)),
    )
    return np.r_[source, 0.7 * target + 0.4], np.repeat([1, -1], [n_source, n_target])


@pytest.mark.parametrize("p", [1, 4])
def test_closed_form(p):
    X, domain = draw(p=p)
    source, target = X[domain > 0], X[domain < 0]
    logs = [
        multivariate_normal(
            rows.mean(axis=0), np.cov(rows.T, bias=True).reshape(p, p)
        ).logpdf(source)
        for rows in (source, target)
    ]
    weighter = fit(X, domain, regularization=0.0)
    assert_allclose(weighter.ratios_[0](source), logs[1] - logs[0], rtol=1e-9)
    expected = np.exp(logs[1] - logs[0])
    assert_allclose(weighter.sample_weight_[:80], expected / expected.mean())


def test_two_lines_of_arithmetic():
    # Source -1, 1: N(0, 1). Target 1, 2: N(1.5, 0.25). At x the log ratio is
    # x^2 / 2 - 2 (x - 1.5)^2 + log 2.
    X = np.array([[-1.0], [1.0], [1.0], [2.0]])
    ratio = fit(X, np.array([1, 1, -1, -1]), regularization=0.0).ratios_[0]
    x = np.array([[0.0], [1.0], [1.5]])
    expected = [-4.5 + np.log(2), 0.5 - 0.5 + np.log(2), 1.125 + np.log(2)]
    assert_allclose(ratio(x), expected, atol=1e-12)


def test_diagonal_is_a_product_of_columns():
    X, domain = draw(p=3)
    source, target = X[domain > 0], X[domain < 0]
    logs = [
        norm(rows.mean(axis=0), rows.std(axis=0)).logpdf(source).sum(axis=1)
        for rows in (source, target)
    ]
    ratio = fit(X, domain, "diag", regularization=0.0).ratios_[0]
    assert_allclose(ratio(source), logs[1] - logs[0], rtol=1e-9)


def test_shared_covariance_is_discriminant_analysis():
    X, domain = draw(p=3)
    model = LinearDiscriminantAnalysis(priors=[0.5, 0.5]).fit(X, domain < 0)
    ratio = fit(X, domain, "shared", regularization=0.0).ratios_[0]
    # Some releases divide the scatter by the rows, some by the degrees of freedom.
    share = np.linalg.norm(ratio(X)) / np.linalg.norm(model.decision_function(X))
    assert_allclose(share, 1, rtol=2.1 / len(X))
    assert_allclose(ratio(X), share * model.decision_function(X), rtol=1e-8)


def test_shrinkage_of_ledoit_and_wolf():
    X, domain = draw(p=5)
    centre = (X[domain > 0].mean(axis=0) + X[domain < 0].mean(axis=0)) / 2
    scale = np.sqrt(
        sum(np.square(X[domain == d] - centre).mean(axis=0) for d in (1, -1)) / 2
    )
    expected = [LedoitWolf().fit(X[domain == d] / scale).shrinkage_ for d in (1, -1)]
    assert_allclose(fit(X, domain).shrinkage_, [expected], rtol=1e-9)


@pytest.mark.parametrize("p", [1, 2, 5])
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_follows_the_true_ratio(p, covariance):
    errors = []
    for n in (200, 2000, 20000):
        results = []
        for seed in range(3):
            X, domain, ratio = draw_known("gaussians", p, n, seed)
            weights = fit(X, domain, covariance).sample_weight_
            assert agreement(weights, ratio) > 0.9
            results.append(mean_error(weights, ratio))
        errors.append(np.mean(results))
    assert errors[2] < 0.5 * errors[1] < 0.25 * errors[0]
    assert errors[2] < 0.04


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 5),
    n_source=st.integers(1, 30),
    n_target=st.integers(1, 30),
    covariance=st.sampled_from(["full", "diag", "shared"]),
    repeat=st.booleans(),
)
def test_weights_for_any_rows(seed, p, n_source, n_target, covariance, repeat):
    X, domain = draw(n_source, n_target, p, seed)
    if repeat:
        X = np.round(X)
    weights = fit(X, domain, covariance).sample_weight_
    assert np.isfinite(weights).all()
    assert_allclose(weights[:n_source].mean(), 1)
    order = np.random.RandomState(seed).permutation(len(domain))
    again = fit(X[order], domain[order], covariance).sample_weight_
    assert_allclose(again, weights[order], rtol=1e-4, atol=1e-5)
    other_units = X * 2.0 ** np.arange(p) + 8.0
    scaled = fit(other_units, domain, covariance).sample_weight_
    assert_allclose(scaled, weights, rtol=1e-4, atol=1e-5)


def test_a_doubled_target_changes_nothing():
    X, domain = draw()
    for covariance in ("full", "diag", "shared"):
        for regularization in ("auto", 0.1):
            params = {"covariance": covariance, "regularization": regularization}
            once = fit(X, domain, **params)
            twice = fit(np.r_[X, X[80:]], np.r_[domain, domain[80:]], **params)
            assert_allclose(twice.sample_weight_[:140], once.sample_weight_, rtol=1e-9)
            assert_allclose(twice.shrinkage_, once.shrinkage_, rtol=1e-9)


@pytest.mark.filterwarnings("default::sktransfer.exceptions.WeightCollapseWarning")
@pytest.mark.parametrize("covariance", ["full", "diag"])
def test_a_thousand_columns(covariance):
    # The peers' ratio of densities, 0 / 0, is NaN here.
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(100, 1000)), rng.normal(size=(80, 1000)) + 0.5]
    domain = np.repeat([1, -1], [100, 80])
    with pytest.warns(WeightCollapseWarning):
        weighter = fit(X, domain, covariance)
    assert np.isfinite(weighter.sample_weight_).all()
    assert np.isfinite(weighter.ratios_[0](X)).all()
    even = fit(X, domain, covariance, flatten=0.01)
    assert even.effective_sample_size_ > 50


def test_far_away():
    X = np.r_[np.linspace(0, 1, 50), np.linspace(0, 1, 50) + 1e4][:, None]
    weighter = fit(X, np.repeat([1, -1], 50))
    assert np.isfinite(weighter.ratios_[0](np.array([[-1e6], [1e6]]))).all()


def test_equal_rows_borrow_the_spread():
    # One target row: the source's Gaussian moved there, so the log ratio is linear.
    X = np.r_[np.linspace(-2, 2, 41), 1.0][:, None]
    logs = fit(X, np.repeat([1, -1], [41, 1])).ratios_[0](X[:41])
    assert_allclose(np.diff(logs), np.diff(logs)[0])
    assert np.diff(logs)[0] > 0
    same = fit(np.ones((5, 2)), np.array([1, 1, 1, -1, -1]))
    assert_array_equal(same.sample_weight_, 1)


@pytest.mark.parametrize("covariance", ["full", "diag", "shared"])
def test_constant_and_collinear_columns(covariance):
    X, domain = draw(p=2)
    wide = np.c_[X, X[:, 0], np.full(140, 0.1)]
    weights = fit(wide, domain, covariance).sample_weight_
    assert np.isfinite(weights).all()
    with pytest.raises(ValueError, match=r"leaves a covariance that cannot be inv"):
        fit(wide, domain, covariance, regularization=0.0)


def test_weigh_clip_and_flatten():
    X, domain = draw()
    weighter = fit(X, domain)
    plain = weighter.sample_weight_[:80]
    assert_allclose(weighter.weigh(X[:80]), plain)
    again = pickle.loads(pickle.dumps(weighter))
    assert_array_equal(again.weigh(X), weighter.weigh(X))
    assert_allclose(fit(X, domain, flatten=0).sample_weight_, 1)
    half, cut = np.sqrt(plain), np.minimum(plain, 1.5)
    got = fit(X, domain, flatten=0.5).sample_weight_[:80]
    assert_allclose(got, half / half.mean())
    assert_allclose(fit(X, domain, clip=1.5).sample_weight_[:80], cut / cut.mean())


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"covariance": "tied"}, "`covariance` must be one of 'full', 'diag'"),
        ({"regularization": 1.5}, "`regularization` must be a finite number"),
        ({"regularization": "lw"}, "`regularization` must be a finite number"),
        ({"clip": 0.0}, "`clip` must be a finite number"),
        ({"flatten": 2.0}, "`flatten` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    X, domain = draw()
    with pytest.raises(ValueError, match=sentence):
        fit(X, domain, **params)
