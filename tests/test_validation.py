"""Parameter checks: what passes, and the sentence for what does not."""

import re

import numpy as np
import pytest

from sktransfer._validation import check_choice, check_integer, check_number


@pytest.mark.parametrize("value", ["a", None, True])
def test_choice_returns_the_value(value):
    assert check_choice("mode", value, ("a", None, True)) is value


@pytest.mark.parametrize("value", ["b", 3, 1.5, ["a"], np.nan])
def test_choice_lists_the_choices(value):
    sentence = f"`mode` must be one of 'a', None, got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_choice("mode", value, ("a", None))


@pytest.mark.parametrize(
    ("value", "kwargs"),
    [
        (1, {}),
        (-2.5, {}),
        (np.float32(0.5), {"low": 0, "high": 1}),
        (np.int64(3), {"low": 3, "high": 3}),
        (0, {"low": 0}),
        (1.0, {"low": 0, "low_open": True, "high": 1}),
        ("median", {"low": 0, "also": ("median",)}),
        (None, {"also": (None, "auto")}),
    ],
)
def test_number_returns_the_value(value, kwargs):
    assert check_number("gamma", value, **kwargs) is value


@pytest.mark.parametrize(
    ("value", "kwargs", "expected"),
    [
        ("x", {}, "a finite number"),
        (None, {}, "a finite number"),
        (np.nan, {}, "a finite number"),
        (np.inf, {"low": 0}, "a finite number in [0, inf)"),
        (True, {}, "a finite number"),
        (np.True_, {}, "a finite number"),
        (1j, {}, "a finite number"),
        ([1.0], {}, "a finite number"),
        (np.array([1.0, 2.0]), {"also": ("median",)}, "a finite number or 'median'"),
        (-1.0, {"low": 0}, "a finite number in [0, inf)"),
        (0, {"low": 0, "low_open": True}, "a finite number in (0, inf)"),
        (2, {"high": 1}, "a finite number in (-inf, 1]"),
        (1, {"low": 0, "high": 1, "high_open": True}, "a finite number in [0, 1)"),
        ("mean", {"also": ("median", None)}, "a finite number or 'median' or None"),
        (None, {"also": ("median",)}, "a finite number or 'median'"),
    ],
)
def test_number_says_what_was_expected(value, kwargs, expected):
    sentence = f"`gamma` must be {expected}, got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_number("gamma", value, **kwargs)


@pytest.mark.parametrize(
    ("value", "kwargs"),
    [
        (3, {}),
        (np.int8(3), {"low": 3, "high": 3}),
        (-1, {}),
        ("auto", {"low": 1, "also": ("auto",)}),
        (None, {"also": (None,)}),
    ],
)
def test_integer_returns_the_value(value, kwargs):
    assert check_integer("n_components", value, **kwargs) is value


@pytest.mark.parametrize(
    ("value", "kwargs", "expected"),
    [
        (3.0, {}, "an integer"),
        (True, {"low": 0}, "an integer in [0, inf)"),
        (np.False_, {}, "an integer"),
        ("3", {}, "an integer"),
        (None, {}, "an integer"),
        (0, {"low": 1}, "an integer in [1, inf)"),
        (9, {"low": 1, "high": 8}, "an integer in [1, 8]"),
        (9, {"high": 8}, "an integer in (-inf, 8]"),
        (
            "all",
            {"low": 1, "also": ("auto", None)},
            "an integer in [1, inf) or 'auto' or None",
        ),
    ],
)
def test_integer_says_what_was_expected(value, kwargs, expected):
    sentence = f"`n_components` must be {expected}, got {value!r}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        check_integer("n_components", value, **kwargs)
