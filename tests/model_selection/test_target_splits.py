import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import (
    KFold,
    ShuffleSplit,
    StratifiedKFold,
    StratifiedShuffleSplit,
)

from sktransfer.model_selection import TargetKFold, TargetShuffleSplit
from sktransfer.model_selection._base import stratification_codes

NAMES = np.array(["", "cat", "dog", "emu"])


@st.composite
def rows(draw):
    """Interleaved domains with two or three classes, enough of them labelled target."""
    n_splits = draw(st.integers(2, 4))
    n_classes = draw(st.integers(2, 3))
    kinds = [(-1, c) for c in range(n_classes) for _ in range(n_splits)]
    kinds += [(1, c) for c in range(n_classes)] + [(-1, -1)]
    extra = st.tuples(st.sampled_from([1, 2, -1, -2]), st.integers(-1, n_classes - 1))
    kinds = draw(st.permutations(kinds + draw(st.lists(extra, max_size=15))))
    domain, y = np.array(kinds).T
    return n_splits, domain, y


def folds(splitter, y, domain):
    return list(splitter.split(np.zeros((len(y), 1)), y, sample_domain=domain))


@settings(deadline=None)
@given(rows(), st.booleans(), st.integers(0, 3))
def test_k_fold_partitions_the_labeled_target(case, shuffle, seed):
    n_splits, domain, y = case
    cv = TargetKFold(n_splits, shuffle=shuffle, random_state=seed if shuffle else None)
    labeled_target = np.flatnonzero((domain < 0) & (y != -1))
    pairs = folds(cv, y, domain)
    assert len(pairs) == cv.get_n_splits() == n_splits
    for train, test in pairs:
        np.testing.assert_array_equal(np.sort(np.r_[train, test]), np.arange(len(y)))
        assert set(test) <= set(labeled_target)
        assert len(set(y[test])) == len(set(y[labeled_target]))
    tested = np.concatenate([test for _, test in pairs])
    np.testing.assert_array_equal(np.sort(tested), labeled_target)


@settings(deadline=None)
@given(rows(), st.integers(0, 3))
def test_shuffle_split_tests_labeled_target_only(case, seed):
    _, domain, y = case
    cv = TargetShuffleSplit(3, test_size=0.5, random_state=seed)
    labeled_target = (domain < 0) & (y != -1)
    for train, test in folds(cv, y, domain):
        assert not set(train) & set(test)
        assert labeled_target[test].all()
        assert set(np.flatnonzero(~labeled_target)) <= set(train)
        assert len(train) + len(test) == len(y)


@settings(deadline=None)
@given(rows(), st.randoms(use_true_random=False))
def test_other_rows_between_do_not_matter(case, random):
    # Only the order of the labelled target rows among themselves may matter.
    n_splits, domain, y = case
    tested = np.flatnonzero((domain < 0) & (y != -1))
    order = list(range(len(y)))
    random.shuffle(order)
    slots = [i for i, row in enumerate(order) if row in set(tested)]
    for slot, row in zip(slots, tested, strict=True):
        order[slot] = row
    order = np.array(order)
    cv = TargetKFold(n_splits)
    before, after = folds(cv, y, domain), folds(cv, y[order], domain[order])
    for (train, test), (train_2, test_2) in zip(before, after, strict=True):
        np.testing.assert_array_equal(np.sort(order[test_2]), test)
        np.testing.assert_array_equal(np.sort(order[train_2]), train)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (TargetKFold(3), StratifiedKFold(3)),
        (
            TargetKFold(3, shuffle=True, random_state=1),
            StratifiedKFold(3, shuffle=True, random_state=1),
        ),
        (TargetKFold(3, stratify=False), KFold(3)),
        (
            TargetShuffleSplit(2, test_size=0.4, random_state=3),
            StratifiedShuffleSplit(2, test_size=0.4, random_state=3),
        ),
        (
            TargetShuffleSplit(
                2, test_size=3, train_size=4, stratify=False, random_state=3
            ),
            ShuffleSplit(2, test_size=3, train_size=4, random_state=3),
        ),
    ],
)
def test_all_target_rows_labeled_is_scikit_learn(ours, theirs):
    # One source row in front: the rest is what the plain splitter makes of the target.
    y = np.arange(13) % 2
    domain = np.r_[1, -np.ones(12, int)]
    expected = theirs.split(np.zeros((12, 1)), y[1:])
    for (train, test), (train_2, test_2) in zip(
        folds(ours, y, domain), expected, strict=True
    ):
        np.testing.assert_array_equal(train, np.r_[0, np.sort(train_2) + 1])
        np.testing.assert_array_equal(test, np.sort(test_2) + 1)


CODES = np.array([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2, -1, -1])
DOMAIN = np.array([1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1])


@pytest.mark.parametrize(
    "splitter", [TargetKFold(3), TargetShuffleSplit(2, test_size=3)]
)
@pytest.mark.parametrize(
    "labels",
    [
        CODES.tolist(),
        CODES.astype(np.int8),
        NAMES[CODES + 1],
        NAMES[CODES + 1].astype(object),
        [None if c < 0 else str(NAMES[c + 1]) for c in CODES],
        pd.Series(CODES),
        pd.Series([pd.NA if c < 0 else c for c in CODES], dtype="Int64"),
        pd.Series([None if c < 0 else NAMES[c + 1] for c in CODES], dtype="category"),
        pl.Series(NAMES[CODES + 1].tolist()),
        pl.Series([None if c < 0 else int(c) for c in CODES]),
        CODES[:, None],
    ],
    ids=lambda labels: type(labels).__name__,
)
def test_any_kind_of_label_is_stratified_alike(splitter, labels):
    splitter = clone(splitter, safe=False)
    if isinstance(splitter, TargetShuffleSplit):
        splitter.random_state = 0
    expected = folds(splitter, CODES, DOMAIN)
    for (train, test), (train_2, test_2) in zip(
        folds(splitter, labels, DOMAIN), expected, strict=True
    ):
        np.testing.assert_array_equal(test, test_2)
        np.testing.assert_array_equal(train, train_2)


@pytest.mark.parametrize(
    "domain",
    [
        DOMAIN.tolist(),
        DOMAIN * 3,
        np.where(DOMAIN > 0, "source", "target"),
        pd.Series(DOMAIN, index=np.arange(50, 64)),
    ],
)
@pytest.mark.parametrize("X", [sparse.csr_array(np.eye(14)), [[0]] * 14], ids=type)
def test_domains_and_rows_of_any_kind(domain, X):
    cv = TargetKFold(3)
    expected = folds(cv, CODES, DOMAIN)
    for got in (
        cv.split(X, CODES, domain),
        cv.split(X, CODES, groups=domain),
        cv.split(X, CODES, sample_domain=domain),
    ):
        for (train, test), (train_2, test_2) in zip(got, expected, strict=True):
            np.testing.assert_array_equal(test, test_2)
            np.testing.assert_array_equal(train, train_2)


def test_regression_tests_labeled_values_unstratified():
    y = np.where(CODES < 0, np.nan, CODES * 0.5)
    for got, want in zip(
        folds(TargetKFold(3), y, DOMAIN),
        folds(TargetKFold(3, stratify=False), CODES, DOMAIN),
        strict=True,
    ):
        np.testing.assert_array_equal(got[1], want[1])
    several = np.column_stack([y, y])
    for got, want in zip(
        folds(TargetKFold(3), several, DOMAIN),
        folds(TargetKFold(3), y, DOMAIN),
        strict=True,
    ):
        np.testing.assert_array_equal(got[1], want[1])


def test_stratification_codes():
    assert stratification_codes(np.array([0.0, 1.0]), "auto") is None
    assert stratification_codes(np.array([0, 1]), False) is None
    assert stratification_codes(np.array([0.5, 1.5], dtype=object), "auto") is None
    for labels in ([False, True], ["a", "b"], [3, 7]):
        for dtype in (None, object):
            codes = stratification_codes(np.array(labels, dtype=dtype), "auto")
            np.testing.assert_array_equal(codes, [0, 1])
    codes = stratification_codes(np.array([0.5, 1.5, 0.5]), True)
    np.testing.assert_array_equal(codes, [0, 1, 0])
    with pytest.raises(ValueError, match="stratify=True needs one label a row, got y"):
        stratification_codes(np.zeros((3, 2), int), True)


def test_inputs_are_unchanged_and_may_be_read_only():
    y, domain = CODES.copy(), DOMAIN.copy()
    y.setflags(write=False)
    domain.setflags(write=False)
    assert len(folds(TargetKFold(3), y, domain)) == 3


def test_all_minus_one_classes():
    # Labels {-1, +1}: target rows hold both, so -1 is a class.
    y, domain = np.tile([-1, 1], 8), np.repeat([1, -1], 8)
    tested = np.concatenate([test for _, test in folds(TargetKFold(4), y, domain)])
    np.testing.assert_array_equal(np.sort(tested), np.arange(8, 16))


@pytest.mark.parametrize("seed", [None, 0])
def test_repr_shows_the_parameters(seed):
    text = " ".join(repr(TargetKFold(3, shuffle=True, random_state=seed)).split())
    assert text == (
        f"TargetKFold(n_splits=3, random_state={seed}, shuffle=True, "
        "stratify='auto', unlabeled=-1)"
    )


@pytest.mark.parametrize(
    ("splitter", "y", "domain", "sentence"),
    [
        (
            TargetKFold(),
            CODES,
            None,
            "which rows are target rows, got neither",
        ),
        (
            TargetKFold(),
            None,
            DOMAIN,
            "TargetKFold needs y: test folds hold the",
        ),
        (TargetKFold(), CODES, DOMAIN[:-1], "one entry for each of the 14 rows of X"),
        (TargetKFold(), CODES, DOMAIN * 0, "sample_domain holds 0, which is neither"),
        (TargetKFold(), CODES, abs(DOMAIN), "sample_domain names source rows only"),
        (
            TargetKFold(),
            np.where(DOMAIN < 0, -1, CODES),
            DOMAIN,
            "no labelled target row to test on: all 10 target rows are unlabelled",
        ),
        (
            TargetKFold(10),
            CODES,
            DOMAIN,
            "at least 10 labelled target rows for n_splits=10, got 9. Use fewer splits",
        ),
        (
            TargetKFold(4),
            CODES,
            DOMAIN,
            "they have 3 to 3 rows each with n_splits=4. Use fewer splits, stratify=Fa",
        ),
        (
            TargetShuffleSplit(),
            np.where(np.arange(14) == 3, 3, CODES),
            DOMAIN,
            "they have 1 to 3 rows each with n_splits=10",
        ),
        (TargetShuffleSplit(), CODES, DOMAIN, "test_size = 1 should be greater"),
        (TargetKFold(1), CODES, DOMAIN, r"`n_splits` must be an integer in \[2, inf\)"),
        (TargetKFold(2.5), CODES, DOMAIN, "`n_splits` must be an integer"),
        (TargetShuffleSplit(0), CODES, DOMAIN, r"`n_splits` must be an integer in \[1"),
        (TargetKFold(shuffle="no"), CODES, DOMAIN, "`shuffle` must be one of True, Fa"),
        (TargetKFold(3, stratify="y"), CODES, DOMAIN, "`stratify` must be one of 'aut"),
        (TargetKFold(3, random_state=1), CODES, DOMAIN, "or set shuffle=True"),
    ],
)
def test_bad_input(splitter, y, domain, sentence):
    with pytest.raises(ValueError, match=sentence):
        list(splitter.split(np.zeros((14, 1)), y, domain))


def test_both_names_at_once():
    with pytest.raises(ValueError, match="got both `groups` and `sample_domain`"):
        next(TargetKFold().split(np.zeros((14, 1)), CODES, DOMAIN, DOMAIN))


def test_rare_class_warns_as_scikit_learn():
    y = np.where(np.arange(14) == 3, 1, CODES)  # class 0 has two rows in the target
    with pytest.warns(UserWarning, match="least populated class in y has only 2"):
        pairs = folds(TargetKFold(3), y, DOMAIN)
    assert sum(len(test) for _, test in pairs) == 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        folds(TargetKFold(3, stratify=False), y, DOMAIN)
