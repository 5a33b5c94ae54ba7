"""A quiet clip made louder."""

import numpy as np

__all__ = ["raise_loudness"]


def raise_loudness(samples, loudness):
    """Return a clip scaled up to a loudness; a louder clip is left as it is.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        The clip.
    loudness : float
        20 times the decimal logarithm of the root mean square, in dBFS.

    Returns
    -------
    ndarray of shape (n_samples,)
    """
    peak = np.abs(samples).max()
    if peak == 0:
        return samples
    # Squares of what is very quiet would be 0.
    rms = peak * np.sqrt(np.mean((samples / peak) ** 2))
    return samples * max(10 ** (loudness / 20) / rms, 1.0)
