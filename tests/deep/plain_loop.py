"""A training loop of a few lines, to see what a term of the loss does by itself."""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from sktransfer.deep._network import build_network
from sktransfer.deep._training import Rows
from sktransfer.deep.regularizers._regularizer import Batch

__all__ = ["batch_of", "images", "network_of", "rows_of", "small_cnn", "train_plainly"]


def small_cnn(drop=0.0):
    """Two convolutions with batch normalisation."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Dropout(drop),
        nn.Conv2d(4, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
    ).double()


def network_of(backbone=None, n_outputs=3, head="linear", trainable="all", seed=0):
    """Return a network in double precision, with seeded weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = small_cnn() if backbone is None else backbone()
        sample = torch.randn(2, 1, 6, 6, dtype=torch.float64)
        network = build_network(made, head, n_outputs, sample)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
    network.freeze(trainable)
    return network.train()


def images(n=12, n_classes=3, seed=0):
    """Return images and their classes."""
    rng = np.random.RandomState(seed)
    return rng.normal(size=(n, 1, 6, 6)), np.arange(n) % n_classes


def rows_of(X, y, weight=None):
    """Return the rows of a phase."""
    return Rows(X, y, np.ones(len(y)) if weight is None else weight)


def batch_of(network, X, y, weight=None):
    """Send a batch through the network, as the loop does."""
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    weight = torch.ones(len(y), dtype=torch.float64) if weight is None else weight
    maps = network.backbone(X)
    features = maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps.flatten(1)
    outputs = network.head(features)
    return Batch(X, y, torch.as_tensor(weight), maps, features, outputs)


def train_plainly(network, X, y, regularizer=None, *, n_epochs=3, has_source_head=True):
    """Train with a term or without one; return the weights and what was drawn last."""
    rows, batch_size = rows_of(X, y), 5
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        term = None
        if regularizer is not None:
            term = regularizer.start(
                network, rows, device="cpu", has_source_head=has_source_head
            )
        learned = [p for p in network.parameters() if p.requires_grad]
        if term is not None:
            learned += list(term.parameters())
        optimizer = torch.optim.AdamW(learned, lr=0.01)
        for _ in range(n_epochs):
            for chosen in torch.randperm(len(y)).split(batch_size):
                batch = batch_of(network, X[chosen], y[chosen])
                loss = functional.cross_entropy(batch.outputs, batch.y)
                if term is not None:
                    loss = loss + len(chosen) / batch_size * term(batch)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        if term is not None:
            term.finish()
        return network.state_dict(), torch.rand(1)
