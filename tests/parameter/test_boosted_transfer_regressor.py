import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import GradientBoostingRegressor, HistGradientBoostingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, Ridge

from sktransfer import BoostedTransferRegressor
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._target_folds import target_folds


@pytest.fixture
def domains():
    rng = np.random.RandomState(0)
    X_source, X = rng.normal(size=(200, 4)), rng.normal(size=(80, 4))

    def values(X):
        return np.sin(2 * X[:, 0]) + X[:, 1]

    y_source = values(X_source) + rng.normal(size=200) / 5
    y = values(X) + 2 * (X[:, 2] > 0.5) + rng.normal(size=80) / 5
    return X_source, y_source, X, y


def stacked(X_source, y_source, X_target, y_target):
    domain = np.repeat([1, -1], [len(X_source), len(X_target)])
    return np.r_[X_source, X_target], np.r_[y_source, y_target], domain


OURS = {
    "n_estimators": 25,
    "max_depth": 2,
    "min_samples_leaf": 4,
    "l2_regularization": 0.0,
    "learning_rate": 0.2,
}
THEIRS = {
    "n_estimators": 25,
    "max_depth": 2,
    "min_samples_leaf": 4,
    "learning_rate": 0.2,
}


@pytest.mark.parametrize("kind", [HistGradientBoostingRegressor(max_iter=20), Ridge()])
def test_no_tree_is_the_source(domains, kind):
    X_source, y_source, X, y = domains
    source = clone(kind).fit(X_source, y_source)
    model = BoostedTransferRegressor(source, n_estimators=0).fit(X, y)
    assert_array_equal(model.predict(X), source.predict(X))
    assert model.trees_ == []
    assert model.source_estimator_ is source


def test_constant_source_is_plain_boosting(domains):
    _, _, X, y = domains
    source = DummyRegressor().fit(X, y)
    model = BoostedTransferRegressor(source, **OURS).fit(X, y)
    plain = GradientBoostingRegressor(**THEIRS).fit(X, y)
    assert_allclose(model.predict(X), plain.predict(X))
    stages = list(model.staged_predict(X))[1:]
    for found, expected in zip(stages, plain.staged_predict(X), strict=True):
        assert_allclose(found, expected)
    # scikit-learn counts the rows of a leaf without their weights.
    weight = np.random.RandomState(1).uniform(1, 2, len(y))
    source.fit(X, y, sample_weight=weight)
    ours, theirs = OURS | {"min_samples_leaf": 1}, THEIRS | {"min_samples_leaf": 1}
    model = BoostedTransferRegressor(source, **ours).fit(X, y, sample_weight=weight)
    plain = GradientBoostingRegressor(**theirs).fit(X, y, sample_weight=weight)
    assert_allclose(model.predict(X), plain.predict(X))


def test_bounded_leaves_are_plain_boosting(domains):
    _, _, X, y = domains
    source, bound = DummyRegressor().fit(X, y), {"max_depth": None, "max_leaf_nodes": 5}
    model = BoostedTransferRegressor(source, **OURS | bound).fit(X, y)
    plain = GradientBoostingRegressor(**THEIRS | bound).fit(X, y)
    assert_allclose(model.predict(X), plain.predict(X))
    assert {trees[0].tree.get_n_leaves() for trees in model.trees_} == {5}


def test_it_is_gradient_boosting_from_a_frozen_model(domains):
    X_source, y_source, X, y = domains
    source = HistGradientBoostingRegressor(max_iter=20).fit(X_source, y_source)
    model = BoostedTransferRegressor(source, **OURS).fit(X, y)
    plain = GradientBoostingRegressor(init=FrozenEstimator(source), **THEIRS).fit(X, y)
    # On the rows of fit: two features that part them alike part others in their ways.
    assert_allclose(model.predict(X), plain.predict(X))
    # The trees are those of the residuals, whatever the source.
    zero = DummyRegressor(strategy="constant", constant=0.0).fit(X, y)
    X_new = np.random.RandomState(5).normal(size=(80, 4))
    left = BoostedTransferRegressor(zero, **OURS).fit(X, y - source.predict(X))
    expected = source.predict(X_new) + left.predict(X_new)
    assert_allclose(model.predict(X_new), expected)


def test_units_of_the_values(domains):
    X_source, y_source, X, y = domains
    model = BoostedTransferRegressor(LinearRegression().fit(X_source, y_source))
    model.fit(X, y)
    big = BoostedTransferRegressor(LinearRegression().fit(X_source, 1000 * y_source))
    big.fit(X, 1000 * y)
    assert big.n_estimators_ == model.n_estimators_ > 0
    assert_allclose(big.predict(X), 1000 * model.predict(X))


def test_penalty_counts_as_rows(domains):
    # One leaf: the mean of the residuals, shrunk as if two more rows had none.
    X_source, y_source, X, y = domains
    source = Ridge().fit(X_source, y_source)
    model = BoostedTransferRegressor(
        source,
        n_estimators=1,
        learning_rate=1.0,
        min_samples_leaf=1000,
        l2_regularization=2.0,
    ).fit(X, y)
    step = np.sum(y - source.predict(X)) / (len(y) + 2)
    assert_allclose(model.predict(X), source.predict(X) + step)


def test_stages(domains):
    X_source, y_source, X, y = domains
    source = Ridge().fit(X_source, y_source)
    model = BoostedTransferRegressor(source, n_estimators=6).fit(X, y)
    stages = list(model.staged_predict(X))
    assert len(stages) == 7
    for n, values in enumerate(stages):
        shorter = BoostedTransferRegressor(source, n_estimators=n).fit(X, y)
        assert_array_equal(shorter.predict(X), values)
    errors = [np.mean((values - y) ** 2) for values in stages]
    assert np.all(np.diff(errors) < 0)


def test_number_of_trees_by_hand(domains):
    X_source, y_source, X, y = domains
    source = Ridge().fit(X_source, y_source)
    model = BoostedTransferRegressor(source, max_estimators=12).fit(X, y)
    order = np.lexsort(X.T[::-1])
    X, y = X[order], y[order]
    place = np.arange(len(y))[:, None].astype(float)
    folds = target_folds(place, y, 5, stratify=True)
    losses = np.zeros(13)
    for fold in range(5):
        test = folds == fold
        part = BoostedTransferRegressor(source, n_estimators=12)
        part.fit(X[~test], y[~test])
        for n, values in enumerate(part.staged_predict(X[test])):
            losses[n] += 0.5 * np.sum((y[test] - values) ** 2)
    assert_allclose(model.cv_losses_, losses / len(y))
    assert 0 < model.n_estimators_ <= np.argmin(losses)


def test_source_is_kept_or_left(domains):
    X_source, y_source, X, y = domains
    source = HistGradientBoostingRegressor().fit(X_source, y_source)
    rng = np.random.RandomState(7)
    X_same = rng.normal(size=(30, 4))
    y_same = source.predict(X_same) + rng.normal(size=30) / 5
    assert BoostedTransferRegressor(source).fit(X_same, y_same).n_estimators_ == 0
    perfect = BoostedTransferRegressor(source).fit(X_same, source.predict(X_same))
    assert perfect.n_estimators_ == 0
    model = BoostedTransferRegressor(source).fit(X[:50], y[:50])
    assert model.n_estimators_ > 5
    assert model.score(X[50:], y[50:]) > source.score(X[50:], y[50:]) + 0.1


def test_inside_or_given(domains):
    X, y, domain = stacked(*domains)
    source = Ridge().fit(*domains[:2])
    inside = BoostedTransferRegressor(estimator=Ridge())
    inside.fit(X, y, sample_domain=domain)
    given = BoostedTransferRegressor(source).fit(X, y, sample_domain=domain)
    only = BoostedTransferRegressor(source).fit(*domains[2:])
    assert_allclose(given.predict(X), inside.predict(X))
    assert_array_equal(only.predict(X), given.predict(X))
    several = np.where(domain > 0, 1 + np.arange(len(y)) % 2, -1)
    model = BoostedTransferRegressor().fit(X, y, sample_domain=domain)
    other = BoostedTransferRegressor().fit(X, y, sample_domain=several)
    assert_array_equal(other.predict(X), model.predict(X))


def test_rows_permuted_repeated_weighted(domains):
    X, y, domain = stacked(*domains)
    kept = X.copy(), y.copy(), domain.copy()
    model = BoostedTransferRegressor(n_folds=3)
    expected = clone(model).fit(X, y, sample_domain=domain).predict(X)
    for was, now in zip(kept, (X, y, domain), strict=True):
        assert_array_equal(was, now)
    order = np.random.RandomState(1).permutation(len(X))
    other = clone(model).fit(X[order], y[order], sample_domain=domain[order])
    assert_array_equal(other.predict(X), expected)
    times = np.arange(len(X)) % 3
    weighed = clone(model).fit(X, y, sample_domain=domain, sample_weight=times)
    again = np.repeat(np.arange(len(X)), times)
    repeated = clone(model).fit(X[again], y[again], sample_domain=domain[again])
    assert weighed.n_estimators_ > 0
    assert_allclose(weighed.predict(X), repeated.predict(X))


def test_few_labels(domains):
    X_source, y_source, X, y = domains
    source = Ridge().fit(X_source, y_source)
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = BoostedTransferRegressor(source).fit(X, np.full(len(y), np.nan))
    assert_array_equal(model.predict(X), source.predict(X))
    X_all, y_all, domain = stacked(*domains)
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        BoostedTransferRegressor().fit(X_all, np.where(domain < 0, np.nan, y_all))
    one = BoostedTransferRegressor(source).fit(X[:1], y[:1])
    assert one.n_estimators_ == 0
    assert_allclose(one.cv_losses_, 0.5 * (source.predict(X[:1]) - y[:1]) ** 2)


def test_missing_values(domains):
    X_source, y_source, X, y = domains
    X = X.copy()
    X[::3, 3] = np.nan
    y = y + 3 * np.isnan(X[:, 3])
    source = HistGradientBoostingRegressor().fit(X_source, y_source)
    model = BoostedTransferRegressor(source).fit(X, y)
    gone = np.isnan(X[:, 3])
    change = model.predict(X) - source.predict(X)
    assert change[gone].mean() - change[~gone].mean() > 2
    with pytest.raises(ValueError, match="NaN"):
        BoostedTransferRegressor(Ridge().fit(X_source, y_source)).fit(X, y)


def test_bad_input(domains):
    X, y, _ = stacked(*domains)
    for name, value in {
        "n_estimators": "auto",
        "max_estimators": -1,
        "learning_rate": np.nan,
        "max_depth": 0,
        "max_leaf_nodes": 1,
        "min_samples_leaf": 2.5,
        "l2_regularization": -1,
        "n_folds": 1,
        "n_iter_no_change": 0,
    }.items():
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            BoostedTransferRegressor(**{name: value}).fit(X, y)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        BoostedTransferRegressor(Ridge()).fit(X, y)
    with pytest.raises(TypeError, match="`source` must be"):
        BoostedTransferRegressor(Ridge).fit(X, y)
    with pytest.raises(TypeError, match="`estimator` must be"):
        BoostedTransferRegressor(estimator="ridge").fit(X, y)
    with pytest.raises(ValueError, match="one regressor for each output"):
        BoostedTransferRegressor(Ridge().fit(X, np.c_[y, y])).fit(X, y)
