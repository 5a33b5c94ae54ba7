import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.special import softmax
from scipy.stats import entropy
from torch import nn

from sktransfer.deep import LWF
from sktransfer.deep.regularizers._lwf import distillation_losses
from tests.deep.plain_loop import batch_of, images, network_of, rows_of, train_plainly


def start(network, regularizer, has_source_head=True):
    X, y = images()
    return regularizer.start(
        network, rows_of(X, y), device="cpu", has_source_head=has_source_head
    )


def test_divergence():
    rng = np.random.RandomState(0)
    now, kept = rng.normal(size=(2, 7, 5)) * 3
    got = distillation_losses(torch.from_numpy(now), torch.from_numpy(kept), 2.5)
    expected = entropy(softmax(kept / 2.5, axis=1), softmax(now / 2.5, axis=1), axis=1)
    assert_allclose(got.numpy(), expected, rtol=1e-9)
    # The cross-entropy of the paper is larger by the entropy of what is kept.
    soft = softmax(kept / 2.5, axis=1)
    cross = -np.sum(soft * np.log(softmax(now / 2.5, axis=1)), axis=1)
    assert_allclose(cross - got.numpy(), entropy(soft, axis=1), rtol=1e-9)


def test_constants_in_the_scores_change_nothing():
    scores = torch.randn(4, 3, dtype=torch.float64)
    assert_allclose(distillation_losses(scores + 5, scores, 3.0).numpy(), 0, atol=1e-12)


def test_gradient_and_extreme_scores():
    kept = torch.randn(3, 4, dtype=torch.float64)
    now = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: distillation_losses(s, kept, 3.0), now)
    far = torch.tensor([[1e4, -1e4, 0.0]], requires_grad=True)
    loss = distillation_losses(far, torch.zeros(1, 3), 0.5).sum()
    assert torch.isfinite(loss)
    (grad,) = torch.autograd.grad(loss, far)
    assert torch.isfinite(grad).all()


def test_zero_at_the_start_and_the_formula_afterwards():
    X, y = images()
    network = network_of().eval()
    head = nn.Linear(6, 4).double()
    with torch.no_grad():
        before = head(batch_of(network, X, y).features).numpy()
    term = start(network, LWF(2.0, temperature=1.5, source_head=head))
    assert_allclose(float(term(batch_of(network, X, y)).detach()), 0, atol=1e-12)
    with torch.no_grad():
        for parameter in [*network.parameters(), *term.parameters()]:
            parameter.add_(0.1 * torch.randn_like(parameter))
        after = term.source_head(batch_of(network, X, y).features).numpy()
    divergences = entropy(
        softmax(before / 1.5, axis=1), softmax(after / 1.5, axis=1), axis=1
    )
    weight = np.linspace(0.1, 2, len(y))
    got = float(term(batch_of(network, X, y, weight)).detach())
    assert_allclose(got, 2.0 * np.mean(weight * divergences), rtol=1e-9)


def test_the_copies_of_the_source_stay():
    X, y = images()
    network = network_of()
    term = start(network, LWF())
    kept = [p.clone() for p in term.backbone.parameters()]
    optimizer = torch.optim.SGD([*network.parameters(), *term.parameters()], lr=0.5)
    term.train()
    term(batch_of(network, X, y)).backward()
    optimizer.step()
    assert not term.backbone.training
    assert not torch.equal(term.backbone[0].weight, network.backbone[0].weight)
    for now, then in zip(term.backbone.parameters(), kept, strict=True):
        assert torch.equal(now, then)
    # What learns beside the network is the classifier of the source, no more.
    assert len(list(term.parameters())) == 2
    assert not torch.equal(term.source_head.weight, term.kept_head.weight)
    assert not torch.equal(term.source_head.weight, network.head.weight)


@pytest.mark.parametrize("has_source_head", [False, True])
def test_a_given_head_comes_first(has_source_head):
    head = nn.Linear(6, 9)
    term = start(network_of(), LWF(source_head=head), has_source_head)
    assert term.source_head.out_features == 9
    assert term.source_head is not head


def test_it_keeps_the_answers():
    X, y = images(30)
    head = nn.Linear(6, 8).double()
    with torch.no_grad():
        head.weight.copy_(3 * torch.eye(8, 6))
    drift = []
    for regularizer in (None, LWF(50.0, source_head=head)):
        network = network_of()
        with torch.no_grad():
            before = head(batch_of(network.eval(), X, y).features)
        train_plainly(network.train(), X, y, regularizer, n_epochs=20)
        with torch.no_grad():
            after = head(batch_of(network.eval(), X, y).features)
        drift.append(float(distillation_losses(after, before, 3.0).mean()))
    assert drift[1] < 0.5 * drift[0]
