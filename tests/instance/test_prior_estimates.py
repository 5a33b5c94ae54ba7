"""Resampled estimates of class shares, against the bootstrap by a loop."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from sktransfer.instance._bias_corrected_scaling import fit_scaling, logits_of
from sktransfer.instance._black_box_shift import confusion_means, estimate_prior
from sktransfer.instance._class_kernel_means import class_kernel_means
from sktransfer.instance._kernel_target_shift import fit_mixture
from sktransfer.instance._poisson_bootstrap import (
    resampled_class_means,
    resampled_means,
    resampled_sums,
)
from sktransfer.instance._prior_em import fit_prior
from sktransfer.instance._prior_estimates import (
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
        target,
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


@pytest.mark.parametrize("calibration", ["bcts", "temperature", None])
def test_spread_of_likelihood(calibration):
    _, labels, _, source, target = draw()
    # Overconfident and biased, so that there is something to calibrate.
    tilt = np.array([1.0, 2.0, 0.5])
    source, target = (P**1.5 * tilt for P in (source, target))
    source, target = (P / P.sum(axis=1, keepdims=True) for P in (source, target))
    rng = np.random.RandomState(0)
    found, scaling = by_likelihood(
        source, labels, target, calibration=calibration, n_bootstrap=400, rng=rng
    )
    assert (scaling is None) == (calibration is None)

    def estimate(i, j):
        probabilities = target[j]
        if calibration is not None:
            bias = calibration == "bcts"
            scaling, _ = fit_scaling(logits_of(source[i]), labels[i], bias=bias)
            probabilities = scaling(logits_of(probabilities))
        return fit_prior(probabilities, np.bincount(labels[i]) / len(i))[0]

    everything = np.arange(len(source)), np.arange(len(target))
    assert_allclose(found.shares, estimate(*everything), atol=1e-6)
    spread = loop(estimate, len(source), len(target)).std(axis=0)
    assert_allclose(found.resampled.std(axis=0), spread, rtol=0.25)
    if calibration == "bcts":
        assert_allclose(found.shares, TRUE, atol=0.12)


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


def test_coverage():
    inside = []
    for seed in range(60):
        _, labels, _, source, target = draw(seed + 10)
        rng = np.random.RandomState(seed)
        options = {"n_bootstrap": 100, "rng": rng}
        confusion = confusion_means(source, labels, 3)
        rest = {"penalty": None, "shift_scale": 1.0, **options}
        found = by_confusion(confusion, source, labels, target, **rest)
        likely, _ = by_likelihood(source, labels, target, calibration="bcts", **options)
        for estimate in (found, likely):
            low, high = estimate.interval(0.9).T
            inside.append((low <= TRUE) & (TRUE <= high))
    # 360 intervals, dependent by threes and twos: 0.9 give or take 0.03.
    assert 0.82 < np.mean(inside) < 0.97
