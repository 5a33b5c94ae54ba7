"""One audio clip and its rate, from what holds them."""

from numbers import Real

import numpy as np

from sktransfer.deep.preprocessing._listed_rows import describe

__all__ = ["is_pair", "read_clip"]

# Smallest and largest number become -1 and about 1; 8-bit files count from 0.
SCALES = {"uint8": (128, 128), "int16": (0, 2**15), "int32": (0, 2**31)}


def read_clip(item, input_rate):
    """Return the samples of a clip, and how many of them make a second.

    Parameters
    ----------
    item : array-like of shape (n_samples,) or pair
        Samples, or (samples, rate).
    input_rate : int or None
        The rate of samples that come without one.

    Returns
    -------
    samples : ndarray of shape (n_samples,)
        float64; integers are scaled to [-1, 1].
    rate : int
        Samples a second.

    Raises
    ------
    ValueError
        If it is no clip of one channel, or silent, or the rate is missing.
    """
    samples, rate = item if is_pair(item) else (item, input_rate)
    samples = _samples(samples)
    if rate is None:
        raise ValueError(
            "the rate is missing. Pass a pair (samples, rate), or set `input_rate`."
        )
    if getattr(rate, "shape", None) == ():  # as numpy.load returns a number
        rate = rate.item()
    is_rate = isinstance(rate, Real) and np.isfinite(rate)
    if not (is_rate and rate > 0 and rate == int(rate)):
        raise ValueError(
            "the rate must be a positive whole number of samples a second, got "
            f"{rate!r}."
        )
    return samples, int(rate)


def is_pair(item):
    """Whether a row is (samples, rate), and no clip of two samples or channels."""
    if isinstance(item, np.ndarray) and (item.dtype != object or item.ndim != 1):
        return False
    if not isinstance(item, list | tuple | np.ndarray) or len(item) != 2:
        return False
    return _has_parts(item[0]) and not _has_parts(item[1])


def _has_parts(item):
    is_text = isinstance(item, str | bytes)
    return not is_text and hasattr(item, "__len__") and getattr(item, "shape", 1) != ()


def _samples(item):
    if not _has_parts(item):
        raise ValueError(
            f"a clip must be an array of samples, got {describe(item)}. Read a file "
            "with `soundfile.read`, and wrap a single clip in a list."
        )
    try:
        samples = np.asarray(item)
    except ValueError as error:
        raise ValueError(
            f"a clip must be an array of samples, got a {type(item).__name__} of "
            "unequal parts. Pairs are (samples, rate)."
        ) from error
    if samples.ndim > 1:
        raise ValueError(
            f"a clip must have one channel, got shape {samples.shape}. Mix the "
            "channels with `.mean(axis=...)`, or pick one."
        )
    if len(samples) == 0:
        raise ValueError("the clip has no sample. Leave it out.")
    samples = _scaled(samples)
    if not np.isfinite(samples).all():
        raise ValueError("the samples must be finite, got NaN or inf.")
    if not samples.any():
        raise ValueError("the clip is silent, all samples are 0. Leave it out.")
    return samples


def _scaled(samples):
    kind = samples.dtype.name
    if kind in SCALES:
        zero, scale = SCALES[kind]
        return (samples.astype(np.float64) - zero) / scale
    if samples.dtype.kind != "f":
        raise ValueError(
            "samples must be floats in [-1, 1], int16, int32 or uint8, got "
            f"{kind}. Convert whole numbers with `.astype('int16')` if they have 16 "
            "bits. Pairs are (samples, rate)."
        )
    return samples.astype(np.float64)
