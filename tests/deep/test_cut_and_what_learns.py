"""What learns, or is moved by the network itself, is no part of what is kept."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen import _inner_cut


class Own(nn.Module):
    """Layers, of which the last one learns."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 4)
        self.third, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.mean = nn.Parameter(torch.zeros(4), requires_grad=False)

    def forward(self, X):
        return self.norm(self.third(self.second(self.start(self.first(X), X))))

    def start(self, first, X):
        return first


class StartsAtZero(Own):
    """Hides that rows depend on the others."""

    def __init__(self):
        super().__init__()
        nn.init.zeros_(self.third.weight)

    def forward(self, X):
        first = self.first(X)
        return X + self.third(self.second(first - first.mean(dim=0)))


class LooksInAListOfWhatLearns(Own):
    def __init__(self):
        super().__init__()
        self.parts = [self.third]

    def start(self, first, X):
        return functional.linear(first, self.parts[0].weight.detach())


class LooksAtMovingStatistics(Own):
    def start(self, first, X):
        return first - self.norm.running_mean


class MovingParameter(Own):
    """A moving average that is no buffer."""

    def start(self, first, X):
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * X.mean(dim=0))
        return first - self.mean


class MovedLate(Own):
    def forward(self, X):
        found = super().forward(X)
        if self.training:
            self.mean.mul_(0.9).add_(0.1 * X.mean(dim=0))
        return found

    def start(self, first, X):
        return first - self.mean


class CountsElsewhere(Own):
    """Counts its steps in an object that is no module, and uses them late."""

    def __init__(self):
        super().__init__()
        self.state = SimpleNamespace(n_steps=0, means=[torch.zeros(4)])

    def forward(self, X):
        found = super().forward(X)
        if self.training:
            self.state.n_steps += 1
        return found

    def start(self, first, X):
        return first * (0.5 if self.state.n_steps > 4 else 1.0)


class MovesElsewhere(CountsElsewhere):
    def forward(self, X):
        found = super(CountsElsewhere, self).forward(X)
        if self.training:
            self.state.means[0] = 0.9 * self.state.means[0] + 0.1 * X.mean(dim=0)
        return found

    def start(self, first, X):
        return first - self.state.means[0]


class MovesAnAttribute(Own):
    shift = 0

    def forward(self, X):
        found = super().forward(X)
        if self.training:
            self.shift = 0.9 * self.shift + 0.1 * X.mean(dim=0)
        return found

    def start(self, first, X):
        return first - self.shift


class Tied(Own):
    """What learns is in two places."""

    def __init__(self):
        super().__init__()
        self.fourth = nn.Linear(4, 4)
        self.fourth.weight = self.third.weight

    def forward(self, X):
        return self.fourth(torch.relu(super().forward(X)))


class Recurrent(Own):
    """Holds its weights in a list, too."""

    def __init__(self):
        super().__init__()
        self.third = nn.LSTM(4, 4, batch_first=True)

    def forward(self, X):
        return self.third(self.second(self.first(X))[:, None])[0][:, 0]


KINDS = {
    Own: True,
    StartsAtZero: False,
    LooksInAListOfWhatLearns: False,
    LooksAtMovingStatistics: False,
    MovingParameter: False,
    MovedLate: False,
    CountsElsewhere: False,
    MovesElsewhere: False,
    MovesAnAttribute: False,
    Tied: True,
    Recurrent: True,
}


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_as_through_the_whole_network(kind):
    X = np.random.RandomState(0).normal(size=(24, 4)).astype("f4")
    y = np.arange(24) % 3
    params = {"trainable": ["third.*", "norm.*"], "optimizer": "sgd", "lr": 0.1}
    params |= {"max_epochs": 4, "batch_size": 8, "random_state": 0, "device": "cpu"}
    torch.manual_seed(0)
    backbone = kind()
    cut = FineTunedClassifier(backbone, **params).fit(X, y)
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(backbone, augment=lambda rows: rows, **params).fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-5, err_msg=key)
    network = build_network(backbone, "linear", 3, torch.from_numpy(X[:2]))
    network.freeze(["third.*", "norm.*"])
    before = {k: v.clone() for k, v in network.state_dict().items()}
    found = _inner_cut._plan_of(network.train(), torch.from_numpy(X[:2]))
    assert (found is not None) == KINDS[kind]
    for key, value in network.state_dict().items():
        assert torch.equal(value, before[key])
