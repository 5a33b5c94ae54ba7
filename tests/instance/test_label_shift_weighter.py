import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.stats import norm, spearmanr
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.ensemble import RandomForestClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.svm import LinearSVC

from sktransfer import LabelShiftWeighter, TransferClassifier, TransferRegressor
from sktransfer.exceptions import NoTargetWarning, UninformativeClassifierWarning

TRUE = np.array([0.6, 0.3, 0.1])
SETTINGS = [
    {},
    {"predictions": "soft"},
    {"method": "rlls"},
    {"method": "rlls", "predictions": "soft"},
    {"method": "em"},
    {"method": "em", "calibration": "temperature"},
    {"method": "em", "calibration": None},
    {"method": "kmm"},
    {"method": "kmm", "solver": "nystroem", "n_landmarks": 100},
]


def draw(n_source=300, n_target=300, seed=0, shares=TRUE, distance=2.5):
    rng = np.random.RandomState(seed)
    labels = np.r_[np.arange(n_source) % 3, rng.choice(3, n_target, p=shares)]
    X = distance * np.eye(3)[labels] + rng.normal(size=(n_source + n_target, 3))
    y = labels.copy()
    y[n_source:] = -1
    return X, y, labels


def fit(X, y, domain=None, **params):
    return LabelShiftWeighter(**{"n_bootstrap": 20, **params}).fit(
        X, y, sample_domain=domain
    )


class FirstColumn(ClassifierMixin, BaseEstimator):
    """Tells the class by the first column, which is its number."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X):
        return np.eye(len(self.classes_))[X[:, 0].astype(int)]

    def predict(self, X):
        return self.classes_[X[:, 0].astype(int)]


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_finds_the_shares_of_the_simulation(params):
    X, y, labels = draw()
    weighter = fit(X, y, **params, n_bootstrap=200)
    actual = np.bincount(labels[300:]) / 300
    assert_allclose(weighter.target_prior_, actual, atol=0.05)
    assert_allclose(weighter.source_prior_, 1 / 3)
    assert_allclose(weighter.class_weight_, 3 * weighter.target_prior_)
    assert_array_equal(weighter.classes_, [0, 1, 2])
    low, high = weighter.prior_interval_.T
    assert np.all((low <= actual) & (actual <= high))
    assert np.all(high - low < 0.25)
    # A row weighs as its class; the weighted shares are those of the target.
    weights = weighter.sample_weight_
    assert_allclose(weights[:300], weighter.class_weight_[labels[:300]])
    assert_array_equal(weights[300:], 1)
    ratio = np.square(weights[:300].sum()) / np.square(weights[:300]).sum()
    assert_allclose(weighter.effective_sample_size_, ratio)


def test_exact_where_the_classifier_is_right():
    labels = np.repeat([0, 1, 2, 0, 1, 2], [5, 10, 5, 6, 3, 1])
    X, y = labels[:, None].astype(float), labels.copy()
    y[20:] = -1
    for method in ("bbse", "em"):
        weighter = fit(X, y, estimator=FirstColumn(), method=method)
        assert_allclose(weighter.target_prior_, [0.6, 0.3, 0.1], atol=1e-3)
        assert_allclose(weighter.source_prior_, [0.25, 0.5, 0.25])
    assert_allclose(fit(X, y, estimator=FirstColumn()).class_weight_, [2.4, 0.6, 0.4])
    # Penalised, each ratio is closer to one; scaled by zero, it is one.
    few = fit(X, y, estimator=FirstColumn(), method="rlls", regularization=0.1)
    assert np.all(np.abs(few.class_weight_ - 1) < np.abs([1.4, -0.4, -0.6]))
    none = fit(X, y, estimator=FirstColumn(), method="rlls", shift_scale=0.0)
    assert_allclose(none.class_weight_, 1)


def test_adjusted_probabilities_are_bayes_rule():
    X, y, _ = draw()
    weighter = fit(X, y)
    density = np.exp(-0.5 * np.square(X[:, None, :] - 2.5 * np.eye(3)).sum(axis=2))
    source = density * weighter.source_prior_
    target = density * weighter.target_prior_
    source /= source.sum(axis=1, keepdims=True)
    target /= target.sum(axis=1, keepdims=True)
    assert_allclose(weighter.adjust_proba(source), target, rtol=1e-9)
    kept = source.copy()
    weighter.adjust_proba(source)
    assert_array_equal(source, kept)
    assert weighter.adjust_proba(source.astype(np.float32)).dtype == np.float32
    for wrong in (source[:, :2], -source):
        with pytest.raises(ValueError, match="must hold a column of numbers >= 0"):
            weighter.adjust_proba(wrong)
    with pytest.raises(NotFittedError):
        LabelShiftWeighter().adjust_proba(source)


def test_adjusted_probabilities_where_nothing_is_left():
    labels = np.repeat([0, 1, 0], [5, 5, 4])
    y = labels.copy()
    y[10:] = -1
    weighter = fit(labels[:, None].astype(float), y, estimator=FirstColumn())
    assert_allclose(weighter.target_prior_, [1, 0])
    assert_allclose(weighter.adjust_proba([[0.0, 1.0], [0.2, 0.8]]), [[1, 0], [1, 0]])


def test_weights_are_as_good_as_adjusted_probabilities():
    X, y, labels = draw(900, 900, distance=1.5)
    model = TransferClassifier(LogisticRegression(), LabelShiftWeighter(n_bootstrap=0))
    plain = LogisticRegression().fit(X[:900], labels[:900])
    weighter = fit(X, y)
    adjusted = weighter.adjust_proba(plain.predict_proba(X[900:])).argmax(axis=1)
    weighted = model.fit(X, y).predict(X[900:])
    scores = [np.mean(p == labels[900:]) for p in (weighted, adjusted)]
    assert_allclose(*scores, atol=0.02)
    assert min(scores) > plain.score(X[900:], labels[900:]) + 0.03
    assert np.mean(adjusted == weighted) > 0.95


def test_names_of_classes():
    X, y, _ = draw()
    expected = fit(X, y)
    names = np.array(["cat", "dog", "emu", ""])[y]
    for renamed in (names, names.astype(object), names.tolist()):
        weighter = fit(X, renamed)
        assert weighter.classes_.tolist() == ["cat", "dog", "emu"]
        assert_allclose(weighter.sample_weight_, expected.sample_weight_)
    floats = np.where(y < 0, np.nan, y + 4.0)
    assert_array_equal(fit(X, floats).classes_, [4, 5, 6])


@pytest.mark.parametrize("params", [{}, {"predictions": "soft"}, {"method": "em"}])
def test_a_classifier_that_is_fitted_already(params):
    X, y, labels = draw()
    names = np.array(["cat", "dog", "emu"])
    X_before, _, before = draw(seed=5)
    model = LogisticRegression().fit(X_before, names[before])
    y_names = np.array([*names, ""])[y]
    weighter = fit(X, y_names, estimator=FrozenEstimator(model), **params)
    actual = np.bincount(labels[300:]) / 300
    assert_allclose(weighter.target_prior_, actual, atol=0.05)
    assert weighter.estimator_.estimator is model
    again = clone(weighter).fit(X, y_names)
    assert_allclose(again.sample_weight_, weighter.sample_weight_)
    with pytest.raises(ValueError, match="predicts 'cat', a class that no labelled"):
        fit(X, y, estimator=FrozenEstimator(model))
    with pytest.raises(NotFittedError, match="not fitted"):
        fit(X, y, estimator=FrozenEstimator(LogisticRegression()))


def test_hard_predictions_need_no_probabilities():
    X, y, labels = draw()
    weighter = fit(X, y, estimator=LinearSVC(random_state=0))
    assert_allclose(weighter.target_prior_, np.bincount(labels[300:]) / 300, atol=0.06)
    for params in ({"predictions": "soft"}, {"method": "em"}):
        with pytest.raises(TypeError, match="has no predict_proba"):
            fit(X, y, estimator=LinearSVC(), **params)
    with pytest.raises(TypeError, match="a regressor"):
        fit(X, y, estimator=Ridge())
    with pytest.raises(TypeError, match="must be a classifier"):
        fit(X, y, estimator="forest")
    with pytest.raises(TypeError, match="must be a classifier"):
        fit(X, y, estimator=LogisticRegression)


def test_cross_fitting_is_not_fooled_by_a_classifier_that_remembers():
    X, y, labels = draw(distance=1.5)
    forest = RandomForestClassifier(30, random_state=0)
    actual = np.bincount(labels[300:]) / 300
    assert_allclose(fit(X, y, estimator=forest).target_prior_, actual, atol=0.12)
    # Fitted on these very rows its confusion matrix would be the identity.
    seen = FrozenEstimator(clone(forest).fit(X[:300], y[:300]))
    off = np.abs(fit(X, y, estimator=seen).target_prior_ - actual).sum()
    assert off > np.abs(fit(X, y, estimator=forest).target_prior_ - actual).sum()


def test_a_useless_classifier_is_refused():
    X, y, _ = draw()
    noise = np.random.RandomState(0).normal(size=X.shape)
    with pytest.raises(ValueError, match="hardly tell all classes apart"):
        fit(noise, y)
    with pytest.raises(ValueError, match="hardly tell all classes apart"):
        fit(np.ones_like(X), y)
    # The others say that they know of no shift, or of little.
    for method in ("rlls", "kmm"):
        prior = fit(np.ones_like(X), y, method=method).target_prior_
        assert_allclose(prior, 1 / 3, atol=1e-3)


@pytest.mark.parametrize("calibration", ["bcts", "temperature", None])
def test_likelihood_that_is_flat_keeps_the_source_shares(calibration):
    params = {"method": "em", "calibration": calibration}
    message = "say no more of the source's labels than class shares do"
    alike = np.ones((50, 2)), np.repeat([0, 1, -1], [13, 17, 20])
    rng = np.random.RandomState(0)
    noise = rng.normal(size=(500, 3)), np.r_[rng.randint(2, size=300), [-1] * 200]
    for X, y in (alike, noise):
        with pytest.warns(UninformativeClassifierWarning, match=message):
            weighter = fit(X, y, **params)
        assert_allclose(weighter.target_prior_, weighter.source_prior_, rtol=1e-12)
        assert_allclose(weighter.sample_weight_, 1)
        assert_array_equal(weighter.prior_interval_, [[0, 1], [0, 1]])
        assert_allclose(weighter.adjust_proba([[0.3, 0.7]]), [[0.3, 0.7]])
    # A small shift is found, and no shift is no reason to warn.
    shares = np.array([0.4, 0.3, 0.3])
    X, y, labels = draw(300, 900, seed=1, shares=shares)
    found = fit(X, y, **params).target_prior_
    assert_allclose(found, np.bincount(labels[300:]) / 900, atol=0.03)
    assert np.isfinite(
        fit(*draw(12, 12, distance=5.0)[:2], **params).sample_weight_
    ).all()


@pytest.mark.parametrize("params", [{}, {"predictions": "soft"}], ids=str)
def test_two_classes_that_are_one(params):
    refused = 0
    for seed in range(10):
        rng = np.random.RandomState(seed)
        X, y = rng.normal(size=(500, 3)), np.r_[rng.randint(2, size=300), [-1] * 200]
        try:
            fit(X, y, n_bootstrap=0, **params)
        except ValueError:
            refused += 1
    assert refused >= 9


def test_several_sources():
    X, y, labels = draw(600)
    domain = np.r_[np.ones(300, int), np.full(300, 4), np.full(300, -1)]
    # The second source has hardly any rows of class 0.
    kept = np.flatnonzero((domain != 4) | (labels != 0) | (np.arange(900) % 10 == 0))
    X, y, labels, domain = X[kept], y[kept], labels[kept], domain[kept]
    weighter = fit(X, y, domain)
    assert_array_equal(weighter.source_domains_, [1, 4])
    for number in (1, 4):
        rows = domain == number
        weights = weighter.sample_weight_[rows]
        assert_allclose(weights.mean(), 1)
        shares = np.bincount(labels[rows], weights) / weights.sum()
        assert_allclose(shares, weighter.target_prior_)
    # A source that lacks a class is weighed by the others.
    kept = (domain != 4) | (labels != 0)
    lacking = fit(X[kept], y[kept], domain[kept])
    rows = domain[kept] == 4
    weights, prior = lacking.sample_weight_[rows], lacking.target_prior_[1:]
    shares = np.bincount(labels[kept][rows], weights)[1:] / weights.sum()
    assert_allclose(shares, prior / prior.sum())


def test_rows_without_label_and_labels_of_the_target():
    X, y, labels = draw()
    domain = np.r_[np.ones(300, int), -np.ones(300, int)]
    y[:30] = -1
    weighter = fit(X, y, domain)
    assert_array_equal(weighter.sample_weight_[:30], 1)
    assert_allclose(weighter.sample_weight_[30:300].mean(), 1)
    told = np.where(domain < 0, labels, y)
    assert_allclose(fit(X, told, domain).sample_weight_, weighter.sample_weight_)
    told[-1] = 7
    with pytest.warns(UserWarning, match=r"target rows are labelled 7, but no source"):
        unknown = fit(X, told, domain)
    assert_allclose(unknown.sample_weight_, weighter.sample_weight_)


def test_clip_and_flatten_shape_the_weights_only():
    X, y, labels = draw()
    plain = fit(X, y)
    ratio = plain.class_weight_[labels[:300]]
    shaped = fit(X, y, clip=1.2, flatten=0.5)
    expected = np.sqrt(np.minimum(ratio, 1.2))
    assert_allclose(shaped.sample_weight_[:300], expected / expected.mean())
    assert_allclose(shaped.class_weight_, plain.class_weight_)
    assert_allclose(fit(X, y, flatten=0.0).sample_weight_, 1)


def test_one_class_and_few_rows():
    X, y, _ = draw()
    kept = (y == 0) | (y == -1)
    alone = fit(X[kept], np.where(y[kept] == 0, "a", ""))
    assert_array_equal(alone.target_prior_, [1])
    assert_array_equal(alone.prior_interval_, [[1, 1]])
    assert_array_equal(alone.sample_weight_, 1)
    single = np.flatnonzero((y != 2) | (np.arange(600) == 2))
    with pytest.raises(ValueError, match="class 2 has a single labelled source row"):
        fit(X[single], y[single])
    assert np.isfinite(fit(X[single], y[single], method="kmm").sample_weight_).all()
    one = fit(X[:301], y[:301])
    assert one.target_prior_.max() > 0.5


def test_without_target_and_without_labels():
    X, y, labels = draw()
    weighter = fit(X, y)
    with pytest.warns(NoTargetWarning):
        weighter.fit(X, labels)
    assert not hasattr(weighter, "target_prior_")
    assert_allclose(weighter.adjust_proba([[0.2, 0.3, 0.5]]), [[0.2, 0.3, 0.5]])
    domain = np.r_[np.ones(300, int), -np.ones(300, int)]
    for unlabelled in (None, np.full(600, -1)):
        with pytest.raises(ValueError, match="needs labelled source rows"):
            fit(X, unlabelled, domain)
    with pytest.raises(ValueError, match="one label a row"):
        fit(X, np.c_[labels, labels], domain)


def test_no_interval():
    X, y, _ = draw()
    assert fit(X, y, n_bootstrap=0).prior_interval_ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("method", "best"),
        ("predictions", "some"),
        ("calibration", "platt"),
        ("n_folds", 1),
        ("regularization", -1.0),
        ("shift_scale", 2.0),
        ("kernel", "gauss"),
        ("gamma", 0.0),
        ("solver", "fast"),
        ("n_landmarks", 0),
        ("upper_bound", 0.5),
        ("eps", 1.5),
        ("ridge", 0.0),
        ("n_knots", 1),
        ("clip", 0.0),
        ("flatten", 1.5),
        ("n_bootstrap", -1),
        ("confidence_level", 1.0),
    ],
)
def test_bad_parameters_name_themselves(name, value):
    X, y, _ = draw(30, 30)
    params = {"method": "kmm"} if name == "gamma" else {}
    with pytest.raises(ValueError, match=f"`{name}` must be"):
        fit(X, y, **{**params, name: value})


@pytest.mark.parametrize("params", SETTINGS, ids=str)
def test_types_of_rows(params):
    X, y, _ = draw(distance=4.0)
    dense = fit(X, y, **params)
    assert_allclose(
        fit(sparse.csr_array(X), y, **params).sample_weight_,
        dense.sample_weight_,
        atol=1e-5,
    )
    single = fit(X.astype(np.float32), y, **params).sample_weight_
    assert single.dtype == np.float32
    assert_allclose(single, dense.sample_weight_, atol=0.02)


def values(n=400, seed=0):
    rng = np.random.RandomState(seed)
    y = np.r_[rng.normal(size=n), 1 + 0.7 * rng.normal(size=n)]
    X = np.outer(y, [1.0, -2.0, 0.5]) + 0.5 * rng.normal(size=(2 * n, 3))
    known = y.copy()
    known[n:] = np.nan
    return X, known, y, norm.pdf(y[:n], 1, 0.7) / norm.pdf(y[:n])


@pytest.mark.parametrize("solver", ["exact", "nystroem"])
def test_values_follow_the_true_ratio(solver):
    X, known, _, ratio = values()
    weighter = fit(X, known, method="kmm", solver=solver, n_landmarks=200)
    weights = weighter.sample_weight_[:400]
    assert spearmanr(weights, ratio)[0] > 0.9
    assert_allclose(weights.mean(), 1)
    assert not hasattr(weighter, "classes_")
    # An offset and a unit of y change nothing.
    moved = fit(X, 3 * known + 7, method="kmm", solver=solver, n_landmarks=200)
    assert_allclose(moved.sample_weight_, weighter.sample_weight_, atol=1e-3)
    with pytest.raises(ValueError, match="y held values"):
        weighter.adjust_proba([[0.5, 0.5]])


def test_values_under_a_regressor():
    # X = y^3 + noise, fitted by a line: which line is best depends on where y is.
    X, known, y, _ = values()
    X = (y**3 + 0.1 * X[:, 0])[:, None]
    weighter = LabelShiftWeighter(method="kmm")
    model = TransferRegressor(LinearRegression(), weighter).fit(X, known)
    plain = LinearRegression().fit(X[:400], y[:400])
    assert model.score(X[400:], y[400:]) > plain.score(X[400:], y[400:]) + 0.1


def test_values_need_the_kernel():
    X, known, _, _ = values(30)
    with pytest.raises(ValueError, match="Use method='kmm'"):
        fit(X, known)
    domain = np.r_[np.ones(30, int), -np.ones(30, int)]
    numbers = np.r_[np.arange(60.0)]
    X_many = np.r_[X, X]
    domain = np.r_[np.ones(60, int), -np.ones(60, int)]
    with pytest.raises(ValueError, match="give them a fraction"):
        fit(X_many, np.r_[numbers, np.full(60, np.nan)], domain, method="kmm")
    halves = np.r_[numbers + 0.5, np.full(60, np.nan)]
    assert np.isfinite(fit(X_many, halves, domain, method="kmm").sample_weight_).all()


def test_values_in_several_sources():
    X, known, _, _ = values(100)
    domain = np.r_[np.ones(50, int), np.full(50, 2), np.full(100, -1)]
    weights = fit(X, known, domain, method="kmm").sample_weight_
    alone = np.r_[np.arange(50), np.arange(100, 200)]
    assert_allclose(weights[:50].mean(), 1)
    assert_allclose(weights[50:100].mean(), 1)
    first = fit(X[alone], known[alone], method="kmm", gamma=0.1).sample_weight_
    both = fit(X, known, domain, method="kmm", gamma=0.1).sample_weight_
    # The width of the kernel of values is that of all sources.
    assert_allclose(both[:50], first[:50], atol=0.3)


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([1e-4, 30.0, 1e5]))
@pytest.mark.parametrize("params", [{}, {"method": "em"}, {"method": "kmm"}], ids=str)
def test_what_changes_nothing(params, seed, scale):
    X, y, _ = draw(90, 60, seed=seed, distance=4.0)
    once = fit(X, y, **params).sample_weight_
    assert_allclose(fit(X * scale, y, **params).sample_weight_, once, atol=1e-4)
    twice = fit(np.r_[X, X[90:]], np.r_[y, y[90:]], **params).sample_weight_
    assert_allclose(twice[:150], once, atol=1e-5)
    order = np.random.RandomState(seed).permutation(150)
    shuffled = fit(X[order], y[order], **params)
    assert_allclose(shuffled.sample_weight_, once[order], atol=1e-5)


def test_the_interval_does_not_depend_on_the_order_of_rows():
    X, y, _ = draw()
    order = np.random.RandomState(0).permutation(600)
    for params in ({}, {"predictions": "soft"}, {"method": "em"}, {"method": "kmm"}):
        interval = fit(X, y, **params).prior_interval_
        again = fit(X[order], y[order], **params).prior_interval_
        assert_allclose(again, interval, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["bbse", "rlls", "em", "kmm"])
def test_many_rows(method):
    X, y, labels = draw(10_000, 10_000)
    weighter = LabelShiftWeighter(method=method).fit(X, y)
    actual = np.bincount(labels[10_000:]) / 10_000
    assert_allclose(weighter.target_prior_, actual, atol=0.015)
