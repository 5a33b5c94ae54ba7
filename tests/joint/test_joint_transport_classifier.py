import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sktransfer.joint._joint_transport import SquaredDistances, transport_plan
from sktransfer.joint._joint_transport_classifier import JointTransportClassifier


@pytest.fixture
def data():
    """Three classes in a plane, turned and moved in the target."""
    rng = np.random.RandomState(0)
    labels = np.arange(150) % 3
    centres = np.array([[0, 0], [4, 0], [0, 4]])
    X_source = centres[labels] + 0.7 * rng.normal(size=(150, 2))
    turn = np.array([[0.8, 0.6], [-0.6, 0.8]])
    labels_target = np.arange(120) % 3
    X_target = centres[labels_target] + 0.7 * rng.normal(size=(120, 2))
    X_target = X_target @ turn + [3, 1]
    X = np.r_[X_source, X_target]
    return X, np.r_[labels, np.full(120, -1)], labels_target


VARIANTS = [
    JointTransportClassifier(),
    JointTransportClassifier(method="sinkhorn", regularization=0.5),
    JointTransportClassifier(loss="squared"),
    JointTransportClassifier(SVC(kernel="linear"), loss="hinge"),
    JointTransportClassifier(alpha=10.0),
]


@pytest.mark.parametrize("model", VARIANTS, ids=repr)
def test_the_shift_is_undone_while_the_objective_falls(data, model):
    X, y, labels = data
    model.fit(X, y)
    source_only = LogisticRegression().fit(X[:150], y[:150])
    assert source_only.score(X[150:], labels) < 0.8
    assert model.score(X[150:], labels) > 0.9
    assert np.all(np.diff(model.objective_) < 0)
    assert len(model.objective_) == model.n_iter_
    assert_allclose(model.plan_.sum(axis=1), 1 / 150, rtol=1e-3)
    assert_allclose(model.plan_.sum(axis=0), 1 / 120, rtol=1e-3)


def test_objective_is_the_cost_of_the_plan(data):
    X, y, _ = data
    model = JointTransportClassifier(alpha=2.0, n_iter=3).fit(X, y)
    gaps = ((X[:150, None] - X[150:]) ** 2).sum(axis=2)
    losses = -np.log(np.maximum(model.predict_proba(X[150:]), 1e-7))
    costs = 2.0 * gaps / gaps.max() + losses.T[y[:150]]
    assert_allclose((model.plan_ * costs).sum(), model.objective_[-1])


def test_heavy_features_give_plain_transport_and_its_labels(data):
    X, y, _ = data
    model = JointTransportClassifier(alpha=1e6).fit(X, y)
    distances = SquaredDistances(X[:150], X[150:])
    plan, _ = transport_plan(distances, distances.shape)
    assert_allclose(model.plan_.toarray(), plan.toarray(), atol=1e-12)
    mass = 120 * (plan.T @ np.eye(3)[y[:150]])
    rows, codes = np.nonzero(mass > 1e-9)
    expected = LogisticRegression().fit(
        X[150:][rows], codes, sample_weight=mass[rows, codes]
    )
    coefficients = expected.coef_[model.class_order_]
    assert_allclose(model.estimator_.coef_, coefficients, atol=1e-3)


def test_large_problems_give_the_same(data, monkeypatch):
    X, y, _ = data
    expected = JointTransportClassifier().fit(X, y)
    monkeypatch.setattr("sktransfer.joint._joint_transport._DENSE_ENTRIES", 0)
    model = JointTransportClassifier().fit(X, y)
    assert_allclose(model.objective_, expected.objective_, rtol=1e-6)
    assert_allclose(model.plan_.toarray(), expected.plan_.toarray(), atol=1e-6)


def test_labelled_target_rows_keep_their_label(data):
    X, y, labels = data
    # Without labels the classes keep the names of the source, here all wrong.
    swapped = (labels + 1) % 3
    y[150:210] = swapped[:60]
    domain = np.r_[np.ones(150), -np.ones(120)]
    model = JointTransportClassifier().fit(X, y, sample_domain=domain)
    assert model.score(X[210:], swapped[60:]) > 0.9
    unaided = JointTransportClassifier().fit(X, np.r_[y[:150], np.full(120, -1)])
    assert unaided.score(X[210:], swapped[60:]) < 0.2


def test_equal_rows_and_row_order_change_nothing(data):
    X, y, _ = data
    X = np.round(X)  # many ties
    order = np.random.RandomState(1).permutation(len(X))
    model = JointTransportClassifier().fit(X, y)
    shuffled = JointTransportClassifier().fit(X[order], y[order])
    assert_allclose(shuffled.predict_proba(X), model.predict_proba(X), atol=1e-12)
    names = np.array(["", "b", "c", "d"])[y + 1]
    named = JointTransportClassifier().fit(X, names)
    assert_array_equal(named.predict(X), np.array(["b", "c", "d"])[model.predict(X)])


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
@pytest.mark.parametrize("method", ["sinkhorn", "emd"])
@pytest.mark.parametrize("seed", range(3))
def test_names_of_the_classes_change_nothing(method, seed):
    # Far from zero logistic regression stops early.
    rng = np.random.RandomState(seed)
    labels = np.arange(200) % 4
    X = rng.normal(size=(200, 4)) + rng.normal(size=(4, 4))[labels]
    X[100:] = 0.7 * X[100:] + 3
    y = np.where(np.arange(200) < 110, labels, -1)
    domain = np.repeat([1, -1], 100)
    model = JointTransportClassifier(method=method)
    expected = model.fit(X, y, sample_domain=domain).predict_proba(X)
    for order in ([3, 2, 1, 0], [2, 0, 3, 1]):
        renamed = np.where(y < 0, -1, np.array(order)[y])
        got = model.fit(X, renamed, sample_domain=domain).predict_proba(X)
        assert_allclose(got[:, order], expected, atol=1e-8)


def test_weights_reach_a_pipeline(data):
    X, y, labels = data
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    model = JointTransportClassifier(inner).fit(X, y)
    assert model.score(X[150:], labels) > 0.9


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (JointTransportClassifier(KNeighborsClassifier()), "takes no sample_weight"),
        (JointTransportClassifier(SVC()), "needs an estimator with predict_proba"),
        (JointTransportClassifier(alpha=-1), "`alpha` must be"),
        (JointTransportClassifier(loss="l1"), "`loss` must be one of"),
        (JointTransportClassifier(method="exact"), "`method` must be one of"),
        (JointTransportClassifier(regularization=0), "`regularization` must be"),
        (JointTransportClassifier(n_iter=0), "`n_iter` must be"),
        (JointTransportClassifier(tol=-1), "`tol` must be"),
    ],
)
def test_bad_parameters(data, model, sentence):
    with pytest.raises(ValueError, match=sentence):
        model.fit(*data[:2])


def test_probabilities_are_those_of_the_estimator(data):
    assert not hasattr(JointTransportClassifier(SVC(), loss="hinge"), "predict_proba")
    X, y, _ = data
    model = JointTransportClassifier().fit(X, y)
    expected = model.estimator_.predict_proba(X)
    assert_allclose(model.predict_proba(X)[:, model.class_order_], expected)


@pytest.mark.parametrize("model", [VARIANTS[0], VARIANTS[3]], ids=repr)
def test_one_class_that_reaches_the_target_is_said(data, model):
    X, y, _ = data
    domain = np.r_[np.ones(150), -1]
    with pytest.raises(ValueError, match="one class alone does: 2"):
        model.fit(X[:151], np.r_[y[:150], 2], sample_domain=domain)
