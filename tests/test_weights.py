"""Weights reach the same place with metadata routing on and off."""

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sktransfer._weights import accepts_weights, fit_weighted


def scaled():
    return make_pipeline(StandardScaler(), LogisticRegression())


GRID = {"logisticregression__C": [0.01, 1]}
ESTIMATORS = {
    "plain": LogisticRegression(),
    "pipeline": scaled(),
    "nested pipeline": make_pipeline(StandardScaler(), scaled()),
    "search": GridSearchCV(LogisticRegression(), {"C": [0.01, 1]}, cv=3),
    "search over pipeline": GridSearchCV(scaled(), GRID, cv=3),
    "search by name": GridSearchCV(scaled(), GRID, cv=3, scoring="f1_macro"),
    "search by names": GridSearchCV(
        scaled(), GRID, cv=3, scoring=["accuracy", "f1"], refit="f1"
    ),
    "pipeline of search": make_pipeline(
        StandardScaler(), GridSearchCV(scaled(), GRID, cv=3)
    ),
    "random search of calibrated": RandomizedSearchCV(
        CalibratedClassifierCV(LogisticRegression()),
        {"estimator__C": [0.1, 1]},
        n_iter=2,
        random_state=0,
    ),
    "calibrated": CalibratedClassifierCV(LogisticRegression(), cv=3),
    "calibrated pipeline": CalibratedClassifierCV(scaled(), cv=3),
    "bagged": BaggingClassifier(LogisticRegression(), random_state=0),
    "bagged pipeline": BaggingClassifier(scaled(), random_state=0),
    "bagged without weights": BaggingClassifier(KNeighborsClassifier(), random_state=0),
    "voting": VotingClassifier(
        [("a", LogisticRegression()), ("b", LogisticRegression(C=0.01))], voting="soft"
    ),
    "stacking": StackingClassifier(
        [("a", LogisticRegression()), ("b", SVC())], LogisticRegression()
    ),
}


@pytest.fixture(scope="module")
def data():
    X, y = make_classification(200, random_state=0)
    return X, y, np.random.RandomState(0).exponential(size=200)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_routing_changes_nothing_and_weights_matter(name, data):
    X, y, weights = data
    estimator = ESTIMATORS[name]
    assert accepts_weights(estimator)
    results = []
    for routing in (False, True):
        with sklearn.config_context(enable_metadata_routing=routing):
            fitted = fit_weighted(clone(estimator), X, y, weights, {})
        results.append(fitted.predict_proba(X))
    assert_allclose(results[0], results[1], atol=1e-6)
    plain = clone(estimator).fit(X, y).predict_proba(X)
    assert np.abs(results[0] - plain).max() > 0.01


def test_pipeline_weights_the_last_step_only(data):
    X, y, weights = data
    fitted = fit_weighted(scaled(), X, y, weights, {})
    assert_allclose(fitted[0].mean_, X.mean(axis=0), atol=1e-12)
    by_hand = LogisticRegression().fit(fitted[0].transform(X), y, weights)
    assert_allclose(fitted[-1].coef_, by_hand.coef_)


def test_an_explicit_request_of_another_step_is_kept(data):
    X, y, weights = data
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler().set_fit_request(sample_weight=True), LogisticRegression()
        )
        fitted = fit_weighted(pipeline, X, y, weights, {})
    expected = np.average(X, axis=0, weights=weights)
    assert_allclose(fitted[0].mean_, expected, atol=1e-12)


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        CalibratedClassifierCV(KNeighborsClassifier()),
        GridSearchCV(KNeighborsClassifier(), {"n_neighbors": [1, 3]}),
        VotingClassifier([("a", LogisticRegression()), ("b", KNeighborsClassifier())]),
        make_pipeline(StandardScaler(), "passthrough"),
    ],
)
def test_estimators_without_weights(estimator):
    assert not accepts_weights(estimator)


def test_what_scikit_learn_itself_refuses_is_not_silent(data):
    X, y, weights = data
    with pytest.raises(ValueError, match="enable_metadata_routing=True"):
        fit_weighted(OneVsRestClassifier(LogisticRegression()), X, y, weights, {})
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(NotImplementedError, match="AdaBoostClassifier"),
    ):
        fit_weighted(AdaBoostClassifier(LogisticRegression()), X, y, weights, {})


def test_without_weights_fit_is_untouched(data):
    X, y, _ = data
    search = GridSearchCV(scaled(), GRID, cv=3)
    assert fit_weighted(search, X, y, None, {}).scoring is None
