import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.kernel_ridge import KernelRidge
from sklearn.preprocessing import normalize

from sktransfer import SelectiveManifoldClassifier
from sktransfer.exceptions import NoTargetWarning


def moved_classes(seed=0, n=45, known=4):
    rng = np.random.RandomState(seed)
    labels = np.arange(n) % 3
    centres = 3 * np.eye(3, 6)
    X_source = centres[labels] + rng.normal(size=(n, 6))
    X_target = centres[labels] + rng.normal(size=(n, 6)) + [1, -1, 0, 0, 2, 0]
    y_target = np.where(np.arange(n) < known, labels, -1)
    X, y = np.r_[X_source, X_target], np.r_[labels, y_target]
    return X, y, np.repeat([1, -1], n), labels


def embedded(X, domain, n_components):
    """Rows centred by domain, on joint principal axes, of length one."""
    X = X.copy()
    for part in (domain > 0, domain < 0):
        X[part] -= X[part].mean(axis=0)
    return normalize(PCA(n_components, svd_solver="full").fit_transform(X))


def dense_solution(Z, y, domain, truth_free_rounds, *, k, lam, eta, rho, balance):
    """The formula of the docstring, with every matrix written out."""
    n, classes = len(y), np.unique(y[y >= 0])
    squares = cdist(Z, Z, "sqeuclidean")
    K = np.exp(-0.5 * squares)
    near = squares <= np.sort(squares, axis=1)[:, [k]] + 1e-10
    W = np.where(near & near.T, np.maximum(1 - squares / 2, 0), 0)
    roots = np.sqrt(W.sum(axis=0))
    L = np.eye(n) - W / roots / roots[:, None]
    A = np.diag((y >= 0).astype(float))
    Y = (y[:, None] == classes).astype(float)
    target, given = domain < 0, y >= 0

    def solve(M):
        matrix = (A + lam * M + rho * L) @ K + eta * np.eye(n)
        F = K @ np.linalg.solve(matrix, A @ Y)
        return F - F[target].mean(axis=0)

    F = solve(np.zeros((n, n)))
    for round_ in range(1, truth_free_rounds + 1):
        labels = np.where(given, y, F.argmax(axis=1))
        margin = np.diff(np.sort(F, axis=1)[:, -2:], axis=1).ravel()
        counted = np.where(given, y, -1)
        for c in classes:
            rows = np.flatnonzero(target & ~given & (F.argmax(axis=1) == c))
            size = int(np.ceil(len(rows) * round_ / truth_free_rounds))
            surest = rows[np.argsort(-margin[rows])[:size]]
            counted[surest] = labels[surest]
        e = np.where(target, -1 / target.sum(), 1 / (~target).sum())
        M = (1 - balance) * len(classes) * np.outer(e, e)
        for c in classes:
            e = np.zeros(n)
            for part, sign in ((~target, 1), (target, -1)):
                rows = part & (counted == c)
                e[rows] = sign / max(rows.sum(), 1)
            M += balance * np.outer(e, e)
        F = solve(M / np.linalg.norm(M))
    return F


@pytest.mark.parametrize("balance", [0.0, 0.3, 1.0])
def test_equals_the_formula_written_out(balance):
    X, y, domain, _ = moved_classes()
    model = SelectiveManifoldClassifier(4, balance=balance, n_rounds=3)
    model.fit(X, y, sample_domain=domain)
    expected = dense_solution(
        embedded(X, domain, 4),
        y,
        domain,
        3,
        k=7,
        lam=10.0,
        eta=0.1,
        rho=1.0,
        balance=balance,
    )
    found = model.decision_function(X, sample_domain=domain)
    assert_allclose(found, expected, atol=1e-8)


def test_without_graph_and_rounds_it_is_kernel_ridge():
    X, y, domain, _ = moved_classes()
    model = SelectiveManifoldClassifier(3, graph_weight=0.0, n_rounds=0)
    model.fit(X, y, sample_domain=domain)
    Z, known = embedded(X, domain, 3), y >= 0
    ridge = KernelRidge(alpha=0.1, kernel="rbf", gamma=0.5)
    ridge.fit(Z[known], np.eye(3)[y[known]])
    expected = ridge.predict(Z)
    expected -= expected[domain < 0].mean(axis=0)
    found = model.decision_function(X, sample_domain=domain)
    assert_allclose(found, expected, atol=1e-8)
    assert model.n_selected_ == []
    assert len(model.objective_) == 1


def test_the_share_of_rows_that_count_grows_to_all():
    X, y, domain, labels = moved_classes(n=90)
    model = SelectiveManifoldClassifier(3, n_rounds=5)
    model.fit(X, y, sample_domain=domain)
    assert_array_equal(model.n_selected_, np.sort(model.n_selected_))
    # Four are labelled, and a fifth of each of three classes is rounded up.
    assert 4 + 86 / 5 <= model.n_selected_[0] <= 4 + 86 / 5 + 3
    assert model.n_selected_[-1] == 90
    assert np.mean(model.transduction_ == labels) > 0.9


def test_known_target_rows_keep_their_labels():
    X, y, domain, _ = moved_classes(known=0)
    wrong = np.flatnonzero(domain < 0)[:6]
    y[wrong] = 2
    model = SelectiveManifoldClassifier(3).fit(X, y, sample_domain=domain)
    assert_array_equal(model.transduction_[:6], 2)


def test_rows_of_fit_are_predicted_like_new_ones():
    X, y, _, _ = moved_classes(known=0)
    model = SelectiveManifoldClassifier(3).fit(X, y)
    assert_array_equal(model.predict(X[45:]), model.transduction_)
    assert_array_equal(model.predict(X[45:][::-1]), model.transduction_[::-1])


def test_each_domain_is_centred_by_its_own_mean():
    X, y, domain, _ = moved_classes()
    model = SelectiveManifoldClassifier(3).fit(X, y, sample_domain=domain)
    assert_allclose(model.source_mean_, X[:45].mean(axis=0))
    assert_allclose(model.target_mean_, X[45:].mean(axis=0))
    moved = X + np.where(domain > 0, 100.0, -3.0)[:, None]
    other = SelectiveManifoldClassifier(3).fit(moved, y, sample_domain=domain)
    for names in (domain, np.where(domain > 0, "source", "target")):
        assert_allclose(
            other.decision_function(moved, sample_domain=names),
            model.decision_function(X, sample_domain=domain),
            atol=1e-8,
        )


def test_order_of_rows_and_names_of_classes():
    X, y, domain, _ = moved_classes()
    model = SelectiveManifoldClassifier(4).fit(X, y, sample_domain=domain)
    expected = model.decision_function(X)
    order = np.random.RandomState(1).permutation(len(X))
    other = SelectiveManifoldClassifier(4)
    other.fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(other.decision_function(X), expected, atol=1e-9)
    names = np.array(["c", "a", "b", ""])[y]
    other = SelectiveManifoldClassifier(4).fit(X, names, sample_domain=domain)
    assert_allclose(other.decision_function(X), expected[:, [1, 2, 0]], atol=1e-9)
    assert_array_equal(other.transduction_, np.array(list("cab"))[model.transduction_])


def test_a_class_that_the_target_lacks():
    X, y, domain, labels = moved_classes(known=0)
    kept = (domain > 0) | (np.r_[labels, labels] != 1)
    model = SelectiveManifoldClassifier(3)
    model.fit(X[kept], y[kept], sample_domain=domain[kept])
    assert np.isfinite(model.decision_function(X)).all()
    assert np.isfinite(model.objective_).all()


def test_a_single_target_row_is_centred_like_the_source():
    X, y, domain, _ = moved_classes(known=0)
    model = SelectiveManifoldClassifier(3)
    model.fit(X[:46], y[:46], sample_domain=domain[:46])
    assert_array_equal(model.source_mean_, model.target_mean_)
    assert np.isfinite(model.decision_function(X)).all()


def test_without_target():
    X, y, _, labels = moved_classes()
    with pytest.warns(NoTargetWarning):
        model = SelectiveManifoldClassifier(3).fit(X[:45], y[:45])
    assert_array_equal(model.source_mean_, model.target_mean_)
    assert np.mean(model.predict(X[:45]) == labels) > 0.9
