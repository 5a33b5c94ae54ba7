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
    confusion = confusion_means(np.eye(2)[called], labels, 2)
    assert_allclose(confusion, [[0.7, 0.2], [0.3, 0.8]])
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


def told_apart(predictions, labels):
    confusion = confusion_means(predictions, labels, predictions.shape[1])
    return not indistinct(confusion, predictions, labels)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_a_useless_classifier_is_known(n_classes):
    rng = np.random.RandomState(0)
    labels = np.arange(600) % n_classes
    for guess in (np.eye(n_classes), rng.dirichlet(np.ones(n_classes), 50)):
        passed = [
            told_apart(guess[rng.randint(len(guess), size=600)], labels)
            for _ in range(200)
        ]
        assert sum(passed) <= 4
    other = (labels + 1) % n_classes
    right = np.where(rng.uniform(size=600) < 0.7, labels, other)
    assert told_apart(np.eye(n_classes)[right], labels)
    constant = np.tile(rng.dirichlet(np.ones(n_classes)), (600, 1))
    assert not told_apart(constant, labels)


def test_classes_that_are_rare_but_told_apart():
    rng = np.random.RandomState(0)
    labels = np.repeat([0, 1, 2], [900, 60, 40])
    wrong = rng.uniform(size=1000) < 0.2
    called = np.where(wrong, rng.randint(3, size=1000), labels)
    assert told_apart(np.eye(3)[called], labels)
    # Two rows a class, each right: there is nothing to doubt.
    labels = np.repeat([0, 1, 2], 2)
    assert told_apart(np.eye(3)[labels], labels)


def test_the_error_of_a_singular_value():
    # Class 0 is called 0 with probability 0.6, class 1 with 0.4, so the singular vector
    # is (1, -1) / sqrt(2), on both sides, and the value 0.2. From n rows a class its
    # variance is 2 * 1/2 * 2 * 0.24 / n, and it is as three errors at n = 108.
    for n, apart in ((100, False), (120, True)):
        n_right = 6 * n // 10
        called = np.repeat([0, 1, 1, 0], [n_right, n - n_right, n_right, n - n_right])
        assert told_apart(np.eye(2)[called], np.repeat([0, 1], n)) == apart


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
