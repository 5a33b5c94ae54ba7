import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from sktransfer import SubspaceAligner


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, 4)) * [5, 3, 1, 0.2]
    X[60:] = X[60:, [1, 0, 3, 2]] + 3
    return X, np.r_[np.ones(60), -np.ones(40)]


def test_a_domain_with_itself_is_its_principal_components(data):
    X = np.r_[data[0][:60], data[0][:60]]
    domain = np.r_[np.ones(60), -np.ones(60)]
    aligner = SubspaceAligner(2)
    Z = aligner.fit_transform(X, sample_domain=domain)
    expected = PCA(2).fit_transform(X[:60])
    assert_allclose(Z[:60], expected, atol=1e-9)
    assert_allclose(Z[60:], expected, atol=1e-9)
    assert_allclose(aligner.alignment_, np.eye(2), atol=1e-9)


def test_formula_by_singular_vectors(data):
    X, domain = data
    Z = SubspaceAligner(2).fit_transform(X, sample_domain=domain)
    source, target = X[:60] - X[:60].mean(axis=0), X[60:] - X[60:].mean(axis=0)
    P_source = np.linalg.svd(source)[2][:2].T
    P_target = np.linalg.svd(target)[2][:2].T
    # Signs of the axes are free: compare inner products of rows of both domains.
    mapped = np.r_[source @ P_source @ P_source.T @ P_target, target @ P_target]
    assert_allclose(Z @ Z.T, mapped @ mapped.T, atol=1e-8)


def test_all_components_lose_nothing_of_the_target(data):
    X, domain = data
    aligner = SubspaceAligner().fit(X, sample_domain=domain)
    assert aligner.n_components_ == 4
    Z = aligner.transform(X[60:])
    gaps = X[60:] - X[60:].mean(axis=0)
    assert_allclose(Z @ Z.T, gaps @ gaps.T, atol=1e-8)


def test_many_rows_take_the_covariance_way(data):
    X = np.tile(data[0], (2, 1))
    domain = np.tile(data[1], 2)
    few = SubspaceAligner(2).fit(data[0], sample_domain=data[1])
    many = SubspaceAligner(2).fit(X, sample_domain=domain)
    assert_allclose(many.transform(X[:9]), few.transform(X[:9]), atol=1e-8)


def test_float32_rows_far_from_zero():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(400, 3)) * [3, 1, 0.1] + 1000
    domain = np.repeat([1, -1], 200)
    expected = SubspaceAligner(2).fit_transform(X, sample_domain=domain)
    Z = SubspaceAligner(2).fit_transform(X.astype(np.float32), sample_domain=domain)
    assert Z.dtype == np.float32
    assert_allclose(Z, expected, atol=1e-2)


def test_new_rows_and_names(data):
    X, domain = data
    aligner = SubspaceAligner(2)
    Z = aligner.fit_transform(X, sample_domain=domain)
    assert_allclose(aligner.transform(X[60:]), Z[60:])
    assert_allclose(aligner.transform(X, sample_domain=domain), Z)
    assert list(aligner.get_feature_names_out()) == [
        "subspacealigner0",
        "subspacealigner1",
    ]


def test_bad_parameters(data):
    X, domain = data
    with pytest.raises(ValueError, match="n_components=5 is more than the data give"):
        SubspaceAligner(5).fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match="`n_components` must be an integer"):
        SubspaceAligner(0).fit(X, sample_domain=domain)
