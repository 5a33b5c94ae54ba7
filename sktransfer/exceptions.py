"""Warnings that sktransfer issues."""

__all__ = [
    "ClassLostWarning",
    "NoTargetWarning",
    "TruncationWarning",
    "UninformativeClassifierWarning",
    "WeightCollapseWarning",
]


class NoTargetWarning(UserWarning):
    """No target row was found, so an adapter has nothing to adapt to.

    Aligners are then the identity and weights are one.
    """


class WeightCollapseWarning(UserWarning):
    """Weights of source rows do not make them stand for the target.

    Nearly all weight lies on a few source rows, or the domains do not overlap at all.
    The message says which, names the effective sample size, and what to try.
    """


class ClassLostWarning(UserWarning):
    """A selection left out every source row of a class."""


class TruncationWarning(UserWarning):
    """Rows were longer than the width of the result, and what was too much was cut.

    The message says how many of how many, and how to keep them whole.
    """


class UninformativeClassifierWarning(UserWarning):
    """A classifier's probabilities say no more of the labels than class shares do.

    Class shares of the target are then taken to be those of the source.
    """
