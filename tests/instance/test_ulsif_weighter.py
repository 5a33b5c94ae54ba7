import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer import ULSIFWeighter
from sktransfer.instance._centre_kernels import draw_centres, weighted_rows
from sktransfer.instance._ulsif import SquaredLoss, all_rows, leave_one_out
from tests.instance.known_ratios import agreement, draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)
ALPHAS = (0.0, 0.3, 0.95)


def fit(X, domain, **params):
    return ULSIFWeighter(**params).fit(X, sample_domain=domain)


def draw(n_source=90, n_target=70, p=2, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[
        rng.normal(size=(n_source, p)), 0.7 * rng.normal(size=(n_target, p)) + 0.5
    ]
    return X, np.repeat([1, -1], [n_source, n_target])


def coefficients(K_source, K_target, source_counts, target_counts, alpha, ridge):
    """Solve the normal equations; rows counted zero times are not there."""
    s, t = source_counts / source_counts.sum(), target_counts / target_counts.sum()
    H = (1 - alpha) * (K_source.T * s) @ K_source + alpha * (K_target.T * t) @ K_target
    return np.linalg.solve(H + ridge * np.eye(len(H)), t @ K_target)


def without(counts, i):
    return np.where(np.arange(len(counts)) == i, 0, counts)


def score_by_refits(K_source, K_target, n, m, alpha, ridge):
    """Fit again without each row."""

    def of_source(i):
        theta = coefficients(K_source, K_target, without(n, i), m, alpha, ridge)
        return max(0, theta @ K_source[i])

    def of_target(j):
        theta = coefficients(K_source, K_target, n, without(m, j), alpha, ridge)
        return max(0, theta @ K_target[j])

    r_source = np.array([of_source(i) for i in range(len(n))])
    r_target = np.array([of_target(j) for j in range(len(m))])
    return (
        (1 - alpha) / 2 * np.average(r_source**2, weights=n)
        + alpha / 2 * np.average(r_target**2, weights=m)
        - np.average(r_target, weights=m)
    )


@settings(deadline=None, max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    alpha=st.sampled_from(ALPHAS),
    n_source=st.integers(2, 12),
    n_target=st.integers(2, 12),
    most=st.integers(1, 3),
)
def test_leave_one_out_equals_fits_without_the_row(
    seed, alpha, n_source, n_target, most
):
    rng = np.random.RandomState(seed)
    K_source, K_target = (
        rng.uniform(size=(n_source, 5)),
        rng.uniform(size=(n_target, 5)),
    )
    n, m = rng.randint(1, most + 1, n_source), rng.randint(1, most + 1, n_target)
    s, t = n / n.sum(), m / m.sum()
    loss = SquaredLoss(
        (K_source.T * s) @ K_source, (K_target.T * t) @ K_target, t @ K_target, alpha
    )
    ridges = np.array([0.01, 0.3, 5.0])
    expected = [score_by_refits(K_source, K_target, n, m, alpha, r) for r in ridges]
    found, _ = leave_one_out(loss, (K_source, s), (K_target, t), ridges)
    assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_loss_of_rows_that_are_kept(alpha):
    rng = np.random.RandomState(0)
    K_source, K_target = rng.uniform(size=(2000, 5)), rng.uniform(size=(1500, 5))
    s, t = np.full(2000, 1 / 2000), np.full(1500, 1 / 1500)
    domains = (K_source, s), (K_target, t)
    loss = SquaredLoss.of_kernels(*domains, alpha)
    left_out, kept = leave_one_out(loss, *domains, np.array([0.01]))
    theta = coefficients(K_source, K_target, s, t, alpha, 0.01)
    r_source, r_target = K_source @ theta, K_target @ theta
    expected = (1 - alpha) / 2 * np.mean(r_source**2) - np.mean(r_target)
    expected += alpha / 2 * np.mean(r_target**2)
    assert_allclose(kept, expected, rtol=1e-3)
    # Five coefficients overfit so many rows by little.
    assert 0 < left_out - kept < 0.02


def test_ones_where_alpha_is_one():
    # The ratio of the target to itself, where the kernels can express it.
    rng = np.random.RandomState(0)
    kernels = [rng.uniform(size=(n, 5)) for n in (40, 60)]
    K_source, K_target = (K / K.sum(axis=1, keepdims=True) for K in kernels)
    s, t = np.full(40, 1 / 40), np.full(60, 1 / 60)
    loss = SquaredLoss.of_kernels((K_source, s), (K_target, t), 1.0)
    assert_allclose(K_source @ loss.minimize(0.0), 1, rtol=1e-6)
    left_out, _ = leave_one_out(loss, (K_source, s), (K_target, t), np.array([1e-9]))
    assert_allclose(left_out, -0.5, rtol=1e-6)


@pytest.mark.parametrize("alpha", ALPHAS)
def test_equals_the_plain_computation(alpha):
    X, domain = draw(n_target=30)
    weighter = fit(X, domain, alpha=alpha, gamma=0.7, ridge=0.05)
    # Every target row is a centre.
    K_source, K_target = (
        rbf_kernel(part, X[90:], gamma=0.7) for part in (X[:90], X[90:])
    )
    theta = coefficients(K_source, K_target, np.ones(90), np.ones(30), alpha, 0.05)
    ratio = np.maximum(K_source @ theta, 0)
    assert_allclose(weighter.sample_weight_[:90], ratio / ratio.mean(), rtol=1e-8)
    assert_allclose(np.exp(weighter.ratios_[0](X[:90])), ratio, rtol=1e-8)
    n, m = np.ones(90), np.ones(30)
    score = score_by_refits(K_source, K_target, n, m, alpha, 0.05)
    assert_allclose(weighter.score_, score, rtol=1e-8)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_search_over_the_whole_grid(alpha):
    X, domain = draw(40, 30)
    weighter = fit(X, domain, alpha=alpha, n_centers=10)
    median = fit(X, domain, gamma="median").gamma_[0]
    scores = {
        (width, ridge): fit(
            X, domain, alpha=alpha, n_centers=10, gamma=width * median, ridge=ridge
        ).score_[0]
        for width in weighter.gammas
        for ridge in weighter.ridges
    }
    width, ridge = min(scores, key=scores.get)
    assert_allclose(weighter.gamma_, width * median)
    assert weighter.ridge_ == ridge
    assert_allclose(weighter.score_, scores[width, ridge])


def test_search_on_some_rows_and_fit_to_all():
    X, domain, _ = draw_known("gaussians", 2, 900)
    weighter = fit(X, domain)
    assert len(weighter.ratios_[0].centres) == 100
    same = fit(X, domain, gamma=weighter.gamma_[0], ridge=weighter.ridge_[0])
    assert_allclose(same.sample_weight_, weighter.sample_weight_, rtol=1e-9)
    assert_allclose(same.score_, weighter.score_)
    kernels = all_rows_kernels(weighter, X)
    theta = coefficients(
        kernels[:900],
        kernels[900:],
        np.ones(900),
        np.ones(900),
        0.0,
        weighter.ridge_[0],
    )
    assert_allclose(theta, weighter.ratios_[0].coefficients, rtol=1e-4, atol=1e-6)


def all_rows_kernels(weighter, X):
    centres = weighter.ratios_[0].centres
    return rbf_kernel(X, centres.rows + centres.origin, gamma=weighter.gamma_[0])


def test_moments():
    X, _ = draw()
    rows = weighted_rows(np.r_[X, X[:40]])
    centres = draw_centres(weighted_rows(X[90:]), 8, np.random.RandomState(0))
    K = rbf_kernel(np.r_[X, X[:40]], centres.rows + centres.origin, gamma=0.4)
    loss, kernels = all_rows(rows, rows, centres, 0.4, 0.5)
    assert_allclose(loss.h, K.mean(axis=0))
    assert_allclose(loss.H_source, K.T @ K / len(K))
    assert_allclose(loss.H_target, loss.H_source)
    assert_allclose(kernels[rows.groups], K)
    # Where kernels come near to zero they are not given.
    assert all_rows(rows, rows, centres, 1e4, 0.5)[1] is None


def test_relative_ratio():
    X, domain, ratio = draw_known("gaussians", 2, 3000)
    # draw_known scales the ratio to mean one, which it has already but for chance.
    for alpha in (0.2, 0.6):
        relative = ratio / (alpha * ratio + 1 - alpha)
        weights = fit(X, domain, alpha=alpha).sample_weight_
        assert mean_error(weights, relative / relative.mean()) < 0.12
        assert agreement(weights, relative) > 0.95
        assert np.exp(fit(X, domain, alpha=alpha).ratios_[0](X)).max() < 1.2 / alpha


def test_weights_become_one_as_alpha_does():
    X, domain, _ = draw_known("gaussians", 2, 1000)
    spreads = [
        fit(X, domain, alpha=alpha).sample_weight_[:1000].std()
        for alpha in (0.0, 0.5, 0.9)
    ]
    assert spreads[0] > spreads[1] > spreads[2]
    wide = fit(X, domain, alpha=1 - 1e-9, gamma=1e-6, ridge=0.0).sample_weight_
    assert_allclose(wide, 1, atol=1e-4)
    # Where there are target rows the ratio is one, whatever the kernel.
    inside = np.exp(fit(X, domain, alpha=1 - 1e-9).ratios_[0](X[1000:]))
    assert_allclose(np.median(inside), 1, atol=0.02)
    assert np.mean(np.abs(inside - 1) < 0.1) > 0.9


def test_negative_values_are_zero():
    X, domain, ratio = draw_known("truncated", 1, 1000)
    weights = fit(X, domain).sample_weight_[:1000]
    assert weights.min() == 0
    assert weights[ratio == 0].mean() < 0.2


def test_no_ridge():
    X, domain = draw()
    weights = fit(X, domain, gamma="median", ridge=0.0).sample_weight_
    assert np.isfinite(weights).all()
    assert_array_equal(fit(X, domain, ridge=0.0).ridge_, [0.0])


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"alpha": 1.0}, r"`alpha` must be a finite number in \[0, 1\).*every weight"),
        ({"alpha": 1.5}, r"`alpha` must be a finite number in \[0, 1\)"),
        ({"alpha": -0.1}, "`alpha` must be a finite number"),
        ({"gamma": 0.0}, "`gamma` must be a finite number .* or 'cv' or 'median'"),
        ({"ridge": -1.0}, "`ridge` must be a finite number .* or 'cv'"),
        ({"ridges": (1.0, -1.0)}, "`ridges` must be a sequence"),
        ({"gammas": (0.0,)}, "`gammas` must be a sequence"),
        ({"n_centers": 0}, "`n_centers` must be an integer"),
        ({"flatten": 2.0}, "`flatten` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    X, domain = draw()
    with pytest.raises(ValueError, match=sentence):
        fit(X, domain, **params)
