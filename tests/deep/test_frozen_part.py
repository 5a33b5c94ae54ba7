import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sktransfer.deep._network import build_network
from sktransfer.deep.frozen._frozen_part import cut_network


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, X):
        return F.relu(X + self.norm(self.conv(X)))


class SmallResNet(nn.Module):
    """Children in the order of the forward pass, with sums across layers."""

    def __init__(self, drop=0.0):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1)
        self.first, self.second, self.third = (Residual(4) for _ in range(3))
        self.drop = drop

    def forward(self, X):
        X = F.dropout(self.first(self.stem(X)), self.drop, self.training)
        return self.third(self.second(X)).mean((2, 3))


def network(backbone, trainable):
    torch.manual_seed(0)
    made = build_network(backbone(), "linear", 3, torch.randn(2, 1, 6, 6))
    made.freeze(trainable)
    return made.train()


def test_the_halves_are_the_whole():
    whole = network(SmallResNet, "head")
    cut, X = cut_network(whole), torch.randn(5, 1, 6, 6)
    with torch.no_grad():
        features = cut.frozen(X)
        torch.testing.assert_close(cut.live(features), whole(X))
        cut.live.eval()
        torch.testing.assert_close(cut.live(features), whole(X))
    learning = {id(p) for p in whole.parameters() if p.requires_grad}
    assert {id(p) for p in cut.live.parameters() if p.requires_grad} == learning
    assert not any(p.requires_grad for p in cut.frozen.parameters())


def test_training_the_live_half_trains_the_network():
    whole = network(SmallResNet, "head")
    cut, X = cut_network(whole), torch.randn(5, 1, 6, 6)
    before = whole.head.weight.clone()
    cut.live.train()
    assert not whole.backbone.first.norm.training
    cut.live(cut.frozen(X)).sum().backward()
    torch.optim.SGD(cut.live.parameters(), 0.1).step()
    assert not torch.equal(whole.head.weight, before)


@pytest.mark.parametrize("trainable", ["all", 1])
def test_nothing_is_cut_where_some_of_the_backbone_learns(trainable):
    assert cut_network(network(SmallResNet, trainable)) is None


def test_a_backbone_without_weights_is_not_frozen_while_it_trains():
    whole = network(lambda: nn.Sequential(nn.Dropout(0.5), nn.Flatten()), "all")
    assert cut_network(whole) is None
    assert cut_network(whole.eval()) is not None


def test_rows_that_depend_on_their_batch_are_not_kept():
    norm = nn.BatchNorm2d(1, track_running_stats=False)
    assert cut_network(network(lambda: norm, "head")) is None
