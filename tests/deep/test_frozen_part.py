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


class Branching(SmallResNet):
    """The last block sees two earlier results: no single tensor crosses the cut."""

    def forward(self, X):
        stem = self.stem(X)
        second = self.second(self.first(stem))
        return (self.third(second) + self.third(stem)).mean((2, 3))


class Undecided(SmallResNet):
    """What is computed depends on the data: it cannot be traced."""

    def forward(self, X):
        return super().forward(X) if X.sum() > 0 else super().forward(-X)


def network(backbone, trainable):
    torch.manual_seed(0)
    made = build_network(backbone(), "linear", 3, torch.randn(2, 1, 6, 6))
    made.freeze(trainable)
    return made.train()


@pytest.mark.parametrize("trainable", ["head", 1, 2, 3])
def test_the_halves_are_the_whole(trainable):
    whole = network(SmallResNet, trainable)
    cut, X = cut_network(whole), torch.randn(5, 1, 6, 6)
    with torch.no_grad():
        features = cut.frozen.eval()(X)
        whole.train()
        torch.testing.assert_close(cut.live(features), whole(X))
        cut.live.eval()
        torch.testing.assert_close(cut.live(features), whole(X))
    learning = {id(p) for p in whole.parameters() if p.requires_grad}
    assert {id(p) for p in cut.live.parameters() if p.requires_grad} == learning
    assert not any(p.requires_grad for p in cut.frozen.parameters())


def test_training_the_live_half_trains_the_network():
    whole = network(SmallResNet, 1)
    cut, X = cut_network(whole), torch.randn(5, 1, 6, 6)
    before = whole.backbone.third.conv.weight.clone()
    cut.live.train()
    cut.live(cut.frozen(X)).sum().backward()
    torch.optim.SGD(cut.live.parameters(), 0.1).step()
    assert not torch.equal(whole.backbone.third.conv.weight, before)
    assert whole.backbone.third.norm.training
    assert not whole.backbone.first.norm.training


@pytest.mark.parametrize("backbone", [Branching, Undecided])
def test_what_cannot_be_cut_stays_whole(backbone):
    assert cut_network(network(backbone, 1)) is None
    # With the head alone there is nothing to trace.
    assert cut_network(network(backbone, "head")) is not None


def test_nothing_is_cut_where_everything_learns():
    assert cut_network(network(SmallResNet, "all")) is None


def test_what_is_random_is_not_frozen():
    # Dropout in the forward pass of a backbone that is partly open, before the cut.
    cut = cut_network(network(lambda: SmallResNet(drop=0.5), 1))
    X = torch.randn(3, 1, 6, 6)
    torch.testing.assert_close(cut.frozen(X), cut.frozen(X))
    features = cut.frozen(X)
    assert not torch.equal(cut.live(features), cut.live(features))


def test_the_fingerprint_tells_weights_structure_and_settings():
    def frozen(trainable="head", seed=0):
        torch.manual_seed(seed)
        made = build_network(SmallResNet(), "linear", 3, torch.randn(2, 1, 6, 6))
        made.freeze(trainable)
        return cut_network(made.train()).frozen

    same = fingerprint(frozen(), "cpu")
    assert fingerprint(frozen(), "cpu") == same
    others = [
        fingerprint(frozen(), "cuda"),
        fingerprint(frozen(seed=1), "cpu"),
        fingerprint(frozen(trainable=1), "cpu"),
    ]
    assert len({same, *others}) == 4
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


def test_the_fingerprint_of_a_traced_half_is_that_of_its_copy():
    halves = [cut_network(network(SmallResNet, 1)).frozen for _ in range(2)]
    assert fingerprint(halves[0]) == fingerprint(halves[1])
