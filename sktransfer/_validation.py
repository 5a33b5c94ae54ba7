"""Parameter checks, one sentence each: what was expected, what came."""

from numbers import Integral, Real

import numpy as np

__all__ = ["check_choice", "check_integer", "check_number"]


def check_choice(name, value, choices):
    """Raise unless `value` is one of `choices`; return it."""
    if not any(value is choice or value == choice for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise ValueError(f"`{name}` must be one of {listed}, got {value!r}.")
    return value


def _bounds_sentence(low, high, low_open, high_open):
    if low is None and high is None:
        return ""
    left = "(-inf" if low is None else f"{'(' if low_open else '['}{low}"
    right = "inf)" if high is None else f"{high}{')' if high_open else ']'}"
    return f" in {left}, {right}"


def check_number(
    name, value, *, low=None, high=None, low_open=False, high_open=False, also=()
):
    """Raise unless `value` is a finite real number within the bounds; return it.

    `also` lists other values that pass as they are, strings or None for example.
    """
    for choice in also:
        if value is choice or (isinstance(value, str) and value == choice):
            return value
    ok = isinstance(value, Real) and not isinstance(value, bool | np.bool_)
    ok = ok and np.isfinite(value)
    if ok and low is not None:
        ok = value > low if low_open else value >= low
    if ok and high is not None:
        ok = value < high if high_open else value <= high
    if not ok:
        others = "".join(f" or {choice!r}" for choice in also)
        bounds = _bounds_sentence(low, high, low_open, high_open)
        raise ValueError(
            f"`{name}` must be a finite number{bounds}{others}, got {value!r}."
        )
    return value


def check_integer(name, value, *, low=None, high=None, also=()):
    """Raise unless `value` is an integer within the bounds; return it."""
    for choice in also:
        if value is choice or (isinstance(value, str) and value == choice):
            return value
    ok = isinstance(value, Integral) and not isinstance(value, bool | np.bool_)
    if not (ok and (low is None or value >= low) and (high is None or value <= high)):
        others = "".join(f" or {choice!r}" for choice in also)
        bounds = _bounds_sentence(low, high, False, False)
        raise ValueError(f"`{name}` must be an integer{bounds}{others}, got {value!r}.")
    return value
