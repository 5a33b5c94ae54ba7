"""Four real data sets of several domains each, as rows and labels by domain."""

import sys
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
from scipy.signal import spectrogram
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler, scale

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.feature.amazon import NAMES, amazon_domains
from tests.shared_data import shared_file

__all__ = ["DATA_SETS", "domains_of", "drawn", "scaled", "tasks_of"]

PACS = {"P": "photo", "A": "art_painting", "C": "cartoon", "S": "sketch"}
N_BANDS, N_SEGMENTS = 20, 10


def pacs():
    """Return 1,280 features of a network trained on ImageNet, 7 classes."""
    domains = {}
    for letter, name in PACS.items():
        with np.load(shared_file(f"pacs/{name}_efficientnet_lite0.npz")) as file:
            domains[letter] = file["X"] * float(file["scale"]), file["y"].astype(int)
    return domains


def amazon_minilm():
    """Return 384 sentence embeddings of reviews, 2 classes."""
    with np.load(shared_file("amazon_reviews/minilm_embeddings.npz")) as file:
        return {
            letter: (file[f"{name}_X"].astype(float), file[f"{name}_y"].astype(int))
            for letter, name in NAMES.items()
        }


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


def fsdd():
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


DATA_SETS = {
    "pacs": pacs,
    "amazon_tfidf": amazon_domains,
    "amazon_minilm": amazon_minilm,
    "fsdd": fsdd,
}


def drawn(X, y, size, seed=0):
    """Return at most `size` rows, with the shares of the classes kept, and the rest."""
    if size is None or len(y) <= size:
        return (X, y), (X[:0], y[:0])
    kept, rest = train_test_split(
        np.arange(len(y)), train_size=size, stratify=y, random_state=seed
    )
    return (X[kept], y[kept]), (X[rest], y[rest])


def domains_of(name, max_rows=None):
    """Return rows and labels by domain of a data set, at most so many rows each."""
    return {
        domain: drawn(X, y, max_rows)[0] for domain, (X, y) in DATA_SETS[name]().items()
    }


def tasks_of(domains):
    """Return all ordered pairs of domains."""
    return list(permutations(domains, 2))


def scaled(X_source, X_target, by):
    """Return dense columns z-scored as `by` says; sparse rows as they are.

    "source": both domains by the source's means and deviations. "domain": each by its
    own, which already is a transfer of location and scale.
    """
    if not isinstance(X_source, np.ndarray):
        return X_source, X_target
    scaler = StandardScaler().fit(X_source)
    target_scaler = scaler if by == "source" else StandardScaler().fit(X_target)
    return scaler.transform(X_source), target_scaler.transform(X_target)
