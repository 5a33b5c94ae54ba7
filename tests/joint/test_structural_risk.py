import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from sktransfer._kernels import kernel_matrix
from sktransfer.feature._discrepancy import class_discrepancy
from sktransfer.joint._neighbor_graph import neighbor_graph, normalized_laplacian
from sktransfer.joint._structural_risk import StructuralRisk

ETA, RHO, LAMBDA = 0.1, 0.7, 10.0


def problem(*, is_gram, graph=True, seed=0):
    rng = np.random.RandomState(seed)
    Z = rng.normal(size=(40, 5))
    labels = np.r_[np.arange(25) % 3, np.full(15, -1)]
    terms = kernel_matrix(Z, gamma=0.5) if is_gram else Z
    laplacian = normalized_laplacian(neighbor_graph(Z, 4)) if graph else None
    risk = StructuralRisk(
        terms,
        labels,
        3,
        laplacian,
        is_gram=is_gram,
        graph_weight=RHO,
        regularization=ETA,
    )
    guessed = rng.randint(3, size=15)
    return risk, Z, labels, laplacian, class_discrepancy(labels[:25], guessed, 3)


@pytest.mark.parametrize("is_gram", [True, False])
def test_solution_equals_the_dense_equation(is_gram):
    risk, _, labels, laplacian, discrepancy = problem(is_gram=is_gram)
    A = np.diag((labels >= 0).astype(float))
    V, w = discrepancy.vectors, discrepancy.weights
    B = A + RHO * laplacian.toarray() + LAMBDA * (V * w) @ V.T
    T = risk.terms
    R = np.eye(len(T)) if is_gram else T.T
    Y = np.eye(4)[labels][:, :3]
    expected = np.linalg.solve(R @ B @ T + ETA * np.eye(T.shape[1]), R @ A @ Y)
    assert_allclose(risk.solve(discrepancy, LAMBDA), expected, atol=1e-9)


@pytest.mark.parametrize("is_gram", [True, False])
def test_no_other_coefficients_have_less_risk(is_gram):
    risk, *_, discrepancy = problem(is_gram=is_gram)
    best = risk.solve(discrepancy, LAMBDA)
    least = risk.objective(best, discrepancy, LAMBDA)
    rng = np.random.RandomState(1)
    for size in (1e-3, 1e-1, 1.0):
        other = best + size * rng.normal(size=best.shape)
        assert risk.objective(other, discrepancy, LAMBDA) > least
    # Without the discrepancy in the problem, its solution is worse with it.
    assert risk.objective(risk.solve(), discrepancy, LAMBDA) > least


def test_without_penalties_it_is_kernel_ridge():
    risk, Z, labels, *_ = problem(is_gram=True, graph=False)
    known = labels >= 0
    model = KernelRidge(alpha=ETA, kernel="rbf", gamma=0.5)
    model.fit(Z[known], np.eye(3)[labels[known]])
    assert_allclose(risk.scores(risk.solve()), model.predict(Z), atol=1e-9)


def test_without_penalties_on_features_it_is_ridge():
    risk, Z, labels, *_ = problem(is_gram=False, graph=False)
    known = labels >= 0
    model = Ridge(ETA, fit_intercept=False).fit(Z[known], np.eye(3)[labels[known]])
    assert_allclose(risk.scores(risk.solve()), model.predict(Z), atol=1e-9)


def test_the_laplacian_has_no_negative_direction_and_is_symmetric():
    Z = np.random.RandomState(3).normal(size=(30, 3))
    Z[5] = Z[6]
    laplacian = normalized_laplacian(neighbor_graph(Z, 4)).toarray()
    assert_allclose(laplacian, laplacian.T)
    assert np.linalg.eigvalsh(laplacian).min() > -1e-12
