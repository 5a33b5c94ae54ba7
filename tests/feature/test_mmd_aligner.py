import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sktransfer import MMDAligner, TransferClassifier
from sktransfer.metrics import mmd

ALL = ["primal", "linear", "rbf", "laplacian", "poly", "cosine"]


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(90, 5)) @ rng.normal(size=(5, 5))
    domain = np.where(np.arange(90) % 3 == 0, -1, 1)
    X[domain < 0] += np.array([1.0, 0.0, 2.0, 0.0, 1.0])
    return X, domain


def callable_rbf(X, Y):
    return rbf_kernel(X, Y, gamma=0.05)


@pytest.mark.parametrize("kernel", [*ALL, callable_rbf])
def test_new_rows_are_mapped_as_rows_of_fit(kernel, data):
    X, domain = data
    aligner = MMDAligner(3, kernel=kernel)
    Z = aligner.fit_transform(X, sample_domain=domain)
    assert Z.shape == (90, 3)
    assert_allclose(aligner.transform(X[:10]), Z[:10], atol=1e-8)
    # Both domains share the map.
    as_source = aligner.transform(X[:10], sample_domain=np.ones(10))
    assert_allclose(as_source, Z[:10], atol=1e-8)


@pytest.mark.parametrize("kernel", ALL)
def test_scale_sign_and_order_of_the_components(kernel, data):
    X, domain = data
    aligner = MMDAligner(3, kernel=kernel)
    Z = aligner.fit_transform(X, sample_domain=domain)
    assert_allclose(Z.var(axis=0).mean(), 1)
    centred = Z - Z.mean(axis=0)
    assert np.all((centred**3).sum(axis=0) >= 0)
    assert np.all(np.diff(aligner.eigenvalues_) <= 0)


def test_a_callable_equals_the_named_kernel(data):
    X, domain = data
    named = MMDAligner(3, kernel="rbf", gamma=0.05).fit(X, sample_domain=domain)
    called = MMDAligner(3, kernel=callable_rbf).fit(X, sample_domain=domain)
    assert_allclose(called.transform(X), named.transform(X), atol=1e-8)
    assert_allclose(called.mmd_before_, named.mmd_before_)


@pytest.mark.parametrize("kernel", ["primal", "linear", "rbf"])
def test_discrepancies(kernel, data):
    X, domain = data
    aligner = MMDAligner(2, kernel=kernel, gamma=0.05, mu=1e-3)
    Z = aligner.fit_transform(X, sample_domain=domain)
    source, target = domain > 0, domain < 0
    if kernel == "rbf":
        K = rbf_kernel(X, gamma=0.05)
        variance = np.trace(K) / len(K) - K.mean()
        squared = mmd(X[source], X[target], kernel="rbf", gamma=0.05)
    else:
        variance = X.var(axis=0).sum()
        squared = np.sum((X[source].mean(0) - X[target].mean(0)) ** 2)
    assert_allclose(aligner.mmd_before_, squared / variance)
    after = np.sum((Z[source].mean(0) - Z[target].mean(0)) ** 2) / Z.var(0).sum()
    assert_allclose(aligner.mmd_after_, after, atol=1e-10)
    assert aligner.mmd_after_ < 0.01 * aligner.mmd_before_


@pytest.mark.parametrize("kernel", ["rbf", "laplacian", "poly", "cosine", "linear"])
def test_nystroem_with_all_rows_is_exact(kernel, data):
    X, domain = data
    exact = MMDAligner(3, kernel=kernel)
    approximate = MMDAligner(3, kernel=kernel, kernel_approx="nystroem", n_landmarks=90)
    assert_allclose(
        approximate.fit_transform(X, sample_domain=domain),
        exact.fit_transform(X, sample_domain=domain),
        atol=1e-5,
    )
    assert_allclose(approximate.eigenvalues_, exact.eigenvalues_, rtol=1e-5)
    assert_allclose(approximate.mmd_before_, exact.mmd_before_, rtol=1e-6)


def test_nystroem_landmarks_do_not_depend_on_the_order(data):
    X, domain = data
    aligner = MMDAligner(3, kernel="rbf", kernel_approx="nystroem", n_landmarks=20)
    Z = aligner.fit_transform(X, sample_domain=domain)
    order = np.random.RandomState(3).permutation(90)
    again = aligner.fit_transform(X[order], sample_domain=domain[order])
    assert_allclose(again, Z[order], atol=1e-8)


@pytest.mark.parametrize("kernel", ["primal", "linear", "cosine"])
def test_sparse_is_never_made_dense(kernel):
    rng = np.random.default_rng(0)
    X = sparse.random_array((60, 500), density=0.02, rng=rng, format="csr")
    X = X + sparse.csr_array(([1.0] * 60, (range(60), [0] * 60)), (60, 500))
    domain = np.where(np.arange(60) < 30, 1, -1)
    aligner = MMDAligner(3, kernel=kernel)
    Z = aligner.fit_transform(X.tocsr(), sample_domain=domain)
    dense = aligner.fit_transform(X.toarray(), sample_domain=domain)
    assert_allclose(Z, dense, atol=1e-7)


def test_float32_at_the_size_of_lanczos():
    rng = np.random.RandomState(0)
    X = np.r_[rng.normal(size=(900, 8)), 0.7 * rng.normal(size=(700, 8)) + 0.5]
    domain = np.r_[np.ones(900), -np.ones(700)]
    aligner = MMDAligner(2, kernel="rbf", gamma=0.05)
    expected = aligner.fit_transform(X, sample_domain=domain)
    got = aligner.fit_transform(X.astype(np.float32), sample_domain=domain)
    assert got.dtype == np.float32
    assert_allclose(got, expected, atol=2e-2)


def test_number_of_components(data):
    X, domain = data
    assert MMDAligner().fit(X, sample_domain=domain).n_components_ == 5
    names = MMDAligner(2).fit(X, sample_domain=domain).get_feature_names_out()
    assert_array_equal(names, ["mmdaligner0", "mmdaligner1"])
    with pytest.raises(ValueError, match="n_components=6 is more than the data give"):
        MMDAligner(6).fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match="kernel='rbf' there are"):
        MMDAligner(91, kernel="rbf").fit(X, sample_domain=domain)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"n_components": 0}, "`n_components` must be an integer in"),
        ({"mu": 0.0}, "`mu` must be a finite number in \\(0"),
        ({"gamma": "wide"}, "`gamma` must be a finite number .* or 'median' or None"),
        ({"kernel": "gauss"}, "`kernel` must be one of 'linear', 'rbf'"),
        ({"kernel": lambda X, Y: X}, "must return the matrix of shape"),
        ({"kernel_approx": "fourier"}, "`kernel_approx` must be one of None, 'nyst"),
        ({"n_landmarks": 0}, "`n_landmarks` must be an integer"),
    ],
)
def test_bad_parameters(params, sentence, data):
    X, domain = data
    with pytest.raises(ValueError, match=sentence):
        MMDAligner(**params).fit(X, sample_domain=domain)


def test_bad_rows(data):
    X, domain = data
    with pytest.raises(ValueError, match="do not differ in the kernel's space"):
        MMDAligner().fit(np.ones_like(X), sample_domain=domain)
    X[3, 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        MMDAligner().fit(X, sample_domain=domain)
    with pytest.raises(TypeError, match="dense data is required"):
        MMDAligner(kernel="rbf").fit(sparse.csr_array(X), sample_domain=domain)


def test_two_shifted_domains_are_brought_together():
    rng = np.random.RandomState(0)
    y = np.arange(200) % 2
    # The second column tells the classes apart too, but it moves in the target.
    X = np.c_[3.0 * y, y] + rng.normal(size=(200, 2)) * [0.7, 0.3]
    domain = np.where(np.arange(200) < 100, 1, -1)
    X[domain < 0] -= [0.0, 6.0]
    labels = np.where(domain < 0, -1, y)
    rotated = X @ np.array([[1.0, 1.0], [-1.0, 1.0]])
    target, truth = rotated[domain < 0], y[domain < 0]
    plain = make_pipeline(StandardScaler(), TransferClassifier())
    aligned = make_pipeline(
        StandardScaler(), MMDAligner(1, mu=1e-3), TransferClassifier()
    )
    assert plain.fit(rotated, labels).score(target, truth) < 0.6
    assert aligned.fit(rotated, labels).score(target, truth) > 0.95


@pytest.mark.parametrize("kernel", ["primal", "linear", "cosine", "rbf"])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_rows_that_are_all_equal_have_no_component(kernel, value):
    sample_domain = np.r_[np.ones(10), -np.ones(10)]
    with pytest.raises(ValueError, match="The rows do not differ"):
        MMDAligner(kernel=kernel).fit(
            np.full((20, 3), value), sample_domain=sample_domain
        )
