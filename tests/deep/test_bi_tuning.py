import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import BiTuning
from sktransfer.deep.regularizers._bi_tuning import follow
from sktransfer.deep.regularizers._class_contrast import class_contrast_losses
from sktransfer.deep.regularizers._class_queue import ClassQueue
from tests.deep.plain_loop import batch_of, images, network_of, rows_of, train_plainly


def start(network, seed=0, **settings):
    X, y = images()
    torch.manual_seed(seed)
    return BiTuning(**settings).start(
        network, rows_of(X, y), device="cpu", has_source_head=False
    )


def test_contrast_by_loops():
    rng = np.random.RandomState(0)
    own, others = rng.normal(size=4), rng.normal(size=(4, 6))
    same, filled = rng.uniform(size=(4, 6)) < 0.5, np.array([1, 1, 0, 1, 0, 1]) > 0
    expected = []
    for i in range(4):
        everything = np.exp(own[i] / 0.3) + sum(
            np.exp(others[i, j] / 0.3) for j in range(6) if filled[j]
        )
        logs = [own[i] / 0.3 - np.log(everything)]
        logs += [
            others[i, j] / 0.3 - np.log(everything)
            for j in range(6)
            if filled[j] and same[i, j]
        ]
        expected.append(-np.mean(logs))
    given = map(torch.from_numpy, (own, others, same, filled))
    got = class_contrast_losses(*given, 0.3)
    assert_allclose(got.numpy(), expected)


def test_gradient_of_the_contrast():
    torch.manual_seed(0)
    own = torch.randn(3, dtype=torch.float64, requires_grad=True)
    others = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    same = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 0], [1, 1, 1, 1]]) > 0
    filled = torch.tensor([True, True, False, True])
    assert torch.autograd.gradcheck(
        lambda a, b: class_contrast_losses(a, b, same, filled, 0.2), (own, others)
    )


def test_contrast_at_its_limits():
    own, others = torch.tensor([50.0]), torch.full((1, 3), -50.0)
    none, every = torch.zeros(1, 3) > 0, torch.ones(3) > 0
    # A row alone, or one that is far from all others, has nothing to learn.
    assert float(class_contrast_losses(own, others, none, ~every, 0.07)) == 0
    assert float(class_contrast_losses(own, others, none, every, 0.07)) == 0
    # All alike: the logarithm of how many there are.
    alike = class_contrast_losses(torch.zeros(1), torch.zeros(1, 3), ~none, every, 0.07)
    assert_allclose(float(alike), np.log(4), rtol=1e-6)


def test_queue_keeps_the_latest_of_each_class():
    queue, size = ClassQueue(3, 4), 4
    rng = np.random.RandomState(0)
    lists = {code: [] for code in range(3)}
    for n in (5, 1, 2, 7, 11):
        y = rng.randint(2, size=n)  # the third class has no rows
        keys = rng.normal(size=(n, 2))
        queue.push(torch.from_numpy(y), torch.from_numpy(keys), torch.from_numpy(-keys))
        for code, key in zip(y, keys, strict=True):
            lists[code] = [*lists[code], tuple(key)][-size:]
        for code in range(3):
            filled = queue.filled[code]
            held = queue.kept[0][code][filled].numpy()
            assert sorted(map(tuple, held)) == sorted(lists[code])
            assert_allclose(queue.kept[1][code][filled].numpy(), -held)
    assert not queue.filled[2].any()


def test_key_encoder_follows():
    own, leader = nn.Linear(3, 2).double(), nn.Linear(3, 2).double()
    before = own.weight.detach().clone()
    follow(own, leader, 0.9)
    expected = 0.9 * before + 0.1 * leader.weight.detach()
    assert_allclose(own.weight.detach().numpy(), expected.numpy())
    follow(own, leader.eval(), 1.0)
    assert_allclose(own.weight.detach().numpy(), expected.numpy())
    assert not own.training
    follow(own, leader, 0.0)
    assert_allclose(own.weight.detach().numpy(), leader.weight.detach().numpy())


@pytest.mark.parametrize("momentum", [0.0, 0.7, 1.0])
def test_key_encoder_in_a_step(momentum):
    X, y = images()
    network = network_of()
    start_weight = network.backbone[0].weight.detach().clone()
    term = start(network, momentum=momentum)
    term.train()
    with torch.no_grad():
        network.backbone[0].weight.add_(1.0)
        term.projection.weight.add_(1.0)
    term(batch_of(network, X, y))
    moved = (term.key_backbone[0].weight - start_weight).numpy()
    assert_allclose(moved, 1 - momentum)
    assert not any(p.requires_grad for p in term.key_backbone.parameters())
    assert term.key_backbone[1].training
    # Validation moves nothing.
    term.eval()
    network.eval()
    filled = term.queue.filled.clone()
    term(batch_of(network, X, y))
    assert_allclose((term.key_backbone[0].weight - start_weight).numpy(), moved)
    assert torch.equal(term.queue.filled, filled)
    assert not term.key_backbone[1].training


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


@pytest.mark.parametrize("head", ["linear", (5,)])
def test_formula(head):
    X, y = images(8)
    network = network_of(head=head).eval()
    term = start(network, strength=0.6, queue_size=2, momentum=1.0, projection_size=4)
    term.train()
    kept = []  # keys of each row, by the source
    with torch.no_grad():
        first = batch_of(network, X[:5], y[:5])
        hidden = network.head[:-1] if head != "linear" else nn.Identity()
        for i in range(5):
            row = first.features[[i]]
            h = unit(np.append(hidden(row).numpy()[0], 1.0))
            kept.append((y[i], h, unit(term.projection(row).numpy()[0])))
        assert float(term(first)) == 0  # there is nothing yet to compare with
        source_features = batch_of(network, X[5:], y[5:]).features
        for parameter in [*network.parameters(), *term.projection.parameters()]:
            parameter.add_(0.2 * torch.randn_like(parameter))
        batch = batch_of(network, X[5:], y[5:])
        last = network.head if head == "linear" else network.head[-1]
        classes = unit(np.c_[last.weight.numpy(), last.bias.numpy()])
        expected = []
        pool = [
            key
            for code in range(3)
            for key in [entry for entry in kept if entry[0] == code][-2:]
        ]
        for i, code in enumerate(y[5:]):
            h = unit(np.append(hidden(batch.features[[i]]).numpy()[0], 1.0))
            z = unit(term.projection(batch.features[[i]]).numpy()[0])
            key_z = unit(term.key_projection(source_features[[i]]).numpy()[0])
            loss = 0.0
            for query, own, index in ((classes[code], h, 1), (z, key_z, 2)):
                everything = [own, *(key[index] for key in pool)]
                alike = [own, *(key[index] for key in pool if key[0] == code)]
                total = sum(np.exp(query @ each / 0.07) for each in everything)
                loss -= np.mean([query @ each / 0.07 for each in alike]) - np.log(total)
            expected.append(loss)
        weight = np.array([0.5, 1.0, 1.5])
        batch = batch_of(network, X[5:], y[5:], weight)
        got = float(term(batch))
    assert_allclose(got, 0.6 * np.mean(weight * expected), rtol=1e-7)


def test_what_learns():
    X, y = images()
    network = network_of()
    term = start(network)
    term.train()
    term(batch_of(network, X, y))
    term(batch_of(network, X, y)).backward()
    assert len(list(term.parameters())) == 2
    for parameter in [*network.parameters(), *term.parameters()]:
        assert parameter.grad.abs().sum() > 0


def test_another_view_for_the_keys():
    X, y = images()
    network = network_of()
    seen = []

    def augment(rows):
        seen.append(rows)
        return rows.flip(-1)

    term = start(network, augment=augment)
    term.train()
    term(batch_of(network, X, y))
    plain = start(network_of())
    plain.train()
    plain(batch_of(network_of(), torch.from_numpy(X).flip(-1), y))
    torch.testing.assert_close(term.queue.kept[1], plain.queue.kept[1])
    assert len(seen) == 1
    with pytest.raises(TypeError, match="`augment` must be None or a function"):
        start(network_of(), augment="flip")


def test_a_head_without_bias_and_one_that_is_not_linear():
    X, y = images()
    network = network_of()
    network.head = nn.Linear(6, 3, bias=False).double()
    term = start(network)
    term.train()
    for _ in range(2):
        value = term(batch_of(network, X, y))
    assert torch.isfinite(value)
    network.head = nn.Sequential(nn.Linear(6, 3), nn.ReLU()).double()
    with pytest.raises(ValueError, match="this network ends in ReLU"):
        start(network)


def test_rows_of_a_class_come_together():
    X, y = images(30)
    spread = []
    for regularizer in (BiTuning(1e-9), BiTuning(3.0)):
        network = network_of()
        train_plainly(network, X, y, regularizer, n_epochs=15)
        features = batch_of(network.eval(), X, y).features.detach().numpy()
        features = unit(np.c_[features, np.ones(30)])
        within = np.mean([np.var(features[y == c], axis=0).sum() for c in range(3)])
        spread.append(within / np.var(features, axis=0).sum())
    assert spread[1] < spread[0]
