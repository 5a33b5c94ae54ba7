import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize

from sktransfer.instance._black_box_shift import (
    confusion_means,
    estimate_prior,
    indistinct,
)
from sktransfer.instance._regularized_shift import (
    regularized_ratios,
    uncertainty_of_confusion,
)


def test_exact_where_the_target_is_the_mixture():
    # 10 rows of class 0, 20 of class 1; of them 7 and 4 are called class 0.
    labels = np.r_[np.zeros(10, int), np.ones(20, int)]
    called = np.r_[
        np.zeros(7, int), np.ones(3, int), np.zeros(4, int), np.ones(16, int)
    ]
    confusion, error = confusion_means(np.eye(2)[called], labels, 2)
    assert_allclose(confusion, [[0.7, 0.2], [0.3, 0.8]])
    assert_allclose(error, np.sqrt((0.21 / 10 + 0.16 / 20) / 2))
    for share in (0.0, 0.3, 0.5, 1.0):
        shares = np.array([share, 1 - share])
        assert_allclose(
            estimate_prior(confusion, confusion @ shares), shares, atol=1e-12
        )
    # More of class 0 than even a target of class 0 alone would have: clipped.
    assert_allclose(estimate_prior(confusion, np.array([0.9, 0.1])), [1, 0])


def test_stacks_of_matrices():
    rng = np.random.RandomState(0)
    confusions = rng.dirichlet(np.ones(3), (5, 3)).transpose(0, 2, 1) + np.eye(3)
    confusions /= confusions.sum(axis=1, keepdims=True)
    means = rng.dirichlet(np.ones(3), 5)
    together = estimate_prior(confusions, means)
    alone = [estimate_prior(C, m) for C, m in zip(confusions, means, strict=True)]
    assert_allclose(together, alone)


def test_a_useless_classifier_is_known():
    rng = np.random.RandomState(0)
    labels, found = np.arange(600) % 3, 0
    for _ in range(40):
        guesses = np.eye(3)[rng.randint(3, size=600)]
        found += indistinct(*confusion_means(guesses, labels, 3))
    assert found >= 35
    right = np.eye(3)[np.where(rng.uniform(size=600) < 0.6, labels, (labels + 1) % 3)]
    assert not indistinct(*confusion_means(right, labels, 3))
    constant = np.tile([0.2, 0.3, 0.5], (600, 1))
    assert indistinct(*confusion_means(constant, labels, 3))


def random_problem(seed, n_classes=4):
    rng = np.random.RandomState(seed)
    joint = rng.dirichlet(np.full(n_classes**2, 0.5)).reshape(n_classes, -1)
    joint = joint + 0.3 * np.eye(n_classes)
    joint /= joint.sum()
    ratios = rng.dirichlet(np.ones(n_classes)) / joint.sum(axis=0)
    return joint, joint @ ratios + rng.normal(0, 0.01, n_classes), ratios


@pytest.mark.parametrize("penalty", [0.001, 0.01, 0.1])
@pytest.mark.parametrize("seed", range(5))
def test_penalised_optimum_of_a_general_solver(seed, penalty):
    joint, predicted, _ = random_problem(seed)
    b = predicted - joint.sum(axis=1)

    def objective(theta):
        residual = np.linalg.norm(joint @ theta - b)
        return residual + penalty * np.linalg.norm(theta)

    theta = regularized_ratios(joint, predicted, penalty) - 1
    assert theta.min() >= -1 - 1e-12
    starts = [theta + 0.01, np.full(4, 0.1)]
    options = {"ftol": 1e-15, "gtol": 1e-12, "maxiter": 5000}
    found = [
        minimize(objective, x, bounds=[(-1, None)] * 4, options=options).fun
        for x in starts
    ]
    assert objective(theta) <= min(found) + 1e-9


def test_limits_of_the_penalty():
    joint, predicted, _ = random_problem(0)
    exact = joint @ np.array([0.2, 1.0, 2.0, 0.5])
    assert_allclose(regularized_ratios(joint, exact, 0.0), [0.2, 1, 2, 0.5], rtol=1e-6)
    assert_allclose(regularized_ratios(joint, predicted, 10.0), 1)
    # No shift: no penalty moves it.
    assert_allclose(regularized_ratios(joint, joint.sum(axis=1), 0.01), 1)


def test_the_authors_penalty():
    # 0.01 * 3 * (2 log(2 k / delta) / (3 n) + sqrt(2 log(2 k / delta) / n)),
    # delta = 0.05, k = 10, n = 1000.
    assert_allclose(uncertainty_of_confusion(1000, 10), 0.0034038, rtol=1e-4)
