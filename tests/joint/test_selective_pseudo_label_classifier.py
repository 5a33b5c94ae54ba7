import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from scipy.special import softmax

from sktransfer.joint._locality_preserving import (
    locality_preserving_projection,
    unit_rows,
)
from sktransfer.joint._selective_pseudo_label_classifier import (
    SelectivePseudoLabelClassifier,
)
from sktransfer.joint._selective_pseudo_labels import class_clusters, most_confident
from tests.feature.surf import TASKS, surf_domains
from tests.shared_data import shared_file


def turned_classes(seed=0, n=60):
    """Three directions, turned by half a radian in the target."""
    rng = np.random.RandomState(seed)
    labels = np.arange(2 * n) % 3
    angle = 2.0 * labels + 0.6 * (np.arange(2 * n) >= n)
    angle = angle + 0.25 * rng.normal(size=2 * n)
    X = np.c_[np.cos(angle), np.sin(angle), 0.2 * rng.normal(size=(2 * n, 2))]
    X *= rng.uniform(0.5, 2, size=(2 * n, 1))
    return X, np.where(np.arange(2 * n) < n, labels, -1), labels


def by_the_graph(Z, labels, ridge):
    """Solve with the graph itself: matrices as large as there are rows."""
    W = (labels[:, None] == labels) & (labels[:, None] >= 0)
    D = np.diag(W.sum(axis=1)).astype(float)
    total, within = Z.T @ D @ Z, Z.T @ (D - W) @ Z
    within += ridge * np.trace(total) / len(total) * np.eye(len(total))
    return eigh(total, within)[1][:, ::-1]


def test_projection_by_sums_is_that_of_the_graph():
    rng = np.random.RandomState(0)
    Z, labels = rng.normal(size=(40, 5)) + 1, rng.randint(-1, 3, size=40)
    P = locality_preserving_projection(Z, labels, 0.3)
    expected = by_the_graph(Z, labels, 0.3)
    assert_allclose(np.abs(P), np.abs(expected), rtol=1e-6)


def plain_loop(X, y, n_rounds, ridge):
    """The published loop, step by step, without principal components."""
    source = y >= 0
    Z, labels = unit_rows(X), y.copy()
    for k in range(n_rounds + 1):
        F = Z @ by_the_graph(Z, labels, ridge)
        F = unit_rows(F - F.mean(axis=0))
        means = unit_rows(np.array([F[y == c].mean(axis=0) for c in range(3)]))
        centres = means
        for _ in range(50):
            nearest = cdist(F[~source], centres).argmin(axis=1)
            centres = np.array([F[~source][nearest == c].mean(0) for c in range(3)])
        both = [
            softmax(-cdist(F[~source], unit_rows(C)), axis=1) for C in (means, centres)
        ]
        sure = np.maximum(*both)
        predicted, labels = sure.argmax(axis=1), y.copy()
        for c in range(3):
            mine = np.flatnonzero(predicted == c)
            count = int(np.ceil(len(mine) * (k + 1) / max(n_rounds, 1)))
            best = mine[np.argsort(-sure[mine, c])[:count]]
            labels[np.flatnonzero(~source)[best]] = c
    return predicted, sure


@pytest.mark.parametrize("n_rounds", [0, 1, 5])
def test_the_plain_loop_gives_the_same(n_rounds):
    X, y, _ = turned_classes()
    predicted, sure = plain_loop(X, y, n_rounds, 0.3)
    model = SelectivePseudoLabelClassifier(n_rounds=n_rounds, regularization=0.3)
    model.fit(X, y)
    assert_array_equal(model.transduction_, predicted)
    expected = sure / sure.sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X[y < 0]), expected, atol=1e-6)


def test_follows_the_clusters_of_the_target():
    X, y, truth = turned_classes()
    model = SelectivePseudoLabelClassifier().fit(X, y)
    assert_array_equal(model.predict(X[60:]), truth[60:])
    assert_array_equal(model.transduction_, truth[60:])
    assert model.n_selected_[0] == 0
    assert model.n_selected_[-1] == 60
    assert np.all(np.diff(model.n_selected_) >= 0)


def test_lengths_of_rows_do_not_count():
    X, y, _ = turned_classes()
    factors = np.random.RandomState(1).uniform(0.1, 10, size=(len(X), 1))
    first, second = (
        SelectivePseudoLabelClassifier().fit(rows, y).predict_proba(X[60:])
        for rows in (X, X * factors)
    )
    assert_allclose(second, first, atol=1e-8)


def test_labelled_target_rows_keep_their_labels():
    X, y, _ = turned_classes()
    domain = np.where(y >= 0, 1, -1)
    y[60:64] = [2, 2, 0, 1]
    model = SelectivePseudoLabelClassifier(n_rounds=4).fit(X, y, sample_domain=domain)
    assert_array_equal(model.transduction_[:4], [2, 2, 0, 1])
    assert model.n_selected_[0] == 4


def test_a_class_without_target_rows():
    X, y, truth = turned_classes()
    kept = (y >= 0) | (truth != 1)
    model = SelectivePseudoLabelClassifier().fit(X[kept], y[kept])
    assert np.isfinite(model.predict_proba(X)).all()


def test_equal_rows_give_finite_scores_without_a_word():
    X, y, _ = turned_classes()
    model = SelectivePseudoLabelClassifier().fit(np.ones_like(X), y)
    assert np.isfinite(model.predict_proba(X)).all()


def test_clusters_stay_with_their_classes():
    X = np.array([[0.0], [1.0], [10.0], [11.0], [0.4]])
    starts = np.array([[0.2], [9.0], [100.0]])
    none = np.full(5, -1)
    # The third cluster is empty and keeps its centre.
    assert_allclose(
        class_clusters(X, none, starts), [[1.4 / 3], [10.5], [100.0]], atol=1e-12
    )
    held = np.array([-1, -1, -1, -1, 1])
    assert_allclose(class_clusters(X, held, starts[:2]), [[0.5], [21.4 / 3]])


def test_most_confident_share_of_each_class():
    labels = np.array([0, 0, 0, 0, 1])
    sure = np.array([0.9, 0.5, 0.7, 0.7, 0.1])
    assert_array_equal(most_confident(labels, sure, 0.25), [1, 0, 0, 0, 1])
    # Ties with the last one are taken, too.
    assert_array_equal(most_confident(labels, sure, 0.5), [1, 0, 1, 1, 1])
    assert not most_confident(labels, sure, 0.0).any()
    assert most_confident(labels, sure, 1.0).all()


@pytest.mark.parametrize("name", ["n_components", "n_rounds", "regularization"])
def test_bad_parameters(name):
    X, y, _ = turned_classes()
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        SelectivePseudoLabelClassifier(**{name: -1}).fit(X, y)


def accuracy(source, target):
    X = np.r_[source[0], target[0]]
    y = np.r_[source[1].astype(int), np.full(len(target[1]), -1)]
    model = SelectivePseudoLabelClassifier().fit(X, y)
    return 100 * np.mean(model.transduction_ == target[1])


@pytest.mark.slow
def test_surf():
    """Recomputed with the defaults; no adaptation gives 31.4 with 1-NN."""
    domains = surf_domains()
    scores = [accuracy(domains[task[0]], domains[task[2]]) for task in TASKS]
    assert abs(np.mean(scores) - 52.8) <= 0.3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "target", "expected"), [("mnist", "usps", 72.3), ("usps", "mnist", 54.9)]
)
def test_digits(source, target, expected):
    """Recomputed with the defaults; 1-NN gives 65.9 and 44.7."""
    with np.load(shared_file("mnist_usps/mnist_usps.npz")) as file:
        domains = [(file[f"{name}_X"], file[f"{name}_y"]) for name in (source, target)]
    assert abs(accuracy(*domains) - expected) <= 1.0
