import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax, softmax

from sktransfer.parameter._boosted_start import class_shares, start_scores
from sktransfer.parameter._boosted_tree_count import chosen_rounds
from sktransfer.parameter._boosted_trees import TreeSettings, add_trees, boosting_rounds
from sktransfer.parameter._linear_losses import LogisticLoss, SoftmaxLoss, SquaredLoss
from sktransfer.parameter._merged_rows import merged_rows
from sktransfer.parameter._source_transfer import LabelledRows

STUMP = TreeSettings(1.0, 1, None, 3, 0.7)


def best_stump(X, residual, weight, least):
    """Return the sides of the split of least squared error, by trying all of them."""
    best = np.inf, None
    for column in X.T:
        values = np.unique(column)
        for threshold in (values[1:] + values[:-1]) / 2:
            left = column <= threshold
            if min(weight[left].sum(), weight[~left].sum()) < least:
                continue
            error = sum(
                np.average(
                    (residual[side] - np.average(residual[side], weights=weight[side]))
                    ** 2,
                    weights=weight[side],
                )
                * weight[side].sum()
                for side in (left, ~left)
            )
            if error < best[0]:
                best = error, left
    return best[1]


def draw(n_outputs, n=40):
    rng = np.random.RandomState(n_outputs)
    X = rng.normal(size=(n, 3)).astype(np.float32)
    start = rng.normal(size=(n, n_outputs))
    return X, rng.uniform(0.5, 2, n), start, rng


def test_one_step_of_log_odds_by_brute_force():
    X, weight, start, rng = draw(1)
    y = (X[:, 0] + rng.normal(size=40) > 0).astype(int)
    loss = LogisticLoss()
    targets = loss.targets(y, None)
    (tree,) = next(boosting_rounds(X, targets, weight, start, loss, STUMP))
    p = expit(start[:, 0])
    left = best_stump(X, y - p, weight, 3)
    for side in (left, ~left):
        # One Newton step is the minimum of the second-order expansion.
        def expansion(step, side=side):
            first, second = p - y, p * (1 - p)
            loss = weight * (first * step + 0.5 * second * step**2)
            return loss[side].sum() + 0.5 * 0.7 * step**2

        step = minimize_scalar(expansion, method="brent", tol=1e-12).x
        assert_allclose(tree.predict(X[side]), step, rtol=1e-6)


def test_one_round_of_three_classes_by_brute_force():
    X, weight, start, rng = draw(3)
    y, loss = rng.randint(0, 3, 40), SoftmaxLoss()
    targets = loss.targets(y, np.arange(3))
    trees = next(boosting_rounds(X, targets, weight, start, loss, STUMP))
    p = softmax(start, axis=1)
    for k, tree in enumerate(trees):
        residual = (y == k) - p[:, k]
        left = best_stump(X, residual, weight, 3)
        for side in (left, ~left):
            bend = (weight * p[:, k] * (1 - p[:, k]))[side].sum() + 0.7
            step = (weight * residual)[side].sum() / bend
            assert_allclose(tree.predict(X[side]), step)


def test_squared_errors_without_penalty_leave_means_of_zero():
    X, weight, start, rng = draw(1)
    y = rng.normal(size=(40, 1))
    plain = TreeSettings(1.0, 2, None, 1, 0.0)
    (tree,) = next(boosting_rounds(X, y, weight, start, SquaredLoss(), plain))
    left = y[:, 0] - start[:, 0] - tree.predict(X)
    for value in np.unique(tree.predict(X)):
        side = tree.predict(X) == value
        assert_allclose(np.average(left[side], weights=weight[side]), 0, atol=1e-12)


def test_losses_fall_and_the_start_is_left_alone():
    X, weight, start, rng = draw(3)
    y, loss = rng.randint(0, 3, 40), SoftmaxLoss()
    targets, kept, scores = loss.targets(y, np.arange(3)), start.copy(), start.copy()
    rounds = boosting_rounds(
        X, targets, weight, start, loss, TreeSettings(0.1, 2, None, 1, 1.0)
    )
    losses = []
    for _ in range(20):
        logs = log_softmax(scores, axis=1)[np.arange(40), y]
        losses.append(-weight @ logs)
        add_trees(scores, next(rounds), X)
    assert np.all(np.diff(losses) < 0)
    assert_array_equal(start, kept)


@pytest.mark.parametrize("least", [1, 4, 15, 30])
def test_leaves_are_counted_by_weight(least):
    X, _, start, rng = draw(1)
    weight, y = rng.randint(1, 4, 40).astype(float), rng.normal(size=(40, 1))
    tree_settings = TreeSettings(1.0, None, None, least, 1.0)
    (tree,) = next(boosting_rounds(X, y, weight, start, SquaredLoss(), tree_settings))
    leaf = tree.tree.apply(X)
    counts = np.bincount(leaf, weight)[np.unique(leaf)]
    assert counts.min() >= min(least, weight.sum())
    # Rows given so many times are the same.
    again = np.repeat(np.arange(40), weight.astype(int))
    (other,) = next(
        boosting_rounds(
            X[again],
            y[again],
            np.ones(len(again)),
            start[again],
            SquaredLoss(),
            tree_settings,
        )
    )
    assert_allclose(other.predict(X), tree.predict(X))


def test_too_few_rows_for_a_split_are_one_leaf():
    X, _, start, rng = draw(1, n=6)
    y = rng.normal(size=(6, 1))
    for least, n_leaves in ((3, 2), (4, 1), (100, 1)):
        settings_ = TreeSettings(1.0, 1, None, least, 0.0)
        (tree,) = next(
            boosting_rounds(X, y, np.ones(6), start, SquaredLoss(), settings_)
        )
        assert tree.tree.get_n_leaves() == n_leaves
    assert_allclose(tree.predict(X), np.mean(y - start))


def test_missing_values_go_to_the_better_side():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 2)).astype(np.float32)
    X[::3, 0] = np.nan
    y = np.where(np.isnan(X[:, :1]), 5.0, 0.0)
    settings_ = TreeSettings(1.0, 1, None, 1, 0.0)
    (tree,) = next(boosting_rounds(X, y, np.ones(60), 0 * y, SquaredLoss(), settings_))
    assert_allclose(tree.predict(X), y[:, 0])


def test_new_classes_start_at_their_share():
    codes, weight = np.array([0, 2, 2, 3]), np.array([1.0, 2.0, 1.0, 4.0])
    new = class_shares(codes, weight, 4, np.array([True, True, False, False]))
    assert_allclose(new, [0, 0, 3 / 8, 4 / 8])
    source = np.array([[0.2, 0.8, 0, 0], [1.0, 0, 0, 0]])
    started = softmax(start_scores(source, new, 0.0), axis=1)
    assert_allclose(started, source / 8 + new, atol=1e-6)
    # Nothing new: the source's own, or that much nearer to the uniform distribution.
    shares = np.array([[0.2, 0.8], [0.0, 1.0]])
    for smoothing in (0.0, 0.25):
        odds = start_scores(shares, np.zeros(2), smoothing)
        expected = (1 - smoothing) * shares[:, 1] + smoothing / 2
        assert_allclose(expit(odds[:, 0]), expected, atol=1e-6)
    assert np.isfinite(odds).all()


def test_fewest_rounds_within_one_error():
    losses = np.array([[1.0, 1.1, 0.9], [0.5, 0.9, 0.62], [0.4, 1.0, 0.6]])
    weight = np.array([1.0, 1.0, 2.0])
    share = weight / 4
    means = losses @ share
    allowed = []
    for row in losses:
        gap = row - losses[np.argmin(means)]
        error = np.sqrt(np.sum(share**2 * (gap - gap @ share) ** 2))
        allowed.append(gap @ share <= error)
    assert chosen_rounds(losses, weight) == np.argmax(allowed) == 1
    # A clear gain is taken, and of equals the first.
    assert chosen_rounds(np.array([[2.0, 2.0], [1.0, 1.0], [1.0, 1.0]]), share[:2]) == 1
    assert chosen_rounds(np.ones((4, 2)), share[:2]) == 0


cells = st.sampled_from([0.0, -0.0, 1.0, 2.5, np.nan])


@settings(deadline=None, max_examples=60)
@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.just(2)), elements=cells))
def test_merged_rows(X):
    rng = np.random.RandomState(len(X))
    y, weight = rng.randint(0, 2, len(X)), rng.randint(1, 4, len(X)).astype(float)
    rows = LabelledRows(X, y, weight, -np.ones(len(X), int))
    merged = merged_rows(rows)
    expected = {}
    for row, label, share in zip(X, y, weight, strict=True):
        key = (*("nan" if np.isnan(cell) else abs(cell) for cell in row), label)
        expected[key] = expected.get(key, 0) + share
    found = {
        (*("nan" if np.isnan(cell) else abs(cell) for cell in row), label): share
        for row, label, share in zip(merged.X, merged.y, merged.weight, strict=True)
    }
    assert found == expected
    assert len(found) == len(merged.y)
    order = rng.permutation(len(X))
    again = merged_rows(rows.take(np.ones(len(X), bool)))
    turned = merged_rows(LabelledRows(X[order], y[order], weight[order], rows.domain))
    for other in (again, turned):
        assert_array_equal(other.X, merged.X)
        assert_array_equal(other.y, merged.y)
        assert_array_equal(other.weight, merged.weight)
