"""A clip at another rate."""

from functools import lru_cache
from math import gcd

from scipy.signal import firwin, resample_poly

__all__ = ["count_resampled", "resample_clip"]


def _factors(rate, new_rate):
    common = gcd(rate, new_rate)
    return new_rate // common, rate // common


@lru_cache(maxsize=8)
def _low_pass(up, down):
    # The filter that resample_poly makes at every call, which takes longer than its use
    # on a short clip.
    slowest = max(up, down)
    taps = firwin(20 * slowest + 1, 1 / slowest, window=("kaiser", 5.0))
    taps.flags.writeable = False
    return taps


def count_resampled(n_samples, rate, new_rate):
    """Return how many samples a clip has at another rate."""
    up, down = _factors(rate, new_rate)
    return -(-n_samples * up // down)


def resample_clip(samples, rate, new_rate):
    """Return a clip at another rate, by a polyphase filter without phase shift."""
    up, down = _factors(rate, new_rate)
    if up == down:
        return samples
    return resample_poly(samples, up, down, window=_low_pass(up, down))
