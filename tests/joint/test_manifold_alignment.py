from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer._domain_balance import estimate_balance
from sktransfer._kernels import kernel_matrix
from sktransfer.joint._locality_preserving import unit_rows
from sktransfer.joint._manifold_alignment import align_by_rounds
from sktransfer.joint._neighbor_graph import neighbor_graph, normalized_laplacian
from sktransfer.joint._structural_risk import StructuralRisk

ETA, RHO, LAMBDA = 0.1, 1.0, 10.0


def rows_and_labels(seed=0, n=60):
    rng = np.random.RandomState(seed)
    labels = np.arange(n) % 3
    centres = 1.2 * np.eye(3, 5)
    X_source = centres[labels] + 0.8 * rng.normal(size=(n, 5))
    X_target = centres[labels] + 0.8 * rng.normal(size=(n, 5)) + [0.8, -0.5, 0, 0, 0]
    return unit_rows(np.r_[X_source, X_target]), labels


def risk_of(Z, y):
    return StructuralRisk(
        kernel_matrix(Z, gamma=0.5),
        y,
        3,
        normalized_laplacian(neighbor_graph(Z, 10)),
        is_gram=True,
        graph_weight=RHO,
        regularization=ETA,
    )


def plain_loop(Z, y_source, labels, balance, n_rounds):
    """The published equations step by step, all matrices written out."""
    n, N = len(y_source), len(Z)
    K = rbf_kernel(Z, gamma=0.5)
    A = np.diag(np.r_[np.ones(n), np.zeros(N - n)])
    Y = np.r_[np.eye(3)[y_source], np.zeros((N - n, 3))]
    L = normalized_laplacian(neighbor_graph(Z, 10)).toarray()
    balances, objective = [], []
    for _ in range(n_rounds):
        mu = balance
        if balance == "auto":
            mu = estimate_balance(Z[:n], y_source, Z[n:], labels)
        e = np.r_[np.full(n, 1 / n), np.full(N - n, -1 / (N - n))]
        M = (1 - mu) * 3 * np.outer(e, e)
        for c in range(3):
            if np.any(labels == c):
                e = np.r_[
                    (y_source == c) / np.sum(y_source == c),
                    (labels == c) / -np.sum(labels == c),
                ]
                M += mu * np.outer(e, e)
        M /= np.linalg.norm(M)
        B = A + LAMBDA * M + RHO * L
        beta = np.linalg.solve(B @ K + ETA * np.eye(N), A @ Y)
        F = K @ beta
        labels = F[n:].argmax(axis=1)
        balances.append(mu)
        objective.append(
            np.sum((A @ (Y - F)) ** 2)
            + ETA * np.trace(beta.T @ F)
            + np.trace(F.T @ (LAMBDA * M + RHO * L) @ F)
        )
    return labels, F, balances, objective


@pytest.mark.parametrize("balance", ["auto", 0.0, 0.3, 1.0])
@pytest.mark.parametrize("missing", [None, 1])
def test_the_plain_loop_gives_the_same(balance, missing):
    Z, truth = rows_and_labels()
    n = len(truth)
    kept = truth != missing
    Z, first = np.r_[Z[:n], Z[n:][kept]], truth[kept]
    none = np.full(len(Z) - n, -1)
    risk = risk_of(Z, np.r_[truth, none])
    found = align_by_rounds(
        risk,
        Z,
        truth,
        none,
        first,
        balance=balance,
        discrepancy_weight=LAMBDA,
        n_rounds=10,
    )
    n_iter = len(found.balance)
    labels, F, balances, objective = plain_loop(Z, truth, first, balance, n_iter)
    assert_array_equal(found.labels, labels)
    assert_allclose(risk.scores(found.coefficients), F, atol=1e-8)
    assert_allclose(found.balance, balances)
    assert_allclose(found.objective, objective, rtol=1e-8)
    assert n_iter > 1


def test_rounds_end_when_the_labels_stay():
    Z, truth = rows_and_labels()
    none = np.full(len(truth), -1)
    risk = risk_of(Z, np.r_[truth, none])
    options = {"balance": "auto", "discrepancy_weight": LAMBDA}
    found = align_by_rounds(risk, Z, truth, none, None, n_rounds=50, **options)
    assert 1 < len(found.balance) < 50
    again = align_by_rounds(risk, Z, truth, none, found.labels, n_rounds=9, **options)
    assert len(again.balance) == 1
    assert_allclose(again.coefficients, found.coefficients, atol=1e-10)


def test_known_target_labels_need_one_round():
    Z, truth = rows_and_labels()
    risk = risk_of(Z, np.r_[truth, truth])
    found = align_by_rounds(
        risk, Z, truth, truth, None, balance=0.5, discrepancy_weight=1.0, n_rounds=9
    )
    assert len(found.balance) == 1
    assert_array_equal(found.labels, truth)


def test_each_solution_lowers_the_risk_of_its_round():
    Z, truth = rows_and_labels()
    none = np.full(len(truth), -1)
    risk, asked = risk_of(Z, np.r_[truth, none]), []

    class Watched:
        targets, terms = risk.targets, risk.terms
        objective = risk.objective

        @staticmethod
        def solve(*problem):
            asked.append((problem, risk.solve(*problem)))
            return asked[-1][1]

    align_by_rounds(
        Watched(),
        Z,
        truth,
        none,
        None,
        balance="auto",
        discrepancy_weight=LAMBDA,
        n_rounds=10,
    )
    falls = [
        risk.objective(before, *problem) - risk.objective(after, *problem)
        for (_, before), (problem, after) in pairwise(asked)
    ]
    assert len(falls) > 1
    assert min(falls) > -1e-10
    assert falls[0] > 1e-3
