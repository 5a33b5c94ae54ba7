"""Several domains to the barycenter of their Gaussians."""

import warnings

import numpy as np
import ot
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from sktransfer import LinearTransportAligner, TransferClassifier
from sktransfer.feature import _linear_transport_aligner
from sktransfer.feature._bures_barycenter import bures_barycenter, monge_map

DOMAIN = np.repeat([1, 2, 7, -3], [60, 50, 40, 45])


def covariances(n=4, p=5, seed=0):
    roots = np.random.RandomState(seed).normal(size=(n, p, 2 * p))
    return roots @ roots.transpose(0, 2, 1)


@pytest.fixture
def X():
    rng = np.random.RandomState(0)
    rows = rng.normal(size=(len(DOMAIN), 3))
    for number in (1, 2, 7, -3):
        mask = DOMAIN == number
        rows[mask] = rows[mask] @ rng.normal(size=(3, 3)) + rng.normal(size=3)
    return rows


def exact():
    return LinearTransportAligner(regularization=0.0, reference="barycenter")


def test_commuting_covariances_have_a_closed_form():
    rng = np.random.RandomState(0)
    basis = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    values = rng.uniform(0.1, 10, size=(4, 5))
    found, converged = bures_barycenter([basis * each @ basis.T for each in values])
    assert converged
    expected = basis * np.square(np.sqrt(values).mean(axis=0)) @ basis.T
    assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_barycenter_against_pot_and_its_equation():
    matrices = covariances()
    found, converged = bures_barycenter(matrices)
    assert converged
    _, expected = ot.gaussian.bures_wasserstein_barycenter(
        np.zeros((4, 5)), matrices, eps=1e-12
    )
    assert_allclose(found, expected, rtol=1e-8)
    maps = [monge_map(found, each) for each in matrices]
    assert_allclose(np.mean(maps, axis=0), np.eye(5), atol=1e-8)


def test_barycenter_of_two_is_halfway():
    source, target = covariances(2)
    halfway = (np.eye(5) + monge_map(source, target)) / 2
    found, _ = bures_barycenter([source, target])
    assert_allclose(found, halfway @ source @ halfway, rtol=1e-8)


def test_barycenter_of_equal_ones_and_of_flat_ones():
    matrix = covariances(1)[0]
    assert_allclose(bures_barycenter([matrix] * 3)[0], matrix)
    found, _ = bures_barycenter(np.zeros((3, 2, 2)))
    assert_allclose(found, 0)


def test_every_domain_gets_the_moments_of_the_barycenter(X):
    aligner = exact()
    Z = aligner.fit_transform(X, sample_domain=DOMAIN)
    middle = np.mean([X[DOMAIN == d].mean(axis=0) for d in np.unique(DOMAIN)], axis=0)
    assert set(aligner.domains_) == {1, 2, 7, -3}
    assert aligner.domains_[-1] == -3
    for number, mean in zip(aligner.domains_, aligner.means_, strict=True):
        mapped = Z[DOMAIN == number]
        assert_allclose(X[DOMAIN == number].mean(axis=0), mean)
        assert_allclose(np.cov(mapped.T), aligner.barycenter_, atol=1e-9)
        assert_allclose(mapped.mean(axis=0), middle, atol=1e-9)
    kept = exact().set_params(align_mean=False)
    Z = kept.fit_transform(X, sample_domain=DOMAIN)
    assert_allclose(Z[DOMAIN == 2].mean(axis=0), X[DOMAIN == 2].mean(axis=0))
    assert_allclose(np.cov(Z[DOMAIN == 2].T), kept.barycenter_, atol=1e-9)


def test_names_of_the_domains_are_mere_names(X):
    Z = exact().fit_transform(X, sample_domain=DOMAIN)
    renamed = np.select([DOMAIN == 1, DOMAIN == 2, DOMAIN == 7], [9, 3, 1], -1)
    assert_allclose(exact().fit_transform(X, sample_domain=renamed), Z, atol=1e-9)
    order = np.random.RandomState(1).permutation(len(X))
    shuffled = exact().fit_transform(X[order], sample_domain=DOMAIN[order])
    assert_allclose(shuffled, Z[order], atol=1e-9)


def test_new_rows_go_by_their_domain(X):
    aligner = exact()
    Z = aligner.fit_transform(X, sample_domain=DOMAIN)
    assert_allclose(aligner.transform(X[DOMAIN == -3]), Z[DOMAIN == -3])
    some = np.array([0, 60, 110, 150])
    mapped = aligner.transform(X[some], sample_domain=[1, 2, 7, -3])
    assert_allclose(mapped, Z[some])
    with pytest.raises(ValueError, match=r"no map for the domains \[5\]: it was"):
        aligner.transform(X[some], sample_domain=[1, 5, 7, -3])
    two = exact().fit(X, sample_domain=np.where(DOMAIN == 7, -2, DOMAIN))
    with pytest.raises(ValueError, match=r"target domains \[-3, -2\] and cannot tell"):
        two.transform(X[some])


def test_two_domains_meet_halfway(X):
    domain = np.where(DOMAIN > 0, 1, -1)
    middle = exact().fit_transform(X, sample_domain=domain)
    whole = LinearTransportAligner(regularization=0.0)
    goal = whole.fit_transform(X, sample_domain=domain)
    source = domain > 0
    assert_allclose(middle[source], (X[source] + goal[source]) / 2, atol=1e-8)


def test_regularised_domains_of_few_rows(X):
    for regularization in ("auto", 0.0, 0.1):
        aligner = exact().set_params(regularization=regularization)
        few = np.r_[0, 60:62, 110:150, 150:153]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            Z = aligner.fit_transform(X[few], sample_domain=DOMAIN[few])
        assert np.isfinite(Z).all()
    much = exact().set_params(regularization=1e9).fit(X, sample_domain=DOMAIN)
    assert_allclose(much.maps_, np.array([np.eye(3)] * 4), atol=1e-6)


def test_float32_stays(X):
    aligner = exact()
    expected = aligner.fit_transform(X, sample_domain=DOMAIN)
    Z = aligner.fit_transform(X.astype(np.float32), sample_domain=DOMAIN)
    assert Z.dtype == np.float32
    assert_allclose(Z, expected, atol=1e-3)


def test_without_target_rows(X):
    with pytest.warns(UserWarning, match="found no target row"):
        Z = exact().fit_transform(X)
    assert_array_equal(Z, X)


def test_early_stop_is_said(X, monkeypatch):
    monkeypatch.setattr(
        _linear_transport_aligner,
        "bures_barycenter",
        lambda each: bures_barycenter(each, n_iter=1),
    )
    with pytest.warns(ConvergenceWarning, match="barycenter still moved"):
        exact().fit(X, sample_domain=DOMAIN)


def test_sources_with_offsets_of_their_own():
    # Two sources whose units differ cannot be mapped by one map.
    rng = np.random.RandomState(0)
    y = np.arange(600) % 2
    X = rng.normal(size=(600, 3)) + 3 * y[:, None] * [1, 0, 0]
    domain = np.repeat([1, 2, -1], 200)
    X[:200] = X[:200] * [10, 1, 1] + [50, 0, 0]
    X[200:400] = X[200:400] * [0.1, 1, 1] - [9, 0, 0]
    labels = np.where(domain > 0, y, -1)
    scores = {}
    for reference in ("target", "barycenter"):
        adapter = LinearTransportAligner(reference=reference)
        model = TransferClassifier(LogisticRegression(), adapter)
        model.fit(X, labels, sample_domain=domain)
        scores[reference] = model.score(X[400:], y[400:])
    assert scores["target"] < 0.8
    assert scores["barycenter"] > 0.9


def test_bad_reference(X):
    with pytest.raises(ValueError, match="`reference` must be one of 'target'"):
        LinearTransportAligner(reference="source").fit(X, sample_domain=DOMAIN)
