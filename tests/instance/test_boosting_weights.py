"""How weights move: worked examples, invariants and limits of the pure functions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer.instance._boosting_weights import (
    FrozenSource,
    LoweredSource,
    error_of_target,
    final_votes,
    frozen_source_weights,
    source_factor,
    transfer_weights,
    vote_of_error,
)
from sktransfer.instance._two_stage_boosting import lowered_to_share
from sktransfer.instance._weighted_votes import weighted_median

# Four source rows and four target rows of equal weight.
WEIGHT = np.full(8, 1 / 8)
IS_TARGET = np.arange(8) >= 4
WRONG = np.array([1, 0, 0, 1, 1, 0, 0, 0], dtype=float)


def test_worked_example_of_tradaboost():
    # Dai et al. 2007 by hand: epsilon = 1/4, beta_t = 1/3; with n = 4 and N = 10
    # rounds beta = 1 / (1 + sqrt(2 ln(4) / 10)) = 1 / (1 + 0.526554) = 0.655070.
    factor = source_factor(4, 10)
    np.testing.assert_allclose(factor, 0.655070, atol=1e-6)
    assert error_of_target(WEIGHT, WRONG, IS_TARGET) == 0.25
    np.testing.assert_allclose(vote_of_error(0.25), np.log(3))
    new = transfer_weights(WEIGHT, WRONG, IS_TARGET, factor=factor)
    # 0.65507, 1, 1, 0.65507 | 3, 1, 1, 1 over their sum 9.31014
    by_hand = [0.070361, 0.107410, 0.107410, 0.070361]
    by_hand += [0.322229, 0.107410, 0.107410, 0.107410]
    np.testing.assert_allclose(new, by_hand, atol=1e-6)


def test_worked_example_of_the_dynamic_factor():
    # Al-Stouhi and Reddy 2011: the source times C = 2 (1 - 1/4) = 1.5, so that
    # 0.982605, 1.5, 1.5, 0.982605 | 3, 1, 1, 1 over their sum 10.96521.
    factor = source_factor(4, 10)
    new = transfer_weights(WEIGHT, WRONG, IS_TARGET, factor=factor, dynamic=True)
    by_hand = [0.089611, 0.136796, 0.136796, 0.089611]
    by_hand += [0.273593, 0.091198, 0.091198, 0.091198]
    np.testing.assert_allclose(new, by_hand, atol=1e-6)


def test_worked_example_with_three_classes():
    # alpha = ln 3 + ln 2: a wrong target row is multiplied by 6, the target grows by
    # K (1 - epsilon) = 2.25.
    new = transfer_weights(
        WEIGHT, WRONG, IS_TARGET, factor=0.5, n_classes=3, dynamic=True
    )
    expected = np.array([0.5 * 2.25, 2.25, 2.25, 0.5 * 2.25, 6, 1, 1, 1])
    np.testing.assert_allclose(new, expected / expected.sum())


def test_worked_example_for_values():
    # Pardoe and Stone 2010: losses e, epsilon = (.8 + .2 + 0 + .2) / 4 = .3,
    # beta_t = 3/7; source times beta ** e, target times beta_t ** -e.
    losses = np.array([1.0, 0.5, 0.0, 0.5, 0.8, 0.2, 0.0, 0.2])
    new = transfer_weights(WEIGHT, losses, IS_TARGET, factor=0.25)
    expected = [0.25, 0.5, 1.0, 0.5]
    expected += [1.969614, 1.184664, 1.0, 1.184664]
    np.testing.assert_allclose(new, np.array(expected) / np.sum(expected), rtol=1e-5)


def test_worked_example_of_a_frozen_source():
    # AdaBoost.R2 with epsilon = .4 over all rows, beta_t = 2/3: target rows times
    # (2/3) ** (1 - e), their total of 1/2 kept.
    losses = np.array([0.8, 0.4, 0.4, 0.4, 0.8, 0.2, 0.0, 0.2])
    assert error_of_target(WEIGHT, losses, IS_TARGET) == pytest.approx(0.3)
    new = frozen_source_weights(WEIGHT, losses, IS_TARGET, 0.4)
    target = np.array([0.922108, 0.722973, 0.666667, 0.722973])
    np.testing.assert_allclose(new[4:], 0.5 * target / target.sum(), rtol=1e-5)
    np.testing.assert_array_equal(new[:4], WEIGHT[:4])


losses_of_eight = st.lists(st.booleans(), min_size=8, max_size=8).map(
    lambda wrong: np.array(wrong, dtype=float)
)


@given(losses_of_eight, st.floats(0.05, 0.95), st.sampled_from([2, 3, 5]))
@settings(max_examples=50, deadline=None)
def test_what_never_happens_to_weights(losses, factor, n_classes):
    new = transfer_weights(
        WEIGHT, losses, IS_TARGET, factor=factor, n_classes=n_classes
    )
    np.testing.assert_allclose(new.sum(), 1)
    # Against target rows that are right, target rows never lose and source rows never
    # gain weight.
    right = losses == 0
    if right[IS_TARGET].any():
        unit = new[IS_TARGET & right][0]
        assert np.all(new[IS_TARGET] >= unit - 1e-15)
        assert np.all(new[~IS_TARGET] <= unit + 1e-15)
    if 0 < losses[IS_TARGET].mean() < 1 - 1 / n_classes:
        gained = new[IS_TARGET & ~right] / unit
        assert np.all(gained > 1)


@given(losses_of_eight, st.floats(0.05, 0.95), st.sampled_from([2, 3, 5]))
@settings(max_examples=50, deadline=None)
def test_dynamic_keeps_the_share_of_source_rows_that_are_right(
    losses, factor, n_classes
):
    error = losses[IS_TARGET].mean()
    new = transfer_weights(
        WEIGHT, losses, IS_TARGET, factor=factor, n_classes=n_classes, dynamic=True
    )
    misled = error >= 1 - 1 / n_classes
    kept = ~IS_TARGET & (losses == 0)
    if kept.any() and not misled:
        ratio = new[kept] / new[IS_TARGET].sum()
        np.testing.assert_allclose(ratio, 0.25)


def test_boosting_makes_the_round_useless_on_the_target():
    new = transfer_weights(WEIGHT, WRONG, IS_TARGET, factor=0.5)
    np.testing.assert_allclose(error_of_target(new, WRONG, IS_TARGET), 0.5)


def test_no_better_than_chance_blames_the_whole_source():
    wrong = np.array([0, 0, 0, 0, 1, 1, 1, 0], dtype=float)
    new = transfer_weights(WEIGHT, wrong, IS_TARGET, factor=0.5)
    expected = np.r_[np.full(4, 0.5), np.ones(4)]
    np.testing.assert_allclose(new, expected / expected.sum())
    rule = LoweredSource(0.5)
    assert not rule.is_over(WEIGHT, wrong, IS_TARGET)
    assert rule.is_over(np.where(IS_TARGET, WEIGHT, 0), wrong, IS_TARGET)


def test_over_only_where_nothing_moves():
    nothing = np.zeros(8)
    assert LoweredSource(0.5).is_over(WEIGHT, nothing, IS_TARGET)
    source_only = np.where(IS_TARGET, 0.0, 1.0)
    assert not LoweredSource(0.5).is_over(WEIGHT, source_only, IS_TARGET)
    assert LoweredSource(1.0).is_over(WEIGHT, source_only, IS_TARGET)
    assert FrozenSource().is_over(WEIGHT, nothing, IS_TARGET)
    assert FrozenSource().is_over(WEIGHT, np.full(8, 0.5), IS_TARGET)
    assert not FrozenSource().is_over(WEIGHT, np.full(8, 0.4), IS_TARGET)


def test_tiny_errors_do_not_overflow():
    weight = np.r_[np.full(7, 1 / 7), 1e-320]
    wrong = np.r_[np.zeros(7), 1.0]
    new = transfer_weights(weight, wrong, IS_TARGET, factor=0.5)
    assert np.isfinite(new).all()
    np.testing.assert_allclose(new.sum(), 1)


def test_votes():
    errors = np.array([0.1, 0.6, 0.25, 0.0])
    votes = final_votes(errors, 4, first=1, n_target=9)
    # The last is without error: that of half a row in ten, 0.05, stands for it.
    np.testing.assert_allclose(votes, [0, 0, np.log(3), np.log(19)])
    np.testing.assert_allclose(vote_of_error(0.5, 3), np.log(2))
    assert vote_of_error(2 / 3, 3) == 0
    # Nobody better than chance: the later half votes alike.
    np.testing.assert_array_equal(
        final_votes(np.full(4, 0.5), 4, first=1), [0, 1, 1, 1]
    )
    # Rounds 3 to 10 would have repeated round 2; only 5 to 10 vote.
    votes = final_votes(np.array([0.4, 0.2]), 10, first=4, n_target=99)
    np.testing.assert_allclose(votes, [0, 6 * np.log(4)])


@pytest.mark.parametrize("share", [0.5, 0.7, 0.95, 1.0])
def test_share_of_the_target_is_reached(share):
    rng = np.random.RandomState(0)
    weight, losses = rng.uniform(size=50), rng.uniform(size=50)
    weight /= weight.sum()
    is_target = np.arange(50) >= 40
    new = lowered_to_share(weight, losses, is_target, share)
    np.testing.assert_allclose(new[is_target].sum(), share)
    np.testing.assert_allclose(new.sum(), 1)
    if share < 1:
        # log(new / old) is linear in the loss: one beta for all source rows.
        ratio = np.log(new / weight)[~is_target]
        slope, intercept = np.polyfit(losses[~is_target], ratio, 1)
        np.testing.assert_allclose(slope * losses[~is_target] + intercept, ratio)
        assert slope < 0
    kept = new[is_target] / weight[is_target]
    np.testing.assert_allclose(kept, kept[0])


@pytest.mark.parametrize("losses", [np.zeros(4), np.array([0, 0, 0, 1.0])])
def test_share_that_no_beta_reaches_lowers_all_alike(losses):
    weight = np.full(6, 1 / 6)
    new = lowered_to_share(weight, np.r_[losses, 0, 0], np.arange(6) >= 4, 0.8)
    np.testing.assert_allclose(new, [0.05, 0.05, 0.05, 0.05, 0.4, 0.4])


def test_weighted_median_by_repeating():
    rng = np.random.RandomState(0)
    values, counts = rng.normal(size=(20, 5)), np.array([1, 2, 0, 3, 1])
    repeated = np.sort(np.repeat(values, counts, axis=1), axis=1)
    np.testing.assert_array_equal(
        weighted_median(values, counts.astype(float)), repeated[:, 3]
    )
