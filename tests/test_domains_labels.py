"""The form in which methods see labels: class numbers, or floats."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sktransfer import TransferClassifier
from sktransfer._domains import encode_labels, label_array

NA = pd.NA
ALL = np.array([True, True, False])


@pytest.mark.parametrize(
    ("y", "codes"),
    [
        ([7, 3, -1], [1, 0, -1]),
        (["dog", "cat", ""], [1, 0, -1]),
        (["dog", "cat", None], [1, 0, -1]),
        ([True, False, None], [1, 0, -1]),
        (pd.Series([7, 3, NA], dtype="Int64"), [1, 0, -1]),
        (pl.Series([7, 3, None]), [1, 0, -1]),
        ([2.0, 1.0, np.nan], [1, 0, -1]),  # whole floats are classes
        ([[7], [3], [-1]], [1, 0, -1]),
        ([2.5, 1.0, np.nan], [2.5, 1.0, np.nan]),
        ([[2, 3], [1, 1], [-1, -1]], [[2, 3], [1, 1], [np.nan, np.nan]]),
    ],
)
def test_encoded_labels(y, codes):
    found = encode_labels(y, ALL)
    np.testing.assert_array_equal(found, codes)
    assert found.dtype == np.array(codes).dtype


def test_encoded_labels_without_any():
    assert encode_labels(None, ALL) is None
    for y in ([-1, -1], ["", ""], [None, None], [np.nan, np.nan]):
        assert encode_labels(y, np.zeros(2, bool)).tolist() == [-1, -1]


@settings(deadline=None)
@given(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.permutations("abcde"))
def test_names_of_classes_group_rows_alike(codes, names):
    labeled = np.ones(len(codes), bool)
    by_number = encode_labels(codes, labeled)
    by_name = encode_labels([names[c] for c in codes], labeled)
    same = by_number[:, None] == by_number
    np.testing.assert_array_equal(same, by_name[:, None] == by_name)
    assert set(by_name) == set(range(len(set(codes))))


def test_label_array_keeps_integers():
    assert label_array(pl.Series([1, None])).tolist() == [1, None]
    assert label_array(pd.Series([1, 2], dtype="Int64")).dtype.kind == "i"
    assert label_array(pd.Series([1.0, np.nan])).dtype.kind == "f"
    assert label_array(pl.Series([0.5, None])).dtype.kind == "f"
    assert label_array(["a", np.nan]).tolist()[0] == "a"
    assert label_array(["a", "nan"]).dtype.kind == "U"


@pytest.mark.parametrize("missing", [np.nan, None, NA, ""])
def test_missing_strings_are_no_class(missing):
    # numpy would make the class "nan" of a list that holds NaN.
    model = TransferClassifier().fit(np.eye(4), ["a", "b", missing, "a"])
    assert model.classes_.tolist() == ["a", "b"]
