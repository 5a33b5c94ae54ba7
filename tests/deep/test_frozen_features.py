"""Frozen layers see each row once: over epochs, folds, candidates and predictions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV
from torch import nn

import sktransfer.deep.frozen._frozen_features as module
from sktransfer.deep import FineTunedClassifier
from sktransfer.deep.frozen._feature_cache import FeatureCache
from tests.deep.counting import CountsRows


class Counted(nn.Linear, metaclass=CountsRows):
    """Counts the rows that pass, in all copies."""


def backbone(seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            Counted(5, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 6)
        ).double()


@pytest.fixture(autouse=True)
def empty_cache(monkeypatch):
    monkeypatch.setattr(module.shared_cache, "_rows", type(FeatureCache()._rows)())
    monkeypatch.setattr(module.shared_cache, "n_bytes", 0)
    Counted.n_rows = 0


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(60, 5))
    return X, (X[:, 0] > 0).astype(int)


SETTINGS = {"max_epochs": 8, "batch_size": 16, "random_state": 0, "device": "cpu"}


@pytest.mark.parametrize("validation_fraction", [None, 0.2])
def test_epochs_on_kept_features_are_epochs(data, validation_fraction, monkeypatch):
    X, y = data
    model = FineTunedClassifier(
        backbone(),
        trainable="head",
        validation_fraction=validation_fraction,
        l2_sp=0.1,
        **SETTINGS,
    )
    kept = model.fit(X, y).predict_proba(X)
    assert module.shared_cache.n_bytes > 0
    monkeypatch.setattr(module, "cut_network", lambda network: None)
    whole = model.fit(X, y).predict_proba(X)
    assert_allclose(kept, whole, rtol=1e-9)


def test_everything_learns_and_nothing_is_kept(data):
    X, y = data
    FineTunedClassifier(backbone(), trainable="all", **SETTINGS).fit(X, y)
    assert Counted.n_rows > 8 * 60
    assert module.shared_cache.n_bytes == 0


def test_a_search_passes_each_row_once(data):
    X, y = data
    model = FineTunedClassifier(backbone(), trainable="head", **SETTINGS)
    grid = {"head": ["linear", (4,)], "lr": [0.001, 0.01, 0.1]}
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    search.predict(X)
    # Each fit tries the network on two rows, and asks for the size of one feature row.
    n_fits, n_uses = 6 * 3 + 1, 6 * 3 * 2 + 2
    assert Counted.n_rows <= 60 + 2 * n_fits + n_uses
    assert Counted.n_rows >= 60


def test_features_are_not_used_for_other_weights(data):
    X, y = data
    for seed in range(2):
        FineTunedClassifier(backbone(seed), trainable="head", **SETTINGS).fit(X, y)
    assert Counted.n_rows >= 120


def test_a_folder_is_filled_and_read(data, tmp_path):
    X, y = data
    params = {"trainable": "head", "memory": tmp_path, **SETTINGS}
    model = FineTunedClassifier(backbone(), **params).fit(X, y)
    expected = model.predict_proba(X)
    assert list(tmp_path.rglob("*.npz"))
    module.shared_cache.clear()
    Counted.n_rows = 0
    again = FineTunedClassifier(backbone(), **params).fit(X, y)
    assert_allclose(again.predict_proba(X), expected)
    assert Counted.n_rows <= 4


def test_features_that_are_too_large_are_not_kept(data, monkeypatch):
    X, y = data
    monkeypatch.setattr(module.shared_cache, "max_bytes", 60 * 6 * 8 - 1)
    FineTunedClassifier(backbone(), trainable="head", **SETTINGS).fit(X, y)
    assert Counted.n_rows >= 8 * 60
    assert module.shared_cache.n_bytes == 6 * 8  # of the row that was tried
