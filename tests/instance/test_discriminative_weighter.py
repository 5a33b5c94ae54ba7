import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.special import logit
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC

from sktransfer import DiscriminativeWeighter
from sktransfer.exceptions import WeightCollapseWarning
from sktransfer.instance._discrimination import domain_folds
from sktransfer.instance._row_groups import row_groups
from tests.instance.known_ratios import KNOWN, agreement, draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)

QUADRATIC = make_pipeline(
    PolynomialFeatures(2, include_bias=False), StandardScaler(), LogisticRegression()
)
SPLINES = make_pipeline(SplineTransformer(8), LogisticRegression(C=10, max_iter=1000))


def fit(X, domain, *args, **params):
    return DiscriminativeWeighter(*args, **params).fit(X, sample_domain=domain)


def weights_of(X, domain, *args, **params):
    return fit(X, domain, *args, **params).sample_weight_[domain > 0]


def draw(n_source=80, n_target=60, p=3, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[rng.normal(size=(n_source, p)), rng.normal(size=(n_target, p)) + 0.7]
    return X, np.repeat([1, -1], [n_source, n_target])


@pytest.mark.parametrize("case", KNOWN)
@pytest.mark.parametrize("p", [1, 5])
def test_follows_the_true_ratio(case, p):
    errors = {150: 0.0, 2000: 0.0}
    for seed in (p, p + 1):
        for n in errors:
            X, domain, ratio = draw_known(case, p, n, seed)
            weights = weights_of(X, domain, SPLINES)
            errors[n] += mean_error(weights, ratio)
        assert agreement(weights, ratio) > 0.9
    assert errors[2000] < 0.7 * errors[150]


def test_is_consistent_where_the_classifier_is():
    # The log ratio of two Gaussians is a square of the columns.
    errors = []
    for n in (300, 3000, 30000):
        X, domain, ratio = draw_known("gaussians", 2, n)
        errors.append(mean_error(weights_of(X, domain, QUADRATIC), ratio))
    assert errors[2] < 0.5 * errors[1] < 0.3 * errors[0]
    assert errors[2] < 0.03


def test_values_that_both_domains_have():
    # Folds that hold out whole values would learn the shares without them.
    shares, n, errors = np.array([[0.5] * 4, [0.7, 0.4, 0.5, 0.6]]), 4000, []
    for cv in (5, None):
        rng = np.random.RandomState(0)
        X, Z = ((rng.rand(n, 4) < p).astype(float) for p in shares)
        ratio = np.prod(np.where(X == 1, shares[1], 1 - shares[1]) * 2, axis=1)
        weights = weights_of(np.r_[X, Z], np.repeat([1, -1], n), cv=cv)
        errors.append(mean_error(weights, ratio))
        values, first = np.unique(X, axis=0, return_inverse=True)
        for k in range(len(values)):
            assert np.ptp(weights[first.ravel() == k]) < 1e-12
    assert errors[0] < 1.1 * errors[1] < 0.1


def test_equals_a_loop_over_folds():
    X, domain = draw()
    groups = row_groups(X)[0]
    order = np.argsort(groups)
    is_target = domain < 0
    folds = np.empty(len(X), int)
    folds[order] = domain_folds(
        groups[order], is_target[order], 4, np.random.RandomState(0)
    )
    expected = np.empty(len(X))
    for k in range(4):
        out = folds == k
        model = GaussianNB().fit(X[~out], is_target[~out])
        p = model.predict_proba(X[out])[:, 1]
        share = (~is_target & ~out).sum() / (is_target & ~out).sum()
        expected[out] = p / (1 - p) * share
    expected = expected[domain > 0]
    weights = weights_of(X, domain, GaussianNB(), cv=4)
    assert_allclose(weights, expected / expected.mean(), rtol=1e-9)


def test_target_over_source():
    # The other way round, source over target, is SKADA's defect.
    X, domain = draw(p=1)
    assert np.corrcoef(X[domain > 0, 0], weights_of(X, domain))[0, 1] > 0.7


def test_training_rows_are_weighed_honestly():
    # Trees know their rows by heart; on rows that they did not see they are sane.
    X, domain, ratio = draw_known("gaussians", 2, 500)
    forest = ExtraTreesClassifier(30, random_state=0)
    honest, by_heart = (weights_of(X, domain, forest, cv=cv) for cv in (5, None))
    assert np.ptp(by_heart) < 1e-9
    assert agreement(honest, ratio) > 0.8


def test_calibration():
    X, domain, ratio = draw_known("gaussians", 2, 2000)
    # Every column four times: naive Bayes is four times too sure.
    X = np.repeat(X, 4, axis=1)
    plain = mean_error(weights_of(X, domain, GaussianNB()), ratio)
    for calibration in ("sigmoid", "isotonic"):
        weights = weights_of(X, domain, GaussianNB(), calibration=calibration)
        assert mean_error(weights, ratio) < 0.25 * plain
        assert agreement(weights, ratio) > 0.98


def test_calibration_makes_odds_of_margins():
    X, domain, ratio = draw_known("gaussians", 2, 1000)
    svm = make_pipeline(PolynomialFeatures(2), StandardScaler(), LinearSVC())
    weights = weights_of(X, domain, svm, calibration="sigmoid")
    assert agreement(weights, ratio) > 0.95
    with pytest.raises(ValueError, match=r"LinearSVC has no predict_proba.*'sigmoid'"):
        fit(X, domain, LinearSVC())


def test_nothing_saturates():
    # At 50 standard deviations probabilities are one to rounding; log odds are not.
    rng = np.random.RandomState(0)
    X = np.r_[rng.uniform(0, 60, size=(300, 1)), rng.normal(60, 1, size=(300, 1))]
    domain = np.repeat([1, -1], 300)
    for model in (LogisticRegression(C=1e6), GaussianNB()):
        ratio = fit(X, domain, model).ratios_[0]
        logs = ratio(np.linspace(0, 55, 30)[:, None])
        assert np.isfinite(logs).all()
        assert len(np.unique(logs)) == 30


def test_bounded_odds_of_a_forest():
    X, domain = draw(200, 200, p=1)
    forest = RandomForestClassifier(20, random_state=0)
    logs = fit(X, domain, forest, cv=2).ratios_[0](X)
    assert np.abs(logs).max() <= logit(1 - 1 / 202) + 0.1


def test_certainty_needs_rows_and_not_copies():
    # Side by side without a gap: the classifier is certain of ten target rows only.
    X = np.r_[np.linspace(0, 1, 50), np.linspace(1.1, 3, 20)][:, None]
    domain, collapse = np.repeat([1, -1], [50, 20]), WeightCollapseWarning
    with pytest.warns(collapse, match="do not overlap"):
        assert fit(X, domain).auc_[0] > 0.999
    few = np.r_[np.arange(50), np.tile(np.arange(50, 59), 4)]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", ".*do not overlap.*", collapse)
        assert fit(X[few], domain[few]).auc_[0] > 0.999


def test_auc():
    X, domain = draw()
    weighter = fit(X, domain)
    assert 0.7 < weighter.auc_[0] < 0.95
    source, target = draw()[0][:80], draw(seed=5)[0][:60]
    same = np.r_[source, target]
    assert abs(fit(same, domain).auc_[0] - 0.5) < 0.1
    whole = fit(X, domain, LogisticRegression(), cv=None)
    model = LogisticRegression().fit(X, domain < 0)
    expected = roc_auc_score(domain < 0, model.decision_function(X))
    assert_allclose(whole.auc_, [expected], rtol=1e-6)


@settings(deadline=None, max_examples=25)
@given(
    n_source=st.integers(1, 12),
    n_target=st.integers(1, 12),
    n_folds=st.integers(2, 6),
    values=st.integers(1, 20),
    seed=st.integers(0, 1000),
)
def test_folds(n_source, n_target, n_folds, values, seed):
    rng = np.random.RandomState(seed)
    groups = np.unique(rng.randint(values, size=n_source + n_target), True, True)[2]
    is_target = np.arange(n_source + n_target) >= n_source
    folds = domain_folds(groups, is_target, n_folds, rng)
    for group in range(groups.max() + 1):
        copies = groups == group
        if len(set(is_target[copies])) == 1:
            assert len(set(folds[copies])) == 1
            continue
        for part in (copies & is_target, copies & ~is_target):
            counts = np.bincount(folds[part][folds[part] >= 0], minlength=n_folds)
            assert np.ptp(counts) <= 1
    for k in range(n_folds):
        if np.any(folds == k):
            assert set(is_target[folds != k]) == {False, True}
    for mask in (is_target, ~is_target):
        if len(set(groups[mask])) > 1 and len(set(groups[~mask])) > 1:
            assert folds[mask].min() >= 0


@settings(deadline=None, max_examples=10)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 4),
    n_source=st.integers(1, 30),
    n_target=st.integers(1, 30),
    repeat=st.booleans(),
)
def test_weights_for_any_rows(seed, p, n_source, n_target, repeat):
    X, domain = draw(n_source, n_target, p, seed)
    if repeat:
        X = np.round(X)
    weights = fit(X, domain, cv=2).sample_weight_
    assert weights.min() >= 0
    assert_allclose(weights[:n_source].mean(), 1)
    order = np.random.RandomState(seed).permutation(len(domain))
    again = fit(X[order], domain[order], cv=2).sample_weight_
    assert_allclose(again, weights[order], rtol=1e-9)
    # Columns are standardised: a power of two changes no rounding.
    scaled = fit(2.0**10 * X, domain, cv=2).sample_weight_
    assert_allclose(scaled, weights, rtol=1e-9)


def test_order_matters_to_no_classifier():
    X, domain = draw()
    order = np.random.RandomState(1).permutation(len(X))
    forest = RandomForestClassifier(5)
    weights = fit(X, domain, forest).sample_weight_
    again = fit(X[order], domain[order], forest).sample_weight_
    assert_array_equal(again, weights[order])


def test_weigh():
    X, domain = draw(400, 400, p=2)
    weighter = fit(X, domain)
    new = weighter.weigh(X[domain > 0])
    # The mean of five models against the one that did not see the row.
    assert_allclose(new, weighter.sample_weight_[domain > 0], rtol=0.5, atol=0.05)
    whole = fit(X, domain, cv=None)
    assert_allclose(whole.weigh(X[domain > 0]), whole.sample_weight_[domain > 0])
    again = pickle.loads(pickle.dumps(weighter))
    assert_array_equal(again.weigh(X), weighter.weigh(X))


def test_clip_and_flatten():
    X, domain, _ = draw_known("gaussians", 1, 500)
    plain = weights_of(X, domain, QUADRATIC)
    assert_allclose(weights_of(X, domain, QUADRATIC, flatten=0), 1)
    half = np.sqrt(plain)
    got = weights_of(X, domain, QUADRATIC, flatten=0.5)
    assert_allclose(got, half / half.mean())
    cut = np.minimum(plain, 1.5)
    assert_allclose(weights_of(X, domain, QUADRATIC, clip=1.5), cut / cut.mean())


def test_sparse_equals_dense():
    X, domain = draw(p=8)
    X[np.abs(X) < 0.6] = 0
    dense, thin = fit(X, domain), fit(sparse.csr_array(X), domain)
    assert_allclose(thin.sample_weight_, dense.sample_weight_, rtol=1e-3)


def test_two_rows():
    weighter = fit(np.array([[0.0], [1.0]]), np.array([1, -1]))
    assert_array_equal(weighter.sample_weight_, [1, 1])
    three = fit(np.array([[0.0], [2.0], [1.0]]), np.array([1, 1, -1]))
    assert_allclose(three.sample_weight_, 1, atol=0.5)


@pytest.mark.parametrize(
    ("params", "error", "sentence"),
    [
        ({"estimator": LinearRegression()}, TypeError, "must be a classifier with"),
        ({"estimator": GaussianNB}, TypeError, "must be a classifier with"),
        ({"cv": 1}, ValueError, "`cv` must be an integer"),
        ({"calibration": "platt"}, ValueError, "`calibration` must be one of"),
        ({"calibration": "sigmoid", "cv": None}, ValueError, "Set cv to 2 or more"),
        ({"clip": 0.0}, ValueError, "`clip` must be a finite number"),
        ({"flatten": 2.0}, ValueError, "`flatten` must be a finite number"),
    ],
)
def test_bad_parameters(params, error, sentence):
    X, domain = draw()
    with pytest.raises(error, match=sentence):
        fit(X, domain, **params)


@pytest.mark.slow
def test_large_data():
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(100_000, 20)), rng.normal(size=(100_000, 20)) + 0.1]
    domain = np.repeat([1, -1], 100_000)
    logs = np.log(fit(X, domain).sample_weight_[:100_000])
    assert np.corrcoef(logs, X[:100_000].sum(axis=1))[0, 1] > 0.98
