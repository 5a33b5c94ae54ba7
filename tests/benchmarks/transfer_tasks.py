"""Four real data sets of several domains each, as rows and labels by domain."""

import sys
from itertools import permutations
from pathlib import Path

import numpy as np
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.feature.amazon import NAMES, amazon_domains
from tests.shared_data import shared_file
from tests.spoken_digits import spoken_digits

__all__ = ["DATA_SETS", "domains_of", "drawn", "scaled", "tasks_of"]

PACS = {"P": "photo", "A": "art_painting", "C": "cartoon", "S": "sketch"}


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


DATA_SETS = {
    "pacs": pacs,
    "amazon_tfidf": amazon_domains,
    "amazon_minilm": amazon_minilm,
    "fsdd": spoken_digits,
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
