import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from torch import nn

from sktransfer.deep import CoTuning
from sktransfer.deep.regularizers._calibration import calibration_temperature
from sktransfer.deep.regularizers._category_relationship import (
    _target_given_source,
    category_relationship,
)
from tests.deep.plain_loop import batch_of, images, network_of, rows_of


def draw(n=60, n_source=5, n_target=3, seed=0):
    """Return probabilities of source classes that depend on the target class."""
    rng = np.random.RandomState(seed)
    y = np.arange(n) % n_target
    scores = rng.normal(size=(n, n_source)) + 2 * np.eye(n_target, n_source)[y]
    return softmax(scores, axis=1), y


def test_direct_relationship_is_the_joint_over_the_marginal():
    source_proba, y = draw()
    n = len(y)
    expected = np.empty((3, 5))
    for t in range(3):
        for s in range(5):
            joint = sum(source_proba[i, s] / n for i in range(n) if y[i] == t)
            expected[t, s] = joint / np.mean(y == t)
    assert_allclose(category_relationship(source_proba, y), expected)


@pytest.mark.parametrize("n_target", [2, 3])
def test_reverse_relationship_is_bayes_rule(n_target):
    source_proba, y = draw(n_target=n_target)
    weight = np.linspace(0.5, 1.5, len(y))
    target_given_source = _target_given_source(source_proba, y, weight)
    assert_allclose(target_given_source.sum(axis=1), 1)
    marginal = np.average(source_proba, axis=0, weights=weight)
    expected = np.empty((n_target, 5))
    for t in range(n_target):
        evidence = sum(target_given_source[s, t] * marginal[s] for s in range(5))
        for s in range(5):
            expected[t, s] = target_given_source[s, t] * marginal[s] / evidence
    got = category_relationship(source_proba, y, method="reverse", sample_weight=weight)
    assert_allclose(got, expected)


@pytest.mark.parametrize("n_target", [2, 3])
def test_what_a_source_class_says_is_the_prediction_for_a_sure_row(n_target):
    source_proba, y = draw(n_target=n_target)
    got = _target_given_source(source_proba, y, np.ones(len(y)))
    fits = []
    for strength in 10.0 ** np.arange(-4, 5):
        model = LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
        scores = model.fit(source_proba, y).decision_function(np.eye(5))
        if scores.ndim == 1:
            scores = np.c_[np.zeros(5), scores]
        # Some temperature turns these scores into what was returned.
        ratio = np.ptp(scores, axis=1) / np.ptp(np.log(got), axis=1)
        fitted = softmax(scores / ratio.mean(), axis=1)
        fits.append(np.abs(fitted - got).max())
    assert min(fits) < 1e-6


@pytest.mark.parametrize("method", ["direct", "reverse"])
def test_invariances_of_the_relationship(method):
    source_proba, y = draw()
    got = category_relationship(source_proba, y, method=method)
    assert got.shape == (3, 5)
    assert_allclose(got.sum(axis=1), 1)
    assert (got >= 0).all()
    # Each target class was drawn around the source class of the same number.
    assert_array_equal(got.argmax(axis=1), [0, 1, 2])
    names = np.array([2, 0, 1])
    renamed = category_relationship(source_proba, names[y], method=method)
    assert_allclose(renamed[names], got, atol=1e-4)
    columns = np.random.RandomState(0).permutation(5)
    turned = category_relationship(source_proba[:, columns], y, method=method)
    assert_allclose(turned, got[:, columns], atol=1e-4)
    if method == "direct":
        order = np.random.RandomState(1).permutation(len(y))
        assert_allclose(category_relationship(source_proba[order], y[order]), got)


def test_weights_are_repeated_rows():
    source_proba, y = draw(12)
    weight = np.array([1, 2, 3] * 4)
    repeated = np.repeat(np.arange(12), weight)
    assert_allclose(
        category_relationship(source_proba, y, sample_weight=weight),
        category_relationship(source_proba[repeated], y[repeated]),
    )


@pytest.mark.parametrize("method", ["direct", "reverse"])
def test_classes_without_rows_or_with_one(method):
    source_proba, y = draw(6, n_target=2)
    got = category_relationship(source_proba, 2 * y, n_classes=4, method=method)
    assert_allclose(got[[1, 3]], np.tile(source_proba.mean(axis=0), (2, 1)))
    single = category_relationship(source_proba[:2], y[:2], method=method)
    assert_allclose(single, source_proba[:2])
    one_class = category_relationship(source_proba, np.zeros(6, int), method=method)
    assert_allclose(one_class[0], source_proba.mean(axis=0))
    with pytest.raises(ValueError, match="`method` must be one of"):
        category_relationship(source_proba, y, method="both")


def test_calibration_temperature():
    rng = np.random.RandomState(0)
    scores = rng.normal(size=(4000, 3)) * 2
    y = np.array([rng.choice(3, p=p) for p in softmax(scores, axis=1)])
    # Scores that are three times too sure, or half as sure as they should be.
    for factor in (3.0, 0.5):
        found = calibration_temperature(factor * scores, y)
        assert_allclose(found, factor, rtol=0.05)
        grid = np.linspace(0.8 * found, 1.2 * found, 41)
        losses = [
            -log_softmax(factor * scores / t, axis=1)[np.arange(4000), y].mean()
            for t in grid
        ]
        assert np.argmin(losses) == 20
    weight = np.r_[np.ones(2000), np.zeros(2000)]
    assert_allclose(
        calibration_temperature(scores, y, weight),
        calibration_temperature(scores[:2000], y[:2000]),
        rtol=1e-4,
    )


def test_labels_without_fault_end_at_the_bounds():
    scores = np.eye(3)
    assert_allclose(calibration_temperature(scores, np.arange(3)), 0.05, rtol=1e-4)
    wrong = calibration_temperature(scores, np.array([1, 2, 0]))
    assert_allclose(wrong, 20, rtol=1e-4)


def start(network, regularizer, weight=None, has_source_head=False):
    X, y = images()
    return regularizer.start(
        network, rows_of(X, y, weight), device="cpu", has_source_head=has_source_head
    )


def test_formula():
    X, y = images()
    network, head = network_of(), nn.Linear(6, 4).double()
    weight = np.linspace(0.5, 1.5, len(y))
    network.eval()
    with torch.no_grad():
        scores = head(batch_of(network, X, y).features).numpy()
    network.train()
    regularizer = CoTuning(1.7, temperature=2.0, source_head=head)
    term = start(network, regularizer, weight)
    # The relationship is learned in evaluation mode.
    source_proba = softmax(scores / 2.0, axis=1)
    relationship = category_relationship(source_proba, y, sample_weight=weight)
    assert_allclose(term.relationship.numpy(), relationship)
    batch = batch_of(network, X, y, weight)
    with torch.no_grad():
        now = log_softmax(head(batch.features).numpy(), axis=1)
    expected = -np.mean(
        [w * relationship[t] @ row for w, t, row in zip(weight, y, now, strict=True)]
    )
    assert_allclose(float(term(batch).detach()), 1.7 * expected)


def test_what_learns():
    network = network_of()
    X, y = images()
    term = start(network, CoTuning(), has_source_head=True)
    term(batch_of(network, X, y)).backward()
    assert term.source_head.weight.grad.abs().sum() > 0
    assert network.backbone[0].weight.grad.abs().sum() > 0
    assert network.head.weight.grad is None
    assert term.source_head.weight is not network.head.weight


def test_automatic_temperature():
    X, y = images()
    network = network_of().eval()
    scores = batch_of(network, X, y).outputs.detach().numpy()
    temperature = calibration_temperature(scores, y)
    assert abs(temperature - 1) > 0.1
    own = start(network, CoTuning(), has_source_head=True)
    expected = category_relationship(softmax(scores / temperature, axis=1), y)
    assert_allclose(own.relationship.numpy(), expected)
    given = start(network, CoTuning(source_head=network.head), has_source_head=True)
    expected = category_relationship(softmax(scores, axis=1), y)
    assert_allclose(given.relationship.numpy(), expected)


def test_classes_that_the_phase_lacks():
    X, y = images()
    term = CoTuning().start(
        network_of(n_outputs=5), rows_of(X, y), device="cpu", has_source_head=True
    )
    assert term.relationship.shape == (5, 5)
