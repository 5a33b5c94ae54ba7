"""Every sentence of the docstring of `sktransfer._domains`, and of its errors."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from sktransfer._domains import (
    domain_mask,
    is_unlabeled,
    resolve_domains,
)

NA = pd.NA


def resolve(y, domain=None, **kwargs):
    found = resolve_domains(y, domain, len(y), **kwargs)
    return found.domain.tolist(), found.labeled.tolist()


@pytest.mark.parametrize(
    "y",
    [
        [0, -1, 2],
        np.array([0, -1, 2], np.int8),
        np.array([0, np.nan, 2], np.float32),
        ["a", "", "b"],
        ["a", None, "b"],
        ["a", np.nan, "b"],
        ("a", np.nan, "b"),
        np.array([b"a", b"", b"b"]),
        np.array(["a", "", "b"], dtype=object),
        np.array([0, None, "b"], dtype=object),
        np.array([0, -1, 2], dtype=object),
        np.array([0.5, NA, True], dtype=object),
        np.array([0, pd.NaT, 2], dtype=object),
        np.array([0, np.float32("nan"), 2], dtype=object),
        pd.Series([0, NA, 2], dtype="Int8"),
        pd.Series(["a", None, "b"], dtype="category"),
        pd.Series(["a", NA, "b"], dtype="string"),
        pd.Series([True, NA, False], dtype="boolean"),
        pd.Categorical([0, None, 2]),
        pl.Series([0, None, 2]),
        pl.Series(["a", None, "b"]),
        pl.Series(["a", "", "b"], dtype=pl.Categorical),
        [[0], [-1], [2]],
        [[0, 1], [-1, -1], [2, -2]],
        [[0.5, 1.0], [np.nan, np.nan], [2.0, -1.0]],
    ],
    ids=repr,
)
def test_default_markers(y):
    # Without sample_domain unlabelled rows are the target, labelled rows the source.
    assert is_unlabeled(y).tolist() == [False, True, False]
    assert resolve(y) == ([1, -1, 1], [True, False, True])


@pytest.mark.parametrize(
    "y",
    [
        np.array([0, 255, 1], np.uint8),
        [True, False, True],
        np.array([0.0, -1.0, 2.0]),
        np.array([0.5, -1.0, "x"], dtype=object),
        np.array([True, False, 3], dtype=object),
        [" ", "nan", "-1"],
    ],
    ids=repr,
)
def test_what_is_no_marker(y):
    assert not is_unlabeled(y).any()


@pytest.mark.parametrize(
    ("y", "unlabeled", "marked"),
    [
        ([99, -1, 0], 99, [True, False, False]),
        (["?", "", "a"], "?", [True, False, False]),
        (np.array([b"?", b"", b"a"]), "?", [True, False, False]),
        (np.array(["?", None, "a"], dtype=object), "?", [True, True, False]),
        (np.array([99, -1, None], dtype=object), 99, [True, False, True]),
        (np.array([1, True, 1.0], dtype=object), 1, [True, False, False]),
        (pd.Series([99, 1, NA], dtype="Int64"), 99, [True, False, True]),
        ([99.0, np.nan, 0.5], 99, [True, True, False]),
        ([0.5, np.nan, 1.0], "?", [False, True, False]),
        ([1, 2, 3], "?", [False, False, False]),
        (["a", "", "b"], 99, [False, False, False]),
        ([-1, 0, 1], None, [False, False, False]),
        (["", "a", "b"], None, [False, False, False]),
        ([np.nan, 0.5, 1.0], None, [False, False, False]),
    ],
)
def test_other_markers(y, unlabeled, marked):
    assert is_unlabeled(y, unlabeled).tolist() == marked


def test_numpy_scalars_among_objects():
    y = np.empty(2, dtype=object)
    y[:] = [np.int64(7), np.int64(-1)]
    assert is_unlabeled(y).tolist() == [False, True]
    assert is_unlabeled(y, 7).tolist() == [True, False]
    y[:] = [np.str_("?"), np.str_("a")]
    assert is_unlabeled(y, "?").tolist() == [True, False]


@pytest.mark.parametrize("dtype", [np.int64, np.float64, object])
def test_regression_marks_nan_only(dtype):
    y = np.array([-1, 0, 3], dtype=dtype)
    assert not is_unlabeled(y, regression=True).any()
    if dtype is not np.int64:
        y[1] = np.nan
        assert is_unlabeled(y, regression=True).tolist() == [False, True, False]
    domain = [1, -1, 1]
    assert resolve(y, domain, regression=True)[0] == domain


def test_regression_refuses_a_target_marked_by_integers():
    y, domain = np.array([3, 4, -1, -1]), [1, 1, -1, -1]
    with pytest.raises(ValueError, match=r"All 2 target rows hold -1.* convert y to"):
        resolve(y, domain, regression=True)
    everything = (domain, [True] * 4)
    assert resolve(y, domain, regression=True, unlabeled=None) == everything
    assert resolve(y * 1.0, domain, regression=True) == everything
    assert resolve([3, -1, -1, -1], domain, regression=True) == everything


def test_partly_marked_outputs():
    with pytest.raises(ValueError, match="only some outputs are marked as unlabelled"):
        is_unlabeled([[0, 1], [0, -1]])


# Labels {-1, c}


@pytest.mark.parametrize("kind", [np.array, list, lambda y: np.array(y, dtype=object)])
def test_minus_one_of_two_values_is_a_class(kind):
    y = kind([-1, 1, 1, -1])
    assert resolve(y) == ([1] * 4, [True] * 4)  # no target at all
    assert resolve(y, [1, 1, -1, -1]) == ([1, 1, -1, -1], [True] * 4)
    assert resolve([[v] for v in y]) == resolve(y)


def test_minus_one_in_target_rows_only_is_the_marker():
    assert resolve([1, 1, 1, -1], [1, 1, -1, -1])[1] == [True, True, True, False]


def test_minus_one_of_three_values_is_the_marker():
    assert resolve([-1, 0, 1]) == ([-1, 1, 1], [False, True, True])


def test_minus_one_everywhere_in_the_target_is_unclear():
    with pytest.raises(ValueError, match=r"every target row holds -1: .* Rename the"):
        resolve([-1, 1, -1, -1], [1, 1, -1, -1])
    # Both ways out of the sentence:
    assert resolve([0, 1, -1, -1], [1, 1, -1, -1])[1] == [True, True, False, False]
    y = [-1, 1, 99, 99]
    assert resolve(y, [1, 1, -1, -1], unlabeled=99)[1] == [True, True, False, False]


def test_two_values_that_the_rule_leaves_alone():
    assert resolve(["a", "", "a"]) == ([1, -1, 1], [True, False, True])
    # Another marker was named, or none: there is nothing to guess.
    assert resolve([-1, 1, 99], unlabeled=99) == ([1, 1, -1], [True, True, False])
    assert resolve([-1, 1], [1, -1], unlabeled=None)[1] == [True, True]


# An outer ensemble


@pytest.mark.parametrize("y", [[0, 1, 2, 2], ["a", "b", "c", "c"]])
def test_reencoded_marker(y):
    domain = [1, 1, -1, -1]
    with pytest.raises(ValueError, match=r"All 2 target rows have the label .* re-"):
        resolve(y, domain)
    assert resolve(y, domain, unlabeled=None)[1] == [True] * 4


@pytest.mark.parametrize(
    "y", [[0, 1, 1, 1], [0, 1, 2, 1], [0, 1, 2, -1], [0.5, 1.0, 2.0, 2.0]]
)
def test_what_is_not_reencoded(y):
    assert resolve(y, [1, 1, -1, -1])[0] == [1, 1, -1, -1]


def test_one_target_row_may_have_a_class_of_its_own():
    assert resolve([0, 1, 2], [1, 1, -1])[1] == [True] * 3


# sample_domain


@pytest.mark.parametrize(
    "domain",
    [
        [3, -2, 1],
        np.array([3, -2, 1], np.int8),
        np.array([3.0, -2.0, 1.0]),
        np.array([[3], [-2], [1]]),
        pd.Series([3, -2, 1], index=[9, 9, 9]),
        pl.Series([3, -2, 1]),
        np.array([3, -2, 1], dtype=object),
    ],
    ids=repr,
)
def test_domains_are_signed_integers(domain):
    found = domain_mask(domain, 3)
    assert found.dtype == np.int64
    assert found.tolist() == [3, -2, 1]


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, pd.Categorical, pl.Series])
def test_domains_are_strings(kind):
    found = domain_mask(kind(["source", "target", "source"]), 3)
    assert found.tolist() == [1, -1, 1]


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        (
            [1, -1],
            r"one entry for each of the 3 rows of X, got shape \(2,\).*handed",
        ),
        (1, r"got shape \(\)"),
        (np.ones((3, 2)), r"got shape \(3, 2\)"),
        (sparse.csr_array(np.ones((3, 1))), r"got shape \(\)"),
        (
            ["source", "target", "test"],
            "must be 'source' or 'target', got 'test'. Nu",
        ),
        ([1, "target", "source"], "must be 'source' or 'target', got '1'"),
        ([1, 0, -1], "holds 0, which is neither source nor target. Use positive"),
        ([1, 0.5, -1], "must hold integers .* got dtype float64"),
        ([1, np.nan, -1], "must hold integers"),
        ([1, None, -1], "must hold integers .* got dtype object"),
        ([1, NA, -1], "must hold integers"),
        ([True, False, True], "must hold integers .* got dtype bool"),
    ],
)
def test_bad_domains(domain, sentence):
    with pytest.raises(ValueError, match=sentence):
        domain_mask(domain, 3)


@pytest.mark.parametrize(
    ("domain", "sentence"),
    [
        ([1, 2], r"names source rows only; .* one target row. Add .* \(negative"),
        ([-1, -2], r"names target rows only; .* one source row. Add .* \(positive"),
    ],
)
def test_fit_needs_both_domains(domain, sentence):
    with pytest.raises(ValueError, match=sentence):
        resolve([0, 1], domain)


# The whole


def test_without_y():
    found = resolve_domains(None, [1, -1], 2)
    assert found.domain.tolist() == [1, -1]
    assert not found.labeled.any()
    assert found.has_target
    assert found.is_target.tolist() == [False, True]
    found = resolve_domains(None, None, 2)
    assert not found.has_target


def test_labels_must_fit_and_hold_one():
    with pytest.raises(ValueError, match=r"X has 3 rows, y has shape \(2,\)"):
        resolve_domains([0, 1], None, 3)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        resolve_domains(5, None, 3)
    with pytest.raises(ValueError, match="no labelled row: all 2 rows are marked as"):
        resolve([-1, -1])
    assert resolve([-1, -1], [1, -1])[1] == [False, False]


@st.composite
def labeled_rows(draw):
    pairs = st.tuples(st.sampled_from([1, 2, -1, -3]), st.integers(-1, 2))
    rows = draw(st.lists(pairs, min_size=1, max_size=12))
    # Both domains, two classes: so no rule about two values or one label applies.
    return np.array([*rows, (1, 0), (1, 1), (-1, 0), (-1, 1)]).T


@settings(deadline=None)
@given(labeled_rows(), st.data())
def test_order_of_rows_does_not_matter(rows, data):
    domain, y = rows
    order = np.array(data.draw(st.permutations(range(len(y)))))
    for given_domain in (domain, None):
        moved = None if given_domain is None else given_domain[order]
        before = resolve_domains(y, given_domain, len(y))
        after = resolve_domains(y[order], moved, len(y))
        np.testing.assert_array_equal(after.domain, before.domain[order])
        np.testing.assert_array_equal(after.labeled, before.labeled[order])


@settings(deadline=None)
@given(labeled_rows())
def test_strings_are_integers(rows):
    domain, y = rows
    names = np.array(["", "cat", "dog", "emu"])[y + 1]
    words = np.where(domain > 0, "source", "target")
    numbers, strings = (
        resolve_domains(labels, where, len(y)).split(np.eye(len(y)), labels)
        for labels, where in ((y, domain), (names, words))
    )
    for number, string in zip(numbers, strings, strict=True):
        np.testing.assert_array_equal(number, string)


@settings(deadline=None)
@given(labeled_rows())
def test_split_takes_the_rows_apart(rows):
    domain, y = rows
    X = np.arange(len(y))[:, None]
    X_source, y_source, X_target, y_target = resolve_domains(y, domain, len(y)).split(
        X, y
    )
    np.testing.assert_array_equal(X_source.ravel(), np.flatnonzero(domain > 0))
    np.testing.assert_array_equal(X_target.ravel(), np.flatnonzero(domain < 0))
    np.testing.assert_array_equal(y_source, y[domain > 0])  # codes of 0, 1, 2 are they
    np.testing.assert_array_equal(y_target, y[domain < 0])


def test_split_without_labels():
    X = np.eye(2)
    _, y_source, _, y_target = resolve_domains(None, [1, -1], 2).split(X)
    assert y_source is None
    assert y_target is None


def test_inputs_are_unchanged_and_may_be_read_only():
    y, domain = np.array([0, 1, -1]), np.array([1, 1, -1])
    y.setflags(write=False)
    domain.setflags(write=False)
    found = resolve_domains(y, domain, 3)
    found.split(np.eye(3), y)
    assert not np.shares_memory(found.domain, domain)
