"""Warnings that sktransfer issues."""

__all__ = [
    "ClassLostWarning",
    "NoTargetWarning",
    "TruncationWarning",
    "WeightCollapseWarning",
]


class NoTargetWarning(UserWarning):
    """No target row was found, so an adapter has nothing to adapt to.

    Aligners are then the identity and weights are one.
    """


class WeightCollapseWarning(UserWarning):
    """Nearly all weight lies on a few source rows.

    The message names the effective sample size.
    """


class ClassLostWarning(UserWarning):
    """A selection left out every source row of a class."""


class TruncationWarning(UserWarning):
    """Rows were longer than the width of the result, and what was too much was cut.

    The message says how many of how many, and how to keep them whole.
    """
