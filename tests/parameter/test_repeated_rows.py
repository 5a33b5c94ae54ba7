"""A target row of weight two is two target rows, for whatever is chosen by folds."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from sktransfer import (
    BoostedTransferClassifier,
    BoostedTransferRegressor,
    LinearInterpolationClassifier,
    LinearInterpolationRegressor,
    SourceRegularizedClassifier,
    SourceRegularizedRegressor,
)
from sktransfer.parameter._merged_rows import merged_rows, row_groups, sorted_rows
from sktransfer.parameter._source_transfer import LabelledRows
from sktransfer.parameter._target_folds import target_folds

CLASSIFIERS = [
    SourceRegularizedClassifier(alpha="cv"),
    LinearInterpolationClassifier(),
    BoostedTransferClassifier(max_estimators=15),
]
REGRESSORS = [
    SourceRegularizedRegressor(alpha="cv"),
    SourceRegularizedRegressor(alpha="gcv"),
    SourceRegularizedRegressor(alpha="cv", loss="poisson"),
    LinearInterpolationRegressor(),
    BoostedTransferRegressor(max_estimators=15),
]


def draw(seed):
    rng = np.random.RandomState(seed)
    X, domain = np.round(rng.normal(size=(70, 4)), 1), np.repeat([1, -1], 35)
    values = X.sum(axis=1) + 2 * (domain < 0) * X[:, 0] + rng.normal(size=70)
    return X, values, domain, rng.randint(0, 4, 70)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model", [*CLASSIFIERS, *REGRESSORS], ids=repr)
def test_weighted_rows_are_repeated_rows(model, seed):
    X, values, domain, times = draw(seed)
    again = np.repeat(np.arange(70), times)
    y = np.round(np.abs(values)) if model in REGRESSORS else np.sign(values)
    frames = [X]
    if model.__sklearn_tags__().input_tags.sparse:
        frames.append(sparse.csr_array(X))
    for rows in frames:
        method = "predict" if model in REGRESSORS else "predict_proba"
        model.fit(rows, y, sample_domain=domain, sample_weight=times)
        weighted = getattr(model, method)(rows)
        model.fit(rows[again], y[again], sample_domain=domain[again])
        assert_allclose(getattr(model, method)(rows), weighted, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array], ids=["dense", "csr"])
def test_groups_and_folds_of_equal_rows(kind):
    rng = np.random.RandomState(0)
    X, y = rng.randint(0, 3, size=(60, 2)).astype(float), rng.randint(0, 2, 60)
    groups, folds = (
        row_groups(kind(X), y),
        target_folds(kind(X), y, 4, stratify=True),
    )
    same = np.all(X[:, None] == X[None], axis=2) & (y[:, None] == y)
    assert_array_equal(groups[:, None] == groups, same)
    assert_array_equal(np.unique(groups), np.arange(groups.max() + 1))
    assert np.all((folds[:, None] == folds) | ~same)
    order = rng.permutation(60)
    assert_array_equal(row_groups(kind(X[order]), y[order]), groups[order])
    turned = target_folds(kind(X[order]), y[order], 4, stratify=True)
    assert_array_equal(turned, folds[order])
    # As even as the distinct rows allow.
    first = np.unique(groups, return_index=True)[1]
    assert np.ptp(np.bincount(folds[first])) <= 1
    rows = LabelledRows(kind(X), y, rng.uniform(size=60), -np.ones(60, int))
    merged, ordered = merged_rows(rows), sorted_rows(rows)
    assert len(merged.y) == groups.max() + 1
    sums = np.bincount(groups, rows.weight)
    assert_allclose(merged.weight, sums)
    assert_allclose(ordered.weight.sum(), sums.sum())
    merged_groups = row_groups(merged.X, merged.y)
    assert_array_equal(merged_groups, np.arange(len(merged.y)))


def test_stored_zeros_and_order_of_cells_do_not_matter():
    thin = sparse.csr_array(
        (np.array([2.0, 1.0, 0.0, 1.0, 2.0]), [1, 0, 2, 0, 1], [0, 3, 5]), shape=(2, 3)
    )
    assert_array_equal(row_groups(thin, np.zeros(2)), [0, 0])
    assert thin.nnz == 5


def test_copies_of_a_single_row():
    # All copies are in one fold, so that no other is left to fit on.
    X, y, _, _ = draw(0)
    copies = np.zeros(5, int)
    source = Ridge().fit(X, y)
    model = LinearInterpolationRegressor(source).fit(X[copies], y[copies])
    assert model.theta_ == 0
    labels = np.array(["no", "yes"])[(y > 0).astype(int)]
    source = LogisticRegression().fit(X, labels)
    rows = np.r_[copies, np.flatnonzero(labels != labels[0])[[0, 0]]]
    model = LinearInterpolationClassifier(source).fit(X[rows], labels[rows])
    assert model.theta_ == 0
