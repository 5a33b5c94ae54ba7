import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from sktransfer.instance import InstanceSelector, LocalTransferClassifier


def moons(n_source=120, n_target=40, seed=0):
    X, y = make_moons(n_source, noise=0.3, random_state=seed)
    X_target, y_target = make_moons(n_target, noise=0.3, random_state=seed + 1)
    return X, y, 0.7 * X_target + 0.2, y_target


def stacked(X, y, X_target, y_target, n_labels=0):
    labels = y_target.copy()
    labels[n_labels:] = -1
    domain = np.repeat([1, -1], [len(X), len(X_target)])
    return np.r_[X, X_target], np.r_[y, labels], domain


class Counting(ClassifierMixin, BaseEstimator):
    """Count the fits of all clones."""

    fits = 0

    def fit(self, X, y):
        Counting.fits += 1
        self.classes_, counts = np.unique(y, return_counts=True)
        self.shares_ = counts / counts.sum()
        return self

    def predict_proba(self, X):
        return np.tile(self.shares_, (X.shape[0], 1))


@pytest.mark.parametrize("n_labels", [0, 5, 30])
def test_equals_a_loop_over_rows(n_labels):
    X, y, X_target, y_target = moons()
    rows, labels, domain = stacked(X, y, X_target, y_target, n_labels)
    estimator = LogisticRegression(C=3.0)
    model = LocalTransferClassifier(estimator, n_neighbors=12)
    found = model.fit(rows, labels, sample_domain=domain).predict_proba(X_target)
    for row, probabilities in zip(X_target, found, strict=True):
        near = np.argsort(cdist([row], X)[0])[:12]
        near_target = np.argsort(cdist([row], X_target[:n_labels])[0])[:12]
        X_fit = np.r_[X[near], X_target[near_target]]
        y_fit = np.r_[y[near], y_target[near_target]]
        expected = np.eye(2)[y_fit[0]]
        if len(np.unique(y_fit)) > 1:
            expected = clone(estimator).fit(X_fit, y_fit).predict_proba([row])[0]
        np.testing.assert_allclose(probabilities, expected, atol=1e-4)


def test_shares_of_the_neighbours_are_those_of_nearest_neighbours():
    X, y, X_target, y_target = moons()
    rows, labels, domain = stacked(X, y, X_target, y_target)
    model = LocalTransferClassifier(Counting(), n_neighbors=7)
    found = model.fit(rows, labels, sample_domain=domain).predict_proba(X_target)
    plain = KNeighborsClassifier(7).fit(X, y)
    np.testing.assert_allclose(found, plain.predict_proba(X_target))


def test_equal_neighbourhoods_are_fitted_once_and_constant_ones_never():
    X = np.r_[np.arange(4.0), np.arange(10.0, 14.0), np.arange(20.0, 24.0)][:, None]
    y = np.array([0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1, 0])
    queries = np.repeat([[1.4], [1.5], [1.6], [11.5], [21.5], [21.6]], 5, axis=0)
    model = LocalTransferClassifier(Counting(), n_neighbors=4)
    model.fit(np.r_[X, queries], np.r_[y, np.full(30, -1)])
    Counting.fits = 0
    found = model.predict_proba(queries)
    assert Counting.fits == 2
    np.testing.assert_allclose(found[::5, 0], [0.5, 0.5, 0.5, 1.0, 0.5, 0.5])


def test_all_rows_give_the_plain_model():
    X, y, X_target, y_target = moons()
    rows, labels, domain = stacked(X, y, X_target, y_target, 10)
    model = LocalTransferClassifier(n_neighbors=1000)
    found = model.fit(rows, labels, sample_domain=domain).predict_proba(X_target)
    plain = LogisticRegression().fit(rows[labels >= 0], labels[labels >= 0])
    np.testing.assert_allclose(found, plain.predict_proba(X_target), atol=1e-3)


def test_distance_weights_are_tricube():
    X, y, X_target, y_target = moons()
    rows, labels, domain = stacked(X, y, X_target, y_target)
    model = LocalTransferClassifier(GaussianNB(), n_neighbors=25, weights="distance")
    found = model.fit(rows, labels, sample_domain=domain).predict_proba(X_target)
    for row, probabilities in zip(X_target, found, strict=True):
        distances = cdist([row], X)[0]
        near = np.argsort(distances)[:25]
        relative = distances[near] / distances[near].max()
        weight = np.maximum((1 - relative**3) ** 3, 0.001)
        if len(np.unique(y[near])) > 1:
            plain = GaussianNB().fit(X[near], y[near], weight)
            np.testing.assert_allclose(probabilities, plain.predict_proba([row])[0])


def test_it_is_right_where_one_line_is_wrong():
    rng = np.random.RandomState(0)
    X, X_target = rng.normal(size=(400, 2)), 0.7 * rng.normal(size=(300, 2)) + 0.2
    y, y_target = (np.abs(rows[:, 0]).round().astype(int) for rows in (X, X_target))
    y, y_target = np.minimum(y, 1), np.minimum(y_target, 1)
    rows, labels, domain = stacked(X, y, X_target, y_target)
    local = LocalTransferClassifier().fit(rows, labels, sample_domain=domain)
    plain = LogisticRegression().fit(X, y)
    gain = local.score(X_target, y_target) - plain.score(X_target, y_target)
    assert gain > 0.2


def test_sparse_workers_and_no_target():
    X, y, X_target, y_target = moons()
    rows, labels, domain = stacked(X, y, X_target, y_target, 5)
    model = LocalTransferClassifier(n_neighbors=12)
    expected = model.fit(rows, labels, sample_domain=domain).predict_proba(X_target)
    model.set_params(n_jobs=2).fit(sparse.csr_array(rows), labels, sample_domain=domain)
    found = model.predict_proba(sparse.csr_array(X_target))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    # The rows to predict are the target: fit may do without, and says nothing.
    alone = LocalTransferClassifier().fit(X, y).predict(X_target)
    unlabelled = LocalTransferClassifier()
    unlabelled.fit(*stacked(X, y, X_target, y_target)[:2])
    np.testing.assert_array_equal(unlabelled.predict(X_target), alone)


@pytest.mark.parametrize(
    ("params", "error", "sentence"),
    [
        ({"n_neighbors": 0}, ValueError, "`n_neighbors` must be an integer"),
        ({"weights": "near"}, ValueError, "`weights` must be one of 'uniform'"),
        ({"n_jobs": 1.5}, ValueError, "`n_jobs` must be an integer"),
        ({"estimator": Perceptron()}, TypeError, "needs an estimator with predict_pr"),
        (
            {"estimator": KNeighborsClassifier(), "weights": "distance"},
            TypeError,
            "takes no sample_weight",
        ),
    ],
)
def test_bad_parameters(params, error, sentence):
    X, y, _, _ = moons()
    with pytest.raises(error, match=sentence):
        LocalTransferClassifier(**params).fit(X, y)


def dynamic_by_hand(estimator, X, y, X_target, k):
    sums, n_classes = np.zeros((len(X), y.max() + 1)), y.max() + 1
    for row in X_target:
        near = np.argsort(cdist([row], X)[0])[:k]
        if len(np.unique(y[near])) == 1:
            sums[near, y[near[0]]] += 1
            continue
        model = clone(estimator).fit(X[near], y[near])
        sums[near[:, None], model.classes_] += model.predict_proba(X[near])
    own = sums[np.arange(len(X)), y]
    assert n_classes == sums.shape[1]
    return own, (own > 0) & (own >= sums.max(axis=1))


def test_dynamic_selection_by_hand():
    X, y, X_target, y_target = moons()
    rows, labels, _ = stacked(X, y, X_target, y_target)
    fitted = InstanceSelector("dynamic", n_neighbors=15, estimator=GaussianNB())
    fitted.fit(rows, labels)
    own, kept = dynamic_by_hand(GaussianNB(), X, y, X_target, 15)
    np.testing.assert_allclose(fitted.scores_[:120], own, atol=1e-9)
    np.testing.assert_array_equal(fitted.support_[:120], kept)
    nearest = InstanceSelector(n_neighbors=15).fit(rows, labels).support_
    assert np.all(nearest[fitted.support_])
    assert 5 < np.sum(nearest & ~fitted.support_) < 60
