import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import log_softmax

from sktransfer.instance._bias_corrected_scaling import (
    Scaling,
    fit_scaling,
    is_informative,
    logits_of,
)
from sktransfer.instance._prior_em import em_step, fit_prior, likelihood_scores


def test_known_fixed_point():
    # Even shares in the source, q of the first class in the target. 70 rows with
    # probabilities (0.8, 0.2) and 30 with (0.4, 0.6): the likelihood
    # (0.2 + 0.6 q)^70 (0.6 - 0.2 q)^30 is largest at q = 2, so at 1 within the bounds.
    P = np.repeat([[0.8, 0.2], [0.4, 0.6]], [70, 30], axis=0)
    assert_allclose(fit_prior(P, np.full(2, 0.5))[0], [1, 0], atol=1e-9)
    # 45 rows with (0.8, 0.2) and 55 with (0.1, 0.9): (0.2 + 0.6 q)^45 (0.9 - 0.8 q)^55,
    # 0.45 * 0.6 (0.9 - 0.8 q) = 0.55 * 0.8 (0.2 + 0.6 q), so q = 0.155 / 0.48.
    P = np.repeat([[0.8, 0.2], [0.1, 0.9]], [45, 55], axis=0)
    shares, gap, _ = fit_prior(P, np.full(2, 0.5))
    assert_allclose(shares[0], 0.155 / 0.48, rtol=1e-8)
    assert_allclose(em_step(shares, P, np.full(2, 0.5)), shares, rtol=1e-8)
    assert gap <= 1e-10


def test_sure_probabilities_are_counted():
    P = np.eye(3)[np.repeat([0, 1, 2], [5, 3, 2])]
    assert_allclose(fit_prior(P, np.array([0.2, 0.3, 0.5]))[0], [0.5, 0.3, 0.2])


@pytest.mark.parametrize("n_classes", [2, 3, 6])
@pytest.mark.parametrize("seed", range(4))
def test_likelihood_of_a_general_solver(n_classes, seed):
    rng = np.random.RandomState(seed)
    P = rng.dirichlet(np.full(n_classes, 0.5), 60) + 1e-6
    prior = rng.dirichlet(np.full(n_classes, 3.0))
    shares = fit_prior(P, prior)[0]

    def value(q):
        return -np.log(P / prior @ np.maximum(q, 0) + 1e-300).mean()

    reference = minimize(
        value,
        np.full(n_classes, 1 / n_classes),
        method="SLSQP",
        bounds=[(0, 1)] * n_classes,
        constraints={"type": "eq", "fun": lambda q: q.sum() - 1},
        options={"ftol": 1e-12},
    )
    assert value(shares) <= reference.fun + 1e-9
    assert_allclose(shares, reference.x, atol=1e-3)
    # Plain expectation-maximisation goes there, too.
    q = prior
    for _ in range(3000):
        q = em_step(q, P, prior)
    assert_allclose(q, shares, atol=1e-3)


def test_scores_are_derivatives():
    rng = np.random.RandomState(0)
    ratios, q = rng.uniform(0.1, 2, (40, 3)), np.array([0.2, 0.3, 0.5])
    step = 1e-5 * np.eye(3)
    up = [np.log(ratios @ (q + d)) for d in step]
    down = [np.log(ratios @ (q - d)) for d in step]
    scores = likelihood_scores(q, ratios)
    assert_allclose(scores.T, np.subtract(up, down) / 2e-5, rtol=1e-6)
    assert_allclose(scores @ q, 1)


def calibration_data(n=3000):
    rng = np.random.RandomState(0)
    logits = 2 * rng.normal(size=(n, 3))
    truth = Scaling(0.5, np.array([0.4, -0.4, 0.0]))(logits)
    labels = (rng.uniform(size=(n, 1)) > truth.cumsum(axis=1)).sum(axis=1)
    return logits, labels


@pytest.mark.parametrize("bias", [True, False])
def test_scaling_is_maximum_likelihood(bias):
    logits, labels = calibration_data()
    scaling = fit_scaling(logits, labels, bias=bias)

    def loss(params):
        shifted = params[0] * logits + (np.r_[params[1:], 0] if bias else 0)
        return -log_softmax(shifted, axis=1)[np.arange(len(labels)), labels].sum()

    best = minimize(loss, np.r_[1.0, 0, 0] if bias else [1.0], options={"gtol": 1e-4})
    assert_allclose(scaling.scale, best.x[0], rtol=1e-4)
    assert_allclose(scaling.scale, 0.5, atol=0.05)
    if bias:
        assert_allclose(scaling.bias - scaling.bias[2], [*best.x[1:], 0], atol=1e-4)
        # Mean probabilities are then the class shares.
        shares = np.bincount(labels) / len(labels)
        assert_allclose(scaling(logits).mean(axis=0), shares, atol=1e-5)
    else:
        assert_allclose(scaling.bias, 0)


def test_separated_classes_stay_finite():
    labels = np.arange(30) % 3
    logits = logits_of(np.eye(3)[labels])
    scaling = fit_scaling(logits, labels)
    assert np.isfinite(scaling.scale)
    assert np.all(scaling(logits).argmax(axis=1) == labels)


def test_a_scale_is_not_negative():
    logits, labels = calibration_data(400)
    labels = np.r_[labels[:399], 3]
    logits = np.c_[logits, np.zeros(400)]
    shares = np.bincount(labels) / 400
    scaling = fit_scaling(-logits, labels)
    assert scaling.scale == 0
    assert_allclose(scaling(logits), np.tile(shares, (400, 1)))
    alone = fit_scaling(-logits, labels, bias=False)
    assert alone.scale == 0
    assert_allclose(alone(logits), 0.25)


def test_what_probabilities_say():
    logits, labels = calibration_data(200)
    assert is_informative(fit_scaling(logits, labels), logits, labels)
    assert not is_informative(fit_scaling(-logits, labels), -logits, labels)
    rng, passed = np.random.RandomState(0), 0
    for _ in range(100):
        noise = rng.normal(size=(200, 3))
        passed += is_informative(fit_scaling(noise, labels), noise, labels)
    assert passed <= 2
    # Few rows are enough where the classes are far from each other.
    labels = np.arange(12) % 3
    logits = logits_of(np.full((3, 3), 0.1) + 0.7 * np.eye(3))[labels]
    assert is_informative(fit_scaling(logits, labels), logits, labels)
