import pickle

import numpy as np
import pytest

from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance import InstanceSelector, KernelMeanMatchingWeighter
from sktransfer.instance._ratio_weighter import BaseRatioWeighter

STRATEGIES = ("nearest", "density_ratio", "landmarks", "herding", "agreement")
STRATEGIES += ("influence",)


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


@pytest.mark.parametrize("strategy", ["nearest", "density_ratio", "agreement"])
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
    monkeypatch.setattr("sktransfer.instance._nearest._BLOCK_ROWS", 300)
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


@pytest.mark.parametrize("strategy", ["agreement", "influence"])
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


def test_errors():
    X, y, domain = shifted()
    for strategy in ("agreement", "influence"):
        fitted = selector(strategy).fit(X, y, sample_domain=domain)
        with pytest.raises(ValueError, match="`score_samples` needs y, got None"):
            fitted.score_samples(X)
        with pytest.raises(ValueError, match="one label for each of the 110 rows"):
            fitted.score_samples(X, y[:3])
    fitted = InstanceSelector("dynamic").fit(X, y, sample_domain=domain)
    with pytest.raises(ValueError, match="use LocalTransferClassifier"):
        fitted.score_samples(X)
    weighter = KernelMeanMatchingWeighter()
    fitted = InstanceSelector("density_ratio", weighter=weighter)
    fitted.fit(X, y, sample_domain=domain)
    if not hasattr(weighter, "weigh"):
        with pytest.raises(ValueError, match="Use a weighter that has `weigh`"):
            fitted.score_samples(X)


def test_without_target_all_rows_are_alike():
    X, y, domain = shifted()
    fitted = InstanceSelector("agreement").fit(X, y, sample_domain=domain)
    with pytest.warns(NoTargetWarning):
        fitted.fit(X[:70], y[:70])
    np.testing.assert_array_equal(fitted.score_samples(X), 1)
