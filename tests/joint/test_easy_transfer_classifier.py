import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.neighbors import NearestCentroid

from sktransfer import CORALAligner
from sktransfer.joint._easy_transfer_classifier import EasyTransferClassifier
from tests.feature.surf import TASKS, surf_domains

# EasyTL(c) and EasyTL (CORAL) in results.txt of the published Python code.
PUBLISHED = {
    False: [50.1, 49.5, 48.4, 43.0, 40.7, 38.9, 29.7, 35.2, 77.1, 31.2, 31.9, 69.5],
    True: [52.6, 53.9, 51.6, 42.3, 43.1, 48.4, 35.4, 38.2, 79.6, 36.1, 38.3, 86.1],
}


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    labels = np.arange(120) % 3
    X = 3 * np.eye(3)[labels] + rng.normal(size=(120, 3))
    X[60:] = X[60:] @ np.diag([2.0, 1.0, 0.5]) + 5
    return X, np.where(np.arange(120) < 60, labels, -1), labels


def test_without_alignment_it_is_the_nearest_centroid(data):
    X, y, _ = data
    model = EasyTransferClassifier(align=False).fit(X, y)
    assert_allclose(model.class_prices_, 0)
    nearest = NearestCentroid().fit(X[:60], y[:60])
    assert_allclose(model.class_centers_, nearest.centroids_)
    assert_array_equal(model.predict(X), nearest.predict(X))


def test_centres_are_those_of_aligned_rows(data):
    X, y, labels = data
    model = EasyTransferClassifier().fit(X, y)
    domain = np.where(y < 0, -1, 1)
    Z = CORALAligner(regularization=1.0).fit_transform(X, sample_domain=domain)
    expected = [Z[:60][y[:60] == label].mean(axis=0) for label in range(3)]
    assert_allclose(model.class_centers_, expected)
    plain = EasyTransferClassifier(align=False).fit(X, y)
    assert model.score(X[60:], labels[60:]) > plain.score(X[60:], labels[60:]) + 0.1


def test_every_class_gets_a_row_and_one_rule_says_which(data):
    X, y, _ = data
    X = X.copy()
    X[60:] -= 10 * np.eye(3)[2]  # far from the third class
    model = EasyTransferClassifier(align=False).fit(X, y)
    assert model.class_prices_[2] > 0
    assert set(model.transduction_) == {0, 1, 2}
    assert_array_equal(model.predict(X[60:]), model.transduction_)


def test_labelled_target_rows_keep_their_class(data):
    X, y, labels = data
    y = y.copy()
    y[60:66] = (labels[60:66] + 1) % 3
    domain = np.r_[np.ones(60), -np.ones(60)]
    model = EasyTransferClassifier(align=False).fit(X, y, sample_domain=domain)
    assert_array_equal(model.transduction_[:6], y[60:66])
    expected = [X[y == label].mean(axis=0) for label in range(3)]
    assert_allclose(model.class_centers_, expected)


def test_row_order_and_equal_rows(data):
    X, y, _ = data
    X = np.round(X)
    order = np.random.RandomState(1).permutation(len(X))
    model = EasyTransferClassifier().fit(X, y)
    shuffled = EasyTransferClassifier().fit(X[order], y[order])
    scores = model.decision_function(X)
    assert_allclose(shuffled.decision_function(X), scores, atol=1e-9)


def test_bad_parameters(data):
    X, y, _ = data
    with pytest.raises(ValueError, match="`align` must be one of"):
        EasyTransferClassifier(align="coral").fit(X, y)
    with pytest.raises(ValueError, match="`regularization` must be"):
        EasyTransferClassifier(regularization=-1).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("align", [False, True])
def test_published_accuracies_on_surf(align):
    domains, accuracies = surf_domains(), []
    for task in TASKS:
        (X_source, y_source), (X_target, y_target) = domains[task[0]], domains[task[2]]
        X, y = np.r_[X_source, X_target], np.r_[y_source, np.full(len(y_target), -1)]
        model = EasyTransferClassifier(align=align).fit(X, y)
        accuracies.append(100 * model.score(X_target, y_target))
    # Eleven to the last printed digit, W-A by one of 958 rows.
    assert_allclose(accuracies, PUBLISHED[align], atol=0.11)
