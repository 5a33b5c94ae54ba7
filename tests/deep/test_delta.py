import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn
from torch.nn import functional

from sktransfer.deep import DELTA
from sktransfer.deep.regularizers._channel_attention import (
    channel_attention,
    channel_axis_of,
)
from sktransfer.deep.regularizers._channel_attention import (
    loss_increases as increases_of,
)
from sktransfer.deep.regularizers._delta import map_distances
from sktransfer.deep.regularizers._feature_maps import FeatureMaps, learning_layers
from sktransfer.deep.regularizers._frozen_copy import frozen_copy
from sktransfer.deep.regularizers._linear_probe import linear_probe, row_losses
from tests.deep.plain_loop import batch_of, images, network_of, rows_of, train_plainly


def loss_increases(source, names, X, y, weight, **params):
    return increases_of(
        source, names, lambda rows: source(X[rows]), y, weight, **params
    )


def start(network, regularizer, y=None):
    X, codes = images()
    return regularizer.start(
        network,
        rows_of(X, codes if y is None else y),
        device="cpu",
        has_source_head=False,
    )


def test_distance_of_maps():
    rng = np.random.RandomState(0)
    maps, kept = rng.normal(size=(2, 3, 4, 5, 6))
    attention = rng.dirichlet(np.ones(4))
    expected = np.zeros(3)
    for i in range(3):
        for c in range(4):
            square = np.sum((maps[i, c] - kept[i, c]) ** 2)
            expected[i] += 0.5 * 4 * attention[c] * square / 30
    maps, kept = torch.from_numpy(maps), torch.from_numpy(kept)
    got = map_distances(maps, kept, torch.from_numpy(attention))
    assert_allclose(got.numpy(), expected)
    # Channels may be the last axis.
    turned = map_distances(
        maps.movedim(1, 3), kept.movedim(1, 3), torch.from_numpy(attention), axis=3
    )
    assert_allclose(turned.numpy(), expected)
    # Equal weights are no attention at all.
    equal = map_distances(maps, kept, torch.full((4,), 0.25))
    assert_allclose(equal.numpy(), map_distances(maps, kept).numpy())


def test_distance_of_plain_features():
    maps, kept = torch.randn(2, 5, 7, dtype=torch.float64)
    expected = 0.5 * ((maps - kept) ** 2).sum(dim=1)
    assert_allclose(map_distances(maps, kept).numpy(), expected.numpy())


def test_attention():
    increases = np.array([0.3, -0.1, 2.0, 0.0])
    standard = (increases - increases.mean()) / increases.std()
    got = channel_attention(torch.from_numpy(increases)).numpy()
    assert_allclose(got, softmax(standard / 5))
    assert got.argmax() == 2
    # Neither the scale nor the level of the loss matters.
    other = channel_attention(torch.from_numpy(3 * increases + 7)).numpy()
    assert_allclose(other, got)
    assert_allclose(channel_attention(torch.full((4,), 0.7)).numpy(), 0.25)
    assert_allclose(channel_attention(torch.ones(1)).numpy(), 1)
    rounded = 1e-18 * torch.arange(4, dtype=torch.float64)
    assert_allclose(channel_attention(rounded).numpy(), 0.25)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_increases_of_the_loss_by_zeroing_filters(kind):
    X, y = images()
    y = y if kind == "classes" else X.mean(axis=(2, 3))
    network = network_of()
    source = frozen_copy(network.backbone)
    X, y = torch.from_numpy(X), torch.from_numpy(y)
    weight = torch.linspace(0.5, 1.5, len(y), dtype=torch.float64)
    got = loss_increases(source, ["0", "4"], X, y, weight, batch_size=5)

    def loss(backbone):
        with torch.no_grad():
            outputs = backbone(X).mean(dim=(2, 3)) @ coef.T + intercept
            if kind == "classes":
                losses = functional.cross_entropy(outputs, y, reduction="none")
            else:
                losses = (outputs - y).square().mean(dim=1)
            return float((weight * losses).sum() / weight.sum())

    coef, intercept = linear_probe(source(X).mean(dim=(2, 3)), y, weight)
    for name, found in zip(("0", "4"), got, strict=True):
        for channel in range(len(found)):
            changed = copy.deepcopy(source)
            layer = changed[int(name)]
            with torch.no_grad():
                layer.weight[channel] = 0
                layer.bias[channel] = 0
            expected = loss(changed) - loss(source)
            assert_allclose(float(found[channel]), expected, atol=1e-12)
    assert not source[0]._forward_hooks


@pytest.mark.parametrize("name", ["0", "4", ""])
def test_gradient_is_the_first_order_of_ablation(name):
    X, y = map(torch.from_numpy, images())
    network = network_of()
    source = frozen_copy(network.backbone)
    weight = torch.linspace(0.5, 1.5, len(y), dtype=torch.float64)
    coef, intercept = linear_probe(source(X).mean(dim=(2, 3)), y, weight)
    args = source, [name], X, y, weight
    (got,) = loss_increases(*args, method="gradient", batch_size=5)

    def loss(channel, factor):
        def scale(layer, args, output):
            output = output.clone()
            output[:, channel] *= factor
            return output

        handle = dict(source.named_modules())[name].register_forward_hook(scale)
        outputs = source(X).mean(dim=(2, 3)) @ coef.T + intercept
        handle.remove()
        losses = functional.cross_entropy(outputs, y, reduction="none")
        return float((weight * losses).sum() / weight.sum())

    for channel in range(len(got)):
        slope = (loss(channel, 1 + 1e-5) - loss(channel, 1 - 1e-5)) / 2e-5
        assert_allclose(float(got[channel]), -slope, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("batch_size", [1, 7, 12, 100])
def test_batches_of_rows_and_channels_change_nothing(batch_size):
    X, y = map(torch.from_numpy, images())
    source = frozen_copy(network_of().backbone)
    weight = torch.ones(len(y), dtype=torch.float64)
    for method in ("ablation", "gradient"):
        expected, got = (
            loss_increases(
                source, ["1", ""], X, y, weight, method=method, batch_size=size
            )
            for size in (12, batch_size)
        )
        for a, b in zip(got, expected, strict=True):
            assert_allclose(a.numpy(), b.numpy(), rtol=1e-9, atol=1e-12)


def test_a_channel_that_the_labels_hang_on():
    rng = np.random.RandomState(0)
    X = torch.from_numpy(rng.normal(size=(200, 4)))
    y = (X[:, 2] > 0).long()
    layer = nn.Linear(4, 4, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.eye(4))
    weight = torch.ones(200, dtype=torch.float64)
    (increases,) = loss_increases(layer.eval(), [""], X, y, weight)
    attention = channel_attention(increases)
    assert int(attention.argmax()) == 2
    assert float(increases[2]) > 10 * float(increases[[0, 1, 3]].abs().max())


def test_linear_probe_is_penalised_regression():
    rng = np.random.RandomState(0)
    features = rng.normal(size=(40, 3)) * [1, 5, 0.2] + 2
    scaled = (features - features.mean(axis=0)) / features.std(axis=0)
    weight = rng.uniform(0.5, 1.5, 40)
    share = weight / weight.sum()
    values = features @ [1.0, -0.3, 2.0] + rng.normal(size=40)
    args = torch.from_numpy(features), torch.from_numpy(values)
    coef, intercept = linear_probe(*args, torch.from_numpy(weight), penalty=0.2)
    ridge = Ridge(alpha=0.1).fit(scaled, values, sample_weight=share)
    got = features @ coef.numpy()[0] + float(intercept)
    assert_allclose(got, ridge.predict(scaled), rtol=1e-4)

    codes = np.digitize(values, np.quantile(values, [0.3, 0.6]))
    args = torch.from_numpy(features), torch.from_numpy(codes)
    coef, intercept = linear_probe(*args, torch.from_numpy(weight), penalty=0.2)
    model = LogisticRegression(C=5.0, tol=1e-8).fit(scaled, codes, sample_weight=share)
    got = softmax(features @ coef.numpy().T + intercept.numpy(), axis=1)
    assert_allclose(got, model.predict_proba(scaled), atol=1e-4)


def test_losses_of_indicators_and_values():
    outputs = torch.randn(4, 2, dtype=torch.float64)
    indicators = torch.tensor([[0, 1], [1, 1], [0, 0], [1, 0]])
    expected = ((outputs - indicators) ** 2).mean(dim=1)
    assert_allclose(row_losses(outputs, indicators).numpy(), expected.numpy())
    values = torch.randn(4, dtype=torch.float64)
    expected = (outputs[:, 0] - values) ** 2
    assert_allclose(row_losses(outputs[:, :1], values).numpy(), expected.numpy())


@pytest.mark.parametrize("attention", ["ablation", "gradient", None])
def test_zero_at_the_start_and_the_formula_afterwards(attention):
    X, y = images()
    network = network_of().eval()
    term = start(network, DELTA(0.3, attention=attention, layers=["0", "4", ""]))
    source = copy.deepcopy(network.backbone)
    assert float(term(batch_of(network, X, y)).detach()) == 0
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))

    def maps_of(backbone):
        first = backbone[0](torch.from_numpy(X))
        # The following layers must not change what is compared.
        second = backbone[4](backbone[3](backbone[2](backbone[1](first))))
        return first, second, backbone(torch.from_numpy(X))

    with torch.no_grad():
        pairs = zip(maps_of(network.backbone), maps_of(source), strict=True)
        losses = sum(
            map_distances(now, then, term.attention.get(name))
            for name, (now, then) in zip(("0", "4", ""), pairs, strict=True)
        )
    weight = np.linspace(0, 2, len(y))
    got = float(term(batch_of(network, X, y, weight)).detach())
    assert_allclose(got, 0.3 * np.mean(weight * losses.numpy()))
    assert set(term.attention) == ({"0", "4", ""} if attention else set())
    term.finish()


def test_the_pull_is_toward_the_source():
    X, y = images()
    drift = []
    for regularizer in (None, DELTA(1.0), DELTA(1.0, attention=None)):
        network = network_of()
        start_maps = network.eval().backbone(torch.from_numpy(X)).detach()
        train_plainly(network.train(), X, y, regularizer, n_epochs=20)
        end_maps = network.eval().backbone(torch.from_numpy(X)).detach()
        drift.append(float((end_maps - start_maps).square().mean()))
    assert max(drift[1:]) < 0.5 * drift[0]


def test_the_source_is_a_copy_and_stays():
    X, y = images()
    network = network_of()
    term = start(network, DELTA())
    term.train()
    before = copy.deepcopy(term.source.state_dict())
    with torch.no_grad():
        network.backbone[0].weight.add_(1)
    term(batch_of(network, X, y)).backward()
    after = term.source.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert not list(term.parameters())
    assert network.backbone[0].weight.grad.abs().sum() > 0


class Tokens(nn.Module):
    """Blocks over tokens, one of which gives two things."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(6, 5)
        self.pair = nn.LSTM(5, 5, batch_first=True)
        self.last = nn.Linear(5, 4)

    def forward(self, X):
        return self.last(self.pair(self.embed(X[:, 0]))[0]).mean(dim=1)


def test_default_layers():
    X, _ = images()
    tried = torch.from_numpy(X[:2])
    network = network_of()
    source = frozen_copy(network.backbone)
    assert learning_layers(network.backbone, source, tried) == ["0", "1", "4", "5"]
    assert learning_layers(network.backbone, source, tried, 2) == ["4", "5"]
    network.freeze(1)
    assert learning_layers(network.backbone, source, tried) == ["5"]
    network = network_of(lambda: Tokens().double())
    source = frozen_copy(network.backbone)
    assert learning_layers(network.backbone, source, tried) == ["embed", "last"]
    term = start(network, DELTA())
    assert {name: len(a) for name, a in term.attention.items()} == {
        "embed": 5,
        "last": 4,
    }
    term.finish()
    network.backbone.embed.requires_grad_(False)
    network.backbone.last = nn.Identity()
    source = frozen_copy(network.backbone)
    # No block that learns gives one tensor: the output of all.
    assert learning_layers(network.backbone, source, tried) == [""]


def test_axis_of_the_channels():
    for shape, axis in (((2, 5), 1), ((2, 5, 4), 2), ((2, 5, 4, 4), 1)):
        assert channel_axis_of(torch.zeros(shape), "auto") == axis
    assert channel_axis_of(torch.zeros(2, 5, 4), -1) == 2
    for axis in (0, 3, -3):
        with pytest.raises(ValueError, match=f"`channel_axis` is {axis}, and a"):
            channel_axis_of(torch.zeros(2, 5, 4), axis)


def test_layers_that_are_none():
    network = network_of()
    with pytest.raises(ValueError, match="The backbone has no layer 'layer4'"):
        start(network, DELTA(layers=["layer4"]))
    tokens = network_of(lambda: Tokens().double())
    with pytest.raises(ValueError, match="layer 'pair' does not give one tensor"):
        start(tokens, DELTA(layers=["pair"]))
    assert not tokens.backbone.pair._forward_hooks


def test_maps_of_another_batch_are_refused():
    X, y = images()
    network = network_of()
    term = start(network, DELTA())
    batch = batch_of(network, X, y)
    term(batch)
    with pytest.raises(RuntimeError, match="went through the backbone last"):
        term(batch)  # taken already
    batch_of(network, X[:3], y[:3])
    with pytest.raises(RuntimeError, match="are not of this batch"):
        term(batch)
    term.finish()


def test_values_and_indicators():
    X, y = images()
    for target in (X.mean(axis=(1, 2, 3)), np.eye(3)[y], np.eye(3, dtype=int)[y]):
        term = start(network_of(), DELTA(), target)
        for attention in term.attention.values():
            assert_allclose(float(attention.sum()), 1)


def test_few_rows_for_the_attention():
    few = start(network_of(), DELTA(n_attention_rows=3)).attention
    X, y = images()
    expected = loss_increases(
        frozen_copy(network_of().backbone),
        ["0"],
        torch.from_numpy(X[[0, 6, 11]]),
        torch.from_numpy(y[[0, 6, 11]]),
        torch.ones(3, dtype=torch.float64),
    )
    assert_allclose(few["0"].numpy(), channel_attention(expected[0]).numpy())


def test_hooks_keep_the_latest_outputs():
    network = network_of()
    kept = FeatureMaps(network.backbone, ["0"])
    X = torch.zeros(2, 1, 6, 6, dtype=torch.float64)
    network(X)
    network(X[:1])
    assert len(kept.take()["0"]) == 1
    assert kept.take() == {}
    kept.remove()
    network(X)
    assert kept.take() == {}
