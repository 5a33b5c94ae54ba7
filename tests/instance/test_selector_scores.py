import pickle

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal, spearmanr
from sklearn.linear_model import LogisticRegression

from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance import (
    BalancedWeighter,
    InstanceSelector,
    KernelMeanMatchingWeighter,
    LabelShiftWeighter,
)
from sktransfer.instance._local_mean import LocalMean
from sktransfer.instance._ratio_weighter import BaseRatioWeighter

STRATEGIES = ("nearest", "density_ratio", "landmarks", "herding", "agreement")
STRATEGIES += ("influence", "dynamic")


class FirstColumn:
    """The first column as the log ratio."""

    def __call__(self, X):
        return X[:, 0]


class ByFirstColumn(BaseRatioWeighter):
    """Weigh by the exponential of the first column."""

    def __init__(self, clip=None, flatten=1.0):
        self.clip = clip
        self.flatten = flatten

    def _fit_ratio(self, X_source, X_target):
        return FirstColumn(), None


def shifted(seed=0):
    rng = np.random.RandomState(seed)
    y = np.arange(110) % 2
    X = rng.normal(size=(110, 3)) + 1.5 * y[:, None]
    X[70:] = 0.6 * X[70:] + 0.5
    domain = np.repeat([1, -1], [70, 40])
    y[80:] = -1
    return X, y, domain


def selector(strategy, **options):
    return InstanceSelector(strategy, weighter=ByFirstColumn(), **options)


@pytest.mark.parametrize(
    "strategy", ["nearest", "density_ratio", "agreement", "dynamic"]
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_rows_of_fit_have_their_scores(strategy, dtype):
    X, y, domain = shifted()
    X = X.astype(dtype)
    fitted = selector(strategy).fit(X, y, sample_domain=domain)
    scores = fitted.score_samples(X[:70], y[:70])
    np.testing.assert_allclose(scores, fitted.scores_[:70], rtol=1e-5)
    if dtype is np.float64:
        np.testing.assert_allclose(scores, fitted.scores_[:70], rtol=1e-9)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_scores_of_new_rows_do_not_depend_on_their_company(strategy):
    X, y, domain = shifted()
    X_new, y_new, _ = shifted(1)
    y_new[80:] = 1
    fitted = selector(strategy).fit(X, y, sample_domain=domain)
    scores = fitted.score_samples(X_new, y_new)
    assert scores.shape == (110,)
    assert np.isfinite(scores).all()
    order = np.random.RandomState(0).permutation(110)
    again = pickle.loads(pickle.dumps(fitted)).score_samples(X_new[order], y_new[order])
    np.testing.assert_allclose(again, scores[order], atol=1e-12)
    one = fitted.score_samples(X_new[:1], y_new[:1])
    np.testing.assert_allclose(one, scores[:1], atol=1e-12)


@pytest.mark.parametrize(
    "strategy", ["nearest", "density_ratio", "landmarks", "herding"]
)
def test_rows_like_the_target_score_more_than_rows_far_away(strategy):
    X, y, domain = shifted()
    X[70:, 0] += 1.0
    X_new = np.r_[X[70:], X[70:] - 4.0]
    fitted = selector(strategy).fit(X, y, sample_domain=domain)
    scores = fitted.score_samples(X_new)
    assert scores[:40].mean() > scores[40:].mean()
    if strategy != "density_ratio":
        assert np.median(scores[:40]) > scores[40:].max()


def test_nearest_in_blocks_and_with_equal_rows(monkeypatch):
    X, y, domain = shifted()
    X, y, domain = np.r_[X, X[:70]], np.r_[y, y[:70]], np.r_[domain, domain[:70]]
    fitted = InstanceSelector().fit(X, y, sample_domain=domain)
    monkeypatch.setattr("sktransfer.instance._balls._BLOCK", 300)
    np.testing.assert_allclose(
        fitted.score_samples(X[:70]), fitted.scores_[:70], rtol=1e-12
    )


def test_landmarks_have_the_highest_witness_of_their_class():
    X, y, domain = shifted()
    fitted = InstanceSelector("landmarks").fit(X, y, sample_domain=domain)
    witness = fitted.score_samples(X[:70])
    for c in (0, 1):
        rows = y[:70] == c
        on = fitted.scores_[:70] > 0.05
        highest = witness[rows].max()
        assert np.all(witness[rows & on] > highest - 1e-3)


def test_witness_by_hand():
    X, y, domain = shifted()
    fitted = InstanceSelector("herding", gamma=0.5, n_select=9)
    fitted.fit(X, y, sample_domain=domain)
    X_new = shifted(2)[0][:5]

    def mean_kernel(others):
        squares = ((X_new[:, None] - others[None]) ** 2).sum(axis=2)
        return np.exp(-0.5 * squares).mean(axis=1)

    expected = mean_kernel(X[70:]) - mean_kernel(X[:70][fitted.support_[:70]])
    np.testing.assert_allclose(fitted.score_samples(X_new), expected, atol=1e-12)


@pytest.mark.parametrize("strategy", ["agreement", "influence", "dynamic"])
def test_labels_are_those_of_fit(strategy):
    X, y, domain = shifted()
    names = np.array(["", "cat", "dog"])[y + 1]
    expected = selector(strategy).fit(X, y, sample_domain=domain)
    fitted = selector(strategy).fit(X, names, sample_domain=domain)
    by_name = fitted.score_samples(X[:4], ["dog", "cat", "", "emu"])
    by_number = expected.score_samples(X[:4], [1, 0, -1, 7])
    np.testing.assert_allclose(by_name, by_number)
    neutral = 0.5 if strategy == "agreement" else 0.0
    np.testing.assert_array_equal(by_name[2:], neutral)
    # Of one row the label alone would be the first class.
    one = fitted.score_samples(X[:1], ["dog"])
    np.testing.assert_allclose(one, by_name[:1])


def test_local_mean_by_hand(monkeypatch):
    rng = np.random.RandomState(0)
    X, weights, X_new = rng.normal(size=(20, 3)), rng.uniform(size=20), np.ones((5, 3))
    X_new[:, 0] = rng.normal(size=5)
    score = LocalMean(X, weights, 0.7)
    kernel = np.exp(-0.7 * cdist(X_new, X, "sqeuclidean"))
    expected = kernel @ weights / kernel.sum(axis=1)
    np.testing.assert_allclose(score(X_new), expected)
    monkeypatch.setattr("sktransfer.instance._local_mean._BLOCK", 40)
    np.testing.assert_allclose(score(X_new), expected)
    # Far from all rows that of the nearest.
    far = X[[4, 7]] * 1e6 / np.linalg.norm(X[[4, 7]], axis=1, keepdims=True)
    nearest = cdist(far, X).argmin(axis=1)
    np.testing.assert_allclose(score(far), weights[nearest])
    np.testing.assert_allclose(LocalMean(X, np.ones(20), 0.7)(X_new), 1)


@pytest.mark.parametrize("n_features", [1, 2, 5])
def test_scores_by_kernel_mean_matching_rank_like_the_ratio(n_features):
    """Though each weight for itself is a poor estimate."""
    centre, scale = np.full(n_features, 0.5), 0.7
    target = multivariate_normal(centre, scale**2 * np.eye(n_features))
    source = multivariate_normal(np.zeros(n_features), np.eye(n_features))
    found = []
    for seed in range(3):
        rng = np.random.RandomState(seed)
        X = np.r_[
            rng.normal(size=(300, n_features)), rng.normal(size=(300, n_features))
        ]
        X[300:] = scale * X[300:] + centre
        X_new = rng.normal(size=(300, n_features))
        selector = InstanceSelector("density_ratio")
        selector.fit(X, sample_domain=np.repeat([1, -1], 300))
        ratio = target.logpdf(X_new) - source.logpdf(X_new)
        found.append(spearmanr(selector.score_samples(X_new), ratio)[0])
    assert np.mean(found) > 0.85


def test_scores_by_label_shift_are_the_ratio_of_the_rows():
    # The ratio of the densities of the rows is the mean of the classes' weights.
    rng = np.random.RandomState(0)
    labels = np.r_[np.arange(1000) % 2, rng.uniform(size=1000) < 0.2].astype(int)
    X = rng.normal(size=(2000, 1)) + 2.0 * labels[:, None]
    y = np.where(np.arange(2000) < 1000, labels, -1)
    selector = InstanceSelector(
        "density_ratio",
        weighter=LabelShiftWeighter(n_bootstrap=0),
        gamma=10.0,
        balance=True,
    ).fit(X, y)
    X_new = np.linspace(-2, 4, 30)[:, None]
    classes = np.exp(-0.5 * np.square(X_new - [[0.0, 2.0]]))
    ratio = classes @ [0.8, 0.2] / (classes @ [0.5, 0.5])
    np.testing.assert_allclose(selector.score_samples(X_new), ratio, atol=0.12)


def test_scores_by_a_weighter_of_equal_weights():
    X, y, domain = shifted()
    selector = InstanceSelector("density_ratio", weighter=BalancedWeighter())
    with pytest.warns(NoTargetWarning):  # it is shown no labels of the target
        selector.fit(X, y, sample_domain=domain)
    scores = selector.score_samples(X[:9])
    np.testing.assert_allclose(scores, selector.scores_[0])
    assert not hasattr(KernelMeanMatchingWeighter(), "weigh")


def test_dynamic_by_hand(monkeypatch):
    X, y, domain = shifted()
    y[:4] = -1
    k = 12
    selector = InstanceSelector("dynamic", n_neighbors=k)
    selector.fit(X, y, sample_domain=domain)
    X_new, y_new, _ = shifted(3)
    y_new[80:85], y_new[85:] = -1, 1
    X_source, y_source = X[4:70], y[4:70]
    expected = np.zeros(110)
    for row in X[70:]:
        distances = np.linalg.norm(X_source - row, axis=1)
        around = np.argsort(distances)[:k]
        model = LogisticRegression(max_iter=1000)
        if len(set(y_source[around])) < 2:
            found = np.eye(2)[np.full(110, y_source[around[0]])]
        else:
            found = model.fit(X_source[around], y_source[around]).predict_proba(X_new)
        near = np.linalg.norm(X_new - row, axis=1) <= distances[around[-1]]
        expected += near * np.where(y_new < 0, 0.0, found[np.arange(110), y_new])
    scores = selector.score_samples(X_new, y_new)
    np.testing.assert_allclose(scores, expected, atol=1e-3)
    assert np.sum(scores > 0) > 50
    monkeypatch.setattr("sktransfer.instance._balls._BLOCK", 100)
    np.testing.assert_allclose(selector.score_samples(X_new, y_new), scores)
    assert selector.score_samples(X_new + 100, y_new).max() == 0


def test_errors():
    X, y, domain = shifted()
    for strategy in ("agreement", "influence", "dynamic"):
        fitted = selector(strategy).fit(X, y, sample_domain=domain)
        with pytest.raises(ValueError, match="`score_samples` needs y, got None"):
            fitted.score_samples(X)
        with pytest.raises(ValueError, match="one label for each of the 110 rows"):
            fitted.score_samples(X, y[:3])


def test_without_target_all_rows_are_alike():
    X, y, domain = shifted()
    fitted = InstanceSelector("agreement").fit(X, y, sample_domain=domain)
    with pytest.warns(NoTargetWarning):
        fitted.fit(X[:70], y[:70])
    np.testing.assert_array_equal(fitted.score_samples(X), 1)
