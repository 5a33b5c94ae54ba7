"""CORAL and linear transport: what holds for both, and what sets them apart."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression

from sktransfer import CORALAligner, LinearTransportAligner, TransferClassifier
from sktransfer.feature._bures_barycenter import monge_map
from sktransfer.feature._coral_aligner import coral_map

BOTH = [CORALAligner, LinearTransportAligner]


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = np.r_[
        rng.normal(size=(80, 4)) @ rng.normal(size=(4, 4)),
        rng.normal(size=(60, 4)) @ rng.normal(size=(4, 4)) + 5,
    ]
    return X, np.r_[np.ones(80), -np.ones(60)]


@pytest.mark.parametrize("kind", BOTH)
def test_source_gets_the_moments_of_the_target(kind, data):
    X, domain = data
    aligner = kind(regularization=0.0)
    Z = aligner.fit_transform(X, sample_domain=domain)
    assert_allclose(np.cov(Z[:80].T), np.cov(X[80:].T), atol=1e-9)
    assert_allclose(Z[:80].mean(axis=0), X[80:].mean(axis=0))
    assert_array_equal(Z[80:], X[80:])
    kept = kind(regularization=0.0, align_mean=False)
    Z = kept.fit_transform(X, sample_domain=domain)
    assert_allclose(Z[:80].mean(axis=0), X[:80].mean(axis=0))
    assert_allclose(np.cov(Z[:80].T), np.cov(X[80:].T), atol=1e-9)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("regularization", ["auto", 0.1, 100.0])
def test_equal_domains_are_left_alone(kind, regularization, data):
    X = np.r_[data[0][:80], data[0][:80]]
    domain = np.r_[np.ones(80), -np.ones(80)]
    aligner = kind(regularization=regularization)
    Z = aligner.fit_transform(X, sample_domain=domain)
    assert_allclose(Z, X, atol=1e-8)


@pytest.mark.parametrize("kind", BOTH)
def test_much_regularisation_leaves_only_the_mean(kind, data):
    X, domain = data
    aligner = kind(regularization=1e9).fit(X, sample_domain=domain)
    assert_allclose(aligner.map_, np.eye(4), atol=1e-6)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_flat_directions_and_few_rows(kind, dtype):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20, 30)).astype(dtype)
    X[:, 0] = 1.0
    domain = np.r_[np.ones(12), -np.ones(8)]
    for regularization in ("auto", 0.0, 1.0):
        aligner = kind(regularization=regularization)
        Z = aligner.fit_transform(X, sample_domain=domain)
        assert Z.dtype == dtype
        assert np.isfinite(Z).all()


def test_one_column_is_a_ratio_of_deviations():
    source, target = np.array([[4.0]]), np.array([[9.0]])
    assert_allclose(coral_map(source, target), [[1.5]])
    assert_allclose(monge_map(source, target), [[1.5]])


def test_transport_is_the_gradient_of_a_convex_function(data):
    source, target = np.cov(data[0][:80].T), np.cov(data[0][80:].T)
    monge = monge_map(source, target)
    assert_allclose(monge, monge.T, atol=1e-10)
    assert np.linalg.eigvalsh(monge).min() > 0
    assert_allclose(monge @ source @ monge, target, atol=1e-9)
    # It moves rows no further than the other map onto the same covariance.
    moves = [
        np.trace((A - np.eye(4)).T @ source @ (A - np.eye(4)))
        for A in (monge, coral_map(source, target))
    ]
    assert moves[0] < moves[1]
    # The distance of Bures and Wasserstein between both Gaussians.
    both = monge_map(source, target) @ source
    distance = np.trace(source + target) - 2 * np.trace(both)
    assert_allclose(moves[0], distance, rtol=1e-9)


def test_commuting_covariances_give_the_same_map():
    source, target = np.diag([1.0, 4.0, 9.0]), np.diag([4.0, 1.0, 1.0])
    assert_allclose(coral_map(source, target), monge_map(source, target))


@pytest.mark.parametrize("kind", BOTH)
def test_undoes_a_change_of_units(kind):
    rng = np.random.RandomState(0)
    y = rng.randint(0, 2, 400)
    X = rng.normal(size=(400, 3)) + 3 * y[:, None] * [1, 0, 0]
    X[200:] = X[200:] * [10, 0.1, 3] + [50, 7, -4]
    labels = np.where(np.arange(400) < 200, y, -1)
    model = TransferClassifier(LogisticRegression(), kind()).fit(X, labels)
    assert model.score(X[200:], y[200:]) > 0.9


@pytest.mark.parametrize("kind", BOTH)
def test_bad_parameters(kind, data):
    X, domain = data
    with pytest.raises(ValueError, match="`regularization` must be a finite number"):
        kind(regularization=-1.0).fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match="`align_mean` must be one of True, False"):
        kind(align_mean="no").fit(X, sample_domain=domain)


@pytest.mark.parametrize("kind", BOTH)
def test_two_samples_of_one_population_are_left_nearly_alone(kind):
    """A common share of shrinking, else a small sample looks rounder than a large one.

    With a share each the source would move by about .3 of its spread here.
    """
    rng = np.random.RandomState(0)
    X = rng.normal(size=(1060, 40)) * np.geomspace(1, 0.1, 40)
    domain = np.r_[np.ones(1000), -np.ones(60)]
    aligner = kind(align_mean=False).fit(X, sample_domain=domain)
    covariance = np.cov(X[:1000].T)
    moved = aligner.map_ - np.eye(40)
    share = np.trace(moved.T @ covariance @ moved) / np.trace(covariance)
    own = [_own_share(kind, X[:1000], X[1000:])]
    assert share < 0.8 * own[0]


def _own_share(kind, X_source, X_target):
    source, target = (
        ledoit_wolf(X - X.mean(axis=0), assume_centered=True)[0]
        for X in (X_source, X_target)
    )
    matrix = (coral_map if kind is CORALAligner else monge_map)(source, target)
    moved, covariance = matrix - np.eye(len(matrix)), np.cov(X_source.T)
    return np.trace(moved.T @ covariance @ moved) / np.trace(covariance)
