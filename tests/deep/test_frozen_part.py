import pytest
import torch
from torch import nn
from torch.nn import functional as F

from sktransfer.deep._backbones import build_network
from sktransfer.deep._frozen_part import cut_network, fingerprint


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


def test_the_fingerprint_tells_weights_structure_and_settings():
    def frozen(seed=0):
        torch.manual_seed(seed)
        made = build_network(SmallResNet(), "linear", 3, torch.randn(2, 1, 6, 6))
        made.freeze("head")
        return cut_network(made.train()).frozen

    same = fingerprint(frozen(), "cpu")
    assert fingerprint(frozen(), "cpu") == same
    others = [
        fingerprint(frozen(), "cuda"),
        fingerprint(frozen(seed=1), "cpu"),
    ]
    assert len({same, *others}) == 3
    moved = frozen()
    moved.backbone.first.norm.running_mean += 1e-3
    assert fingerprint(moved, "cpu") != same


class Scaled(nn.Module):
    """What it gives depends on more than its weights."""

    def __init__(self, scale, table=None):
        super().__init__()
        self.linear, self.scale, self.table = nn.Linear(2, 2), scale, table
        with torch.no_grad():
            self.linear.weight.fill_(1.0)
            self.linear.bias.fill_(0.0)

    def forward(self, X):
        return self.scale * self.linear(X)


def test_the_fingerprint_tells_attributes_buffers_code_and_hooks():
    class Other(Scaled):
        def forward(self, X):
            return self.scale * self.linear(X) + 1.0

    Other.__qualname__, Other.__module__ = Scaled.__qualname__, Scaled.__module__
    large = torch.zeros(10_000)
    changed = large.clone()
    changed[5_000] = 1
    buffered, hooked = Scaled(1.0), Scaled(1.0)
    buffered.register_buffer("shift", torch.ones(1), persistent=False)
    hooked.register_forward_hook(lambda module, args, output: 2 * output)
    modules = [
        Scaled(1.0),
        Scaled(2.0),
        Scaled(1.0, large),
        Scaled(1.0, changed),
        Scaled(1.0, large.numpy()),
        Scaled(1.0, changed.numpy()),
        Other(1.0),
        buffered,
        hooked,
    ]
    assert len({fingerprint(module.eval()) for module in modules}) == len(modules)
    assert fingerprint(Scaled(1.0).eval()) == fingerprint(Scaled(1.0).eval())
