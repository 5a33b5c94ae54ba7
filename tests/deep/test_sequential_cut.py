"""A sequential backbone is cut before the first part that learns."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen._frozen_part import cut_network
from tests.deep.counting import CountsRows


class Counted(nn.Conv2d, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


def backbone(first=Counted):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            first(1, 4, 3),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(4, 5, 3),
            nn.BatchNorm2d(5),
            nn.ReLU(),
            nn.Conv2d(5, 6, 1),
        )


def images(n=40):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, 1, 7, 7)).astype(np.float32)
    y = rng.randint(0, 2, n)
    X[y == 1, :, :3] += 1.0
    return X, y


@pytest.mark.parametrize("trainable", [1, 2, 3, ["7.*"], ["4.weight", "7.*"]])
def test_training_is_the_same_as_through_the_whole_network(trainable):
    X, y = images()
    params = {"trainable": trainable, "max_epochs": 6, "batch_size": 8, "lr": 0.01}
    params |= {"schedule": "cosine", "l2_sp": 0.1, "random_state": 0}
    params["device"] = "cpu"
    cut = FineTunedClassifier(backbone(), **params).fit(X, y)
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(backbone(), augment=lambda rows: rows, **params)
    whole.fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-5, err_msg=key)
    assert_allclose(cut.predict_proba(X), whole.predict_proba(X), atol=1e-5)
    losses = [[e["train_loss"] for e in m.history_] for m in (cut, whole)]
    assert_allclose(*losses, rtol=1e-4)
    assert losses[0][-1] < losses[0][0]


def test_what_is_frozen_sees_each_row_once():
    X, y = images(30)
    X += 3.0  # rows that no other test has computed
    Counted.n_rows = 0
    model = FineTunedClassifier(backbone(), trainable=1, max_epochs=10, random_state=0)
    model.fit(X, y).predict(X)
    once = Counted.n_rows
    assert once < 2 * 30  # and one or two rows to learn the widths
    Counted.n_rows = 0
    FineTunedClassifier(backbone(), trainable="all", max_epochs=10).fit(X, y)
    assert Counted.n_rows >= 10 * 30


def test_unfreezing_goes_on_inside_the_part_that_learns():
    X, y = images()
    given = backbone(nn.Conv2d)
    model = FineTunedClassifier(
        given, trainable=2, unfreeze_every=2, max_epochs=3, random_state=0, device="cpu"
    ).fit(X, y)
    after = model.network_.backbone.state_dict()
    moved = {k for k, v in given.state_dict().items() if not v.equal(after[k])}
    assert moved == {"7.weight", "7.bias"}


def test_where_nothing_is_cut():
    X = torch.randn(2, 1, 7, 7)

    def network(made, trainable):
        built = build_network(made, "linear", 2, X)
        built.freeze(trainable)
        return built.train()

    assert cut_network(network(backbone(), 1)) is not None
    assert cut_network(network(backbone(), "all")) is None

    class Own(nn.Sequential):
        """May do anything with its parts."""

    assert cut_network(network(Own(*backbone()), 1)) is None
    hooked = network(backbone(), 1)
    hooked.backbone.register_forward_hook(lambda *args: None)
    assert cut_network(hooked) is None


class Noise(nn.Module):
    """Draws in evaluation mode, too."""

    def forward(self, X):
        return X + torch.randn_like(X)


class Centred(nn.Module):
    """Rows depend on the others."""

    def forward(self, X):
        return X - X.mean(dim=0)


class Keeps(nn.Module):
    """Puts its output where another part finds it."""

    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, X):
        self.place["kept"] = X
        return X


class LooksBack(nn.Module):
    def __init__(self, place):
        super().__init__()
        self.place = place

    def forward(self, X):
        return X + self.place["kept"]


class Attribute(nn.Linear):
    def forward(self, X):
        self.last = super().forward(X)
        return self.last


class LooksAtAttribute(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.parts = [part]

    def forward(self, X):
        return X + self.parts[0].last


class Hooks(nn.Module):
    def __init__(self, part):
        super().__init__()
        self.kept = []
        part.register_forward_hook(self.keep)

    def keep(self, part, args, output):
        self.kept[:] = [output]

    def forward(self, X):
        return X + self.kept[0]


def layers(*more):
    return nn.Sequential(
        nn.Linear(4, 4), *more[:1], nn.Linear(4, 4), *more[1:], nn.Linear(4, 4)
    )


def with_place():
    place = {}
    return layers(Keeps(place), LooksBack(place))


def with_attribute():
    first = Attribute(4, 4)
    return nn.Sequential(first, nn.Linear(4, 4), LooksAtAttribute(first))


def with_hook():
    first = nn.Linear(4, 4)
    return nn.Sequential(first, nn.Linear(4, 4), Hooks(first))


@pytest.mark.parametrize(
    ("make", "trainable"),
    [
        (lambda: layers(Noise()), 1),
        (lambda: layers(Noise()), "head"),
        (lambda: layers(Centred()), 1),
        (lambda: layers(Centred()), "head"),
        (with_place, 1),
        (with_place, 2),
        (with_attribute, 1),
        (with_hook, 1),
    ],
)
def test_parts_that_do_more_than_to_map_rows(make, trainable):
    X, y = np.random.RandomState(0).normal(size=(26, 4)).astype("f4"), np.arange(26) % 3
    params = {"trainable": trainable, "max_epochs": 3, "batch_size": 8, "lr": 0.1}
    params |= {"random_state": 0, "device": "cpu", "optimizer": "sgd"}
    torch.manual_seed(0)
    backbone = make()
    cut = FineTunedClassifier(backbone, **params).fit(X, y)
    whole = FineTunedClassifier(backbone, augment=lambda rows: rows, **params).fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-5, err_msg=key)
