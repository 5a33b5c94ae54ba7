"""Resampled estimates of class shares, against the bootstrap by a loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sktransfer.instance._bias_corrected_scaling import fit_scaling, logits_of
from sktransfer.instance._black_box_shift import confusion_means, estimate_prior
from sktransfer.instance._class_kernel_means import class_kernel_means
from sktransfer.instance._kernel_target_shift import fit_mixture
from sktransfer.instance._poisson_bootstrap import (
    resampled_class_means,
    resampled_means,
    resampled_sums,
)
from sktransfer.instance._prior_em import fit_prior, likelihood_scores
from sktransfer.instance._prior_estimates import (
    PriorEstimate,
    by_confusion,
    by_kernel,
    by_likelihood,
)
from sktransfer.instance._regularized_shift import regularized_ratios

TRUE = np.array([0.6, 0.3, 0.1])


def draw(seed=0, n_source=240, n_target=200):
    """Rows of three classes with their true probabilities under even shares."""
    rng = np.random.RandomState(seed)
    centres = 1.5 * np.eye(3)
    labels, target = np.arange(n_source) % 3, rng.choice(3, n_target, p=TRUE)
    X = centres[np.r_[labels, target]] + rng.normal(size=(n_source + n_target, 3))
    P = np.exp(1.5 * X)
    P /= P.sum(axis=1, keepdims=True)
    return X[:n_source], labels, X[n_source:], P[:n_source], P[n_source:]


def loop(estimate, n_source, n_target, times=150):
    rng = np.random.RandomState(1)
    found = []
    for _ in range(times):
        rows = rng.randint(n_source, size=n_source)
        found.append(estimate(rows, rng.randint(n_target, size=n_target)))
    return np.array(found)


def test_poisson_counts():
    values = np.random.RandomState(0).normal(size=(300, 2)) + 1
    rng = np.random.RandomState(0)
    sums, counts = resampled_sums(values, 4000, rng)
    assert_allclose(counts.mean(), 300, rtol=0.01)
    assert_allclose(counts.var(), 300, rtol=0.1)
    assert_allclose(sums.mean(axis=0), values.sum(axis=0), rtol=0.01)
    means = resampled_means(values, 4000, rng)
    assert_allclose(means.std(axis=0), values.std(axis=0) / np.sqrt(300), rtol=0.05)
    labels = np.r_[np.zeros(299, int), 1]
    by_class, shares = resampled_class_means(values, labels, 2, 100, rng)
    # A class of one row is always that row, drawn or not.
    assert_allclose(by_class[:, 1], np.tile(values[-1], (100, 1)))
    assert_allclose(shares.sum(axis=1), 1)
    assert shares.min() > 0


@pytest.mark.parametrize("penalty", [None, 0.02])
@pytest.mark.parametrize("hard", [True, False])
def test_spread_of_confusion(hard, penalty):
    _, labels, _, source, target = draw()
    if hard:
        source, target = np.eye(3)[source.argmax(1)], np.eye(3)[target.argmax(1)]
    rng = np.random.RandomState(0)
    found = by_confusion(
        confusion_means(source, labels, 3),
        source,
        labels,
        target[None],
        penalty=penalty,
        shift_scale=1.0,
        n_bootstrap=400,
        rng=rng,
    )

    def estimate(i, j):
        confusion = confusion_means(source[i], labels[i], 3)
        predicted = target[j].mean(axis=0)
        if penalty is None:
            return estimate_prior(confusion, predicted)
        prior = np.bincount(labels[i]) / len(i)
        shares = prior * regularized_ratios(confusion * prior, predicted, penalty)
        return shares / shares.sum()

    everything = np.arange(len(source)), np.arange(len(target))
    assert_allclose(found.shares, estimate(*everything), atol=1e-9)
    spread = loop(estimate, len(source), len(target)).std(axis=0)
    assert_allclose(found.resampled.std(axis=0), spread, rtol=0.25)
    low, high = found.interval(0.9).T
    assert np.all((low < found.shares) & (found.shares < high))
    narrow = found.interval(0.5)
    assert np.all((low < narrow[:, 0]) & (narrow[:, 1] < high))


def distorted(source, target):
    """Overconfident and biased, so that there is something to calibrate."""
    tilt = np.array([1.0, 2.0, 0.5])
    source, target = (P**1.5 * tilt for P in (source, target))
    return (P / P.sum(axis=1, keepdims=True) for P in (source, target))


def calibrated(source, labels, target, calibration):
    if calibration is None:
        return source, target
    scaling = fit_scaling(logits_of(source), labels, bias=calibration == "bcts")
    return scaling(logits_of(source)), scaling(logits_of(target))


@pytest.mark.parametrize("calibration", ["bcts", "temperature", None])
def test_spread_of_likelihood(calibration):
    _, labels, _, source, target = draw()
    source, target = distorted(source, target)
    rng = np.random.RandomState(0)
    found, scaling = by_likelihood(
        source, labels, target[None], calibration=calibration, n_bootstrap=400, rng=rng
    )
    assert (scaling is None) == (calibration is None)

    def likely(i, j):
        seen, new = calibrated(source[i], labels[i], target[j], calibration)
        prior = np.bincount(labels[i]) / len(i)
        return seen, new, prior, fit_prior(new, prior)[0]

    def by_scores(i, j):
        seen, new, prior, shares = likely(i, j)
        held = np.maximum(shares, 1 / len(j))
        told, new = (likelihood_scores(held, P / prior) for P in (seen, new))
        return estimate_prior(confusion_means(told, labels[i], 3), new.mean(axis=0))

    everything = np.arange(len(source)), np.arange(len(target))
    assert_allclose(found.shares, likely(*everything)[3], atol=1e-6)
    # Though calibration and likelihood are fitted anew to each draw in the loop.
    spread = loop(by_scores, len(source), len(target)).std(axis=0)
    assert_allclose(found.resampled.std(axis=0), spread, rtol=0.25)
    if calibration == "bcts":
        assert_allclose(found.shares, TRUE, atol=0.12)
        spread = loop(lambda i, j: likely(i, j)[3], len(source), len(target))
        assert_allclose(found.resampled.std(axis=0), spread.std(axis=0), rtol=0.25)


def test_spread_of_kernel_means():
    X, labels, X_target, _, _ = draw()
    params = {"kernel": "rbf", "gamma": 0.2}
    bounds = {"upper_bound": 1000.0, "eps": 0.0}
    means = class_kernel_means(X, labels, X_target, 3, **params)
    rng = np.random.RandomState(0)
    found = by_kernel(means, labels, n_bootstrap=400, rng=rng, **bounds)

    def estimate(i, j):
        means = class_kernel_means(X[i], labels[i], X_target[j], 3, **params)
        members = np.eye(3)[labels[i]]
        between = (members / members.sum(axis=0)).T @ means.source
        linear = means.target.mean(axis=0)
        return fit_mixture(between[None], linear[None], np.full(3, 1 / 3), **bounds)[0]

    everything = np.arange(len(X)), np.arange(len(X_target))
    assert_allclose(found.shares, estimate(*everything), atol=1e-6)
    spread = loop(estimate, len(X), len(X_target), 100).std(axis=0)
    assert_allclose(found.resampled.std(axis=0), spread, rtol=0.3)


def test_interval_holds_the_estimate():
    rng = np.random.RandomState(0)
    resampled = rng.dirichlet([6.0, 3.0, 1.0], 99)
    outside = PriorEstimate(np.array([1.0, 0.0, 0.0]), resampled)
    low, high = outside.interval(0.9).T
    assert high[0] == 1
    assert_array_equal(low[1:], 0)
    # Five draws of a hundred are beyond each end: the fifth of 99 is the end.
    assert_allclose(low[0], np.sort(resampled[:, 0])[4])
    assert_allclose(high[1:], np.sort(resampled[:, 1:], axis=0)[94])
    unknown = PriorEstimate(TRUE, resampled, known=False)
    assert_array_equal(unknown.interval(0.9), [[0, 1]] * 3)


def held(method, source, labels, target, seed, level):
    """Return which of the true shares the interval of a method holds."""
    options = {"n_bootstrap": 100, "rng": np.random.RandomState(seed)}
    if method == "bbse":
        confusion = confusion_means(source, labels, 3)
        options.update(penalty=None, shift_scale=1.0)
        found = by_confusion(confusion, source, labels, target[None], **options)
    else:
        found, _ = by_likelihood(
            source, labels, target[None], calibration="bcts", **options
        )
    low, high = found.interval(level).T
    return (low <= TRUE) & (TRUE <= high)


@pytest.mark.parametrize("method", ["bbse", "em"])
def test_coverage(method):
    inside = [
        held(method, source, labels, target, seed, 0.9)
        for seed in range(100)
        for _, labels, _, source, target in [draw(seed + 10)]
    ]
    # 300 intervals, dependent by threes: 0.9 give or take 0.03.
    assert 0.83 < np.mean(inside) < 0.97


def test_coverage_where_calibration_is_not_enough():
    inside, errors = [], []
    for seed in range(100):
        _, labels, _, source, target = draw(seed + 10, 300, 300)
        # Too sure of class 0, not sure enough of class 1.
        source, target = (
            P ** np.where(P.argmax(axis=1) == 0, 3.0, 0.4)[:, None]
            for P in (source, target)
        )
        source, target = (P / P.sum(axis=1, keepdims=True) for P in (source, target))
        inside.append(held("em", source, labels, target, seed, 0.95))
        found, _ = by_likelihood(
            source, labels, target[None], calibration="bcts", n_bootstrap=0, rng=None
        )
        errors.append(found.shares - TRUE)
    # The estimate is off by more than chance, and the interval knows.
    bias, chance = np.mean(errors, axis=0), np.std(errors, axis=0)
    assert np.max(np.abs(bias) / chance) > 1.0
    assert np.mean(inside) > 0.9
