"""The splitters inside searches, with metadata routing on and off."""

import numpy as np
import pytest
from sklearn import config_context
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import TransferClassifier, TransferRegressor
from sktransfer.model_selection import TargetKFold, TargetShuffleSplit
from sktransfer.utils._check_data import shifted_data
from tests.adapters import ByFirstColumn, Centerer

SPLITTERS = [
    TargetKFold(3),
    TargetKFold(3, shuffle=True, random_state=0),
    TargetShuffleSplit(3, test_size=0.4, random_state=0),
]


def data():
    return shifted_data(n_target=80)


def pipeline():
    return make_pipeline(StandardScaler(), TransferClassifier(LogisticRegression()))


def search(cv, **kwargs):
    grid = {
        "transferclassifier__adapter": [None, Centerer(), ByFirstColumn()],
        "transferclassifier__estimator__C": [0.1, 1.0],
    }
    return GridSearchCV(pipeline(), grid, cv=cv, scoring="f1_macro", **kwargs)


def fit_with_routing(model, rows):
    with config_context(enable_metadata_routing=True):
        return model.fit(rows.X, rows.y, sample_domain=rows.domain)


@pytest.mark.parametrize("cv", SPLITTERS, ids=["folds", "shuffled", "random"])
def test_grid_search_alike_with_routing_on_and_off(cv):
    rows = data()
    routed = fit_with_routing(search(cv), rows)
    plain = search(cv).fit(
        rows.X,
        rows.y,
        groups=rows.domain,
        transferclassifier__sample_domain=rows.domain,
    )
    for key in ("mean_test_score", "std_test_score", "rank_test_score"):
        np.testing.assert_array_equal(routed.cv_results_[key], plain.cv_results_[key])
    assert np.isfinite(routed.cv_results_["mean_test_score"]).all()
    np.testing.assert_array_equal(routed.predict(rows.X_new), plain.predict(rows.X_new))


def test_two_workers_agree():
    rows = data()
    one, two = search(SPLITTERS[1]), search(SPLITTERS[1], n_jobs=2)
    scores = [
        fit_with_routing(model, rows).cv_results_["mean_test_score"]
        for model in (one, two)
    ]
    np.testing.assert_array_equal(*scores)


@pytest.mark.parametrize("cv", SPLITTERS, ids=["folds", "shuffled", "random"])
def test_cross_validate_alike_with_routing_on_and_off(cv):
    rows = data()
    name = "transferclassifier__sample_domain"
    plain = cross_validate(
        pipeline(),
        rows.X,
        rows.y,
        groups=rows.domain,
        cv=cv,
        params={name: rows.domain},
    )
    with config_context(enable_metadata_routing=True):
        routed = cross_validate(
            pipeline(),
            rows.X,
            rows.y,
            cv=cv,
            params={"sample_domain": rows.domain},
            scoring="accuracy",
        )
    np.testing.assert_array_equal(plain["test_score"], routed["test_score"])


def test_scores_are_those_of_held_out_target_rows():
    rows = data()
    cv = TargetKFold(3)
    result = cross_validate(
        pipeline(),
        rows.X,
        rows.y,
        groups=rows.domain,
        cv=cv,
        params={"transferclassifier__sample_domain": rows.domain},
    )
    by_hand = []
    for train, test in cv.split(rows.X, rows.y, rows.domain):
        model = pipeline().fit(
            rows.X[train],
            rows.y[train],
            transferclassifier__sample_domain=rows.domain[train],
        )
        by_hand.append(np.mean(model.predict(rows.X[test]) == rows.y[test]))
    np.testing.assert_allclose(result["test_score"], by_hand)


def test_regression_with_nan_labels():
    rows = shifted_data(regression=True, n_target=80)
    search = GridSearchCV(
        TransferRegressor(Ridge()),
        {"adapter": [None, Centerer()], "estimator__alpha": [0.1, 1.0]},
        cv=TargetKFold(4),
        scoring="r2",
    )
    routed = fit_with_routing(search, rows).cv_results_["mean_test_score"]
    assert np.isfinite(routed).all()
    plain = search.fit(
        rows.X, rows.y, groups=rows.domain, sample_domain=rows.domain
    ).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(plain, routed)


def test_missing_domains_in_a_search():
    rows = data()
    with pytest.raises(ValueError, match="pass groups= to a search without it"):
        search(TargetKFold(3)).fit(rows.X, rows.y)


def test_source_folds_mislead_where_target_folds_do_not():
    # What the docstring warns of: a map that is right for target rows looks wrong on
    # source rows, because predict takes them for target rows.
    rng = np.random.RandomState(0)
    y = np.arange(300) % 2
    X = rng.normal(size=(300, 2)) * 0.3 + y[:, None]
    domain = np.where(np.arange(300) < 200, 1, -1)
    X[domain < 0] += 2.0
    y_fit = np.where(np.arange(300) < 260, y, -1)
    order = rng.permutation(300)
    X, y_fit, domain = X[order], y_fit[order], domain[order]
    # Few target labels: else the model without adapter learns from them.
    model = TransferClassifier(LogisticRegression(), target_labels="ignore")
    grid = {"adapter": [None, Centerer()]}
    fit = {"sample_domain": domain, "groups": domain}
    right = GridSearchCV(model, grid, cv=TargetKFold(5), scoring="accuracy")
    right.fit(X, y_fit, **fit)
    assert right.best_params_["adapter"] is not None
    source = domain > 0
    folds = [
        (np.setdiff1d(np.arange(300), test), test)
        for test in np.array_split(np.flatnonzero(source), 5)
    ]
    wrong = GridSearchCV(model, grid, cv=folds, scoring="accuracy")
    wrong.fit(X, y_fit, sample_domain=domain)
    assert wrong.best_params_["adapter"] is None
