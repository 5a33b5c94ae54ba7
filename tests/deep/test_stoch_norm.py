import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import StochNorm
from sktransfer.deep.regularizers._stoch_norm import mix_channels
from tests.deep.plain_loop import batch_of, images, network_of, rows_of, train_plainly


def start(network, probability=0.5):
    X, y = images()
    return StochNorm(probability).start(
        network, rows_of(X, y), device="cpu", has_source_head=False
    )


def layer_in(norm):
    """Return a network that is one batch normalisation, and a term on it."""
    network = nn.Module()
    network.backbone, network.head = nn.Sequential(norm), nn.Linear(3, 2).double()
    network.frozen = []
    return network


def prepared(norm):
    norm = norm.double()
    with torch.no_grad():
        norm.running_mean.copy_(torch.tensor([0.5, -1.0, 2.0]))
        norm.running_var.copy_(torch.tensor([0.5, 2.0, 1.0]))
        norm.weight.copy_(torch.tensor([1.0, -2.0, 0.3]))
        norm.bias.copy_(torch.tensor([0.0, 1.0, 2.0]))
    return norm


@pytest.mark.parametrize(
    ("norm", "shape"),
    [
        (nn.BatchNorm1d, (5, 3)),
        (nn.BatchNorm1d, (5, 3, 4)),
        (nn.BatchNorm2d, (5, 3, 4, 2)),
        (nn.BatchNorm3d, (2, 3, 2, 2, 2)),
    ],
)
def test_formula(norm, shape):
    layer = prepared(norm(3))
    scale, shift = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    x = np.random.RandomState(0).normal(size=shape)
    mean, var = layer.running_mean.numpy().copy(), layer.running_var.numpy().copy()
    start(layer_in(layer), 0.5)
    torch.manual_seed(0)
    moving = (torch.rand(3) < 0.5).numpy()
    assert moving.any()
    assert not moving.all()
    torch.manual_seed(0)
    got = layer(torch.from_numpy(x)).detach().numpy()
    for c in range(3):
        part = x[:, c]
        m, v = (mean[c], var[c]) if moving[c] else (part.mean(), part.var())
        scaled = (part - m) / np.sqrt(v + layer.eps)
        expected = scale[c] * scaled + shift[c]
        assert_allclose(got[:, c], expected, rtol=1e-9)
        # The moving statistics move by the batch's, whichever was used.
        unbiased = part.var() * part.size / (part.size - 1)
        assert_allclose(float(layer.running_mean[c]), 0.9 * mean[c] + 0.1 * part.mean())
        assert_allclose(float(layer.running_var[c]), 0.9 * var[c] + 0.1 * unbiased)


def test_in_evaluation_it_is_batch_normalisation():
    X, _ = images()
    network = network_of()
    plain = copy.deepcopy(network)
    start(network)
    network.eval()
    plain.eval()
    with torch.no_grad():
        rows = torch.from_numpy(X)
        state = torch.random.get_rng_state()
        assert torch.equal(network(rows), plain(rows))
        assert torch.equal(torch.random.get_rng_state(), state)


def test_names_stay_and_plain_layers_come_back():
    network = network_of()
    keys, kinds = list(network.state_dict()), [type(m) for m in network.modules()]
    parts = list(network.modules())
    term = start(network)
    assert list(network.state_dict()) == keys
    network.load_state_dict(network_of(seed=1).state_dict())
    term.finish()
    assert [type(m) for m in network.modules()] == kinds
    assert all(a is b for a, b in zip(network.modules(), parts, strict=True))
    X, _ = images()
    plain = network_of(seed=1)
    assert torch.equal(network(torch.from_numpy(X)), plain(torch.from_numpy(X)))


def test_always_moving_is_evaluation_that_learns():
    X, y = images()
    network, plain = network_of(), network_of().eval()
    term = start(network, 1.0)
    batch, fixed = batch_of(network, X, y), batch_of(plain, X, y)
    torch.testing.assert_close(batch.outputs, fixed.outputs)
    assert float(term(batch)) == 0
    batch.outputs.square().sum().backward()
    fixed.outputs.square().sum().backward()
    for a, b in zip(network.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)
    assert not torch.equal(network.backbone[1].running_mean, plain.backbone[1].bias)


def test_share_of_channels():
    layer = nn.BatchNorm1d(4000).double()
    layer.running_mean.fill_(100.0)
    start(layer_in(layer), 0.3)
    got = layer(torch.randn(6, 4000, dtype=torch.float64)).detach()
    share = float((got.mean(dim=0) < -50).double().mean())
    assert_allclose(share, 0.3, atol=4 * np.sqrt(0.3 * 0.7 / 4000))


def test_channels_are_taken_whole():
    by_batch, by_moving = torch.zeros(2, 3, 2, 2), torch.ones(2, 3, 2, 2)
    got = mix_channels(by_batch, by_moving, torch.tensor([True, False, True]))
    assert_allclose(got.mean(dim=(0, 2, 3)).numpy(), [1, 0, 1])


def test_frozen_layers_and_layers_without_statistics_are_left_alone():
    network = network_of(trainable=2)
    term = start(network)
    assert len(term.branches) == 1
    assert not network.backbone[1]._forward_hooks
    layer = nn.BatchNorm1d(3, track_running_stats=False)
    with pytest.raises(ValueError, match="batch normalisation with moving statistics"):
        start(layer_in(layer))


def test_it_learns():
    X, y = images(30)
    y = (X.mean(axis=(1, 2, 3)) > 0).astype(int)
    network = network_of(n_outputs=2)
    train_plainly(network, X, y, StochNorm(), n_epochs=60)
    network.eval()
    with torch.no_grad():
        predicted = network(torch.from_numpy(X)).argmax(dim=1).numpy()
    assert np.mean(predicted == y) > 0.8
