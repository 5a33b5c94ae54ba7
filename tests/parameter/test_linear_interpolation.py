import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sktransfer import LinearInterpolationClassifier, LinearInterpolationRegressor
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._interpolation import (
    best_share_of_log_loss,
    best_share_of_squares,
)
from tests.parameter.heart_disease import hospitals


@pytest.fixture
def values():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, 5))
    y = X.sum(axis=1) + rng.normal(size=100)
    y[75:] += X[75:, 0]
    return X, y, np.repeat([1, -1], [75, 25])


@pytest.fixture
def labels():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(160, 5))
    y = np.digitize(X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=160), [-1, 1])
    y[120:] = np.digitize(X[120:, 0] + rng.normal(size=40), [-1, 1])
    return X, np.array(["high", "low", "mid"])[y], np.repeat([1, -1], [120, 40])


def test_share_of_squares_is_the_minimum():
    rng = np.random.RandomState(0)
    weight = rng.uniform(0.5, 2, 30)
    for scale in (0.5, 3.0, -3.0):
        y, source = rng.normal(size=(2, 30))
        target = source + scale * (y - source) + rng.normal(size=30)

        def loss(share, y=y, target=target, source=source):
            return weight @ (y - share * target - (1 - share) * source) ** 2

        found = minimize_scalar(loss, bounds=(0, 1), method="bounded").x
        share = best_share_of_squares(y, target, source, weight)
        assert_allclose(share, found, atol=1e-4)
    assert best_share_of_squares(y, y, source, weight) == 1
    assert best_share_of_squares(y, source, y, weight) == 0
    assert best_share_of_squares(y, source, source, weight) == 0


def test_share_of_log_loss_is_the_minimum():
    rng = np.random.RandomState(0)
    weight = rng.uniform(0.5, 2, 30)
    for better in (0.0, 0.2, -0.2):
        target, source = rng.uniform(0.2, 0.8, size=(2, 30))
        target = target + better

        def loss(share, target=target, source=source):
            return -weight @ np.log(share * target + (1 - share) * source)

        found = minimize_scalar(loss, bounds=(0, 1), method="bounded").x
        share = best_share_of_log_loss(target, source, weight)
        assert_allclose(share, found, atol=1e-4)
    assert best_share_of_log_loss(source, source, weight) == 0
    # A row that only one of them allows keeps the share off the other's end, and one
    # that neither allows says nothing.
    half = best_share_of_log_loss(
        np.array([0.0, 1.0, 0.0]), np.array([1.0, 0.0, 0.0]), np.ones(3)
    )
    assert_allclose(half, 0.5)


def test_regressor_by_hand(values):
    X, y, domain = values
    model = LinearInterpolationRegressor(n_folds=25)
    model.fit(X, y, sample_domain=domain)
    source, rows = Ridge().fit(X[:75], y[:75]), domain < 0
    target = Ridge().fit(X[rows], y[rows])
    out = cross_val_predict(Ridge(), X[rows], y[rows], cv=LeaveOneOut())
    by_source = source.predict(X[rows])
    theta = best_share_of_squares(y[rows], out, by_source, np.ones(25))
    assert_allclose(model.theta_, theta)
    assert 0 < theta < 1
    expected = theta * target.predict(X) + (1 - theta) * source.predict(X)
    assert_allclose(model.predict(X), expected)
    given = LinearInterpolationRegressor(source, n_folds=25).fit(X[rows], y[rows])
    assert_allclose(given.predict(X), expected)


def test_classifier_by_hand(labels):
    X, y, domain = labels
    model = LinearInterpolationClassifier(n_folds=40).fit(X, y, sample_domain=domain)
    source, rows = LogisticRegression().fit(X[:120], y[:120]), domain < 0
    target = LogisticRegression().fit(X[rows], y[rows])
    out = cross_val_predict(
        LogisticRegression(), X[rows], y[rows], cv=LeaveOneOut(), method="predict_proba"
    )
    by_source = source.predict_proba(X[rows])

    def loss(share):
        return log_loss(y[rows], share * out + (1 - share) * by_source)

    found = minimize_scalar(loss, bounds=(0, 1), method="bounded").x
    assert_allclose(model.theta_, found, atol=1e-4)
    assert 0 < found < 1
    expected = found * target.predict_proba(X) + (1 - found) * source.predict_proba(X)
    assert_allclose(model.predict_proba(X), expected, atol=1e-4)
    assert_array_equal(model.predict(X), model.classes_[expected.argmax(axis=1)])
    assert_allclose(model.predict_proba(X).sum(axis=1), 1)


@pytest.mark.parametrize("theta", [0, 1])
def test_limits_are_the_two_models(values, labels, theta):
    X, y, domain = values
    rows = domain < 0 if theta else domain > 0
    model = LinearInterpolationRegressor(theta=theta).fit(X, y, sample_domain=domain)
    assert_allclose(model.predict(X), Ridge().fit(X[rows], y[rows]).predict(X))
    X, y, domain = labels
    rows = domain < 0 if theta else domain > 0
    model = LinearInterpolationClassifier(theta=theta).fit(X, y, sample_domain=domain)
    alone = LogisticRegression().fit(X[rows], y[rows])
    assert_allclose(model.predict_proba(X), alone.predict_proba(X), atol=1e-6)


def test_a_useless_source_has_no_share_and_a_perfect_one_all(values):
    X, y, domain = values
    rows = domain < 0
    wrong = LinearRegression().fit(X, -10 * y)
    right = LinearRegression().fit(X[rows], y[rows])
    shares = [
        LinearInterpolationRegressor(source).fit(X[rows], y[rows]).theta_
        for source in (wrong, right)
    ]
    assert shares[0] > 0.9
    assert shares[1] < 0.1


def test_weights_are_used_and_refused(values, labels):
    X, y, domain = values
    weight = np.random.RandomState(0).randint(0, 3, len(y)).astype(float)
    model = LinearInterpolationRegressor(theta=0.5)
    model.fit(X, y, sample_domain=domain, sample_weight=weight)
    times = np.repeat(np.arange(len(y)), weight.astype(int))
    twice = LinearInterpolationRegressor(theta=0.5)
    twice.fit(X[times], y[times], sample_domain=domain[times])
    assert_allclose(model.predict(X), twice.predict(X))
    X, y, domain = labels
    neighbors = LinearInterpolationClassifier(estimator=KNeighborsClassifier(3))
    neighbors.fit(X, y, sample_domain=domain, sample_weight=np.full(len(y), 2.0))
    with pytest.raises(TypeError, match="takes no sample_weight"):
        neighbors.fit(X, y, sample_domain=domain, sample_weight=np.arange(160.0))


def test_classes_of_only_one_domain(labels):
    X, y, domain = labels
    y = y.copy()
    y[(domain < 0) & (y == "high")] = "odd"
    y[(domain < 0) & (y == "low")] = ""
    model = LinearInterpolationClassifier(theta=0.6).fit(X, y, sample_domain=domain)
    assert_array_equal(model.classes_, ["high", "low", "mid", "odd"])
    shares = model.predict_proba(X)
    assert_allclose(shares.sum(axis=1), 1)
    source, target = model.source_estimator_, model.target_estimator_
    assert_allclose(shares[:, 3], model.theta_ * target.predict_proba(X)[:, 1])
    assert_allclose(shares[:, 1], (1 - model.theta_) * source.predict_proba(X)[:, 1])


def test_without_enough_labels_it_is_the_source(values, labels):
    X, y, domain = values
    source = Ridge().fit(X[:75], y[:75])
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = LinearInterpolationRegressor().fit(X, np.where(domain < 0, np.nan, y))
    assert_allclose(model.predict(X), source.predict(X))
    assert model.target_estimator_ is None
    one = LinearInterpolationRegressor(source).fit(X[:1], y[:1])
    assert one.theta_ == 0
    X, y, domain = labels
    source = LogisticRegression().fit(X[:120], y[:120])
    for kept, sentence in ((domain > 0, "no labelled"), (y == "mid", "one class")):
        known = np.where((domain > 0) | kept, y, "")
        with pytest.warns(NoTargetWarning, match=sentence):
            model = LinearInterpolationClassifier().fit(X, known, sample_domain=domain)
        assert_allclose(model.predict_proba(X), source.predict_proba(X), atol=1e-6)


def test_rare_classes_and_folds(labels):
    # One row of a class: its fold is fitted without it, another has one class only.
    X, y, domain = labels
    source = LogisticRegression().fit(X[:120], y[:120])
    rows = np.r_[np.flatnonzero((y == "mid") & (domain < 0))[:4], 0]
    known = np.append(y[rows[:4]], "new")
    model = LinearInterpolationClassifier(source).fit(X[rows], known)
    assert 0 <= model.theta_ <= 1
    assert np.isfinite(model.predict_proba(X)).all()


def test_permuted_rows_and_untouched_input(values):
    X, y, domain = values
    kept = X.copy(), y.copy(), domain.copy()
    estimator = RandomForestRegressor(5, random_state=0)
    model = LinearInterpolationRegressor(estimator=estimator)
    expected = model.fit(X, y, sample_domain=domain).predict(X)
    for was, now in zip(kept, (X, y, domain), strict=True):
        assert_array_equal(was, now)
    order = np.random.RandomState(1).permutation(len(X))
    model.fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(model.predict(X), expected)


def test_given_models(values, labels):
    pd = pytest.importorskip("pandas")
    X, y, domain = values
    rows = domain < 0
    frame = pd.DataFrame(X, columns=list("abcde"))
    source = FrozenEstimator(Ridge().fit(frame[:75], y[:75]))
    # As many folds as rows: smaller folds would depend on the order of the columns.
    model = LinearInterpolationRegressor(source, n_folds=25)
    model.fit(frame[rows], y[rows])
    turned = frame[list("edcba")]
    again = LinearInterpolationRegressor(source, n_folds=25)
    again.fit(turned[rows], y[rows])
    assert_allclose(again.predict(turned), model.predict(frame))
    with pytest.raises(ValueError, match=r"X alone has \['z'\]"):
        LinearInterpolationRegressor(source).fit(frame.rename(columns={"a": "z"}), y)
    with pytest.raises(ValueError, match="5 features, but X has 3"):
        LinearInterpolationRegressor(source).fit(X[:, :3], y)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        LinearInterpolationRegressor(Ridge()).fit(X, y)
    with pytest.raises(TypeError, match="`source` must be"):
        LinearInterpolationRegressor(Ridge).fit(X, y)
    with pytest.raises(ValueError, match="one regressor for each output"):
        LinearInterpolationRegressor(Ridge().fit(X, np.c_[y, y])).fit(X, y)
    X, y, _ = labels
    with pytest.raises(TypeError, match="no predict_proba"):
        LinearInterpolationClassifier(SVC().fit(X, y)).fit(X, y)
    with pytest.raises(TypeError, match="needs an estimator with predict_proba"):
        LinearInterpolationClassifier(estimator=SVC()).fit(X, y)
    with pytest.raises(TypeError, match="`estimator` must be"):
        LinearInterpolationRegressor(estimator="ridge").fit(*values[:2])
    with pytest.raises(ValueError, match="`theta` must be"):
        LinearInterpolationClassifier(theta=1.5).fit(X, y)
    with pytest.raises(ValueError, match="`n_folds` must be"):
        LinearInterpolationRegressor(n_folds=1).fit(*values[:2])
    with pytest.raises(ValueError, match="source rows of at least two classes"):
        LinearInterpolationClassifier().fit(
            X, np.where(np.arange(160) < 120, "mid", y), sample_domain=labels[2]
        )


def test_classes_of_the_source_in_another_order(labels):
    X, y, domain = labels
    source, rows = LogisticRegression().fit(X[:120], y[:120]), domain < 0
    expected = LinearInterpolationClassifier(source).fit(X[rows], y[rows])

    class Turned(ClassifierMixin, BaseEstimator):
        def fit(self, X, y):
            self.classes_ = source.classes_[::-1]
            return self

        def predict_proba(self, X):
            return source.predict_proba(X)[:, ::-1]

    model = LinearInterpolationClassifier(Turned().fit(X, y)).fit(X[rows], y[rows])
    assert_allclose(model.predict_proba(X), expected.predict_proba(X))


def test_a_tree_that_is_sure_and_wrong_is_mixed(labels):
    X, y, domain = labels
    estimator = DecisionTreeClassifier(random_state=0)
    model = LinearInterpolationClassifier(estimator=estimator)
    model.fit(X, y, sample_domain=domain)
    assert 0 < model.theta_ < 1


@pytest.mark.slow
def test_from_cleveland_to_hungary():
    (X_source, y_source), (X, y) = hospitals("cleveland", "hungarian")
    source, losses = LogisticRegression().fit(X_source, y_source), []
    for seed in range(10):
        rows = np.random.RandomState(seed).permutation(len(y))
        few, rest = rows[:30], rows[30:]
        models = (
            source,
            LogisticRegression().fit(X[few], y[few]),
            LinearInterpolationClassifier(source).fit(X[few], y[few]),
        )
        losses.append([log_loss(y[rest], m.predict_proba(X[rest])) for m in models])
    means = np.mean(losses, axis=0)
    # Source, target and blend: 30 rows do not pay where the source is that good.
    assert means[0] < means[2] < means[1]
    assert_allclose(means, [0.420, 0.485, 0.436], atol=0.005)
