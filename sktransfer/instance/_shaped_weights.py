"""Weights that are bounded and made more even."""

import numpy as np

from sktransfer._validation import check_number

__all__ = ["check_shape", "shaped_weights"]


def check_shape(clip, flatten):
    """Raise unless `clip` and `flatten` are valid."""
    check_number("clip", clip, low=0, low_open=True, also=(None,))
    check_number("flatten", flatten, low=0, high=1)


def shaped_weights(weights, clip, flatten):
    """Return weights of mean one, bounded first and then taken to a power.

    Parameters
    ----------
    weights : ndarray of shape (n,)
        Weights >= 0, on any scale.
    clip : float or None
        Weights above `clip` times their mean count as that.
    flatten : float
        Power, 0 to 1; with 0 all weights are one.

    Returns
    -------
    ndarray of shape (n,)
        As they came where all are zero: the base says that as an error.
    """
    total = weights.sum()
    if not (np.isfinite(total) and total > 0):
        return weights
    shaped = weights / weights.mean()
    if clip is not None:
        shaped = np.minimum(shaped, clip)
    shaped = shaped**flatten
    return shaped / shaped.mean()
