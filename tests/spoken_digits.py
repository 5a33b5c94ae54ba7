"""Spoken digits (FSDD) as the mean log energies of mel bands, by speaker."""

from itertools import pairwise

import numpy as np
from scipy.signal import spectrogram
from sklearn.preprocessing import scale

from tests.shared_data import shared_file

__all__ = ["spoken_digits"]

N_BANDS, N_SEGMENTS = 20, 10


def mel_bank(frequencies, n_bands=N_BANDS):
    """Return triangles of even width on the mel scale, as rows over the frequencies."""
    top = 2595 * np.log10(1 + frequencies[-1] / 700)
    edges = 700 * (10 ** (np.linspace(0, top, n_bands + 2) / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (frequencies - low) / (middle - low)
    falling = (high - frequencies) / (high - middle)
    return np.clip(np.minimum(rising, falling), 0, None)


def log_mel(samples, rate):
    """Return the mean log energy of each band in each of ten equal stretches."""
    frequencies, _, power = spectrogram(samples, rate, nperseg=256, noverlap=192)
    bands = np.log(mel_bank(frequencies) @ power + 1e-8)
    stretches = np.array_split(bands, N_SEGMENTS, axis=1)
    return np.concatenate([stretch.mean(axis=1) for stretch in stretches])


def spoken_digits():
    """Return spoken digits by speaker: 200 features, each z-scored within a speaker."""
    with np.load(shared_file("free_spoken_digits/fsdd_subset.npz")) as file:
        samples, offsets = file["samples"] / 32768.0, file["offsets"]
        rate, speaker = int(file["sample_rate"]), file["speaker"]
        digit, names = file["digit"].astype(int), file["speakers"]
    clips = [samples[a:b] for a, b in pairwise(offsets)]
    X = np.array([log_mel(clip, rate) for clip in clips])
    return {
        str(name)[:2]: (scale(X[speaker == i]), digit[speaker == i])
        for i, name in enumerate(names)
    }
