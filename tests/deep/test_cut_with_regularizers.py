"""A term of the loss sees the same, and frozen layers are computed once for it, too."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import (
    BSS,
    DELTA,
    L2SP,
    LWF,
    BiTuning,
    CoTuning,
    FineTunedClassifier,
    StochNorm,
)
from tests.deep.counting import CountsRows


class Counted(nn.Conv2d, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


class Block(nn.Module):
    def __init__(self, n_in, n_out):
        super().__init__()
        self.conv = nn.Conv2d(n_in, n_out, 3, padding=1)
        self.norm = nn.BatchNorm2d(n_out)

    def forward(self, X):
        return torch.relu(self.norm(self.conv(X)) + X[:, :1])


class Residual(nn.Module):
    """Sums across layers, in a forward pass of its own."""

    def __init__(self):
        super().__init__()
        self.stem = Counted(1, 4, 3)
        self.first, self.second = Block(4, 4), Block(4, 5)
        self.third = Block(5, 6)

    def forward(self, X):
        X = torch.relu(self.stem(X))
        return self.third(self.second(self.first(X)) + X[:, :1])


def backbone():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Residual()


def source_head():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return nn.Linear(6, 3)


def images(n=24):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, 1, 7, 7)).astype(np.float32)
    y = np.arange(n) % 2
    X[y == 1, :, :3] += 1.0
    return X, y


TERMS = {
    "L2SP": L2SP(0.1),
    "BSS": BSS(0.01),
    "StochNorm": StochNorm(),
    "LWF": LWF(source_head=source_head()),
    "CoTuning": CoTuning(source_head=source_head()),
    "BiTuning": BiTuning(momentum=0.9),
    "DELTA": DELTA(0.1),
    "DELTA-gradient": DELTA(0.1, attention="gradient"),
    "DELTA-frozen": DELTA(0.1, attention=None, layers=["stem", "first", "third"]),
}


@pytest.mark.parametrize("trainable", [1, 2])
@pytest.mark.parametrize("name", TERMS)
def test_training_is_the_same_as_through_the_whole_network(name, trainable):
    X, y = images()
    params = {"regularizer": TERMS[name], "trainable": trainable, "max_epochs": 4}
    params |= {"batch_size": 8, "optimizer": "sgd", "random_state": 0, "device": "cpu"}
    Counted.n_rows = 0
    cut = FineTunedClassifier(backbone(), **params).fit(X, y)
    assert Counted.n_rows < 3 * len(X)  # some rows on trial
    whole = FineTunedClassifier(backbone(), augment=lambda rows: rows, **params)
    whole.fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-4, err_msg=key)
    losses = [[e["train_loss"] for e in m.history_] for m in (cut, whole)]
    assert_allclose(*losses, rtol=1e-3)
    assert losses[0][-1] != losses[0][0]


def test_another_view_of_the_rows_goes_through_the_whole_copy():
    X, y = images()
    seen = []

    def view(rows):
        seen.append(rows.shape)
        return rows + 0.1

    clf = FineTunedClassifier(
        backbone(), trainable=1, regularizer=BiTuning(augment=view), max_epochs=1
    )
    clf.fit(X, y)
    assert seen == [(len(X), 1, 7, 7)]
