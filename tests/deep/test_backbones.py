"""Blocks, freezing in training mode, and the ways of giving a backbone."""

import numpy as np
import pytest
import torch
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import Network, blocks_of, build_network


class Residual(nn.Module):
    """Has parameters of its own beside its blocks, and a wrapper around these."""

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(4, dtype=torch.float64))
        self.layers = nn.Sequential(
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU()),
            nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.ReLU()),
        ).double()

    def forward(self, X):
        X = X + self.shift
        for layer in self.layers:
            X = X + layer(X)
        return X


def draw(n=60, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    return X, (X[:, 0] > 0).astype(int), np.where(np.arange(n) % 3 == 0, -1, 1)


def learning(network):
    return {name for name, p in network.named_parameters() if p.requires_grad}


def test_blocks_are_children_with_parameters():
    flat = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Dropout())
    assert blocks_of(flat) == [flat[0], flat[2]]
    assert blocks_of(nn.Sequential(flat)) == [flat[0], flat[2]]
    residual = Residual()
    assert blocks_of(residual) == list(residual.layers)
    single = nn.Linear(2, 2)
    assert blocks_of(single) == [single]
    assert blocks_of(nn.Sequential(nn.Flatten(), single)) == [single]


def test_what_learns_and_in_which_mode():
    network = Network(Residual(), nn.Linear(4, 2).double())
    first, last = network.backbone.layers
    network.freeze(1)
    network.train()
    head = {"head.weight", "head.bias"}
    assert learning(network) == head | {
        f"backbone.layers.1.{name}"
        for name in ("0.weight", "0.bias", "1.weight", "1.bias")
    }
    assert not any(part.training for part in first.modules())
    assert all(part.training for part in last.modules())
    network.freeze("head")
    network.train()
    assert learning(network) == head
    assert not any(part.training for part in network.backbone.modules())
    network.freeze("all")
    network.train()
    assert len(learning(network)) == len(list(network.parameters()))
    assert all(part.training for part in network.modules())


@pytest.mark.parametrize("trainable", ["head", 1])
def test_frozen_buffers_stay_in_every_batch(trainable):
    X, y, domain = draw()
    given = Residual()
    with torch.no_grad():
        given.layers[0][1].running_mean += 3.0
    model = FineTunedClassifier(
        given, trainable=trainable, batch_size=7, max_epochs=4, device="cpu"
    )
    network = model.fit(X, y, sample_domain=domain).network_
    before = given.state_dict()
    for name, value in network.backbone.state_dict().items():
        frozen = trainable == "head" or not name.startswith("layers.1.")
        assert torch.equal(value, before[name]) == frozen, name


def test_all_means_all_even_where_the_module_came_frozen():
    X, y, domain = draw()
    given = Residual()
    given.requires_grad_(False)
    model = FineTunedClassifier(given, trainable="all", max_epochs=2, device="cpu")
    network = model.fit(X, y, sample_domain=domain).network_
    assert not torch.equal(network.backbone.shift, given.shift)
    assert not any(p.requires_grad for p in given.parameters())


def test_factories():
    X, y, _ = draw()

    def with_features(n_features):
        return nn.Sequential(nn.Linear(n_features, 3), nn.Tanh())

    for backbone in (with_features, Residual, nn.Identity, nn.Flatten):
        model = FineTunedClassifier(backbone, pretrain_epochs=2).fit(X, y)
        assert model.history_[0]["phase"] == "pretrain"  # its weights are new
        assert model.network_.head.weight.dtype == torch.float64


def test_single_precision_module_takes_double_rows():
    X, y, _ = draw()
    given = nn.Linear(4, 5)
    model = FineTunedClassifier(given, max_epochs=2).fit(X, y)
    assert {p.dtype for p in model.network_.parameters()} == {torch.float32}
    assert model.predict(X).shape == y.shape


def test_images_are_averaged_and_other_features_flattened():
    sample = torch.zeros(2, 3, 8, 8)
    conv = nn.Conv2d(3, 5, 3)
    assert build_network(conv, "linear", 2, sample).head.in_features == 5
    flat = nn.Sequential(conv, nn.Flatten())
    assert build_network(flat, "linear", 2, sample).head.in_features == 5 * 36
    tokens = nn.Sequential(nn.Flatten(2), nn.Linear(64, 7))
    assert build_network(tokens, (4,), 2, sample).head[0].in_features == 21


def test_head_sizes():
    X, y, _ = draw()
    model = FineTunedClassifier(head=(7, 5), pretrain_epochs=1).fit(X, y)
    shapes = [tuple(p.shape) for p in model.network_.head.parameters()]
    assert shapes == [(7, 64), (7,), (5, 7), (5,), (2, 5), (2,)]


def test_backbone_must_return_one_tensor():
    class Pair(nn.Module):
        def forward(self, X):
            return X, X

    X, y, _ = draw()
    with pytest.raises(TypeError, match="must return one tensor of features, got tup"):
        FineTunedClassifier(Pair()).fit(X, y)


def test_default_backbones_for_tables_and_images_only():
    with pytest.raises(ValueError, match=r"got 3-D. Pass a backbone"):
        FineTunedClassifier().fit(np.zeros((4, 2, 2)), [0, 1, 0, 1])
    rows = np.zeros((4, 8, 8, 3))
    with pytest.raises(ValueError, match=r"channels first, got rows of shape \(8, 8"):
        FineTunedClassifier().fit(rows, [0, 1, 0, 1])
    with pytest.raises(ValueError, match=r"Put the channels first: X\.transpose"):
        FineTunedClassifier(nn.Conv2d(3, 4, 3)).fit(rows, [0, 1, 0, 1])
    for size in (1, 2, 3):  # images too small to be pooled
        X = np.random.RandomState(0).normal(size=(6, 2, size, size))
        model = FineTunedClassifier(pretrain_epochs=1).fit(X, [0, 1] * 3)
        assert np.isfinite(model.predict_proba(X)).all()
