"""Recurrent layers below what learns see each row once, wherever the rows stand."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen._inner_cut import cut_inside
from tests.deep.counting import CountsRows


class LSTM(nn.LSTM, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


class GRU(nn.GRU, metaclass=CountsRows):
    """The same."""


class RNN(nn.RNN, metaclass=CountsRows):
    """The same."""


def lengths_of(X):
    """Frames before the zeros at the end."""
    return (X != 0).any(dim=2).flip(1).cumsum(1).bool().sum(1).clamp(min=1)


class Own(nn.Module):
    """A recurrent layer, and a linear one that learns."""

    kind, settings, n_features = LSTM, {"batch_first": True}, 5

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.lower = self.kind(3, 5, **self.settings)
            self.last = nn.Linear(self.n_features, 4)
            self.more()

    def more(self):
        """Add parts."""

    def forward(self, X):
        states, _ = self.lower(X)
        return self.last(states[:, -1])


class AllStates(Own):
    def forward(self, X):
        return self.last(self.lower(X)[0]).mean(dim=1)


class StateOnly(Own):
    settings = {"batch_first": True, "num_layers": 2}

    def forward(self, X):
        return self.last(self.lower(X)[1][0][-1])


class BothStates(Own):
    n_features = 15

    def forward(self, X):
        states, (hidden, cell) = self.lower(X)
        return self.last(torch.cat([states[:, 0], hidden[0], cell[0]], dim=1))


class TimeFirst(Own):
    settings = {"bidirectional": True}
    n_features = 10

    def forward(self, X):
        states, _ = self.lower(X.transpose(0, 1))
        return self.last(states).mean(dim=0)


class Gru(Own):
    kind = GRU

    def forward(self, X):
        states, hidden = self.lower(X)
        return self.last(states.mean(dim=1) + hidden[-1])


class Simple(Own):
    kind, settings = RNN, {"nonlinearity": "relu"}

    def forward(self, X):
        return self.last(self.lower(X.transpose(0, 1))[1][-1])


class TwoLayers(Own):
    """The upper recurrent layer learns."""

    def more(self):
        self.upper = nn.LSTM(5, 5, batch_first=True)

    def forward(self, X):
        return self.last(self.upper(self.lower(X)[0])[1][0][-1])


class FromTheState(TwoLayers):
    def forward(self, X):
        states, state = self.lower(X)
        return self.last(self.upper(states, state)[0][:, -1])


class TwoFrozen(TwoLayers):
    def forward(self, X):
        return self.last(self.upper(*self.lower(X))[1][0][-1])


class Cropped(Own):
    """A batch is as long as its longest row."""

    def forward(self, X):
        lengths = lengths_of(X)
        states, _ = self.lower(X[:, : int(lengths.max())])
        return self.last(states[torch.arange(len(X)), lengths - 1])


class CroppedMean(Cropped):
    def forward(self, X):
        states, _ = self.lower(X[:, : int(lengths_of(X).max())])
        return self.last(states).tanh().mean(dim=1)


class CroppedTimeFirst(Own):
    settings = {}

    def forward(self, X):
        lengths = lengths_of(X)
        states, _ = self.lower(X[:, : int(lengths.max())].transpose(0, 1))
        return self.last(states[lengths - 1, torch.arange(len(X))])


class CroppedBackwards(Cropped):
    """What comes first depends on the padding, and so on the longest row."""

    settings = {"batch_first": True, "bidirectional": True}
    n_features = 10


class Packed(Own):
    def forward(self, X):
        packed = pack_padded_sequence(
            X, lengths_of(X), batch_first=True, enforce_sorted=False
        )
        return self.last(self.lower(packed)[1][0][-1])


class PackedTwice(TwoLayers):
    def forward(self, X):
        packed = pack_padded_sequence(
            X, lengths_of(X), batch_first=True, enforce_sorted=False
        )
        return self.last(self.upper(self.lower(packed)[0])[1][0][-1])


class PackedStates(Own):
    settings = {"batch_first": True, "bidirectional": True}
    n_features = 10

    def forward(self, X):
        packed = pack_padded_sequence(
            X, lengths_of(X), batch_first=True, enforce_sorted=False
        )
        states, lengths = pad_packed_sequence(self.lower(packed)[0], batch_first=True)
        found = self.last(states)
        heard = torch.arange(found.shape[1]) < lengths[:, None]
        return (found * heard[..., None]).sum(dim=1)


class PackedData(Own):
    """Learns from each moment as it is packed."""

    def forward(self, X):
        packed = pack_padded_sequence(
            X, lengths_of(X), batch_first=True, enforce_sorted=False
        )
        found, (hidden, _) = self.lower(packed)
        learned = self.last(found.data)
        states, _ = pad_packed_sequence(found._replace(data=learned), batch_first=True)
        return states.sum(dim=1) + self.last(hidden[0])


class PackedInOrder(Own):
    """What is packed is in the order of the rows' lengths."""

    def forward(self, X):
        lengths, order = lengths_of(X).sort(descending=True, stable=True)
        packed = pack_padded_sequence(X[order], lengths, batch_first=True)
        states, _ = pad_packed_sequence(self.lower(packed)[0], batch_first=True)
        return self.last(states[order.argsort()]).sum(dim=1)


class Sorted(Own):
    """Puts the rows in another order for a while; what is kept would be mixed up."""

    descending = False

    def forward(self, X):
        order = lengths_of(X).argsort(descending=self.descending, stable=True)
        states, _ = self.lower(X[order])
        return self.last(states[order.argsort()][:, -1])


class SortedDown(Sorted):
    descending = True


class Crops(nn.Module):
    """A frozen part that crops its batches itself."""

    def __init__(self, lower):
        super().__init__()
        self.lower, self.settings = lower, {}

    def forward(self, X):
        states, _ = self.lower(X[:, : int(lengths_of(X).max())])
        return states


class CropsInside(Own):
    def more(self):
        self.lower = Crops(self.lower)

    def forward(self, X):
        states = self.lower(X)
        return self.last(states[torch.arange(len(X)), lengths_of(X) - 1])


class RowsOfABatch(Own):
    """Runs over the rows of a batch, as if they were moments."""

    settings = {}

    def forward(self, X):
        return self.last(self.lower(X)[0]).mean(dim=1)


def rows(n=24, shortest=2):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, 7, 3)).astype("f4")
    for row, length in enumerate(rng.randint(shortest, 8, n)):
        X[row, length:] = 0
    return X


LOWER = ("lower", 0)
KEPT = {
    Own: [(LOWER, [0])],
    AllStates: [(LOWER, [0])],
    StateOnly: [(LOWER, [1])],
    BothStates: [(LOWER, [0, 1, 2])],
    TimeFirst: [(LOWER, [0])],
    Gru: [(LOWER, [0, 1])],
    Simple: [(LOWER, [1])],
    TwoLayers: [(LOWER, [0])],
    FromTheState: [(LOWER, [0, 1, 2])],
    TwoFrozen: [(("upper", 0), [1])],
    Cropped: [(LOWER, [0])],
    CroppedMean: [(LOWER, [0])],
    CroppedTimeFirst: [(LOWER, [0])],
    CroppedBackwards: None,
    Packed: [(LOWER, [4])],  # after the four tensors of what is packed
    PackedTwice: [(LOWER, [0])],
    PackedStates: [(LOWER, [0])],
    PackedData: [(LOWER, [0, 4])],
    PackedInOrder: None,
    Sorted: None,
    SortedDown: None,
    CropsInside: [(("lower.lower", 0), [0])],
    RowsOfABatch: None,
}


def learning(kind):
    is_upper = issubclass(kind, TwoLayers) and kind is not TwoFrozen
    return ["last.*", "upper.*"] if is_upper else ["last.*"]


@pytest.mark.parametrize("kind", KEPT)
def test_training_is_the_same_as_through_the_whole_network(kind):
    X, y = rows(), np.arange(24) % 3
    params = {"trainable": learning(kind), "optimizer": "sgd", "lr": 0.1}
    params |= {"max_epochs": 5, "batch_size": 5, "random_state": 0, "device": "cpu"}
    kind.kind.n_rows = 0
    cut = FineTunedClassifier(kind(), **params).fit(X, y)
    n_rows = kind.kind.n_rows
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(kind(), augment=lambda rows: rows, **params).fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-5, err_msg=key)
    with torch.no_grad():
        scores = [whole.network_(part) for part in torch.from_numpy(X).split(5)]
    assert_allclose(cut.predict_proba(X), torch.cat(scores).softmax(dim=1), atol=1e-5)
    if KEPT[kind] is None:
        assert n_rows >= 5 * 24
    else:
        assert n_rows < 24 + 60  # once, and on trial


@pytest.mark.parametrize("kind", KEPT)
def test_what_is_kept(kind):
    X = torch.from_numpy(rows())
    order = lengths_of(X).argsort()
    sample = X[order[[0, 12, 23]]]
    network = build_network(kind(), "linear", 3, sample)
    network.freeze(learning(kind))
    cut = cut_inside(network.train(), sample)
    if KEPT[kind] is None:
        assert cut is None
        return
    plan = cut.frozen.plan
    places = [sorted(part.place for part in parts) for parts in plan.outputs]
    assert list(zip(plan.kept, places, strict=True)) == KEPT[kind]
    with torch.no_grad():
        for part in (X, X[3:5], X[7:8], sample[:1], sample[-1:]):
            alone = torch.cat([cut.frozen(row[None]) for row in part])
            assert_allclose(cut.live(alone, part), network(part), atol=1e-5)
            assert_allclose(cut.live(cut.frozen(part), part), network(part), atol=1e-5)
        assert cut.live.n_misses == 0
