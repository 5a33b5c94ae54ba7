import warnings

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sktransfer._validation import check_integer, check_number
from sktransfer.deep.preprocessing._audio_clips import audio_clips
from sktransfer.exceptions import TruncationWarning

__all__ = ["AudioSamples"]


class AudioSamples(TransformerMixin, BaseEstimator):
    """Audio clips as rows of samples of one width, for a network that hears samples.

    Clips are resampled where need be, and end in zeros, which are padding: zeros at the
    end of a clip are none of it. A row is an array of samples with one channel, or a
    pair (samples, rate); X is a list or an object array of them, or one array with two
    axes. int16, int32 and uint8 are scaled to [-1, 1], floats are taken as they are.

    Assumes nothing of the domains: beside the width, a row depends on its clip alone.
    Reads no labels.

    Cost: resampling, about a millisecond for each second of audio, and 64 kB for each
    second of a row at 16 kHz.

    Parameters
    ----------
    sample_rate : int, default=16000
        Samples a second of the rows.
    input_rate : int, default=None
        Samples a second of clips without a rate; None: `sample_rate`, unless there are
        pairs in X.
    max_seconds : float, default=None
        Length of a row; longer clips are cut, with a `TruncationWarning`. None: the
        longest clip of `fit`.

    Attributes
    ----------
    n_samples_ : int
        Width of a row.

    Examples
    --------
    >>> from sktransfer.deep.preprocessing._audio_samples import AudioSamples
    >>> AudioSamples().fit_transform([[0.5, -0.5, 0.25], [1.0]])
    array([[ 0.5 , -0.5 ,  0.25],
           [ 1.  ,  0.  ,  0.  ]], dtype=float32)
    """

    def __init__(self, sample_rate=16000, *, input_rate=None, max_seconds=None):
        self.sample_rate = sample_rate
        self.input_rate = input_rate
        self.max_seconds = max_seconds

    def fit(self, X, y=None):
        """Find the width of a row.

        Parameters
        ----------
        X : array-like of clips, or of shape (n_samples, n_audio_samples)
            Clips, or pairs (samples, rate).
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        check_integer("sample_rate", self.sample_rate, low=1)
        check_integer("input_rate", self.input_rate, low=1, also=(None,))
        check_number(
            "max_seconds", self.max_seconds, low=0, low_open=True, also=(None,)
        )
        longest = max(map(len, audio_clips(X, self.sample_rate, self.input_rate)))
        if self.max_seconds is not None:
            longest = max(1, round(self.max_seconds * self.sample_rate))
        self.n_samples_ = longest
        return self

    def transform(self, X):
        """Return the samples of clips.

        Parameters
        ----------
        X : array-like of clips, or of shape (n_samples, n_audio_samples)
            Clips, or pairs (samples, rate).

        Returns
        -------
        ndarray of shape (n_samples, n_samples_)
            float32, 0 after the end of a clip.

        Warns
        -----
        TruncationWarning
            If clips were cut, once for all of them.
        """
        check_is_fitted(self)
        clips = audio_clips(X, self.sample_rate, self.input_rate)
        rows = np.zeros((len(clips), self.n_samples_), dtype=np.float32)
        for row, clip in zip(rows, clips, strict=True):
            row[: len(clip)] = clip[: self.n_samples_]
        lengths = np.array([len(clip) for clip in clips])
        n_cut = int((lengths > self.n_samples_).sum())
        if n_cut:
            warnings.warn(
                f"{n_cut} of {len(clips)} clips are longer than "
                f"{self.n_samples_ / self.sample_rate:.3g} s and were cut; the longest "
                f"has {lengths.max() / self.sample_rate:.3g} s. Set `max_seconds` to "
                "keep them whole ('#max_seconds=5' after the name of a backbone), or "
                "split them into rows.",
                TruncationWarning,
                stacklevel=2,
            )
        return rows

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # It takes tables, a clip in each row, but their columns are no features.
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
