import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.svm import SVC

from sktransfer import FeatureAugmenter, TransferClassifier
from sktransfer.feature._feature_augmenter import augment

DOMAIN = np.array([2, -1, 1, -4, 2, 1])


@given(domain=st.lists(st.sampled_from([-2, -1, 1, 2, 3]), min_size=1, max_size=20))
def test_inner_products_double_within_a_domain(domain):
    domain = np.array(domain)
    X = np.random.RandomState(0).normal(size=(len(domain), 3))
    Z = augment(X, domain, np.unique(domain))
    expected = X @ X.T * (1 + (domain[:, None] == domain))
    assert_allclose(Z @ Z.T, expected, atol=1e-12)


def test_order_of_the_copies():
    X = np.arange(1.0, 7.0)[:, None]
    augmenter = FeatureAugmenter()
    Z = augmenter.fit_transform(X, sample_domain=DOMAIN)
    assert_array_equal(augmenter.domains_, [2, 1, -1, -4])
    assert_array_equal(
        Z,
        [
            [1, 1, 0, 0, 0],
            [2, 0, 0, 2, 0],
            [3, 0, 3, 0, 0],
            [4, 0, 0, 0, 4],
            [5, 5, 0, 0, 0],
            [6, 0, 6, 0, 0],
        ],
    )
    assert_array_equal(augmenter.transform(X, sample_domain=DOMAIN), Z)
    assert len(augmenter.get_feature_names_out()) == 5
    # Other numbers for the same domains change nothing.
    renamed = np.select([DOMAIN == 1, DOMAIN == 2], [8, 3], DOMAIN - 2)
    assert_array_equal(FeatureAugmenter().fit_transform(X, sample_domain=renamed), Z)


@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csr_matrix])
def test_sparse_stays_sparse_and_equals_dense(kind):
    X = np.random.RandomState(0).poisson(0.5, size=(6, 4)).astype(float)
    dense = FeatureAugmenter().fit_transform(X, sample_domain=DOMAIN)
    thin = FeatureAugmenter().fit_transform(kind(X), sample_domain=DOMAIN)
    assert sparse.issparse(thin)
    assert_array_equal(thin.toarray(), dense)


def test_several_targets_must_be_told_apart():
    X = np.ones((6, 2))
    augmenter = FeatureAugmenter().fit(X, sample_domain=DOMAIN)
    with pytest.raises(ValueError, match=r"target domains \[-4, -1\] and cannot tell"):
        augmenter.transform(X)
    with pytest.raises(
        ValueError, match=r"no copy for the domains \[7\]: it was fitted"
    ):
        augmenter.transform(X[:1], sample_domain=[7])
    # A single target needs no number.
    single = FeatureAugmenter().fit(X, sample_domain=[1, 1, 1, 1, -5, -5])
    assert_array_equal(single.transform(X[:1]), [[1, 1, 0, 0, 1, 1]])


def two_tasks(seed=0):
    """The second feature means the opposite in the target; few labels there."""
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(400, 2))
    domain = np.where(np.arange(400) < 200, 1, -1)
    truth = (X[:, 0] + 0.8 * domain * X[:, 1] > 0).astype(int)
    y = np.where((domain > 0) | (np.arange(400) % 8 == 0), truth, -1)
    return X, y, domain, truth


def test_learns_what_is_special_to_the_target():
    X, y, domain, truth = two_tasks()
    scores = [
        TransferClassifier(LogisticRegression(), adapter)
        .fit(X, y, sample_domain=domain)
        .score(X[200:], truth[200:])
        for adapter in (None, FeatureAugmenter())
    ]
    assert scores[1] > scores[0] + 0.05


def test_a_linear_machine_equals_the_machine_with_the_kernel():
    X, y, domain, _ = two_tasks()
    known = y >= 0
    model = TransferClassifier(SVC(kernel="linear", tol=1e-8), FeatureAugmenter())
    model.fit(X, y, sample_domain=domain)

    def kernel(rows, columns):
        same = rows[:, :1] == columns[:, 0]
        return rows[:, 1:] @ columns[:, 1:].T * (1 + same)

    marked = np.c_[domain, X]
    machine = SVC(kernel=kernel, tol=1e-8).fit(marked[known], y[known])
    assert_allclose(
        model.decision_function(X[200:]),
        machine.decision_function(marked[200:]),
        atol=1e-4,
    )
