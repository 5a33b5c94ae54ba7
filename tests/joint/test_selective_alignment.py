import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sktransfer._kernels import kernel_matrix
from sktransfer.joint._neighbor_graph import neighbor_graph, normalized_laplacian
from sktransfer.joint._selective_alignment import align_selectively
from sktransfer.joint._structural_risk import StructuralRisk


@pytest.fixture
def problem():
    rng = np.random.RandomState(0)
    labels = np.arange(60) % 3
    Z = np.eye(3)[labels] + 0.5 * rng.normal(size=(60, 3))
    y = np.where(np.arange(60) < 33, labels, -1)
    risk = StructuralRisk(
        kernel_matrix(Z, gamma=0.5),
        y,
        3,
        normalized_laplacian(neighbor_graph(Z, 5, mutual=True)),
        is_gram=True,
        graph_weight=1.0,
        regularization=0.1,
    )
    # The last three labelled rows are of the target.
    return risk, y[:30], y[30:]


def test_every_round_counts_the_given_and_a_larger_share(problem):
    risk, y_source, y_target = problem
    found = align_selectively(
        risk, y_source, y_target, balance=0.5, discrepancy_weight=10.0, n_rounds=4
    )
    assert found.n_selected[0] >= 3 + 27 / 4
    assert np.all(np.diff(found.n_selected) >= 0)
    assert found.n_selected[-1] == 30
    assert_array_equal(found.labels[:3], y_target[:3])
    assert len(found.objective) == 5


def test_scores_of_the_target_have_mean_zero(problem):
    risk, y_source, y_target = problem
    found = align_selectively(
        risk, y_source, y_target, balance=0.5, discrepancy_weight=10.0, n_rounds=2
    )
    scores = risk.terms[30:] @ found.coefficients - found.offset
    assert_allclose(scores.mean(axis=0), 0, atol=1e-12)
    assert_array_equal(found.labels[3:], scores[3:].argmax(axis=1))


def test_without_rounds_or_weight_nothing_is_aligned(problem):
    risk, y_source, y_target = problem
    plain = align_selectively(
        risk, y_source, y_target, balance=0.5, discrepancy_weight=10.0, n_rounds=0
    )
    weightless = align_selectively(
        risk, y_source, y_target, balance=0.5, discrepancy_weight=0.0, n_rounds=3
    )
    assert_allclose(plain.coefficients, risk.solve())
    assert_allclose(weightless.coefficients, risk.solve())


def test_no_target_row(problem):
    risk, _, _ = problem
    found = align_selectively(
        risk,
        np.zeros(60, dtype=int),
        np.zeros(0, dtype=int),
        balance=0.5,
        discrepancy_weight=10.0,
        n_rounds=3,
    )
    assert_array_equal(found.offset, 0)
    assert len(found.labels) == 0
