"""Pseudo-labels, penalties of rows, and the loop that makes both."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from sktransfer._kernels import kernel_matrix
from sktransfer.feature._alignment_rounds import (
    AlignmentSettings,
    align_in_rounds,
    pseudo_labels,
)
from sktransfer.feature._component_problem import GramProblem, SpaceProblem
from sktransfer.feature._discrepancy import marginal_discrepancy
from sktransfer.feature._nearest_labels import nearest_labels
from sktransfer.feature._row_space import row_space
from sktransfer.feature._row_sparsity import sparse_penalties


@pytest.fixture
def data():
    """Three classes, and a target moved by less than the classes are apart."""
    rng = np.random.RandomState(0)
    y_source, y_target = rng.randint(3, size=60), rng.randint(3, size=50)
    means = 9 * np.eye(3, 6)
    X_source = means[y_source] + rng.normal(size=(60, 6))
    X_target = means[y_target] + rng.normal(size=(50, 6)) + [1, 0, 0, 2, 0, 1]
    return np.r_[X_source, X_target], y_source, y_target


def unlabeled(y):
    return np.full(len(y), -1)


def test_nearest_labels_is_the_nearest_neighbour_of_unit_rows():
    rng = np.random.RandomState(0)
    rows, queries = rng.normal(size=(300, 5)), rng.normal(size=(1000, 5)) * 40
    labels = rng.randint(7, size=300)
    expected = KNeighborsClassifier(1).fit(normalize(rows), labels)
    assert_array_equal(
        nearest_labels(rows, labels, queries), expected.predict(normalize(queries))
    )


@pytest.mark.parametrize("in_place", [0, 11 * 150])
def test_nearest_labels_in_many_blocks(monkeypatch, in_place):
    from sktransfer.feature import _nearest_labels as module

    rng = np.random.RandomState(0)
    rows, queries = rng.normal(size=(50, 3)), rng.normal(size=(70, 3))
    expected = nearest_labels(rows, np.arange(50), queries)
    monkeypatch.setattr(module, "_IN_PLACE", in_place)
    monkeypatch.setattr(module, "_BLOCK_BYTES", 1)
    assert_array_equal(nearest_labels(rows, np.arange(50), queries), expected)


def test_nearest_labels_in_fortran_order():
    rng = np.random.RandomState(0)
    # Few values, so that many rows are equal: the first of them counts.
    Z = rng.randint(-1, 2, size=(4, 500)).astype(float)
    rows, queries = Z.T[:300], Z.T[300:]
    Zs, Zt = normalize(rows), normalize(queries)
    expected = np.argmax((Zt @ Zs.T).round(6), axis=1)
    for order in "CF":
        copies = np.array(rows, order=order), np.array(queries, order=order)
        found = nearest_labels(copies[0], np.arange(300), copies[1])
        assert_array_equal(found, expected)
    assert_array_equal(nearest_labels(rows, np.arange(300), queries), expected)


def test_nearest_labels_of_rows_of_zeros():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1e50]])
    queries = np.array([[2.0, 1.0], [0.0, 0.0], [1e-50, 1.0]])
    assert_array_equal(nearest_labels(rows, np.arange(3), queries), [1, 0, 2])


def test_given_labels_stay_and_count_as_neighbours():
    mapped = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.9], [1.0, 1.0]])
    y_source = np.array([0, 1])
    found = pseudo_labels(mapped, y_source, np.array([-1, -1]), None)
    assert found[0] == 0
    # The first target row is of class 1; the second is nearest to it.
    found = pseudo_labels(mapped, y_source, np.array([1, -1]), None)
    assert_array_equal(found, [1, 1])
    # A source row without label is no neighbour.
    found = pseudo_labels(mapped, np.array([0, -1]), np.array([-1, -1]), None)
    assert_array_equal(found, [0, 0])


def test_another_classifier_gets_rows_of_unit_variance(data):
    X, y_source, y_target = data
    model = LogisticRegression()
    found = pseudo_labels(X, y_source, unlabeled(y_target), model)
    scaled = X / np.sqrt(X.var(axis=0).mean())
    expected = LogisticRegression().fit(scaled[:60], y_source).predict(scaled[60:])
    assert_array_equal(found, expected)
    assert not hasattr(model, "coef_")


def run(data, problem=None, labels=None, **kwargs):
    X, y_source, y_target = data
    problem = problem or SpaceProblem(X, row_space(X), 0.1, 3, True)
    labels = unlabeled(y_target) if labels is None else labels
    return align_in_rounds(problem, X, y_source, labels, AlignmentSettings(**kwargs))


def test_one_round_is_transfer_component_analysis(data):
    plain = run(data)
    assert plain.n_iter == 1
    assert plain.balances == plain.label_changes == []
    for form in (True, "weighted", "discriminative"):
        one = run(data, conditional=form, n_iter=1)
        assert_allclose(one.components.projection, plain.components.projection)


def test_the_domains_alone_are_transfer_component_analysis(data):
    X = data[0]
    for form in (True, "weighted"):
        zero = run(data, conditional=form, balance=0.0)
        expected = X @ run(data).components.projection
        got = X @ zero.components.projection
        assert_allclose(np.abs(got), np.abs(expected), atol=1e-8)


def test_rounds_end_when_no_label_changes(data):
    found = run(data, conditional=True, n_iter=50)
    assert found.label_changes[0] == 50
    assert found.label_changes[-1] == 0
    assert found.n_iter == len(found.label_changes) < 50
    assert found.balances == [0.5] * (found.n_iter - 1)
    # More rounds than it took change nothing.
    again = run(data, conditional=True, n_iter=found.n_iter + 5)
    assert_array_equal(again.components.projection, found.components.projection)


def test_known_labels_need_two_rounds(data):
    found = run(data, conditional=True, labels=data[2])
    assert found.label_changes == [50, 0]


def published_jda(X, y_source, n_components, mu, n_iter):
    """Joint distribution adaptation of Long 2013, from n x n matrices."""
    from scipy import linalg

    n, n_source, n_classes = len(X), len(y_source), y_source.max() + 1
    H = np.eye(n) - np.ones((n, n)) / n
    e = np.r_[np.full(n_source, 1 / n_source), np.full(n - n_source, -1)]
    e[n_source:] /= n - n_source
    labels = None
    for _ in range(n_iter):
        M = n_classes * np.outer(e, e)
        for c in range(n_classes if labels is not None else 0):
            v = np.r_[
                (y_source == c) / np.sum(y_source == c),
                (labels == c) / -np.sum(labels == c),
            ]
            M += np.outer(v, v)
        M /= np.linalg.norm(M)
        left = X.T @ M @ X + mu * np.eye(X.shape[1])
        ratios, vectors = linalg.eig(left, X.T @ H @ X)
        W = vectors.real[:, np.argsort(ratios.real)[:n_components]]
        W /= np.sqrt(np.sum(W * (left @ W), axis=0))
        Z = normalize(X @ W)
        nearest = KNeighborsClassifier(1).fit(Z[:n_source], y_source)
        labels = nearest.predict(Z[n_source:])
    return X @ W


@pytest.mark.parametrize("n_iter", [2, 10])
def test_joint_distribution_adaptation_as_published(data, n_iter):
    X, y_source, y_target = data
    rng = np.random.RandomState(1)
    # Classes that lie so near that labels change between rounds.
    X = X + 4 * rng.normal(size=X.shape)
    data = X, y_source, y_target
    expected = published_jda(X, y_source, 3, 0.1, n_iter)
    found = run(data, conditional=True, n_iter=n_iter)
    assert len(found.label_changes) > 1 or n_iter == 2
    got = X @ found.components.projection
    assert_allclose(np.abs(got), np.abs(expected), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("form", [True, "weighted", "discriminative"])
def test_an_empty_class(data, form):
    X, y_source, _ = data
    # No target row is near class 2, and a labelled source row is the only one of 3.
    y_source = np.where(np.arange(60) == 0, 3, y_source)
    y_target = np.zeros(50, dtype=int)
    X[60:] = np.random.RandomState(0).normal(size=(50, 6))
    X[60:, 0] += 9
    for labels in (unlabeled(y_target), y_target):
        found = run((X, y_source, y_target), labels=labels, conditional=form)
        assert np.isfinite(found.components.projection).all()


def test_balance_is_estimated_round_by_round(data):
    found = run(data, conditional=True, balance="auto", n_iter=4)
    assert len(found.balances) == len(found.label_changes) - (
        found.label_changes[-1] == 0
    )
    assert np.all((np.array(found.balances) >= 0) & (np.array(found.balances) <= 1))
    assert found.balances != [0.5] * len(found.balances)


@pytest.mark.parametrize("refined", [False, True])
def test_rough_rounds_end_at_the_exact_components(monkeypatch, data, refined):
    from sktransfer.feature import _transfer_components as module

    X = data[0]
    if refined:
        monkeypatch.setattr(module, "_REFINED_ROWS", 0)
        monkeypatch.setattr(module, "_DENSE_ROWS", 0)
    K = kernel_matrix(X, gamma=0.02)
    problem = GramProblem(K, 0.1, 3, X @ np.ones(6))
    for n_iter in (3, 50):
        got = run(data, problem, conditional=True, n_iter=n_iter)
        values, vectors = np.linalg.eigh(K)
        kept = values > 1e-12 * values[-1]
        F = vectors[:, kept] * np.sqrt(values[kept])
        exact = SpaceProblem(F, row_space(F), 0.1, 3, False)
        expected = run(data, exact, conditional=True, n_iter=n_iter)
        assert got.label_changes == expected.label_changes
        assert_allclose(
            np.abs(K @ got.components.projection),
            np.abs(F @ expected.components.projection),
            rtol=1e-5,
            atol=1e-7,
        )


def sparse_objective(K, L, W, n_source, smoothing, mu):
    H = np.eye(len(K)) - 1 / len(K)
    # All k components at unit variance.
    W = W / np.sqrt(np.diag(W.T @ K @ H @ K @ W))
    assert_allclose(W.T @ K @ H @ K @ W, np.eye(W.shape[1]), atol=1e-6)
    squares = np.square(W).sum(axis=1)
    norms = np.sqrt(squares[:n_source] + smoothing**2)
    fit = np.trace(W.T @ K @ L @ K @ W)
    return fit + mu * (norms.sum() + squares[n_source:].sum())


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_objective_of_transfer_joint_matching_falls(data, kernel):
    X = data[0]
    # Source rows that are unlike the target.
    X[:15] += 20.0
    K = kernel_matrix(X, kernel=kernel, gamma=0.01)
    gap = marginal_discrepancy(60, 50).vectors
    if kernel == "linear":
        problem = SpaceProblem(X, row_space(X), 0.2, 3)
    else:
        problem = GramProblem(K, 0.2, 3, X[:, 0])
    penalties, smoothing, objectives = np.ones(110), None, []
    for _ in range(12):
        found = problem.solve(marginal_discrepancy(60, 50), penalties=penalties)
        mapped = problem.mapped(found)
        assert_allclose(mapped, K @ found.coefficients, atol=1e-7)
        penalties, smoothing = sparse_penalties(
            found.coefficients, mapped, 60, smoothing
        )
        objectives.append(
            sparse_objective(K, gap @ gap.T, found.coefficients, 60, smoothing, 0.2)
        )
    assert np.all(np.diff(objectives) <= 1e-9 * objectives[0])
    assert objectives[-1] < 0.95 * objectives[0]
    assert_array_equal(penalties[60:], 1)
    # As many rounds in the loop, the same components.
    looped = run(data, problem, instance_sparsity=True, n_iter=12)
    assert looped.n_iter == 12
    assert_allclose(
        np.abs(problem.mapped(looped.components)), np.abs(mapped), rtol=1e-2, atol=1e-2
    )


def test_rows_unlike_the_target_drop_out(data):
    X, y_source, y_target = data
    X[:15] += [0, 0, 0, 0, 0, 30]
    problem = SpaceProblem(X, row_space(X), 1.0, 2)
    W = run((X, y_source, y_target), problem, instance_sparsity=True).components
    norms = np.linalg.norm(W.coefficients[:60], axis=1)
    one = problem.solve(marginal_discrepancy(60, 50), penalties=np.ones(110))
    before = np.linalg.norm(one.coefficients[:60], axis=1)
    # The penalty makes the norms unequal: more of them are next to nothing.
    assert np.mean(norms < 0.1 * norms.max()) > np.mean(before < 0.1 * before.max())
