"""Batches that call other parts than those on trial are not mixed up with them."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen import _inner_cut
from sktransfer.deep.frozen._call_path import CallPath
from tests.deep.counting import CountsRows


class Counted(nn.Linear, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


class Own(nn.Module):
    """Layers, of which the last one learns."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = Counted(4, 4), nn.Linear(4, 4)
            self.extra, self.third = nn.Linear(4, 4), nn.Linear(4, 4)
            self.cell = nn.GRUCell(1, 4)

    def forward(self, X):
        return self.third(self.second(self.first(X)))


class OnePartMore(Own):
    """In batches with a large row."""

    def forward(self, X):
        first = self.first(X)
        if X.abs().max() > 50:
            first = self.extra(first)
        return self.third(self.second(first))


class AnotherPart(Own):
    def forward(self, X):
        first = self.first(X)
        is_large = X.abs().max() > 50
        return self.third(self.second((self.extra if is_large else self.second)(first)))


class AnotherOrder(Own):
    def forward(self, X):
        if X.abs().max() > 50:
            return self.third(self.first(self.second(X)))
        return self.third(self.second(self.first(X)))


class OnePartLess(Own):
    def forward(self, X):
        first = self.first(X)
        if X.abs().max() < 50:
            first = self.extra(first)
        return self.third(self.second(first))


class AnotherFactor(Own):
    """The same parts are called, and given something else."""

    def forward(self, X):
        first = self.first(X)
        if X.abs().max() > 50:
            first = first / 10
        return self.third(self.second(first))


class ScaledRows(Own):
    def forward(self, X):
        rows = X / 10 if X.abs().max() > 50 else X
        return self.third(self.second(self.first(rows)))


class AnotherNumber(Own):
    def forward(self, X):
        factor = 0.1 if X.abs().max() > 50 else 1.0
        return self.third(self.second(self.first(X) * factor))


class AnotherWholeNumber(Own):
    def forward(self, X):
        factor = 2 if X.abs().max() > 50 else 1
        return self.third(self.second(self.first(X) * factor))


class AnotherKeyword(Own):
    def forward(self, X):
        slope = 0.5 if X.abs().max() > 50 else 0.01
        first = nn.functional.leaky_relu(self.first(X), negative_slope=slope)
        return self.third(self.second(first))


class AnotherPlace(Own):
    """Of a table of factors."""

    def __init__(self):
        super().__init__()
        self.register_buffer("factors", torch.tensor([1.0, 0.1]))

    def forward(self, X):
        factor = self.factors[int(X.abs().max() > 50)]
        return self.third(self.second(self.first(X) * factor))


class OfWhatIsKept(Own):
    def forward(self, X):
        first = self.first(X)
        if first.abs().max() > 50:
            first = torch.relu(first)
        return self.third(self.second(first))


class Prepares(Own):
    """Makes something for each new number of rows."""

    place = None

    def forward(self, X):
        first = self.first(X)
        if self.place is None or self.place.shape != first.shape:
            self.place = torch.ones(first.shape).to(first)
        return self.third(self.second(first + self.place))


class WhileLarge(Own):
    """Calls a layer until the largest row of the batch is small."""

    def forward(self, X):
        first, n = self.first(X), 0
        while first.abs().max() > 0.8 and n < 5:
            first, n = self.second(first), n + 1
        return self.third(first)


class SeveralTimes(Own):
    """How often depends on the batch."""

    def forward(self, X):
        first = self.first(X)
        for _ in range(1 + int(X.abs().max() / 2)):
            first = 1.1 * self.second(first)
        return self.third(first)


class Moments(Own):
    """A recurrent layer by hand."""

    def forward(self, X):
        state = self.first(X)
        for moment in X.T:
            state = self.cell(moment[:, None], state)
        return self.third(state)


KINDS = {
    Own: [("first", 0), ("second", 0)],
    OnePartMore: [("first", 0), ("second", 0)],
    AnotherPart: [("first", 0), ("second", 0), ("second", 1)],
    AnotherOrder: [("first", 0), ("second", 0)],
    OnePartLess: [("first", 0), ("extra", 0), ("second", 0)],
    AnotherFactor: [("first", 0), ("second", 0)],
    ScaledRows: [("first", 0), ("second", 0)],
    AnotherNumber: [("first", 0), ("second", 0)],
    AnotherWholeNumber: [("first", 0), ("second", 0)],
    AnotherKeyword: [("first", 0), ("second", 0)],
    AnotherPlace: [("first", 0), ("second", 0)],
    OfWhatIsKept: [("first", 0), ("second", 0)],
    Prepares: [("first", 0), ("second", 0)],
    Moments: [("first", 0), *(("cell", n) for n in range(4))],
}


def rows(n=24):
    return np.random.RandomState(0).normal(size=(n, 4)).astype("f4")


@pytest.mark.parametrize("n_large", [0, 1, 12, 24])
@pytest.mark.parametrize("kind", [*KINDS, WhileLarge, SeveralTimes])
def test_training_is_the_same_as_through_the_whole_network(kind, n_large):
    X, y = rows(), np.arange(24) % 3
    X[:n_large] *= 100
    params = {"trainable": ["third.*"], "optimizer": "sgd", "lr": 0.01}
    params |= {"max_epochs": 10, "batch_size": 4, "random_state": 0, "device": "cpu"}
    Counted.n_rows = 0
    cut = FineTunedClassifier(kind(), **params).fit(X, y)
    n_rows = Counted.n_rows
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(kind(), augment=lambda rows: rows, **params).fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], rtol=1e-4, atol=1e-5, err_msg=key)
    with torch.no_grad():
        scores = [whole.network_(part) for part in torch.from_numpy(X).split(4)]
    assert_allclose(cut.predict_proba(X), torch.cat(scores).softmax(dim=1), atol=1e-5)
    if n_large == 0 and kind in KINDS:
        assert n_rows < 24 + 36  # once, and on trial


@pytest.mark.parametrize("kind", KINDS)
def test_the_ways_on_trial(kind):
    X = torch.from_numpy(rows(3))
    network = build_network(kind(), "linear", 3, X)
    network.freeze(["third.*"])
    _, _, ways, ways_below = _inner_cut._plan_of(network.train(), X)
    parts = {name for name, _ in network.backbone.named_modules()}
    for way in ways.known | ways_below.known:
        calls = [key for key in way if key[0] in parts]
        assert calls == KINDS[kind]


def test_calls_inside_of_what_is_skipped_are_none():
    path = CallPath({("outer", 0)}, {("outer", 0)})
    outer = path.enter("outer")
    path.leave(path.enter("inner"))
    path.leave(outer)
    path.leave(path.enter("later"))
    assert path.taken == [("outer", 0)]
