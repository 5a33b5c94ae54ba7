"""TrAdaBoost for classes, with one source and with several."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import AdaBoostClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import check_random_state

from sktransfer import MultiSourceTrAdaBoostClassifier, TrAdaBoostClassifier
from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance._boosting_rounds import boosted_rounds
from sktransfer.instance._boosting_weights import LoweredSource, source_factor
from sktransfer.instance._weighted_votes import VotesOfModels
from sktransfer.parameter._source_transfer import LabelledRows

BOTH = [TrAdaBoostClassifier, MultiSourceTrAdaBoostClassifier]
STUMP = DecisionTreeClassifier(max_depth=1)


def draw(rng, n, n_columns=5):
    X = rng.normal(size=(n, n_columns))
    return X, (X[:, 0] + X[:, 1] > 0).astype(int)


def partly_wrong(seed, n_target, n_source=400, beyond=1.2):
    """Draw a source whose labels are wrong in its outer part."""
    rng = np.random.RandomState(seed)
    X, y = draw(rng, n_source + n_target)
    domain = np.repeat([1, -1], [n_source, n_target])
    wrong = (domain > 0) & (np.abs(X[:, 0]) > beyond)
    return X, np.where(wrong, 1 - y, y), domain, *draw(rng, 1000)


def plain_tradaboost(X, y, domain, n_rounds, seed, *, dynamic=False):
    """Follow the paper line by line; return the weights of each round and votes."""
    rng, source, target = check_random_state(seed), domain > 0, domain < 0
    beta = 1 / (1 + np.sqrt(2 * np.log(source.sum()) / n_rounds))
    w, shares, betas, hypotheses = np.ones(len(y)), [], [], []
    for _ in range(n_rounds):
        p = w / w.sum()
        shares.append(p[source].sum())
        tree = DecisionTreeClassifier(
            max_depth=2, random_state=rng.randint(np.iinfo(np.int32).max)
        )
        h = tree.fit(X, y, sample_weight=p)
        wrong = np.abs(h.predict(X) - y)
        error = np.sum(w[target] * wrong[target]) / np.sum(w[target])
        beta_t = error / (1 - error)
        correction = 2 * (1 - error) if dynamic else 1
        w[source] *= correction * beta ** wrong[source]
        w[target] *= beta_t ** -wrong[target]
        betas.append(beta_t)
        hypotheses.append(h)
    return shares, np.array(betas), hypotheses


@pytest.mark.parametrize("dynamic", [False, True])
def test_against_the_paper_line_by_line(dynamic):
    X, y, domain, X_new, _ = partly_wrong(0, 60, 100, beyond=2.0)
    shares, betas, hypotheses = plain_tradaboost(X, y, domain, 12, 3, dynamic=dynamic)
    assert np.all(betas < 1)  # as the paper requires
    model = TrAdaBoostClassifier(
        n_estimators=12, dynamic=dynamic, random_state=3, baseline_folds=None
    ).fit(X, y, sample_domain=domain)
    np.testing.assert_allclose(model.source_shares_, shares)
    np.testing.assert_allclose(model.estimator_errors_, betas / (1 + betas))
    # prod beta_t ** -h_t >= prod beta_t ** -1/2 over t = N/2, ..., N: rounds 6 to 12.
    outputs = np.array([h.predict(X_new) for h in hypotheses])[5:]
    final = np.log(1 / betas[5:]) @ (outputs - 0.5) >= 0
    np.testing.assert_array_equal(model.predict(X_new), final)
    shares_of_one = np.log(1 / betas[5:]) @ outputs / np.log(1 / betas[5:]).sum()
    np.testing.assert_allclose(model.predict_proba(X_new)[:, 1], shares_of_one)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_without_source_rows_it_is_adaboost_of_scikit_learn(n_classes):
    rng = np.random.RandomState(0)
    X, X_new = rng.normal(size=(120, 4)), rng.normal(size=(200, 4))
    y = np.digitize(X[:, 0] + X[:, 1] + 0.5 * rng.normal(size=120), [-0.5, 0.5])
    y = y if n_classes == 3 else np.minimum(y, 1)
    theirs = AdaBoostClassifier(STUMP, n_estimators=15, random_state=5).fit(X, y)
    rows = LabelledRows(X, y, np.ones(len(y)), np.full(len(y), -1))
    rule = LoweredSource(source_factor(0, 15), n_classes)
    rounds = boosted_rounds(
        rows, STUMP, rule, 15, np.random.RandomState(5), classes=True
    )
    np.testing.assert_allclose(rounds.errors, theirs.estimator_errors_)
    ours = VotesOfModels(rounds.models, theirs.estimator_weights_, np.unique(y))
    np.testing.assert_array_equal(ours.predict(X_new), theirs.predict(X_new))
    # The public way to the same: without labelled target rows.
    with pytest.warns(NoTargetWarning, match="plain AdaBoost on the source"):
        public = TrAdaBoostClassifier(STUMP, n_estimators=15).fit(X, y)
    np.testing.assert_allclose(
        public.estimator_weights_, theirs.estimator_weights_, rtol=1e-6
    )
    assert public.transfer_score_ is None
    assert "no labelled target row" in public.baseline_note_


@pytest.mark.parametrize("cls", BOTH)
def test_one_round_is_the_weak_learner_on_pooled_rows(cls):
    X, y, domain, X_new, _ = partly_wrong(0, 30, 100)
    model = cls(LogisticRegression(), n_estimators=1).fit(X, y, sample_domain=domain)
    pooled = LogisticRegression().fit(X, y)
    np.testing.assert_allclose(model.estimators_[0].coef_, pooled.coef_, rtol=1e-3)
    np.testing.assert_array_equal(model.predict(X_new), pooled.predict(X_new))


def test_transfer_beats_source_and_target_alone():
    # The source is wrong for |x_0| > 1.2; 15 target rows alone say little.
    scores = []
    for seed in range(5):
        X, y, domain, X_new, y_new = partly_wrong(seed, 15)
        learner = LogisticRegression()
        model = TrAdaBoostClassifier(learner, baseline_folds=None)
        model.fit(X, y, sample_domain=domain)
        alone = [
            AdaBoostClassifier(learner, n_estimators=30, random_state=0)
            .fit(X[domain == number], y[domain == number])
            .score(X_new, y_new)
            for number in (1, -1)
        ]
        scores.append([model.score(X_new, y_new), *alone])
    transfer, source, target = np.mean(scores, axis=0)
    assert transfer > source + 0.1
    assert transfer > target + 0.03


def test_source_rows_that_contradict_the_target_fade():
    X, y, domain, _, _ = partly_wrong(0, 40, beyond=0.0)  # all of them
    model = TrAdaBoostClassifier(LogisticRegression(), baseline_folds=None)
    model.fit(X, y, sample_domain=domain)
    assert np.all(np.diff(model.source_shares_) < 1e-12)
    assert model.source_shares_[-1] < 0.01
    assert model.estimator_errors_[0] > 0.5
    assert model.estimator_weights_[-1] > 0


def test_several_sources_are_pooled():
    X, y, domain, X_new, _ = partly_wrong(0, 30, 100)
    two = np.where((domain > 0) & (np.arange(len(y)) % 3 == 0), 2, domain)
    one, both = (
        TrAdaBoostClassifier(n_estimators=5).fit(X, y, sample_domain=d)
        for d in (domain, two)
    )
    np.testing.assert_array_equal(one.predict_proba(X_new), both.predict_proba(X_new))


def two_sources(seed=0):
    """Draw a source that lies in column 1 and one that tells the truth."""
    rng = np.random.RandomState(seed)
    X, y = draw(rng, 430)
    domain = np.repeat([4, 7, -1], [200, 200, 30])
    return X, np.where(domain == 4, X[:, 0] > X[:, 1], y), domain, *draw(rng, 500)


def test_the_source_that_helps_is_taken():
    X, y, domain, X_new, y_new = two_sources()
    params = {"n_estimators": 10, "baseline_folds": None}
    model = MultiSourceTrAdaBoostClassifier(LogisticRegression(), **params)
    model.fit(X, y, sample_domain=domain)
    np.testing.assert_array_equal(model.source_domains_, 7)
    pooled = TrAdaBoostClassifier(LogisticRegression(), **params)
    pooled.fit(X, y, sample_domain=domain)
    assert model.score(X_new, y_new) > pooled.score(X_new, y_new)
    names = np.select([domain == 4, domain == 7], [9, 2], -5)
    renamed = clone(model).fit(X, y, sample_domain=names)
    np.testing.assert_array_equal(renamed.source_domains_, 2)
    np.testing.assert_array_equal(
        renamed.predict_proba(X_new), model.predict_proba(X_new)
    )


def test_multi_source_against_the_paper_line_by_line():
    X, y, domain, X_new, _ = two_sources(1)
    y, n_rounds, learner = y.astype(int), 4, LogisticRegression(tol=1e-10)
    y[-30:-22] = 1 - y[-30:-22]  # noise, so that no round is without error
    signs, target = 2 * y - 1, domain < 0
    alpha_s = 0.5 * np.log(1 + np.sqrt(2 * np.log(np.sum(domain > 0)) / n_rounds))
    w, total = np.ones(len(y)), np.zeros(len(X_new))
    errors = []
    for _ in range(n_rounds):
        w /= w.sum()
        best = None
        for number in (4, 7):
            rows = target | (domain == number)
            h = clone(learner).fit(X[rows], signs[rows], len(y) * w[rows])
            wrong = h.predict(X[target]) != signs[target]
            error = np.sum(w[target] * wrong) / w[target].sum()
            if best is None or error < best[0]:
                best = error, h
        error, h = best
        errors.append(error)
        alpha = 0.5 * np.log((1 - error) / error)
        distance = np.abs(h.predict(X) - signs)
        w *= np.exp(np.where(target, alpha, -alpha_s) * distance)
        total += alpha * h.predict(X_new)
    assert max(errors) < 0.5  # as the paper requires
    model = MultiSourceTrAdaBoostClassifier(
        learner, n_estimators=n_rounds, baseline_folds=None
    ).fit(X, y, sample_domain=domain)
    np.testing.assert_allclose(model.estimator_errors_, errors, atol=1e-6)
    np.testing.assert_array_equal(model.predict(X_new), total > 0)


@pytest.mark.parametrize("cls", BOTH)
def test_baseline_is_that_of_hand_made_folds(cls):
    X, y, domain, _, _ = partly_wrong(0, 30, 100)
    model = cls(n_estimators=5).fit(X, y, sample_domain=domain)
    assert 0 <= model.target_only_score_ <= 1
    assert 0 <= model.transfer_score_ <= 1
    assert model.baseline_note_ is None
    again = cls(n_estimators=5).fit(X, y, sample_domain=domain)
    assert again.transfer_score_ == model.transfer_score_
    off = cls(n_estimators=5, baseline_folds=None).fit(X, y, sample_domain=domain)
    assert off.target_only_score_ is None
    assert "baseline_folds" in off.baseline_note_
    np.testing.assert_array_equal(off.estimator_errors_, model.estimator_errors_)


@pytest.mark.parametrize("cls", BOTH)
@pytest.mark.parametrize(
    ("labels", "known"),
    [
        ([1], False),
        ([0, 1], False),
        ([0, 0, 0, 1], False),
        ([0, 0, 1, 1], True),
        ([0, 0, 1, 1, 2], True),
    ],
)
def test_few_labelled_target_rows(cls, labels, known):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(30 + len(labels), 3))
    y = np.r_[np.arange(30) % 3, labels]
    domain = np.repeat([1, -1], [30, len(labels)])
    model = cls(n_estimators=4).fit(X, y, sample_domain=domain)
    assert np.isfinite(model.predict_proba(X)).all()
    assert (model.transfer_score_ is not None) == known
    assert (model.target_only_score_ is not None) == known
    if not known:
        assert "Two classes with two" in model.baseline_note_


def test_learner_that_cannot_be_fitted_to_a_fold_gives_a_note():
    X, y, domain, _, _ = partly_wrong(0, 5, 60)
    y[-5:] = [0, 0, 0, 1, 1]
    learner = CalibratedClassifierCV(DecisionTreeClassifier(), cv=3)
    model = TrAdaBoostClassifier(learner, n_estimators=2)
    model.fit(X, y, sample_domain=domain)
    assert model.transfer_score_ is None
    assert "cannot be fitted to a fold" in model.baseline_note_


@pytest.mark.parametrize("cls", BOTH)
def test_weights_reach_pipelines(cls):
    X, y, domain, X_new, y_new = partly_wrong(0, 30)
    bare, piped = (
        cls(learner, n_estimators=5).fit(X, y, sample_domain=domain)
        for learner in (STUMP, make_pipeline(StandardScaler(), STUMP))
    )
    np.testing.assert_allclose(
        piped.estimator_errors_, bare.estimator_errors_, atol=1e-9
    )
    assert piped.score(X_new, y_new) == pytest.approx(bare.score(X_new, y_new))


@pytest.mark.parametrize(
    ("params", "error", "sentence"),
    [
        ({"estimator": KNeighborsClassifier()}, TypeError, "takes sample_weight"),
        ({"estimator": LogisticRegression}, TypeError, "Pass an instance"),
        ({"n_estimators": 0}, ValueError, "n_estimators"),
        ({"baseline_folds": 1}, ValueError, "baseline_folds"),
    ],
)
def test_errors(params, error, sentence):
    X, y, domain, _, _ = partly_wrong(0, 10, 20)
    with pytest.raises(error, match=sentence):
        TrAdaBoostClassifier(**params).fit(X, y, sample_domain=domain)


def test_missing_values_and_class_of_the_target_alone():
    X, y, domain, X_new, _ = partly_wrong(0, 40, 100)
    X[::7, 2] = np.nan
    y[-4:] = 2
    model = TrAdaBoostClassifier(n_estimators=5).fit(X, y, sample_domain=domain)
    np.testing.assert_array_equal(model.classes_, [0, 1, 2])
    assert np.isfinite(model.predict_proba(X_new)).all()


@pytest.mark.parametrize("cls", BOTH)
def test_weight_two_is_a_row_given_twice(cls):
    X, y, domain, X_new, _ = partly_wrong(0, 30, 60)
    weight = 1 + np.arange(len(y)) % 3
    weighted = cls(n_estimators=5).fit(X, y, sample_domain=domain, sample_weight=weight)
    twice = np.repeat(np.arange(len(y)), weight)
    repeated = cls(n_estimators=5).fit(X[twice], y[twice], sample_domain=domain[twice])
    np.testing.assert_allclose(
        weighted.predict_proba(X_new), repeated.predict_proba(X_new)
    )
    assert weighted.transfer_score_ == pytest.approx(repeated.transfer_score_)
