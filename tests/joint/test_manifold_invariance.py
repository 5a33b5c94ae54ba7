"""What must not change the result of ManifoldAlignedClassifier, and narrow data."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.kernel_ridge import KernelRidge
from sklearn.neighbors import KNeighborsClassifier

from sktransfer import ManifoldAlignedClassifier
from sktransfer.exceptions import NoTargetWarning

SETTINGS = [
    {},
    {"kernel": "linear"},
    {"embedding": "pca", "normalize": False},
    {"embedding": None, "center": False, "initial": KNeighborsClassifier(1)},
]


def moved_classes(seed=0, n=45):
    rng = np.random.RandomState(seed)
    labels = np.arange(n) % 3
    centres = 3 * np.eye(3, 6)
    X_source = centres[labels] + rng.normal(size=(n, 6))
    X_target = centres[labels] + rng.normal(size=(n, 6)) + [1, -1, 0, 0, 0, 0]
    y_target = np.where(np.arange(n) < 4, labels, -1)
    X, y = np.r_[X_source, X_target], np.r_[labels, y_target]
    return X, y, np.repeat([1, -1], n)


@pytest.fixture
def data():
    return moved_classes()


@pytest.mark.parametrize("params", SETTINGS)
def test_order_of_rows(data, params):
    X, y, domain = data
    model = ManifoldAlignedClassifier(**params).fit(X, y, sample_domain=domain)
    order = np.random.RandomState(1).permutation(len(X))
    other = ManifoldAlignedClassifier(**params)
    other.fit(X[order], y[order], sample_domain=domain[order])
    expected = model.decision_function(X)
    assert_allclose(other.decision_function(X), expected, atol=1e-9)
    assert_allclose(other.objective_, model.objective_)
    place = np.full(len(X), "?", dtype="<U1")
    place[domain < 0] = model.transduction_.astype(str)
    moved = place[order][domain[order] < 0]
    assert_array_equal(other.transduction_.astype(str), moved)


@pytest.mark.parametrize("params", SETTINGS)
def test_names_of_classes_and_domains(data, params):
    X, y, domain = data
    model = ManifoldAlignedClassifier(**params).fit(X, y, sample_domain=domain)
    names = np.array(["c", "a", "b", ""])[y]
    swapped = np.where(domain > 0, 2 + np.arange(len(X)) % 2, -5)
    other = ManifoldAlignedClassifier(**params).fit(X, names, sample_domain=swapped)
    expected = model.decision_function(X)[:, [1, 2, 0]]
    assert_allclose(other.decision_function(X), expected, atol=1e-9)
    assert_array_equal(other.transduction_, np.array(list("cab"))[model.transduction_])


def test_no_origin_no_scale_no_rotation(data):
    X, y, domain = data
    Q = np.linalg.qr(np.random.RandomState(0).normal(size=(6, 6)))[0]
    first, second = (
        ManifoldAlignedClassifier(4).fit(rows, y, sample_domain=domain)
        for rows in (X, 7 * X @ Q + 3)
    )
    assert_allclose(
        second.decision_function(7 * X @ Q + 3), first.decision_function(X), atol=1e-8
    )


def test_repeated_rows_share_their_class(data):
    X, y, domain = (np.repeat(part, 3, axis=0) for part in data)
    model = ManifoldAlignedClassifier().fit(X, y, sample_domain=domain)
    labels = model.transduction_.reshape(-1, 3)
    assert_array_equal(labels, labels[:, :1].repeat(3, axis=1))
    assert np.isfinite(model.decision_function(X)).all()


def test_without_penalties_it_is_kernel_ridge(data):
    X, y, domain = data
    model = ManifoldAlignedClassifier(graph_weight=0, discrepancy_weight=0, gamma=0.7)
    model.fit(X, y, sample_domain=domain)
    Z = (X - X.mean(axis=0)) @ model.projection_
    Z /= np.linalg.norm(Z, axis=1, keepdims=True)
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=0.7)
    ridge.fit(Z[y >= 0], np.eye(3)[y[y >= 0]])
    assert_allclose(model.decision_function(X), ridge.predict(Z), atol=1e-9)


@pytest.mark.parametrize("params", SETTINGS)
def test_fewer_rows_than_columns(params):
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(20, 200)), np.r_[np.arange(10) % 2, np.full(10, -1)]
    model = ManifoldAlignedClassifier(**params).fit(X, y)
    assert_array_equal(model.predict(X[:10]), y[:10])
    assert np.isfinite(model.decision_function(rng.normal(size=(5, 200)))).all()


@pytest.mark.parametrize("params", SETTINGS)
def test_one_row_a_class(data, params):
    X, y, _ = data
    X, y = np.r_[X[:3], X[49:]], np.r_[y[:3], y[49:]]
    model = ManifoldAlignedClassifier(**params).fit(X, y)
    assert_array_equal(model.predict(X[:3]), [0, 1, 2])


def test_a_class_of_the_target_alone(data):
    X, y, domain = data
    y = np.where((domain > 0) & (y == 2), 0, y)
    model = ManifoldAlignedClassifier().fit(X, y, sample_domain=domain)
    assert_array_equal(model.classes_, [0, 1, 2])
    assert_array_equal(model.transduction_[:4], y[domain < 0][:4])
    assert np.isfinite(model.decision_function(X)).all()


def test_without_target_rows_it_is_a_kernel_classifier(data):
    X, y, domain = data
    X, y = X[domain > 0], y[domain > 0]
    model = ManifoldAlignedClassifier()
    with pytest.warns(NoTargetWarning, match="no target row"):
        model.fit(X, y)
    assert model.score(X, y) > 0.9
    assert model.transduction_.shape == (0,)
    assert model.n_iter_ == 0


def test_scores_keep_float32(data):
    X, y, domain = data
    model = ManifoldAlignedClassifier().fit(
        X.astype(np.float32), y, sample_domain=domain
    )
    assert model.decision_function(X.astype(np.float32)).dtype == np.float32
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_components", 0),
        ("embedding", "tca"),
        ("center", "yes"),
        ("normalize", 2),
        ("kernel", "poly"),
        ("gamma", 0.0),
        ("n_neighbors", 0),
        ("graph_weight", -1.0),
        ("discrepancy_weight", np.nan),
        ("balance", 1.5),
        ("regularization", 0),
        ("n_rounds", -1),
    ],
)
def test_bad_parameters(data, name, value):
    X, y, domain = data
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        ManifoldAlignedClassifier(**{name: value}).fit(X, y, sample_domain=domain)
