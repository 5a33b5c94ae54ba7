import warnings

import numpy as np
from scipy.signal import get_window
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.deep.preprocessing._listed_rows import check_listed
from sktransfer.deep.preprocessing._mel_bank import mel_bank
from sktransfer.deep.preprocessing._mel_frames import count_frames, mel_frames
from sktransfer.deep.preprocessing._raise_loudness import raise_loudness
from sktransfer.deep.preprocessing._read_clip import is_pair, read_clip
from sktransfer.deep.preprocessing._resample_clip import count_resampled, resample_clip
from sktransfer.exceptions import TruncationWarning

__all__ = ["MelSpectrogram"]

FLOOR = 1e-10  # below the logarithm


class MelSpectrogram(TransformerMixin, BaseEstimator):
    """Audio clips as mel spectrograms of one width for a network of speech or sound.

    A clip is cut into frames that overlap, each frame becomes the power of its
    frequencies, and these are added up in bands that are even on the mel scale. All
    rows have the number of frames that `fit` found in the longest clip, or that
    `max_seconds` has: shorter clips end in frames of zeros, which networks take as
    padding, longer ones are cut.

    A row is an array of samples with one channel; X is a list or an object array of
    them, or one array with two axes. int16, int32 and uint8 are scaled to [-1, 1],
    floats are taken as they are. Clips of other rates are resampled.

    Assumes nothing of the domains: beside the number of frames, a row depends on its
    clip alone. Reads no labels.

    Cost: about a millisecond for each second of audio. It hurts where rate, frames,
    bands or loudness are not those that the network was trained with.

    Parameters
    ----------
    sample_rate : int, default=16000
        Samples a second at which spectrograms are computed.
    input_rate : int, default=None
        Samples a second of the clips in X. None: clips are at `sample_rate`, or come
        with their rates, each row a pair (samples, rate). A pair always goes by its own
        rate. Where rows of `fit` or of the same X are pairs, a row without rate is an
        error.
    n_fft : int, default=400
        Samples of a frame.
    hop_length : int, default=160
        Samples from one frame to the next.
    n_mels : int, default=40
        Number of bands.
    f_min : float, default=0.0
        Lower edge of the first band in Hz.
    f_max : float, default=None
        Upper edge of the last band in Hz; None: half of `sample_rate`.
    power : float, default=2.0
        Exponent of the magnitudes: 2 for power, 1 for amplitude.
    log : bool, default=False
        Whether the natural logarithm is taken, of 1e-10 where the clip has less. Frames
        after the end of a clip are 0 all the same.
    loudness : float, default=None
        Root mean square in dBFS, at most 0, to which quiet clips are raised after
        resampling. Louder clips are left as they are, as Resemblyzer does with -30.
        None: all are.
    max_seconds : float, default=None
        Length of a row; longer clips are cut, with a `TruncationWarning`. None: the
        longest clip of `fit`.

    Attributes
    ----------
    n_frames_ : int
        Number of frames of a row.
    mel_bank_ : ndarray of shape (n_mels, n_fft // 2 + 1)
        Weights of the frequencies in each band.

    See Also
    --------
    PretrainedFeatures : What a network makes of such rows.

    Notes
    -----
    Frames are centred on every `hop_length`-th sample, zeros stand before and after the
    clip, and the window is Hann's (periodic). Bands are triangles on Slaney's mel scale
    [1]_, linear below 1 kHz, of area one. This is ``librosa.feature.melspectrogram``
    with ``pad_mode="constant"``. The names of the result's columns would be names of
    frames and bands; there is no ``get_feature_names_out``.

    References
    ----------
    .. [1] M. Slaney, "Auditory Toolbox, Version 2", Technical Report 1998-010, Interval
       Research Corporation, 1998.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.deep import MelSpectrogram
    >>> seconds = np.arange(8000) / 8000
    >>> low, high = (np.sin(2 * np.pi * hertz * seconds) for hertz in (300, 2000))
    >>> mel = MelSpectrogram(input_rate=8000, n_mels=20).fit([low, high[:4000]])
    >>> rows = mel.transform([low, high[:4000]])
    >>> rows.shape, rows.dtype
    ((2, 101, 20), dtype('float32'))
    >>> rows[:, 25].argmax(axis=1)
    array([ 1, 11])
    >>> rows[1, 60:].any()
    np.False_
    """

    def __init__(
        self,
        sample_rate=16000,
        *,
        input_rate=None,
        n_fft=400,
        hop_length=160,
        n_mels=40,
        f_min=0.0,
        f_max=None,
        power=2.0,
        log=False,
        loudness=None,
        max_seconds=None,
    ):
        self.sample_rate = sample_rate
        self.input_rate = input_rate
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.n_mels = n_mels
        self.f_min = f_min
        self.f_max = f_max
        self.power = power
        self.log = log
        self.loudness = loudness
        self.max_seconds = max_seconds

    def _check_params(self):
        check_integer("input_rate", self.input_rate, low=1, also=(None,))
        check_integer("n_fft", self.n_fft, low=2)
        for name in ("sample_rate", "hop_length", "n_mels"):
            check_integer(name, getattr(self, name), low=1)
        half = self.sample_rate / 2
        check_number("f_min", self.f_min, low=0, high=half, high_open=True)
        check_number(
            "f_max", self.f_max, low=self.f_min, high=half, low_open=True, also=(None,)
        )
        check_number("power", self.power, low=0, low_open=True)
        check_choice("log", self.log, (True, False))
        check_number("loudness", self.loudness, high=0, also=(None,))
        check_number(
            "max_seconds", self.max_seconds, low=0, low_open=True, also=(None,)
        )

    def fit(self, X, y=None):
        """Find the number of frames of a row.

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
        self._check_params()
        f_max = self.sample_rate / 2 if self.f_max is None else self.f_max
        self.mel_bank_ = mel_bank(
            self.sample_rate, self.n_fft, self.n_mels, self.f_min, f_max
        )
        X = _check_clips(X)
        self._with_rates = any(is_pair(item) for item in X)
        longest = max(
            count_resampled(len(samples), rate, self.sample_rate)
            for samples, rate in self._clips(X)
        )
        if self.max_seconds is not None:
            longest = max(1, round(self.max_seconds * self.sample_rate))
        self.n_frames_ = self._count_frames(longest)
        return self

    def transform(self, X):
        """Return the mel spectrograms of clips.

        Parameters
        ----------
        X : array-like of clips, or of shape (n_samples, n_audio_samples)
            Clips, or pairs (samples, rate).

        Returns
        -------
        ndarray of shape (n_samples, n_frames, n_mels)
            float32, 0 after the end of a clip.

        Raises
        ------
        ValueError
            If a row is no clip, or silent; the message names the first such row.

        Warns
        -----
        TruncationWarning
            If clips were cut, once for all of them.
        """
        check_is_fitted(self)
        X = _check_clips(X)
        window = get_window("hann", self.n_fft)
        rows = np.zeros((len(X), self.n_frames_, self.n_mels), dtype=np.float32)
        lengths = np.zeros(len(X), dtype=np.int64)
        for row, (samples, rate) in enumerate(self._clips(X)):
            samples = resample_clip(samples, rate, self.sample_rate)
            lengths[row] = len(samples)
            if self.loudness is not None:
                samples = raise_loudness(samples, self.loudness)
            mel = mel_frames(
                samples,
                self.mel_bank_,
                window,
                self.hop_length,
                self.power,
                self.n_frames_,
            )
            with np.errstate(over="ignore", under="ignore"):
                mel = mel.astype(np.float32)
            if not (np.isfinite(mel).all() and mel.any()):
                raise ValueError(
                    f"In row {row} of X, the spectrogram of {len(mel)} frames is 0 or "
                    "infinite in 32 bits. Scale the clip to [-1, 1], or leave it out."
                )
            rows[row, : len(mel)] = np.log(np.maximum(mel, FLOOR)) if self.log else mel
        self._warn_of_cut(lengths)
        return rows

    def _count_frames(self, n_samples):
        return count_frames(n_samples, self.n_fft, self.hop_length)

    def _clips(self, X):
        """Yield samples and rate of each row; name the first that is no clip."""
        rate = self.input_rate
        if rate is None and not (self._with_rates or any(map(is_pair, X))):
            rate = self.sample_rate
        for row, item in enumerate(X):
            try:
                clip = read_clip(item, rate)
            except ValueError as error:
                raise ValueError(f"In row {row} of X, {error}") from error
            yield clip

    def _warn_of_cut(self, lengths):
        n_cut = int((self._count_frames(lengths) > self.n_frames_).sum())
        if n_cut:
            warnings.warn(
                f"{n_cut} of {len(lengths)} clips have more than {self.n_frames_} "
                f"frames ({self.n_frames_ * self.hop_length / self.sample_rate:.3g} s) "
                "and were cut; the longest has "
                f"{lengths.max() / self.sample_rate:.3g} s. Set `max_seconds` to keep "
                "them whole, or split them into rows.",
                TruncationWarning,
                stacklevel=4,
            )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # It takes tables, a clip in each row, but their columns are no features:
        # scikit-learn's checks demand that X has the same number of them every time.
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags


def _check_clips(X):
    if hasattr(X, "columns"):  # clips of one length, in the rows of a table
        X = np.asarray(X)
    X = check_listed(X, "an audio clip")
    if isinstance(X, np.ndarray) and X.dtype != object and X.ndim != 2:
        raise ValueError(
            "An array of clips must have two axes, a clip of one channel in each row, "
            f"got shape {X.shape}. Wrap a single clip in a list, and mix channels with "
            "`.mean(axis=...)`."
        )
    return X
