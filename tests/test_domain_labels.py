"""Which rows carry a label, and how methods see labels."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer import TransferClassifier
from sktransfer._domains import encode_labels, is_unlabeled, label_array

INTEGERS = [np.int8, np.int16, np.int32, np.int64]


@settings(deadline=None)
@given(st.lists(st.integers(-2, 3), min_size=1, max_size=20))
def test_every_type_of_label_marks_alike(codes):
    codes = np.array(codes)
    expected = codes == -1
    words = np.where(expected, "", codes.astype(str))
    values = np.where(expected, np.nan, codes / 2)
    objects = [None if code == -1 else int(code) for code in codes]
    for y in (
        *(codes.astype(dtype) for dtype in INTEGERS),
        codes.tolist(),
        codes.astype(object),
        words,
        words.astype(object),
        words.astype("S"),
        words.astype(np.dtypes.StringDType()),
        [None if code == -1 else str(code) for code in codes],
        values,
        values.astype(np.float32),
        objects,
        pd.Series(objects, dtype="Int64"),
        pd.array(objects, dtype="Int8"),
        pd.Series(np.where(expected, None, words)),
        pd.Series(np.where(expected, None, words), dtype="category"),
        pd.Series(values),
        pl.Series(objects, dtype=pl.Int64),
        pl.Series(words.tolist()),
        codes[:, None],
        np.column_stack([codes, codes]),
    ):
        got = is_unlabeled(y)
        assert got.dtype == bool
        np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("missing", [None, np.nan, float("nan"), pd.NA, pd.NaT])
def test_missing_objects(missing):
    y = np.array([1, missing, "a"], dtype=object)
    np.testing.assert_array_equal(is_unlabeled(y), [False, True, False])
    np.testing.assert_array_equal(is_unlabeled(y, regression=True), [0, 1, 0])
    np.testing.assert_array_equal(is_unlabeled(y, unlabeled="a"), [0, 1, 1])


@pytest.mark.parametrize(
    ("y", "unlabeled", "expected"),
    [
        ([1, -1, 9], 9, [0, 0, 1]),
        (np.array([1, -1, 9], np.int8), 9, [0, 0, 1]),
        (np.array([1, -1, np.int8(9)], object), np.int64(9), [0, 0, 1]),
        ([1, -1, 9], "?", [0, 0, 0]),
        (np.array([1, 1, 9], np.int8), 300, [0, 0, 0]),
        (["a", "", "?"], "?", [0, 0, 1]),
        (np.array(["a", "", "?"], object), "?", [0, 0, 1]),
        (np.array([b"a", b"", b"?"]), "?", [0, 0, 1]),
        (["a", "", "9"], 9, [0, 0, 0]),
        ([1.0, -1.0, np.nan], -1, [0, 0, 1]),
        ([9.0, -1.0, np.nan], 9, [1, 0, 1]),
        ([9.0, -1.0, np.nan], "?", [0, 0, 1]),
        ([1, -1, -1], None, [0, 0, 0]),
        (["a", "", ""], None, [0, 0, 0]),
        ([1.0, np.nan, 1.0], None, [0, 0, 0]),
        ([True, False, True], -1, [0, 0, 0]),
        # True is no 1, whatever Python says.
        (np.array([True, 1, 2], object), 1, [0, 1, 0]),
        (np.array([True, -1, -1.0], object), -1, [0, 1, 0]),
    ],
)
def test_markers(y, unlabeled, expected):
    got = is_unlabeled(y, unlabeled)
    np.testing.assert_array_equal(got, np.array(expected, bool))


def test_regression_values_are_never_markers():
    for y in ([-1, 2, 3], ["", "a", "b"], [-1.0, 2.0, 3.0], [True, False, True]):
        assert not is_unlabeled(np.array(y), regression=True).any()
        assert not is_unlabeled(np.array(y, object), regression=True).any()


def test_several_outputs():
    y = np.array([[0.5, np.nan], [1.0, 2.0]])
    with pytest.raises(ValueError, match="only some outputs are marked as unlabelled"):
        is_unlabeled(y)
    y[0, 0] = np.nan
    np.testing.assert_array_equal(is_unlabeled(y), [True, False])


def test_label_array_keeps_integers():
    for y in (pd.Series([3, pd.NA], dtype="Int64"), pl.Series([3, None])):
        array = label_array(y)
        assert array.dtype == object
        assert array[0] == 3
        assert isinstance(array[0], int)
    for y in (pd.Series([0.5, None]), pl.Series([0.5, None]), pl.Series([None, None])):
        assert label_array(y).dtype.kind in "fO"
    assert label_array(pd.Series([3, 4])).dtype == np.int64


@settings(deadline=None)
@given(st.lists(st.integers(-1, 4), min_size=1, max_size=20))
def test_renaming_classes_in_order_changes_nothing(codes):
    codes = np.array(codes)
    labeled = codes != -1
    expected = encode_labels(codes, labeled)
    assert (expected[~labeled] == -1).all()
    known = expected[labeled]
    assert set(known) == set(range(len(set(known))))
    names = np.array(["ant", "bee", "cat", "dog", "eel", ""])
    for y in (
        names[codes],
        names[codes].astype(object),
        codes * 7 + 3,
        codes.astype(np.float32),
        codes[:, None],
        np.array([None if c == -1 else c for c in codes], dtype=object),
        np.array([None if c == -1 else float(c) for c in codes], dtype=object),
    ):
        np.testing.assert_array_equal(encode_labels(y, labeled), expected)


def test_numbers_in_objects_sort_as_numbers():
    y = np.array([10, 9, None], dtype=object)
    codes = encode_labels(y, np.array([True, True, False]))
    np.testing.assert_array_equal(codes, [1, 0, -1])


@pytest.mark.parametrize("dtype", [np.float64, object])
def test_floats_that_are_no_whole_numbers_are_values(dtype):
    y = np.array([0.5, -1.0, np.nan, np.inf], dtype=dtype)
    values = encode_labels(y, np.array([True, True, False, True]))
    np.testing.assert_array_equal(values, [0.5, -1.0, np.nan, np.inf])


def test_several_outputs_are_values():
    labeled = np.array([True, True, False])
    values = encode_labels(np.array([[1, 2], [3, 5], [-1, -1]]), labeled)
    np.testing.assert_array_equal(values, [[1, 2], [3, 5], [np.nan, np.nan]])
    words = np.array([["b", "x"], ["a", "x"], ["", ""]])
    for y in (words, words.astype(object)):
        values = encode_labels(y, labeled)
        np.testing.assert_array_equal(values, [[1, 0], [0, 0], [np.nan, np.nan]])


def test_no_labels():
    assert encode_labels(None, np.zeros(2, bool)) is None
    none = np.zeros(2, bool)
    for y in ([-1, -1], ["", ""], np.array([None, None], object)):
        np.testing.assert_array_equal(encode_labels(y, none), [-1, -1])
    floats = encode_labels([np.nan, np.nan], none)
    assert (floats == -1).all()


def test_lists_keep_what_is_missing():
    # numpy alone would make the string "nan" of it.
    assert label_array(["a", "nan"]).dtype.kind == "U"
    for missing in (np.nan, None, pd.NA, ""):
        y = ["a", "b", missing, "a"]
        assert is_unlabeled(y).tolist() == [False, False, True, False]
        assert encode_labels(y, ~is_unlabeled(y)).tolist() == [0, 1, -1, 0]
        model = TransferClassifier().fit(np.eye(4), y)
        assert model.classes_.tolist() == ["a", "b"]
