import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from sktransfer import BoostedTransferClassifier
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._target_folds import target_folds
from tests.parameter.heart_disease import hospitals

# Log loss of source, target alone and both in the test below, when it was written.
HEART_LOSSES = {
    "hungarian": [0.442, 0.687, 0.442],
    "switzerland": [0.631, 0.367, 0.386],
    "va": [0.540, 1.004, 0.542],
}


def draw(n_classes, seed=0, n_source=150, n_target=60):
    """Classes by the sum of two features; the target has one more rule."""
    rng = np.random.RandomState(seed)
    parts = []
    for n, odd in ((n_source, False), (n_target, True)):
        X = rng.normal(size=(n, 4))
        score = X[:, 0] + X[:, 1] + rng.normal(size=n) / 2
        codes = np.digitize(score, [[0.0], [-0.8, 0.8]][n_classes - 2])
        codes = np.where(odd & (X[:, 2] > 0.5), 0, codes)
        parts += [X, np.array(["ant", "bee", "cat"])[codes]]
    return parts


@pytest.fixture(params=[2, 3])
def domains(request):
    return draw(request.param)


def stacked(X_source, y_source, X_target, y_target):
    domain = np.repeat([1, -1], [len(X_source), len(X_target)])
    return np.r_[X_source, X_target], np.r_[y_source, y_target], domain


def plain_settings(n_classes, n_estimators=15):
    """The same settings for scikit-learn's gradient boosting and for ours."""
    ours = {
        "n_estimators": n_estimators,
        "max_depth": 2,
        "min_samples_leaf": 1,
        "l2_regularization": 0.0,
        "smoothing": 0.0,
        "learning_rate": 0.2,
    }
    theirs = {
        "n_estimators": n_estimators,
        "max_depth": 2,
        "min_samples_leaf": 1,
        # scikit-learn has this factor for more than two classes, and takes it back.
        "learning_rate": 0.2 * (n_classes / (n_classes - 1) if n_classes > 2 else 1),
    }
    return ours, theirs


def uneven_weights(n_rows):
    """Weights of which no sums are equal, so that no two splits tie; none below one.

    scikit-learn counts the rows of a leaf without them.
    """
    return np.random.RandomState(1).uniform(1, 2, n_rows)


class Turned(ClassifierMixin, BaseEstimator):
    """Another's classifier, whose classes are in falling order."""

    def fit(self, X, y):
        self.inner_ = LogisticRegression().fit(X, y)
        self.classes_ = self.inner_.classes_[::-1]
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(X)[:, ::-1]


@pytest.mark.parametrize(
    "kind",
    [
        HistGradientBoostingClassifier(max_iter=20),
        GradientBoostingClassifier(n_estimators=20),
        RandomForestClassifier(5, random_state=0),
        LogisticRegression(),
    ],
    ids=lambda kind: type(kind).__name__,
)
def test_no_tree_is_the_source(domains, kind):
    X_source, y_source, X, y = domains
    source = clone(kind).fit(X_source, y_source)
    model = BoostedTransferClassifier(source, n_estimators=0).fit(X, y)
    assert_array_equal(model.predict_proba(X), source.predict_proba(X))
    assert_array_equal(model.predict(X), source.predict(X))
    assert model.trees_ == []
    assert model.source_estimator_ is source


def test_constant_source_is_plain_boosting(domains):
    _, _, X, y = domains
    weight = uneven_weights(len(y))
    ours, theirs = plain_settings(len(np.unique(y)))
    source = DummyClassifier(strategy="prior").fit(X, y, sample_weight=weight)
    model = BoostedTransferClassifier(source, **ours).fit(X, y, sample_weight=weight)
    plain = GradientBoostingClassifier(**theirs).fit(X, y, sample_weight=weight)
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-9)
    stages = list(model.staged_predict_proba(X))[1:]
    for found, expected in zip(stages, plain.staged_predict_proba(X), strict=True):
        assert_allclose(found, expected, atol=1e-9)


def test_it_is_gradient_boosting_from_a_frozen_model(domains):
    X_source, y_source, X, y = domains
    weight = uneven_weights(len(y))
    ours, theirs = plain_settings(len(np.unique(y)))
    source = HistGradientBoostingClassifier(max_iter=10).fit(X_source, y_source)
    model = BoostedTransferClassifier(source, **ours).fit(X, y, sample_weight=weight)
    plain = GradientBoostingClassifier(init=FrozenEstimator(source), **theirs)
    plain.fit(X, y, sample_weight=weight)
    # On the rows of fit: two features that part them alike part others in their ways.
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-6)


def test_stages(domains):
    X_source, y_source, X, y = domains
    source = HistGradientBoostingClassifier(max_iter=10).fit(X_source, y_source)
    model = BoostedTransferClassifier(source, n_estimators=6).fit(X, y)
    stages = list(model.staged_predict_proba(X))
    assert len(stages) == 7
    assert_array_equal(stages[0], source.predict_proba(X))
    assert_array_equal(stages[-1], model.predict_proba(X))
    for n, shares in enumerate(stages):
        shorter = clone(model).set_params(source=source, n_estimators=n).fit(X, y)
        assert_array_equal(shorter.predict_proba(X), shares)
        assert_allclose(shares.sum(axis=1), 1)
    classes = list(model.staged_predict(X))
    assert_array_equal(classes[0], source.predict(X))
    assert_array_equal(classes[-1], model.predict(X))


def test_number_of_rounds_by_hand(domains):
    X_source, y_source, X, y = domains
    source = LogisticRegression().fit(X_source, y_source)
    model = BoostedTransferClassifier(source, max_estimators=12).fit(X, y)
    order = np.lexsort((np.unique(y, return_inverse=True)[1], *X.T[::-1]))
    X, y = X[order], y[order]
    place = np.arange(len(y))[:, None].astype(float)
    folds = target_folds(place, y, 5, stratify=True)
    losses = np.zeros(13)
    for fold in range(5):
        test = folds == fold
        part = BoostedTransferClassifier(source, n_estimators=12)
        part.fit(X[~test], y[~test])
        for n, shares in enumerate(part.staged_predict_proba(X[test])):
            losses[n] += log_loss(y[test], shares, normalize=False)
    assert_allclose(model.cv_losses_, losses / len(y), rtol=1e-6)
    assert 0 < model.n_estimators_ <= np.argmin(losses)


def test_source_is_kept_or_left():
    X_source, y_source, _, _ = draw(2, n_source=400)
    source = LogisticRegression().fit(X_source, y_source)
    n_rounds = []
    for seed in range(20):
        # The same rule in the target, where folds of 40 rows can err now and then.
        X, y, X_odd, y_odd = draw(2, seed=seed, n_source=40, n_target=200)
        same = BoostedTransferClassifier(source, max_estimators=20).fit(X, y)
        n_rounds.append(same.n_estimators_)
        if seed < 5:  # another rule
            odd = BoostedTransferClassifier(source).fit(X_odd[:60], y_odd[:60])
            assert odd.n_estimators_ > 5
            before, after = (
                log_loss(y_odd[60:], model.predict_proba(X_odd[60:]))
                for model in (source, odd)
            )
            assert after < before - 0.05
    assert np.mean(np.array(n_rounds) == 0) >= 0.6


def test_folds_stop_early():
    X_source, y_source, _, _ = draw(2, n_source=400)
    source = LogisticRegression().fit(X_source, y_source)
    X, y, _, _ = draw(2, seed=5, n_source=40)
    for patience in (3, 10):
        model = BoostedTransferClassifier(source, n_iter_no_change=patience).fit(X, y)
        assert len(model.cv_losses_) - 1 == np.argmin(model.cv_losses_) + patience
    longer = BoostedTransferClassifier(source, max_estimators=2).fit(X, y)
    assert_array_equal(longer.cv_losses_, model.cv_losses_[:3])


def test_classes_in_another_order(domains):
    X_source, y_source, X, y = domains
    straight = LogisticRegression().fit(X_source, y_source)
    turned = Turned().fit(X_source, y_source)
    expected = BoostedTransferClassifier(straight, n_estimators=5).fit(X, y)
    model = BoostedTransferClassifier(turned, n_estimators=5).fit(X, y)
    assert_array_equal(model.classes_, straight.classes_)
    assert_allclose(model.predict_proba(X), expected.predict_proba(X))
    kept = BoostedTransferClassifier(turned, n_estimators=0).fit(X, y)
    assert_array_equal(kept.predict_proba(X), straight.predict_proba(X))


def test_class_that_the_source_lacks():
    X_source, y_source, X, y = draw(3)
    known = y_source != "cat"
    source = LogisticRegression().fit(X_source[known], y_source[known])
    kept = BoostedTransferClassifier(source, n_estimators=0).fit(X, y)
    assert_array_equal(kept.classes_, ["ant", "bee", "cat"])
    expected = np.c_[source.predict_proba(X), np.zeros(len(X))]
    assert_array_equal(kept.predict_proba(X), expected)
    # The first round starts from its share among the labelled rows.
    slow = BoostedTransferClassifier(
        source, n_estimators=1, learning_rate=1e-12, smoothing=0.0
    ).fit(X, y)
    share = np.mean(y == "cat")
    expected = np.c_[(1 - share) * source.predict_proba(X), np.full(len(X), share)]
    assert_allclose(slow.predict_proba(X), expected, atol=1e-6)
    learned = BoostedTransferClassifier(source).fit(X, y)
    assert learned.n_estimators_ > 0
    assert learned.score(X, y) > kept.score(X, y) + 0.1


def test_class_that_the_target_lacks():
    X_source, y_source, X, y = draw(3)
    source = LogisticRegression().fit(X_source, y_source)
    few = y != "bee"
    model = BoostedTransferClassifier(source, n_estimators=20).fit(X[few], y[few])
    shares = model.predict_proba(X)
    assert shares.shape == (len(X), 3)
    assert np.all(shares[:, 1] > 0)
    assert shares[few, 1].mean() < source.predict_proba(X[few])[:, 1].mean()


@pytest.mark.parametrize("smoothing", [0.0, 1e-3])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_probabilities_of_zero_and_one(domains, smoothing, penalty):
    X_source, y_source, X, y = domains
    source = DecisionTreeClassifier(random_state=0).fit(X_source, np.roll(y_source, 1))
    assert set(np.unique(source.predict_proba(X))) == {0.0, 1.0}
    model = BoostedTransferClassifier(
        source, n_estimators=40, smoothing=smoothing, l2_regularization=penalty
    ).fit(X, y)
    shares = model.predict_proba(X)
    assert np.isfinite(shares).all()
    assert_allclose(shares.sum(axis=1), 1)
    chosen = BoostedTransferClassifier(source).fit(X, y)
    assert np.isfinite(chosen.cv_losses_).all()
    # The source is sure and wrong, which trees of the target can learn.
    assert chosen.n_estimators_ > 10
    assert chosen.score(X, y) > source.score(X, y) + 0.2


def test_inside_or_given(domains):
    X, y, domain = stacked(*domains)
    source = HistGradientBoostingClassifier(random_state=1).fit(*domains[:2])
    estimator = HistGradientBoostingClassifier(random_state=1)
    inside = BoostedTransferClassifier(estimator=estimator, max_estimators=10)
    inside.fit(X, y, sample_domain=domain)
    given = BoostedTransferClassifier(source, max_estimators=10)
    given.fit(X, y, sample_domain=domain)
    only = BoostedTransferClassifier(source, max_estimators=10).fit(*domains[2:])
    shares = inside.predict_proba(X)
    # The rows of the source come in another order, the sums round differently.
    assert_allclose(given.predict_proba(X), shares, atol=1e-6)
    assert_array_equal(only.predict_proba(X), given.predict_proba(X))
    default = BoostedTransferClassifier(n_estimators=0)
    default.fit(X, y, sample_domain=domain)
    by_hand = HistGradientBoostingClassifier(
        max_depth=3, min_samples_leaf=1, l2_regularization=1.0
    ).fit(*domains[:2])
    assert_allclose(default.predict_proba(X), by_hand.predict_proba(X), atol=1e-6)


def test_two_source_domains_are_one(domains):
    X, y, domain = stacked(*domains)
    model = BoostedTransferClassifier(n_estimators=5).fit(X, y, sample_domain=domain)
    several = np.where(domain > 0, 1 + np.arange(len(y)) % 2, -1)
    other = clone(model).fit(X, y, sample_domain=several)
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))


def test_rows_permuted_repeated_weighted(domains):
    X, y, domain = stacked(*domains)
    kept = X.copy(), y.copy(), domain.copy()
    model = BoostedTransferClassifier(n_folds=3, max_estimators=20)
    expected = clone(model).fit(X, y, sample_domain=domain).predict_proba(X)
    for was, now in zip(kept, (X, y, domain), strict=True):
        assert_array_equal(was, now)
    order = np.random.RandomState(1).permutation(len(X))
    other = clone(model).fit(X[order], y[order], sample_domain=domain[order])
    assert_array_equal(other.predict_proba(X), expected)
    times = np.arange(len(X)) % 3
    weighed = clone(model).fit(X, y, sample_domain=domain, sample_weight=times)
    again = np.repeat(np.arange(len(X)), times)
    repeated = clone(model).fit(X[again], y[again], sample_domain=domain[again])
    assert weighed.n_estimators_ > 0
    assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X))


def test_without_enough_labels_it_is_the_source(domains):
    X_source, y_source, X, y = domains
    source = RandomForestClassifier(5, random_state=0).fit(X_source, y_source)
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = BoostedTransferClassifier(source).fit(X, np.full(len(y), ""))
    assert_array_equal(model.predict_proba(X), source.predict_proba(X))
    ant = y == "ant"
    with pytest.warns(NoTargetWarning, match="of one class only"):
        model = BoostedTransferClassifier(source, n_estimators=9).fit(X[ant], y[ant])
    assert_array_equal(model.predict_proba(X), source.predict_proba(X))
    assert model.n_estimators_ == 0
    X_all, y_all, _ = stacked(*domains)
    y_all[len(y_source) :] = ""
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        BoostedTransferClassifier().fit(X_all, y_all)
    # Two rows of two classes: each fold knows one class only.
    rows = [np.flatnonzero(y == name)[0] for name in ("ant", "bee")]
    two = BoostedTransferClassifier(source).fit(X[rows], y[rows])
    assert np.isfinite(two.predict_proba(X)).all()


def test_missing_values(domains):
    X_source, y_source, X, y = domains
    rng = np.random.RandomState(0)
    X_source, X = X_source.copy(), X.copy()
    X_source[rng.uniform(size=X_source.shape) < 0.2] = np.nan
    X[rng.uniform(size=X.shape) < 0.2] = np.nan
    # What is missing says something in the target only.
    y = np.where(np.isnan(X[:, 3]), "ant", y)
    X_all, y_all, domain = stacked(X_source, y_source, X, y)
    model = BoostedTransferClassifier(n_estimators=5)
    model.fit(X_all, y_all, sample_domain=domain)
    assert np.isfinite(model.predict_proba(X)).all()
    order = rng.permutation(len(y_all))
    other = clone(model)
    other.fit(X_all[order], y_all[order], sample_domain=domain[order])
    assert_array_equal(other.predict_proba(X), model.predict_proba(X))
    source = HistGradientBoostingClassifier(max_iter=10).fit(X_source, y_source)
    given = BoostedTransferClassifier(source, n_estimators=30).fit(X, y)
    gone = np.isnan(X[:, 3])
    before, after = source.predict_proba(X), given.predict_proba(X)
    assert after[gone, 0].mean() > before[gone, 0].mean() + 0.2
    # New rows may miss what no row of fit did.
    full = BoostedTransferClassifier(source, n_estimators=5).fit(*domains[2:])
    assert np.isfinite(full.predict_proba(X)).all()
    strict = GradientBoostingClassifier(n_estimators=5).fit(*domains[:2])
    with pytest.raises(ValueError, match="NaN"):
        BoostedTransferClassifier(strict).fit(X, y)
    with pytest.raises(ValueError, match="NaN"):
        BoostedTransferClassifier(estimator=LogisticRegression()).fit(X_all, y_all)


def test_named_columns_and_categories():
    pd = pytest.importorskip("pandas")
    X_source, y_source, X, y = draw(2)
    codes = np.digitize(X_source[:, 3], [-0.5, 0.5]), np.digitize(X[:, 3], [-0.5, 0.5])
    X_source[:, 3], X[:, 3] = codes
    frame = pd.DataFrame(X_source, columns=list("abcd"))
    target = pd.DataFrame(X, columns=list("abcd"))
    source = HistGradientBoostingClassifier(categorical_features=["d"], max_iter=10)
    source.fit(frame, y_source)
    model = BoostedTransferClassifier(source, n_estimators=0).fit(target, y)
    assert_array_equal(model.predict_proba(target), source.predict_proba(target))
    turned = target[list("dcba")]
    again = BoostedTransferClassifier(source, n_estimators=0).fit(turned, y)
    assert_array_equal(again.predict_proba(turned), source.predict_proba(target))


def test_in_a_search_with_a_frozen_source(domains):
    X_source, y_source, X, y = domains
    source = LogisticRegression().fit(X_source, y_source)
    model = BoostedTransferClassifier(FrozenEstimator(source))
    search = GridSearchCV(model, {"n_estimators": [0, 30]}, scoring="neg_log_loss")
    search.fit(X, y)
    assert search.best_params_["n_estimators"] in (0, 30)


def test_bad_input(domains):
    X, y, _ = stacked(*domains)
    for name, value in {
        "n_estimators": -1,
        "max_estimators": 1.5,
        "learning_rate": 0,
        "max_depth": 0,
        "max_leaf_nodes": 1,
        "min_samples_leaf": 0,
        "l2_regularization": -1,
        "smoothing": 1,
        "n_folds": 1,
        "n_iter_no_change": 0,
    }.items():
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            BoostedTransferClassifier(**{name: value}).fit(X, y)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        BoostedTransferClassifier(LogisticRegression()).fit(X, y)
    with pytest.raises(TypeError, match="no predict_proba"):
        BoostedTransferClassifier(SVC().fit(X, y)).fit(X, y)
    with pytest.raises(TypeError, match="needs an estimator with predict_proba"):
        BoostedTransferClassifier(estimator=SVC()).fit(X, y)
    wide = LogisticRegression().fit(np.c_[X, X], y)
    with pytest.raises(ValueError, match="8 features, but X has 4"):
        BoostedTransferClassifier(wide).fit(X, y)
    one = np.where(np.arange(len(y)) < 150, "ant", "")
    with pytest.raises(ValueError, match="source rows of at least two classes"):
        BoostedTransferClassifier().fit(X, one)


@pytest.mark.slow
@pytest.mark.parametrize("site", list(HEART_LOSSES))
def test_from_cleveland_to_another_hospital(site):
    (X_source, y_source), (X, y) = hospitals("cleveland", site)
    same = {"max_depth": 3, "min_samples_leaf": 1, "l2_regularization": 1.0}
    source = HistGradientBoostingClassifier(**same).fit(X_source, y_source)
    losses, seed = [], 0
    while len(losses) < 5:
        rows = np.random.RandomState(seed).permutation(len(y))
        few, rest, seed = rows[:30], rows[30:], seed + 1
        if len(np.unique(y[few])) < 2:  # in Switzerland nearly all are ill
            continue
        models = (
            source,
            HistGradientBoostingClassifier(**same).fit(X[few], y[few]),
            BoostedTransferClassifier(source).fit(X[few], y[few]),
        )
        losses.append([log_loss(y[rest], m.predict_proba(X[rest])) for m in models])
    means = np.mean(losses, axis=0)
    # As good as the source where that is good, better where the shares of the classes
    # are others; there 30 rows alone may be better still.
    assert means[2] < means[0] + 0.01
    assert_allclose(means, HEART_LOSSES[site], atol=0.02)
