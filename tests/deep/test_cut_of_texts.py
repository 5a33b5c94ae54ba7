"""Own modules that crop batches to the longest text are cut where that is right."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen._frozen_features import _unlike
from sktransfer.deep.frozen._inner_cut import cut_inside
from tests.deep.counting import CountsRows


class Layer(nn.Module):
    """Attention over the words of a text, and a layer on top."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(6, 6), nn.Linear(6, 6)
        self.on_top = nn.Linear(6, 6)

    def forward(self, X, is_word=None):
        scores = self.query(X) @ self.key(X).transpose(1, 2)
        if is_word is not None:
            scores = scores.masked_fill(~is_word[:, None], -1e4)
        return X + torch.tanh(self.on_top(scores.softmax(dim=2) @ X))


class Counted(Layer, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


class Encoder(nn.Module):
    """Three layers over the words, of which the last one learns."""

    pad_id = 0

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.words = nn.Embedding(30, 6)
            self.layers = nn.ModuleList([Counted(), Layer(), Layer()])

    def forward(self, ids):
        is_word = ids != self.pad_id
        longest = max(1, int(is_word.sum(1).max()))
        return self.encode(ids[:, :longest], is_word[:, :longest])

    def encode(self, ids, is_word):
        X = self.words(ids)
        for layer in self.layers:
            X = layer(X, is_word)
        return (X * is_word[..., None]).sum(1) / is_word.sum(1, keepdim=True)


class AnotherPadding(Encoder):
    """Its rows do not end with zeros."""

    pad_id = 29


class MeanOverAll(Encoder):
    """Padding is masked in the layers, and not in the mean."""

    def encode(self, ids, is_word):
        X = self.words(ids)
        for layer in self.layers:
            X = layer(X, is_word)
        return X.mean(1)


class NoMask(Encoder):
    """What is frozen depends on the padding, and so on the longest text."""

    def encode(self, ids, is_word):
        X = self.words(ids)
        for layer in self.layers:
            X = layer(X)
        return (X * is_word[..., None]).sum(1)


class PadsAgain(Encoder):
    """Gives rows back as long as they came."""

    def encode(self, ids, is_word):
        X = self.layers[1](self.layers[0](self.words(ids), is_word), is_word)
        X = nn.functional.pad(X, (0, 0, 0, 9 - X.shape[1]))
        return self.layers[2](X).mean(1)


class Reversed(Encoder):
    """Its texts end where the batch ends: words have other places in each batch."""

    def encode(self, ids, is_word):
        X = self.layers[1](self.layers[0](self.words(ids), is_word), is_word)
        places = torch.arange(1, 1 + X.shape[1]).flip(0)
        return (self.layers[2](X, is_word) * is_word[..., None] / places[:, None]).sum(
            1
        )


def texts(n=24, pad_id=0):
    rng = np.random.RandomState(0)
    ids = rng.randint(1, 29, (n, 9))
    for row, length in enumerate(rng.randint(1, 8, n)):  # none fills its row
        ids[row, length:] = pad_id
    return ids


KINDS = {
    Encoder: True,
    AnotherPadding: True,
    MeanOverAll: True,
    NoMask: False,
    PadsAgain: True,
    Reversed: True,
}


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_as_through_the_whole_network(kind):
    X, y = texts(pad_id=kind.pad_id), np.arange(24) % 3
    params = {"trainable": ["layers.2.*"], "optimizer": "sgd", "lr": 0.1}
    params |= {"max_epochs": 10, "batch_size": 5, "random_state": 0, "device": "cpu"}
    Counted.n_rows = 0
    cut = FineTunedClassifier(kind(), **params).fit(X, y)
    n_rows = Counted.n_rows
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(kind(), augment=lambda rows: rows, **params).fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-5, err_msg=key)
    with torch.no_grad():
        scores = [whole.network_(part) for part in torch.from_numpy(X).split(5)]
    assert_allclose(cut.predict_proba(X), torch.cat(scores).softmax(dim=1), atol=1e-5)
    if KINDS[kind]:
        assert n_rows < 24 + 60  # once, and on trial
    else:
        assert n_rows >= 10 * 24


@pytest.mark.parametrize("kind", KINDS)
def test_batches_of_any_lengths(kind):
    X = texts(pad_id=kind.pad_id)
    sample = torch.from_numpy(_unlike(X))
    X = torch.from_numpy(X)
    network = build_network(kind(), "linear", 3, sample)
    network.freeze(["layers.2.*"])
    cut = cut_inside(network.train(), sample)
    assert (cut is not None) == KINDS[kind]
    if cut is None:
        return
    with torch.no_grad():
        for part in (X, X[3:5], X[7:8], sample[:1], sample[-1:]):
            alone = torch.cat([cut.frozen(row[None]) for row in part])
            assert_allclose(cut.live(alone, part), network(part), atol=1e-5)
            assert_allclose(cut.live(cut.frozen(part), part), network(part), atol=1e-5)
        assert cut.live.n_misses == 0
