import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge
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


def several_domains(n_features=3, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(30, n_features))
    domain = np.repeat([1, 1, 2, -1, -1, -3], 5)
    return X, rng.normal(size=30), domain


def agreement_rows(X, domain, domains):
    """Training rows (0, .., u, .., -u, ..), one a target row and pair of domains."""
    pairs = [(s, t) for s in domains[domains > 0] for t in domains[domains < 0]]
    rows = []
    for u in X[domain < 0]:
        for s, t in pairs:
            copies = [u * (int(d == s) - int(d == t)) for d in domains]
            rows.append(np.concatenate([0 * u, *copies]))
    return np.array(rows)


@pytest.mark.parametrize("n_features", [3, 40])
@pytest.mark.parametrize("sources", [[1], [1, 2]])
def test_co_regularization_equals_its_training_rows(n_features, sources):
    X, values, domain = several_domains(n_features)
    kept = np.isin(domain, [*sources, -1] if len(sources) == 1 else [1, 2, -1, -3])
    X, values, domain = X[kept], values[kept], domain[kept]
    known = np.arange(len(X)) % 3 > 0
    plain = FeatureAugmenter()
    Z = plain.fit_transform(X, sample_domain=domain)
    extra = agreement_rows(X, domain, plain.domains_)
    by_rows = Ridge(alpha=0.5, fit_intercept=False).fit(
        np.r_[Z[known], extra],
        np.r_[values[known], np.zeros(len(extra))],
        sample_weight=np.r_[np.ones(known.sum()), np.full(len(extra), 0.5 * 0.7)],
    )
    agreeing = FeatureAugmenter(co_regularization=0.7)
    mapped = agreeing.fit_transform(X, sample_domain=domain)
    by_map = Ridge(alpha=0.5, fit_intercept=False).fit(mapped[known], values[known])
    assert_allclose(by_map.predict(mapped), by_rows.predict(Z), atol=1e-8)


def test_co_regularization_is_the_inverse_root_of_the_penalty():
    X, _, domain = several_domains()
    plain = FeatureAugmenter()
    Z = plain.fit_transform(X, sample_domain=domain)
    extra = agreement_rows(X, domain, plain.domains_)
    Q = np.eye(Z.shape[1]) + 0.3 * extra.T @ extra
    agreeing = FeatureAugmenter(co_regularization=0.3)
    mapped = agreeing.fit_transform(X, sample_domain=domain)
    values, vectors = np.linalg.eigh(Q)
    assert_allclose(mapped, Z @ (vectors / np.sqrt(values)) @ vectors.T, atol=1e-9)
    # Labels are not read, and each row is mapped by its own domain.
    again = agreeing.fit(X, np.arange(30) % 2, sample_domain=domain)
    assert_allclose(again.transform(X, sample_domain=domain), mapped, atol=1e-12)


def test_the_ends_of_co_regularization():
    X, _, domain = several_domains()
    domain = np.sign(domain)
    plain, weak, strong = (
        FeatureAugmenter(co_regularization=beta).fit_transform(X, sample_domain=domain)
        for beta in (0.0, 1e-12, 1e12)
    )
    assert_allclose(weak, plain, atol=1e-9)
    assert_allclose(strong, np.c_[X, X / 2, X / 2], atol=1e-5)


def test_agreement_on_unlabelled_rows_helps():
    rng = np.random.RandomState(0)
    scores = []
    for _ in range(20):
        X = rng.normal(size=(330, 20)) * np.r_[np.full(3, 3.0), np.ones(17)]
        domain = np.repeat([1, -1], [30, 300])
        weights = rng.normal(size=20)
        values = X @ weights + 0.5 * rng.normal(size=330)
        known = (domain > 0) | (np.arange(330) < 34)
        for beta in (0.0, 0.1):
            augmenter = FeatureAugmenter(co_regularization=beta)
            Z = augmenter.fit_transform(X, sample_domain=domain)
            model = Ridge(alpha=1.0).fit(Z[known], values[known])
            scores.append(model.score(Z[~known], values[~known]))
    without, agreeing = np.reshape(scores, (20, 2)).mean(axis=0)
    assert agreeing > without + 0.02


def test_co_regularization_refuses():
    X, _, domain = several_domains()
    with pytest.raises(ValueError, match="`co_regularization` must be a finite number"):
        FeatureAugmenter(co_regularization=-1.0).fit(X, sample_domain=domain)
    with pytest.raises(TypeError, match="dense data is required"):
        FeatureAugmenter(co_regularization=1.0).fit(
            sparse.csr_array(X), sample_domain=domain
        )
