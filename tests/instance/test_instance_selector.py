import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.utils.estimator_checks import parametrize_with_checks

from sktransfer import TransferClassifier
from sktransfer._kernels import kernel_matrix, resolve_gamma
from sktransfer.exceptions import ClassLostWarning
from sktransfer.instance import InstanceSelector
from sktransfer.instance._strategies import STRATEGIES
from sktransfer.utils.estimator_checks import yield_transfer_checks
from tests.adapters import ByFirstColumn, PositiveRows

ESTIMATORS = [
    InstanceSelector(),
    InstanceSelector(fraction=0.4),
    InstanceSelector(n_select=7, balance=True),
    InstanceSelector("density_ratio", weighter=ByFirstColumn()),
    InstanceSelector("density_ratio", weighter=ByFirstColumn(), balance=True),
    InstanceSelector("landmarks"),
    InstanceSelector("landmarks", fraction=0.3),
    *(
        InstanceSelector("landmarks", kernel=kernel)
        for kernel in ("linear", "laplacian", "poly", "cosine")
    ),
    InstanceSelector("agreement"),
    InstanceSelector("agreement", fraction=0.5, balance=True),
    *(InstanceSelector("herding", kernel=kernel) for kernel in ("linear", "cosine")),
    InstanceSelector("herding", fraction=0.3, balance=True),
    InstanceSelector("influence", fraction=0.5, balance=True),
]


# The checks give no target row, so beside validation they meet no strategy.
@pytest.mark.filterwarnings("ignore::sktransfer.exceptions.NoTargetWarning")
@parametrize_with_checks([InstanceSelector(), InstanceSelector("agreement")])
def test_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "check",
    [check for item in ESTIMATORS for check in yield_transfer_checks(item)],
    ids=repr,
)
def test_promise(check):
    check()


def shifted(n_source=60, n_target=50, *, n_classes=2, seed=0):
    """Draw labelled source rows, unlabelled target rows, and the mask of the source."""
    rng = np.random.RandomState(seed)
    y_source = rng.permutation(np.arange(n_source) % n_classes)
    X_source = rng.normal(size=(n_source, 2)) + 2.0 * y_source[:, None]
    X_target = 0.5 * rng.normal(size=(n_target, 2)) + 1.0
    X = np.r_[X_source, X_target]
    y = np.r_[y_source, np.full(n_target, -1)]
    order = rng.permutation(len(X))
    return X[order], y[order], y[order] >= 0


def test_nearest_equals_brute_force():
    X, y, source = shifted()
    fitted = InstanceSelector(n_neighbors=3).fit(X, y)
    nearest = np.argsort(cdist(X[~source], X[source]), axis=1)[:, :3]
    expected = np.isin(np.arange(source.sum()), nearest)
    np.testing.assert_array_equal(fitted.support_[source], expected)
    assert 5 < expected.sum() < 55


def test_nearest_with_a_count_takes_the_highest_scores():
    X, y, source = shifted()
    fitted = InstanceSelector(n_select=11).fit(X, y)
    scores = fitted.scores_[source]
    expected = scores >= np.sort(scores)[-11]
    np.testing.assert_array_equal(fitted.support_[source], expected)
    same = InstanceSelector(fraction=11 / 60).fit(X, y)
    np.testing.assert_array_equal(same.support_, fitted.support_)
    assert np.isnan(fitted.scores_[~source]).all()


@pytest.mark.filterwarnings("ignore::sktransfer.exceptions.WeightCollapseWarning")
def test_density_ratio_takes_the_region_of_overlap():
    # The weighter's weights grow with the first column.
    X, y, source = shifted()
    fitted = InstanceSelector("density_ratio", weighter=ByFirstColumn()).fit(X, y)
    first = X[source, 0]
    np.testing.assert_array_equal(fitted.support_[source], first > np.median(first))
    ratios = fitted.scores_[source] / np.exp(first)
    np.testing.assert_allclose(ratios, ratios[0])


class EqualWeights(ByFirstColumn):
    """Weigh all rows equally."""

    def _weights(self, X_source, y_source, X_target, y_target):
        return np.ones(len(X_source))


class LabelReader(ByFirstColumn):
    """Keep what it was given."""

    def _weights(self, X_source, y_source, X_target, y_target):
        assert set(y_source) == {0, -1}
        assert np.all(y_target == -1)
        return np.ones(len(X_source))


def test_density_ratio_hands_on_the_labels_of_the_source_alone():
    X, _, source = shifted()
    # One class and a missing label: as integers it would look like classes -1 and 4.
    y = np.where(source, 4.0, 9.0)
    y[np.flatnonzero(source)[:3]] = np.nan
    domain = np.where(source, 1, -1)
    selector = InstanceSelector("density_ratio", weighter=LabelReader())
    assert selector.fit(X, y, sample_domain=domain).support_[source].sum() == 30


def squared_mmd(K, chosen, target):
    a = chosen / chosen.sum() - target / target.sum()
    return a @ K @ a


@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
def test_landmarks_are_nearer_than_random_subsets(kernel):
    X, y, source = shifted(100)
    K = kernel_matrix(X, kernel=kernel, gamma=resolve_gamma("median", X, kernel=kernel))
    rng = np.random.RandomState(0)
    for options in ({}, {"n_select": 20}):
        fitted = InstanceSelector("landmarks", kernel=kernel, **options).fit(X, y)
        landmarks = fitted.support_ & source
        found = squared_mmd(K, landmarks, ~source)
        for _ in range(200):
            random = np.zeros(len(X))
            random[rng.permutation(np.flatnonzero(source))[: landmarks.sum()]] = 1
            assert found < squared_mmd(K, random, ~source)


def test_landmark_scores_are_weights_of_mean_one_in_each_class():
    X, y, source = shifted(90, n_classes=3)
    fitted = InstanceSelector("landmarks").fit(X, y)
    for c in range(3):
        np.testing.assert_allclose(fitted.scores_[y == c].mean(), 1, rtol=1e-9)
    np.testing.assert_array_equal(
        fitted.support_[source], fitted.scores_[source] > 0.01
    )
    counted = InstanceSelector("landmarks", n_select=9).fit(X, y)
    np.testing.assert_array_equal(np.bincount(y[counted.support_ & source]), [3, 3, 3])


def mislabelled(n=200):
    """Draw two separate classes in both domains; a tenth of the source is mislabelled.

    Also returns which rows are mislabelled and the target's true labels (-1 for the
    source).
    """
    rng = np.random.RandomState(0)
    truth = np.arange(n) % 2
    X = 0.5 * rng.normal(size=(n, 3)) + 4.0 * truth[:, None]
    source = rng.permutation(n) < n // 2
    wrong = source & (rng.permutation(n) < n // 5)
    y = np.where(source, np.where(wrong, 1 - truth, truth), -1)
    return X, y, source, wrong, truth


def test_agreement_drops_exactly_the_mislabelled_rows():
    X, y, source, wrong, _ = mislabelled()
    fitted = InstanceSelector("agreement").fit(X, y)
    assert wrong.sum() > 10
    np.testing.assert_array_equal(fitted.support_, ~wrong)
    assert fitted.scores_[wrong].max() < 0.5
    counted = InstanceSelector("agreement", n_select=int((source & ~wrong).sum()))
    np.testing.assert_array_equal(counted.fit(X, y).support_, ~wrong)


def test_agreement_follows_the_labels_of_the_target():
    X, y, source, wrong, truth = mislabelled()
    # In the target the classes are the other way round.
    known = np.flatnonzero(~source)[:20]
    y = y.copy()
    y[known] = 1 - truth[known]
    fitted = InstanceSelector("agreement").fit(
        X, y, sample_domain=np.where(source, 1, -1)
    )
    np.testing.assert_array_equal(fitted.support_, ~source | wrong)


def test_agreement_keeps_unlabelled_rows_and_unknown_classes():
    X, y, source, wrong, truth = mislabelled()
    y = np.where(source, y, truth)
    some = np.flatnonzero(source)
    y[some[:5]], y[some[5:10]] = 2, -1
    fitted = InstanceSelector("agreement", estimator=LogisticRegression(C=10))
    fitted.fit(X, y, sample_domain=np.where(source, 1, -1))
    assert fitted.support_[some[:10]].all()
    np.testing.assert_array_equal(fitted.scores_[some[:10]], 0.5)
    np.testing.assert_array_equal(fitted.support_[some[10:]], ~wrong[some[10:]])


def test_agreement_repairs_a_classifier():
    X, y, source, wrong, _ = mislabelled()
    plain = LogisticRegression(C=1e6, max_iter=1000)
    selector = InstanceSelector("agreement")
    model = TransferClassifier(plain, selector).fit(X, y)
    right = plain.fit(X[source & ~wrong], y[source & ~wrong])
    np.testing.assert_allclose(model.predict_proba(X), right.predict_proba(X))


@st.composite
def imbalanced(draw):
    sizes = draw(st.lists(st.integers(1, 12), min_size=2, max_size=4))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    n_select = draw(st.integers(len(sizes), len(labels)))
    return labels, n_select, draw(st.integers(0, 100))


@pytest.mark.filterwarnings("ignore::sktransfer.exceptions.WeightCollapseWarning")
@settings(deadline=None, max_examples=25)
@given(imbalanced(), st.sampled_from(["nearest", "density_ratio", "agreement"]))
def test_balance_keeps_the_proportions(case, strategy):
    labels, n_select, seed = case
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(len(labels) + 10, 2))
    y = np.r_[labels, np.full(10, -1)]
    domain = np.where(y < 0, -1, 1)
    selector = InstanceSelector(
        strategy, n_select=n_select, balance=True, weighter=ByFirstColumn()
    )
    fitted = selector.fit(X, y, sample_domain=domain)
    kept = np.bincount(labels[fitted.support_[: len(labels)]])
    exact = np.bincount(labels) * n_select / len(labels)
    assert kept.sum() == n_select
    assert kept.min() >= 1
    assert np.all(kept < exact + 1)
    for c in np.unique(labels):
        scores, chosen = fitted.scores_[y == c], fitted.support_[y == c]
        assert scores[chosen].min() >= scores[~chosen].max(initial=-np.inf)


def test_balance_without_a_count_keeps_the_natural_number():
    X, y, source = shifted()
    # The target lies on one side, so the neighbours are of one class.
    X[~source] -= 3.0
    with pytest.warns(ClassLostWarning, match="class 1"):
        plain = InstanceSelector(n_neighbors=2).fit(X, y)
    balanced = InstanceSelector(n_neighbors=2, balance=True).fit(X, y)
    n_kept = (plain.support_ & source).sum()
    counts = np.bincount(y[balanced.support_ & source])
    assert counts.sum() == n_kept
    assert abs(counts[0] - counts[1]) <= 1


@pytest.mark.parametrize("fraction", [0.01, 0.4])
def test_balance_keeps_a_row_of_each_class(fraction):
    X, y, source = shifted(60, n_classes=3)
    fitted = InstanceSelector(fraction=fraction, balance=True).fit(X, y)
    counts = np.bincount(y[fitted.support_ & source])
    np.testing.assert_array_equal(counts, [max(1, int(20 * fraction))] * 3)


@pytest.mark.parametrize("strategy", ["nearest", "landmarks", "agreement"])
def test_string_labels_are_as_good_as_integers(strategy):
    X, y, _ = shifted()
    names = np.array(["", "cat", "dog"])[y + 1]
    selector = InstanceSelector(strategy, fraction=0.5, balance=True)
    expected = selector.fit(X, y)
    support, scores = expected.support_, expected.scores_
    selector.fit(X, names)
    np.testing.assert_array_equal(selector.support_, support)
    np.testing.assert_array_equal(selector.scores_, scores)


@pytest.mark.parametrize("strategy", ["nearest", "density_ratio", "landmarks"])
def test_regression_and_missing_labels_are_taken(strategy):
    X, _, source = shifted()
    selector = InstanceSelector(strategy, fraction=0.5, weighter=ByFirstColumn())
    domain = np.where(source, 1, -1)
    unlabelled = selector.fit(X, sample_domain=domain).support_
    assert unlabelled[source].sum() == 30
    values = np.where(source, X[:, 0], np.nan)
    np.testing.assert_array_equal(selector.fit(X, values).support_, unlabelled)
    two = np.c_[values, values]
    np.testing.assert_array_equal(
        selector.fit(X, two, sample_domain=domain).support_, unlabelled
    )


@pytest.mark.parametrize("strategy", ["nearest", "density_ratio", "landmarks"])
def test_ties_are_broken_by_content(strategy):
    # A square around one target row: all four are alike but for their place.
    X = np.array([[1.0, 1], [1, -1], [-1, 1], [-1, -1], [0, 0]])
    y = np.array([0, 0, 0, 0, -1])
    selector = InstanceSelector(strategy, n_select=2, weighter=EqualWeights())
    domain = np.array([1, 1, 1, 1, -1])
    kept = {tuple(row) for row in X[selector.fit(X, y, sample_domain=domain).support_]}
    for seed in range(5):
        order = np.random.RandomState(seed).permutation(5)
        selector.fit(X[order], y[order], sample_domain=domain[order])
        assert {tuple(row) for row in X[order][selector.support_]} == kept


@pytest.mark.parametrize(
    "strategy",
    [
        "nearest",
        "density_ratio",
        "landmarks",
        "herding",
        "agreement",
        "influence",
        "dynamic",
    ],
)
@pytest.mark.parametrize("options", [{}, {"n_select": 17}, {"balance": True}])
def test_permutation_is_exact_with_many_ties(strategy, options):
    # Rows of a grid, so that many scores are equal; no row comes twice.
    X = np.array(np.meshgrid(range(12), range(10)), dtype=float).reshape(2, -1).T
    rng = np.random.RandomState(0)
    domain = np.where(X[:, 0] + 2 * rng.rand(120) > 6, -1, 1)
    y = np.where(X.sum(axis=1) + 2 * rng.rand(120) > 9, 1, 0)
    y[rng.rand(120) < 0.3] = -1
    selector = InstanceSelector(strategy, weighter=EqualWeights(), **options)
    expected = selector.fit(X, y, sample_domain=domain)
    support, scores = expected.support_, expected.scores_
    for _ in range(3):
        order = rng.permutation(120)
        selector.fit(X[order], y[order], sample_domain=domain[order])
        np.testing.assert_array_equal(selector.support_, support[order])
        np.testing.assert_array_equal(selector.scores_, scores[order])


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"strategy": "best"}, "`strategy` must be one of 'nearest'"),
        ({"fraction": 0.0}, r"`fraction` must be a finite number in \(0, 1\]"),
        ({"fraction": 1.5}, r"`fraction` must be a finite number in \(0, 1\]"),
        ({"n_select": 0}, r"`n_select` must be an integer in \[1, inf\)"),
        ({"n_select": 2.0}, r"`n_select` must be an integer in \[1, inf\)"),
        ({"n_select": 61}, "`n_select` must be at most the number of source rows, 60"),
        ({"fraction": 0.5, "n_select": 3}, "Only one of `fraction` and `n_select`"),
        ({"balance": "yes"}, "`balance` must be one of True, False"),
        ({"n_select": 1, "balance": True}, "`n_select` must be at least the number of"),
        ({"n_neighbors": 0}, "`n_neighbors` must be an integer"),
        (
            {"strategy": "density_ratio", "weighter": PositiveRows()},
            "`weighter` must be a weighter of sktransfer",
        ),
        (
            {"strategy": "density_ratio", "weighter": ByFirstColumn},
            "`weighter` must be a weighter of sktransfer",
        ),
        (
            {"strategy": "agreement", "estimator": Perceptron()},
            "`estimator` must be a classifier with predict_proba",
        ),
        ({"strategy": "landmarks", "kernel": "tanh"}, "`kernel` must be one of"),
        ({"strategy": "landmarks", "gamma": -1.0}, "`gamma` must be a finite number"),
        ({"strategy": "landmarks", "degree": -1}, "`degree` must be a finite number"),
        ({"strategy": "landmarks", "coef0": None}, "`coef0` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    X, y, _ = shifted()
    with pytest.raises(ValueError, match=sentence):
        InstanceSelector(**params).fit(X, y)


def test_agreement_needs_classes():
    X, _, source = shifted()
    domain = np.where(source, 1, -1)
    selector = InstanceSelector("agreement")
    with pytest.raises(ValueError, match="got labels of regression"):
        selector.fit(X, X[:, 0], sample_domain=domain)
    for y in (None, np.full(len(X), -1)):
        with pytest.raises(ValueError, match="got no label"):
            selector.fit(X, y, sample_domain=domain)
    with pytest.raises(ValueError, match="`balance` must be False for regression"):
        InstanceSelector(balance=True).fit(X, X[:, 0], sample_domain=domain)


def test_which_strategies_read_labels_of_the_target():
    for strategy in STRATEGIES:
        selector = InstanceSelector(strategy)
        reads = strategy in ("agreement", "influence")
        assert selector._reads_target_labels is reads
        assert selector._needs_target_labels is (strategy == "influence")
