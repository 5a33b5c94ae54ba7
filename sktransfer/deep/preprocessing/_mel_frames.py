"""Mel spectrogram of one clip."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

__all__ = ["count_frames", "mel_frames"]

BLOCK = 1024  # frames; long clips must not make an array of all of them


def count_frames(n_samples, n_fft, hop_length):
    """Return how many frames a clip has: one is centred on every hop."""
    return 1 + (n_samples + 2 * (n_fft // 2) - n_fft) // hop_length


def mel_frames(samples, bank, window, hop_length, power, n_frames):
    """Return the first frames of the mel spectrogram of a clip.

    Parameters
    ----------
    samples : ndarray of shape (n_samples,)
        The clip.
    bank : ndarray of shape (n_mels, n_fft // 2 + 1)
        Weights of the frequencies in each band.
    window : ndarray of shape (n_fft,)
        What a frame is multiplied by.
    hop_length : int
        Samples from frame to frame. The first is centred on the first sample, and
        zeros stand before and after the clip.
    power : float
        Exponent of the magnitudes, 2 for power.
    n_frames : int
        At most so many.

    Returns
    -------
    ndarray of shape (min(frames of the clip, n_frames), n_mels)
    """
    n_fft = len(window)
    n_frames = min(n_frames, count_frames(len(samples), n_fft, hop_length))
    padded = np.zeros((n_frames - 1) * hop_length + n_fft)
    start = n_fft // 2
    part = samples[: len(padded) - start]
    padded[start : start + len(part)] = part
    frames = sliding_window_view(padded, n_fft)[::hop_length]
    mel = np.empty((n_frames, len(bank)))
    for first in range(0, n_frames, BLOCK):
        spectrum = rfft(frames[first : first + BLOCK] * window)
        magnitude = spectrum.real**2 + spectrum.imag**2
        if power != 2:
            magnitude = magnitude ** (power / 2)
        mel[first : first + BLOCK] = magnitude @ bank.T
    return mel
