"""The low-rank matrices L against those of the papers, written out entry by entry."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sktransfer.feature._discrepancy import (
    class_discrepancy,
    domain_gap,
    joint_discrepancy,
    marginal_discrepancy,
)

Y_SOURCE = np.array([0, 1, 2, 0, 1, 1, 0, 2, 0])
Y_TARGET = np.array([1, 1, 0, 2, 0, 1])


def full(found):
    return found.vectors @ np.diag(found.weights) @ found.vectors.T


def outer_gap(source, target):
    """e e' with e = 1 / n on the source rows and - 1 / n on the target rows."""
    e = np.zeros(len(source) + len(target))
    e[: len(source)][source] = 1 / source.sum()
    e[len(source) :][target] = -1 / target.sum()
    return np.outer(e, e)


def whole():
    return outer_gap(np.ones(len(Y_SOURCE), bool), np.ones(len(Y_TARGET), bool))


def test_rows_of_one_part_have_the_same_entries():
    labels = np.r_[Y_TARGET[:-2], -1, 2]
    for make in (class_discrepancy, joint_discrepancy):
        found = make(Y_SOURCE, labels, 3)
        cells = np.r_[Y_SOURCE, 10 + labels]
        assert_array_equal(found.parts[:, None] == found.parts, cells[:, None] == cells)
        assert_array_equal(found.vectors, found.values[found.parts])


def test_marginal():
    expected = whole()
    found = marginal_discrepancy(9, 6)
    assert_allclose(full(found), expected / np.linalg.norm(expected), atol=1e-15)
    assert_allclose(found.vectors[:, 0], domain_gap(9, 6))


@pytest.mark.parametrize("balance", [0.0, 0.2, 0.5, 1.0])
def test_classes_as_published(balance):
    # Long 2013 and Wang 2017: M0 = C e e' of the domains, and M_c = e_c e_c'.
    classes = sum(outer_gap(Y_SOURCE == c, Y_TARGET == c) for c in range(3))
    expected = (1 - balance) * 3 * whole() + balance * classes
    found = class_discrepancy(Y_SOURCE, Y_TARGET, 3, balance=balance)
    assert_allclose(full(found), expected / np.linalg.norm(expected), atol=1e-14)
    assert not found.is_signed
    orthonormal = found.vectors.T @ found.vectors
    assert_allclose(orthonormal, np.eye(len(orthonormal)), atol=1e-12)


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
def test_weighted_classes_as_published(balance):
    # Wang 2017: the entries of W_c in the three blocks of pairs of rows.
    n_source, n_target = len(Y_SOURCE), len(Y_TARGET)
    labels, is_target = np.r_[Y_SOURCE, Y_TARGET], np.arange(15) >= n_source
    classes = np.zeros((15, 15))
    for i in range(15):
        for j in range(15):
            if labels[i] != labels[j]:
                continue
            n, m = np.sum(Y_SOURCE == labels[i]), np.sum(Y_TARGET == labels[i])
            share, other = n / n_source, m / n_target
            if is_target[i] != is_target[j]:
                classes[i, j] = -np.sqrt(share * other) / (n * m)
            else:
                classes[i, j] = other / m**2 if is_target[i] else share / n**2
    expected = (1 - balance) * whole() + balance * classes
    found = class_discrepancy(
        Y_SOURCE, Y_TARGET, 3, balance=balance, class_weighted=True
    )
    assert_allclose(full(found), expected / np.linalg.norm(expected), atol=1e-14)


@pytest.mark.parametrize("discrimination", [0.0, 0.1, 0.7])
def test_joint_as_published(discrimination):
    # Zhang and Wu 2020: one-hot labels over the domain's size, and every pair of
    # different classes side by side.
    P = np.eye(3)[Y_SOURCE] / len(Y_SOURCE)
    Q = np.eye(3)[Y_TARGET] / len(Y_TARGET)
    same = np.r_[P, -Q] @ np.r_[P, -Q].T
    pairs = [np.r_[P[:, a], -Q[:, b]] for a in range(3) for b in range(3) if a != b]
    different = sum(np.outer(pair, pair) for pair in pairs)
    expected = same / np.linalg.norm(same)
    expected -= discrimination * different / np.linalg.norm(different)
    found = joint_discrepancy(Y_SOURCE, Y_TARGET, 3, discrimination=discrimination)
    assert_allclose(full(found), expected, atol=1e-14)
    assert found.is_signed == (discrimination > 0)


def test_rank():
    assert class_discrepancy(Y_SOURCE, Y_TARGET, 3).vectors.shape == (15, 4)
    assert joint_discrepancy(Y_SOURCE, Y_TARGET, 3).vectors.shape[1] <= 6


def test_a_class_that_a_domain_lacks_is_left_out():
    # Class 2 is in no target row, class 3 in no row at all.
    target = np.array([1, 1, 0, 0, 0, 1])
    found = class_discrepancy(Y_SOURCE, target, 4)
    classes = sum(outer_gap(Y_SOURCE == c, target == c) for c in (0, 1))
    expected = 4 * whole() + classes
    assert_allclose(full(found), expected / np.linalg.norm(expected), atol=1e-14)
    assert np.isfinite(full(joint_discrepancy(Y_SOURCE, target, 4))).all()


def test_no_class_in_both_domains():
    found = class_discrepancy(np.zeros(9, int), np.ones(6, int), 2, balance=1.0)
    assert_allclose(full(found), full(marginal_discrepancy(9, 6)), atol=1e-15)


def test_one_class():
    found = joint_discrepancy(np.zeros(9, int), np.zeros(6, int), 1)
    assert_allclose(full(found), full(marginal_discrepancy(9, 6)), atol=1e-14)


def test_rows_without_a_class():
    source = np.r_[Y_SOURCE, -1, -1]
    found = full(class_discrepancy(source, Y_TARGET, 3, balance=1.0))
    assert_allclose(found[9:11], 0, atol=1e-15)
    expected = full(class_discrepancy(Y_SOURCE, Y_TARGET, 3, balance=1.0))
    without = np.delete(np.delete(found, (9, 10), 0), (9, 10), 1)
    assert_allclose(without, expected, atol=1e-14)


@pytest.mark.parametrize("make", [class_discrepancy, joint_discrepancy])
def test_renamed_classes_and_permuted_rows(make):
    names = np.array([2, 0, 1])
    expected = full(make(Y_SOURCE, Y_TARGET, 3))
    renamed = full(make(names[Y_SOURCE], names[Y_TARGET], 3))
    assert_allclose(renamed, expected, atol=1e-14)
    rows, columns = np.arange(9)[::-1], np.arange(6)[::-1]
    permuted = full(make(Y_SOURCE[rows], Y_TARGET[columns], 3))
    order = np.r_[rows, 9 + columns]
    assert_allclose(permuted, expected[np.ix_(order, order)], atol=1e-14)
