"""Audio clips at one rate."""

import numpy as np

from sktransfer.deep.preprocessing._listed_rows import check_listed
from sktransfer.deep.preprocessing._read_clip import is_pair, read_clip
from sktransfer.deep.preprocessing._resample_clip import resample_clip

__all__ = ["audio_clips"]


def audio_clips(X, sample_rate, input_rate=None):
    """Return the samples of each clip; zeros at its end are left out.

    Parameters
    ----------
    X : array-like of clips, or of shape (n_samples, n_audio_samples)
        Clips, or pairs (samples, rate).
    sample_rate : int
        Samples a second of the result.
    input_rate : int, default=None
        Samples a second of clips without a rate; None: `sample_rate`, unless there are
        pairs among them.

    Returns
    -------
    list of ndarray of shape (n_audio_samples,)
        float32.
    """
    if hasattr(X, "columns"):  # clips of one length, in the rows of a table
        X = np.asarray(X)
    X = check_listed(X, "an audio clip")
    if input_rate is None and not any(map(is_pair, X)):
        input_rate = sample_rate
    clips = []
    for row, item in enumerate(X):
        try:
            samples, rate = read_clip(item, input_rate)
        except ValueError as error:
            raise ValueError(f"In row {row} of X, {error}") from error
        samples = resample_clip(np.trim_zeros(samples, "b"), rate, sample_rate)
        clips.append(samples.astype(np.float32))
    return clips
