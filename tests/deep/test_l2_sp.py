import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from sktransfer.deep import L2SP
from sktransfer.deep.regularizers._l2_sp import squared_distance
from tests.deep.plain_loop import batch_of, images, network_of, rows_of, train_plainly


def start(network, regularizer, has_source_head=False):
    X, y = images()
    return regularizer.start(
        network, rows_of(X, y), device="cpu", has_source_head=has_source_head
    )


def arrays(module):
    return [p.detach().numpy().copy() for p in module.parameters()]


@pytest.mark.parametrize("has_source_head", [False, True])
def test_formula(has_source_head):
    X, y = images()
    network = network_of()
    backbone, head = arrays(network.backbone), arrays(network.head)
    term = start(network, L2SP(0.7, head_strength=0.3), has_source_head)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter))
    expected = 0.0
    for now, then in zip(arrays(network.backbone), backbone, strict=True):
        expected += 0.35 * np.sum((now - then) ** 2)
    for now, then in zip(arrays(network.head), head, strict=True):
        expected += 0.15 * np.sum((now - has_source_head * then) ** 2)
    value = term(batch_of(network, X, y))
    assert_allclose(float(value.detach()), expected, rtol=1e-12)
    # Half the square: the gradient is the strength times the difference.
    value.backward()
    moved = arrays(network.backbone)[0] - backbone[0]
    grad = network.backbone[0].weight.grad.numpy()
    assert_allclose(grad, 0.7 * moved, rtol=1e-9, atol=1e-12)


def test_the_start_is_a_copy():
    # A term that held references would be zero for ever.
    network = network_of()
    X, y = images()
    term = start(network, L2SP(1.0, head_strength=0.0))
    assert float(term(batch_of(network, X, y)).detach()) == 0
    with torch.no_grad():
        network.backbone[0].bias.add_(2.0)
    assert float(term(batch_of(network, X, y)).detach()) == 0.5 * 4 * 4.0


def test_a_strong_pull_holds_the_weights():
    X, y = images()
    weights = [arrays(network_of().backbone)]
    for strength in (0.0, 1.0, 1e4):
        regularizer = L2SP(strength, head_strength=1e-9)
        network = network_of()
        train_plainly(network, X, y, regularizer, n_epochs=20)
        weights.append(arrays(network.backbone))
    free, weak, strong = (
        sum(np.sum((a - b) ** 2) for a, b in zip(each, weights[0], strict=True))
        for each in weights[1:]
    )
    # AdamW takes steps of the learning rate even against the strongest pull.
    assert strong < 0.1 * free
    assert weak < free


def test_frozen_weights_are_left_out():
    network = network_of(trainable=1)
    term = start(network, L2SP(1.0))
    learn = [p for p in network.backbone.parameters() if p.requires_grad]
    assert [id(p) for p in term.backbone] == [id(p) for p in learn]
    # The decay of the head alone needs no backbone that learns.
    head_only = network_of(trainable="head")
    term = start(head_only, L2SP(0.0, head_strength=2.0))
    X, y = images()
    expected = sum(np.sum(part**2) for part in arrays(head_only.head))
    assert_allclose(float(term(batch_of(head_only, X, y)).detach()), expected)


def test_no_parameter_has_no_distance():
    assert squared_distance([], []) == 0
