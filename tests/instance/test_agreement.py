import numpy as np
from sklearn.linear_model import LogisticRegression

from sktransfer.instance._agreement import (
    agreement_scores,
    confident_half,
    target_model,
)

NONE = np.full(40, -1)


def blobs(n, *, seed=0):
    """Draw two classes five apart on the first column."""
    rng = np.random.RandomState(seed)
    y = np.arange(n) % 2
    X = 0.5 * rng.normal(size=(n, 2))
    X[:, 0] += 5.0 * y
    return X, y


def test_confident_half_of_each_class():
    predicted = np.array([0, 0, 0, 1, 1, 1, 1, 2])
    confidence = np.array([0.5, 0.9, 0.8, 0.6, 0.6, 0.6, 0.9, 0.4])
    # Of class 1 two rows are due; those that tie with the second are all taken.
    np.testing.assert_array_equal(
        confident_half(predicted, confidence), [0, 1, 1, 1, 1, 1, 1, 1]
    )


def test_labels_of_the_target_make_the_model():
    X, y = blobs(40)
    X_target, y_target = blobs(40, seed=1)
    flipped = np.where(np.arange(40) < 10, 1 - y_target, -1)
    model = target_model(LogisticRegression(), X, y, X_target, flipped)
    expected = LogisticRegression().fit(X_target[:10], flipped[:10])
    np.testing.assert_array_equal(model.coef_, expected.coef_)


def test_pseudo_labels_make_the_model():
    X, y = blobs(40)
    X_target, y_target = blobs(40, seed=1)
    model = target_model(LogisticRegression(), X, y, X_target, NONE)
    probabilities = LogisticRegression().fit(X, y).predict_proba(X_target)[:, 1]
    half = [*np.argsort(probabilities)[:10], *np.argsort(probabilities)[30:]]
    half = np.sort(half)
    expected = LogisticRegression().fit(X_target[half], y_target[half])
    np.testing.assert_allclose(model.coef_, expected.coef_, rtol=1e-6)


def test_a_single_given_class_overrules_pseudo_labels():
    X, y = blobs(40)
    X_target, y_target = blobs(40, seed=1)
    wrong = NONE.copy()
    wrong[np.flatnonzero(y_target == 1)[:5]] = 0
    model = target_model(LogisticRegression(), X, y, X_target, wrong)
    given = wrong == 0
    plain = target_model(LogisticRegression(), X, y, X_target, NONE)
    shift = model.predict_proba(X_target) - plain.predict_proba(X_target)
    assert np.all(shift[given, 0] > 0.01)


def test_no_model_without_two_classes():
    X, y = blobs(40)
    X_target = X[y == 0]
    none = np.full(20, -1)
    assert target_model(LogisticRegression(), X, 0 * y, X_target, none) is None
    assert target_model(LogisticRegression(), X, y, X_target, none) is None
    contradicted, scores = agreement_scores(None, X, y)
    assert not contradicted.any()
    np.testing.assert_array_equal(scores, 0.5)


def test_scores_are_the_probability_of_the_own_label():
    X, y = blobs(40)
    model = LogisticRegression().fit(X, 2 * y)
    own = np.where(np.arange(40) % 4 < 2, 2 * y, 2 - 2 * y)
    own[:4] = [-1, 1, 3, -1]
    contradicted, scores = agreement_scores(model, X, own)
    np.testing.assert_array_equal(scores[:4], 0.5)
    assert not contradicted[:4].any()
    expected = [model.predict_proba(X)[i, own[i] // 2] for i in range(4, 40)]
    np.testing.assert_allclose(scores[4:], expected)
    np.testing.assert_array_equal(contradicted[4:], (model.predict(X) != own)[4:])
    # However it is sorted, no contradicted row comes before a neutral one.
    assert scores[contradicted].max() <= 0.5


def test_several_classes_contradict_by_the_most_probable():
    rng = np.random.RandomState(0)
    y = np.arange(90) % 3
    X = rng.normal(size=(90, 2)) + np.array([[0, 0], [2, 0], [0, 2]])[y]
    model = LogisticRegression().fit(X, y)
    contradicted, scores = agreement_scores(model, X, y)
    np.testing.assert_array_equal(contradicted, model.predict(X) != y)
    assert 5 < contradicted.sum() < 40
    assert scores[contradicted].max() <= 0.5
