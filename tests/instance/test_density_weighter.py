import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import gaussian_kde, norm
from sklearn.neighbors import KernelDensity

from sktransfer import DensityWeighter
from tests.instance.known_ratios import KNOWN, agreement, draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)


def fit(X, domain, *args, **params):
    return DensityWeighter(*args, **params).fit(X, sample_domain=domain)


def draw(n_source=80, n_target=60, p=3, seed=0):
    rng = np.random.RandomState(seed)
    source, target = rng.normal(size=(n_source, p)), rng.normal(size=(n_target, p))
    return np.r_[source, 0.7 * target + 0.4], np.repeat([1, -1], [n_source, n_target])


def log_density(x, rows, widths):
    """Multiply kernels, one column and one row at a time."""
    kernels = norm(rows, widths).pdf(x)
    return np.log(kernels.prod(axis=1).mean())


def test_definition():
    X, domain = draw()
    source, target = X[domain > 0], X[domain < 0]
    widths = [0.5 * rows.std(axis=0) for rows in (source, target)]
    new = np.r_[source, draw(seed=1)[0][:10]]
    logs = [
        log_density(x, target, widths[1]) - log_density(x, source, widths[0])
        for x in new
    ]
    weighter = fit(X, domain, 0.5)
    assert_allclose(weighter.ratios_[0](new), logs, rtol=1e-9)
    expected = np.exp(logs)[:80]
    assert_allclose(weighter.sample_weight_[:80], expected / expected.mean())
    assert_allclose(weighter.weigh(source), weighter.sample_weight_[:80])


@pytest.mark.parametrize("rule", ["scott", "silverman"])
def test_rules_are_those_of_scipy(rule):
    X, domain = draw(60, 60, p=1)
    source, target = X[domain > 0, 0], X[domain < 0, 0]
    new = np.linspace(-2, 2, 9)
    # scipy's standard deviation divides by n - 1.
    factor = np.sqrt(59 / 60) * gaussian_kde(source, rule).factor
    logs = [np.log(gaussian_kde(rows, factor)(new)) for rows in (target, source)]
    weighter = fit(X, domain, rule)
    assert_allclose(weighter.ratios_[0](new[:, None]), logs[0] - logs[1], rtol=1e-9)


def test_width_of_largest_likelihood():
    X, domain = draw(150, 150, p=2)
    candidates = 150 ** (-1 / 6) * 2.0 ** np.arange(-2, 2.25, 0.25)
    totals = []
    for factor in candidates:
        total = 0.0
        for rows in (X[:150], X[150:]):
            Z = rows / rows.std(axis=0)
            for i in range(0, 150, 10):
                others = KernelDensity(bandwidth=factor).fit(np.delete(Z, i, axis=0))
                total += others.score(Z[[i]])
        totals.append(total)
    # A tenth of the rows tells about the same width.
    best = candidates[int(np.argmax(totals))]
    chosen = fit(X, domain, "cv").bandwidth_[0]
    assert np.isclose(candidates, chosen).any()
    assert abs(np.log2(chosen / best)) < 0.6


@pytest.mark.parametrize("case", KNOWN)
@pytest.mark.parametrize("p", [1, 2])
def test_follows_the_true_ratio(case, p):
    errors = np.zeros(2)
    for seed in (0, 1, 2):
        for k, n in enumerate((100, 3000)):
            X, domain, ratio = draw_known(case, p, n, seed)
            weights = fit(X, domain).sample_weight_
            errors[k] += mean_error(weights, ratio)
        assert agreement(weights, ratio) > 0.9
    assert errors[1] < 0.6 * errors[0]


def test_five_columns():
    X, domain, ratio = draw_known("gaussians", 5, 3000)
    assert agreement(fit(X, domain, "cv").sample_weight_, ratio) > 0.9


def test_no_shift_gives_no_extreme_weights():
    Z = np.random.RandomState(0).normal(size=(1000, 6))
    weighter = fit(Z, np.repeat([1, -1], 500))
    assert weighter.sample_weight_.max() < 5
    assert weighter.effective_sample_size_ > 300


def test_squared_error_of_the_default():
    errors = []
    for seed in range(5):
        rng = np.random.RandomState(seed)
        source, target = rng.normal(size=(150, 3)), rng.normal(size=(80, 3))
        moved = 0.7 * np.eye(1, 3) + 0.8 * target
        z = (source - 0.7 * np.eye(1, 3)) / 0.8
        ratio = np.exp((source**2 - z**2).sum(axis=1) / 2)
        weights = fit(np.r_[source, moved], np.repeat([1, -1], [150, 80]))
        errors.append(
            np.mean((weights.sample_weight_[:150] - ratio / ratio.mean()) ** 2)
        )
    assert np.mean(errors) < 0.5


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 4),
    n_source=st.integers(1, 30),
    n_target=st.integers(1, 30),
    bandwidth=st.sampled_from(["scott", "silverman", "cv", 0.3]),
    max_centers=st.sampled_from([5, 5000]),
    repeat=st.booleans(),
)
def test_weights_for_any_rows(
    seed, p, n_source, n_target, bandwidth, max_centers, repeat
):
    X, domain = draw(n_source, n_target, p, seed)
    if repeat:
        X = np.round(X)
    params = {"bandwidth": bandwidth, "max_centers": max_centers}
    weights = fit(X, domain, **params).sample_weight_
    assert np.isfinite(weights).all()
    assert_allclose(weights[:n_source].mean(), 1)
    order = np.random.RandomState(seed).permutation(len(domain))
    again = fit(X[order], domain[order], **params).sample_weight_
    assert_allclose(again, weights[order], rtol=1e-4, atol=1e-5)
    if max_centers > 60:
        other_units = X * 2.0 ** np.arange(p) + 8.0
        scaled = fit(other_units, domain, **params).sample_weight_
        assert_allclose(scaled, weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("params", [{}, {"bandwidth": "cv"}, {"bandwidth": 0.4}])
def test_a_doubled_target_changes_nothing(params):
    X, domain = draw()
    once = fit(X, domain, **params).sample_weight_
    twice = fit(np.r_[X, X[80:]], np.r_[domain, domain[80:]], **params).sample_weight_
    assert_allclose(twice[:140], once, rtol=1e-9)


def test_drawn_centres():
    X, domain, ratio = draw_known("gaussians", 2, 4000)
    every = fit(X, domain, 0.3).sample_weight_
    some = fit(X, domain, 0.3, max_centers=1000).sample_weight_
    assert agreement(some, every[:4000]) > 0.95
    assert agreement(some, ratio) > 0.9
    # As many as there are rows: none is left out.
    assert_array_equal(fit(X, domain, 0.3, max_centers=4000).sample_weight_, every)


def test_blocks(monkeypatch):
    from sktransfer.instance import _kernel_density as module

    X, domain = draw()
    whole = fit(X, domain).sample_weight_
    monkeypatch.setattr(module, "_BLOCK_ENTRIES", 300)
    assert_allclose(fit(X, domain).sample_weight_, whole, rtol=1e-12)


def test_far_away_and_many_columns():
    X = np.r_[np.linspace(0, 1, 50), np.linspace(0, 1, 50) + 1e4][:, None]
    weighter = fit(X, np.repeat([1, -1], 50), 0.1)
    assert np.isfinite(weighter.ratios_[0](np.array([[-1e6], [1e6]]))).all()
    X, domain = draw(30, 20, p=1000)
    assert np.isfinite(fit(X, domain).sample_weight_).all()


def test_equal_rows():
    same = fit(np.ones((5, 2)), np.array([1, 1, 1, -1, -1]))
    assert_array_equal(same.sample_weight_, 1)
    one = fit(np.r_[np.linspace(-2, 2, 41), 1.0][:, None], np.repeat([1, -1], [41, 1]))
    assert one.sample_weight_[30] > 1 > one.sample_weight_[10]


def test_weigh_clip_and_flatten():
    X, domain = draw()
    weighter = fit(X, domain)
    plain = weighter.sample_weight_[:80]
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
        ({"bandwidth": 0.0}, "`bandwidth` must be a finite number"),
        ({"bandwidth": "wide"}, "`bandwidth` must be a finite number.*or 'cv'"),
        ({"max_centers": 0}, "`max_centers` must be an integer"),
        ({"clip": 0.0}, "`clip` must be a finite number"),
        ({"flatten": 2.0}, "`flatten` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    X, domain = draw()
    with pytest.raises(ValueError, match=sentence):
        fit(X, domain, **params)
