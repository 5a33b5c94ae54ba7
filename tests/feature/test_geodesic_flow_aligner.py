import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from sktransfer import GeodesicFlowAligner


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(100, 6)) * [5, 3, 1, 0.5, 0.2, 0.1]
    X[60:] = X[60:, [1, 2, 0, 3, 5, 4]] + 3
    return X, np.r_[np.ones(60), -np.ones(40)]


def test_a_domain_with_itself_is_its_principal_components(data):
    X = np.r_[data[0][:60], data[0][:60]]
    domain = np.r_[np.ones(60), -np.ones(60)]
    Z = GeodesicFlowAligner(2).fit_transform(X, sample_domain=domain)
    expected = PCA(2).fit_transform(X[:60])
    assert_allclose(Z[:60] @ Z[60:].T, expected @ expected.T, atol=1e-8)


def test_output_is_the_feature_map_of_the_kernel(data):
    X, domain = data
    aligner = GeodesicFlowAligner(2)
    Z = aligner.fit_transform(X, sample_domain=domain)
    assert Z.shape == (100, 4)
    G = aligner.factor_ @ aligner.factor_.T
    gaps = np.r_[X[:60] - X[:60].mean(axis=0), X[60:] - X[60:].mean(axis=0)]
    assert_allclose(Z @ Z.T, gaps @ G @ gaps.T, atol=1e-8)
    assert_allclose(aligner.transform(X[60:]), Z[60:])
    assert np.linalg.eigvalsh(G).max() <= 1 + 1e-12


def test_number_of_components_by_disagreement(data):
    X, domain = data
    aligner = GeodesicFlowAligner().fit(X, sample_domain=domain)
    assert aligner.disagreement_.shape == (3,)
    assert aligner.n_components_ == 1 + np.argmax(
        aligner.disagreement_ >= aligner.disagreement_.max() - 1e-3
    )
    assert GeodesicFlowAligner(2).fit(X, sample_domain=domain).disagreement_ is None


def test_bad_parameters(data):
    X, domain = data
    with pytest.raises(ValueError, match="n_components=7 is more than the data give"):
        GeodesicFlowAligner(7).fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match="`n_components` must be an integer"):
        GeodesicFlowAligner(1.5).fit(X, sample_domain=domain)
