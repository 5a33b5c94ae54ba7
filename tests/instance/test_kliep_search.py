import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.special import logsumexp
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from sktransfer.instance import _kliep_search
from sktransfer.instance._centre_kernels import draw_centres, weighted_rows
from sktransfer.instance._kliep_search import SearchRows, choose_gamma, try_gamma
from sktransfer.instance._mean_log import maximize_mean_log
from sktransfer.instance._source_sums import SourceSums
from tests.instance.known_ratios import draw_known


def setting(X, n_source, n_centers, gammas, n_folds, seed=1):
    """Return what a search is given, and the folds of the source rows."""
    source, target = weighted_rows(X[:n_source]), weighted_rows(X[n_source:])
    centres = draw_centres(target, n_centers, np.random.RandomState(0))
    rng, gammas = np.random.RandomState(seed), np.array(gammas)
    of_source = rng.permutation(len(source)) % n_folds
    of_target = rng.permutation(len(target)) % n_folds
    sums = SourceSums(source, centres, gammas, of_source)
    distances = gammas[0] * centres.squared_distances(target.X)
    rows = SearchRows.of(distances, gammas[0], target.weights, of_target, n_folds)
    return source, target, centres, of_source, rows, sums


def draw(n_source, n_target, p=2, seed=0):
    rng = np.random.RandomState(seed)
    source = rng.normal(size=(n_source, p))
    return np.r_[source, 0.7 * rng.normal(size=(n_target, p)) + 0.5]


def test_by_hand():
    gammas = 0.3, 3.0
    parts = setting(draw(40, 30), 40, 12, gammas, 4)
    source, target, centres, of_source, rows, sums = parts
    at = centres.rows + centres.origin
    for k, gamma in enumerate(gammas):
        K_source, K = (rbf_kernel(part.X, at, gamma=gamma) for part in (source, target))
        values = np.empty(30)
        for fold in range(4):
            kept, out = rows.folds != fold, rows.folds == fold
            b = K_source[of_source != fold].mean(axis=0)
            w = np.full(kept.sum(), 1 / kept.sum())
            a = minimize(
                lambda a, A=K[kept], w=w: -w @ np.log(A @ a),
                1 / (12 * b),
                bounds=[(0, None)] * 12,
                constraints={"type": "eq", "fun": lambda a, b=b: b @ a - 1},
                method="SLSQP",
                options={"ftol": 1e-12, "maxiter": 500},
            ).x
            scale = (K_source[of_source == fold] @ a).mean()
            values[out] = np.log(K[out] @ a / scale)
        found = try_gamma(rows, gamma, sums[k], sums.shares)
        assert_allclose(found.score, values.mean(), atol=5e-3)
        assert_allclose(found.score, rows.weights @ found.values, rtol=1e-12)
        assert np.abs(found.values - values).mean() < 0.02
        # The start is near the optimum for all rows.
        A = K / K_source.mean(axis=0)
        best = maximize_mean_log(A, target.weights).objective
        assert_allclose(found.start.sum(), 1)
        assert best - target.weights @ np.log(A @ found.start) < 0.02


def test_what_is_clearly_worse_is_given_up():
    X = draw_known("gaussians", 2, 500)[0]
    gammas = 0.1, 0.4, 0.5, 500.0
    *_, rows, sums = setting(X, 500, 50, gammas, 5)
    alone = [try_gamma(rows, gammas[k], sums[k], sums.shares) for k in range(4)]
    best = max(alone, key=lambda trial: trial.score)
    beside = [try_gamma(rows, gammas[k], sums[k], sums.shares, best) for k in range(4)]
    scores = [trial.score for trial in beside]
    assert np.isneginf(scores[3])
    assert alone[3].score < best.score - 0.5
    # Rows of much the same width are not worse beyond chance.
    assert_allclose(scores[1:3], [alone[k].score for k in (1, 2)])


@pytest.mark.parametrize(
    ("scores", "tried", "best"),
    [
        ([0, 1, 2, 3, 1], [2, 3, 4], 3),
        ([0, 1, 2, 1, 9], [2, 3, 1], 2),
        ([3, 2, 1, 0, 9], [2, 3, 1, 0], 0),
        ([5, 4, 3, 3, 3], [2, 3, 1, 0], 0),
    ],
)
def test_from_the_middle_to_narrower_kernels_first(monkeypatch, scores, tried, best):
    order = []

    def trial(rows, gamma, log_sums, shares, rival=None):
        order.append(int(gamma))
        if rival is not None:
            assert rival.score == max(scores[k] for k in order[:-1])
        return _kliep_search.Trial(float(scores[order[-1]]))

    monkeypatch.setattr(_kliep_search, "try_gamma", trial)

    class Sums(dict):
        shares = None

    found = choose_gamma(None, np.arange(5), Sums.fromkeys(range(5)))
    assert order == tried
    assert found == (best, _kliep_search.Trial(float(scores[best])))


def test_of_equal_widths_the_wider():
    X = draw(30, 20)
    *_, rows, sums = setting(X, 30, 10, (1.0, 1.0, 1.0), 3)
    assert choose_gamma(rows, np.ones(3), sums)[0] == 0


def test_far_folds_are_held_out_in_logarithms():
    # Only one source row is not far from the target: the others keep a fold's ratio.
    X = np.r_[[[0.0]], 100 + np.arange(5.0)[:, None], np.linspace(-1, 1, 8)[:, None]]
    parts = setting(X, 6, 1, (0.5,), 2)
    source, target, centres, of_source, rows, sums = parts
    found = try_gamma(rows, 0.5, sums[0], sums.shares)
    logs, of_target = (
        -0.5 * euclidean_distances(part.X, centres.rows + centres.origin, squared=True)
        for part in (source, target)
    )
    for fold in (0, 1):
        out = rows.folds == fold
        scale = logsumexp(logs[of_source == fold]) - np.log(3)
        assert_allclose(found.values[out], of_target[out, 0] - scale, rtol=1e-5)
    assert np.abs(found.values).max() > 1000


def test_programmes_that_do_not_come_to_an_end_are_solved_alone(monkeypatch):
    X = draw(80, 60)
    *_, rows, sums = setting(X, 80, 20, (0.5, 5.0), 4)
    together = [
        try_gamma(rows, g, sums[k], sums.shares) for k, g in enumerate((0.5, 5))
    ]
    monkeypatch.setattr(_kliep_search, "_MOST_STEPS", 1)
    alone = [try_gamma(rows, g, sums[k], sums.shares) for k, g in enumerate((0.5, 5))]
    for one, other in zip(together, alone, strict=True):
        assert_allclose(one.score, other.score, atol=1e-2)


@pytest.mark.parametrize("scale", [1e-140, 1e140])
def test_units_do_not_matter(scale):
    X = draw(60, 50)
    scores = []
    for factor in (1.0, scale):
        gammas = np.array([0.5, 2.0]) / factor**2
        *_, rows, sums = setting(factor * X, 60, 10, gammas, 4)
        trials = [try_gamma(rows, gammas[k], sums[k], sums.shares) for k in (0, 1)]
        scores.append([trial.score for trial in trials])
    assert_allclose(scores[1], scores[0], atol=1e-4)
