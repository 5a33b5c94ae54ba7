"""TrAdaBoost.R2 in one and in two stages."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.neighbors import KNeighborsRegressor
from sklearn.tree import DecisionTreeRegressor

from sktransfer import TrAdaBoostRegressor
from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance._two_stage_boosting import source_path
from sktransfer.instance._weighted_votes import weighted_median
from sktransfer.parameter._source_transfer import LabelledRows
from tests.shared_data import shared_file


def draw(rng, n):
    X = rng.uniform(size=(n, 3))
    return X, np.sin(6 * X).sum(axis=1)


def partly_wrong(seed, n_target, n_source=400):
    """Draw a source of which three rows in ten are off."""
    rng = np.random.RandomState(seed)
    X, y = draw(rng, n_source + n_target)
    domain = np.repeat([1, -1], [n_source, n_target])
    y[(domain > 0) & (rng.uniform(size=len(y)) < 0.3)] += 3
    return X, y, domain, *draw(rng, 1000)


def drucker(X, y, learner, n_rounds):
    """AdaBoost.R2 with weights in place of drawn samples, line by line."""
    w, models, betas = np.full(len(y), 1 / len(y)), [], []
    for _ in range(n_rounds):
        h = learner().fit(X, y, sample_weight=w * len(y))
        e = np.abs(y - h.predict(X))
        e /= e.max()
        error = e @ w
        if error >= 0.5:
            break
        beta = error / (1 - error)
        w = w * beta ** (1 - e)
        w /= w.sum()
        models.append(h)
        betas.append(beta)
    if not models:  # as in scikit-learn, one round there always is
        return [h], np.ones(1)
    return models, np.log(1 / np.array(betas))


def tradaboost_r2(X, y, domain, learner, n_rounds):
    """TrAdaBoost.R2 of the paper, line by line."""
    target = domain < 0
    beta = 1 / (1 + np.sqrt(2 * np.log(np.sum(~target)) / n_rounds))
    w, models, betas = np.full(len(y), 1 / len(y)), [], []
    for _ in range(n_rounds):
        h = learner().fit(X, y, sample_weight=w * len(y))
        e = np.abs(y - h.predict(X))
        e /= e.max()
        error = e[target] @ w[target] / w[target].sum()
        assert error < 0.5  # as the paper requires
        beta_t = error / (1 - error)
        w = w * np.where(target, beta_t**-e, beta**e)
        w /= w.sum()
        models.append(h)
        betas.append(beta_t)
    first = -(-n_rounds // 2) - 1
    return models[first:], np.log(1 / np.array(betas[first:]))


def test_against_the_paper_line_by_line():
    X, y, domain, X_new, _ = partly_wrong(0, 60, 100)
    models, votes = tradaboost_r2(X, y, domain, Ridge, 9)
    expected = weighted_median(np.transpose([h.predict(X_new) for h in models]), votes)
    ours = TrAdaBoostRegressor(Ridge(), n_estimators=9)
    ours.fit(X, y, sample_domain=domain)
    np.testing.assert_array_equal(ours.estimator_weights_[:4], 0)
    np.testing.assert_allclose(ours.estimator_weights_[4:], votes)
    np.testing.assert_allclose(ours.predict(X_new), expected)


def test_without_source_rows_it_is_adaboost_r2():
    rng = np.random.RandomState(0)
    X, y = draw(rng, 80)
    X_new, _ = draw(rng, 50)
    models, votes = drucker(X, y, Ridge, 10)
    expected = weighted_median(np.transpose([h.predict(X_new) for h in models]), votes)
    with pytest.warns(NoTargetWarning, match="plain AdaBoost on the source"):
        ours = TrAdaBoostRegressor(Ridge(), n_estimators=10).fit(X, y)
    np.testing.assert_allclose(ours.predict(X_new), expected)


def test_last_step_of_two_stages_is_the_target_alone():
    # A source of noise: the target alone is best, and the scores must agree.
    rng = np.random.RandomState(0)
    X, y = draw(rng, 240)
    y = X @ [1.0, 2.0, -1.0] + 0.1 * rng.normal(size=240)
    domain = np.repeat([1, -1], [200, 40])
    y[:200] = 20 * rng.normal(size=200)
    model = TrAdaBoostRegressor(Ridge(), n_estimators=8, two_stage=True, n_steps=2)
    model.fit(X, y, sample_domain=domain)
    assert model.step_ == 1
    assert model.source_shares_[0] == 0
    assert model.transfer_score_ == model.target_only_score_
    models, votes = drucker(X[200:], y[200:], Ridge, 8)
    expected = weighted_median(np.transpose([h.predict(X) for h in models]), votes)
    np.testing.assert_allclose(model.predict(X), expected)


def test_path_of_the_first_stage():
    X = np.random.RandomState(0).uniform(size=(120, 3))
    y, domain = X @ [1.0, 2.0, -1.0], np.repeat([1, -1], [90, 30])
    y[:9] += 5  # a tenth of the source is off
    rows = LabelledRows(X, y, np.ones(120), domain)
    path = list(source_path(rows, Ridge(), 5, np.random.RandomState(0)))
    shares = [weight[domain < 0].sum() for weight in path]
    np.testing.assert_allclose(shares, np.linspace(30 / 120, 1, 5))
    for weight in path:
        np.testing.assert_allclose(weight.sum(), 1)
        # Target rows keep their weights among themselves.
        np.testing.assert_allclose(weight[domain < 0], weight[domain < 0][0])
    assert path[-2][:9].max() < 0.01 * path[-2][9:90].mean()


def test_chosen_step_has_the_least_error():
    X, y, domain, X_new, _ = partly_wrong(0, 25, 60)
    model = TrAdaBoostRegressor(
        n_estimators=3, two_stage=True, n_steps=4, n_folds=3
    ).fit(X, y, sample_domain=domain)
    assert model.step_ == np.argmin(model.cv_errors_)
    assert model.cv_errors_.shape == (4,)
    # Each score is one of predictions out of fold: their errors by definition.
    squared = (1 - model.target_only_score_) * np.var(y[domain < 0])
    np.testing.assert_allclose(squared, model.cv_errors_[-1])
    # The other folds choose the step, so it cannot be better than the best one.
    best = 1 - model.cv_errors_.min() / np.var(y[domain < 0])
    assert model.transfer_score_ <= best + 1e-12
    assert np.isfinite(model.predict(X_new)).all()


def test_one_round_is_the_weak_learner_on_pooled_rows():
    X, y, domain, X_new, _ = partly_wrong(0, 30, 100)
    model = TrAdaBoostRegressor(LinearRegression(), n_estimators=1)
    model.fit(X, y, sample_domain=domain)
    pooled = LinearRegression().fit(X, y)
    np.testing.assert_allclose(model.predict(X_new), pooled.predict(X_new))


def test_transfer_beats_source_and_target_alone():
    scores = []
    for seed in range(4):
        X, y, domain, X_new, y_new = partly_wrong(seed, 20)
        model = TrAdaBoostRegressor(n_estimators=20, baseline_folds=None)
        row = [model.fit(X, y, sample_domain=domain).score(X_new, y_new)]
        for number in (1, -1):
            rows = domain == number
            with pytest.warns(NoTargetWarning):
                model.fit(X[rows], y[rows])
            row.append(model.score(X_new, y_new))
        scores.append(row)
    transfer, source, target = np.mean(scores, axis=0)
    assert transfer > source + 0.4
    assert transfer > target + 0.2


@pytest.mark.parametrize("two_stage", [False, True])
@pytest.mark.parametrize(
    ("values", "known"), [([1.0], False), ([1.0, 1.0, 1.0], False), ([0.0, 1.0], True)]
)
def test_few_labelled_target_rows(two_stage, values, known):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20 + len(values), 3))
    y = np.r_[X[:20].sum(axis=1), values]
    domain = np.repeat([1, -1], [20, len(values)])
    model = TrAdaBoostRegressor(n_estimators=3, two_stage=two_stage, n_steps=3)
    model.fit(X, y, sample_domain=domain)
    assert np.isfinite(model.predict(X)).all()
    assert (model.transfer_score_ is not None) == known
    assert (model.target_only_score_ is not None) == known
    assert (model.baseline_note_ is None) == known


def test_baseline_by_hand():
    X, y, domain, _, _ = partly_wrong(0, 12, 40)
    model = TrAdaBoostRegressor(Ridge(), n_estimators=4, baseline_folds=12)
    model.fit(X, y, sample_domain=domain)
    predicted = np.empty((2, 12))
    for i in range(12):  # leave one out
        kept = np.arange(52) != 40 + i
        target = kept & (domain < 0)
        models, votes = drucker(X[target], y[target], Ridge, 4)
        test = X[40 + i : 41 + i]
        values = np.transpose([h.predict(test) for h in models])
        predicted[0, i] = weighted_median(values, votes)[0]
        other = TrAdaBoostRegressor(Ridge(), n_estimators=4, baseline_folds=None)
        other.fit(X[kept], y[kept], sample_domain=domain[kept])
        predicted[1, i] = other.predict(test)[0]
    for values, score in zip(
        predicted, (model.target_only_score_, model.transfer_score_), strict=True
    ):
        np.testing.assert_allclose(r2_score(y[40:], values), score)


@pytest.mark.parametrize(
    ("params", "error", "sentence"),
    [
        ({"estimator": KNeighborsRegressor()}, TypeError, "takes sample_weight"),
        ({"two_stage": "yes"}, ValueError, "two_stage"),
        ({"n_steps": 1}, ValueError, "n_steps"),
        ({"n_folds": 1}, ValueError, "n_folds"),
    ],
)
def test_errors(params, error, sentence):
    X, y, domain, _, _ = partly_wrong(0, 10, 20)
    with pytest.raises(error, match=sentence):
        TrAdaBoostRegressor(**params).fit(X, y, sample_domain=domain)


@pytest.mark.slow
def test_red_wine_from_white_wine():
    """Two stages with 50 labelled red wines: better than white or red wine alone."""
    red, white = (
        np.loadtxt(
            shared_file(f"uci_wine_quality/winequality-{colour}.csv"),
            delimiter=",",
            skiprows=1,
        )
        for colour in ("red", "white")
    )
    errors = []
    for seed in range(3):
        rng = np.random.RandomState(seed)
        order = rng.permutation(len(red))
        source = white[rng.choice(len(white), 500, replace=False)]
        target, test = red[order[:50]], red[order[50:]]
        rows = np.r_[source, target]
        domain = np.repeat([1, -1], [500, 50])
        model = TrAdaBoostRegressor(
            DecisionTreeRegressor(max_depth=5),
            n_estimators=10,
            two_stage=True,
            n_steps=6,
            n_folds=4,
        ).fit(rows[:, :-1], rows[:, -1], sample_domain=domain)
        assert np.isfinite([model.transfer_score_, model.target_only_score_]).all()
        row = [model.predict(test[:, :-1])]
        for alone in (source, target):
            with pytest.warns(NoTargetWarning):
                model.fit(alone[:, :-1], alone[:, -1])
            row.append(model.predict(test[:, :-1]))
        errors.append(np.mean((np.array(row) - test[:, -1]) ** 2, axis=1))
    transfer, from_white, from_red = np.mean(errors, axis=0)
    assert transfer < from_white
    assert transfer < from_red
