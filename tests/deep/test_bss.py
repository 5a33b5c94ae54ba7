import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

from sktransfer.deep import BSS
from sktransfer.deep.regularizers._bss import spectral_shrinkage
from tests.deep.plain_loop import batch_of, images, network_of, rows_of, train_plainly


@pytest.mark.parametrize("shape", [(4, 7), (7, 4), (5, 5), (1, 6)])
@pytest.mark.parametrize("k", [1, 2, 20])
def test_formula(shape, k):
    features = np.random.RandomState(0).normal(size=shape)
    # Squared singular values are eigenvalues of the smaller Gram matrix.
    gram = features @ features.T if shape[0] < shape[1] else features.T @ features
    expected = np.sort(np.linalg.eigvalsh(gram))[:k].sum()
    got = spectral_shrinkage(torch.from_numpy(features), k)
    assert_allclose(float(got), expected, rtol=1e-9)


def test_all_singular_values_are_the_sum_of_squares():
    features = np.random.RandomState(1).normal(size=(3, 8))
    got = spectral_shrinkage(torch.from_numpy(features), 3)
    assert_allclose(float(got), np.sum(features**2))


def test_gradient():
    torch.manual_seed(0)
    for shape in ((4, 6), (6, 4)):
        features = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(lambda f: spectral_shrinkage(f, 2), features)


@pytest.mark.parametrize(
    "features",
    [
        torch.eye(4),  # all equal
        torch.zeros(3, 5),
        torch.ones(4, 6),  # rank one: zeros are repeated
        torch.diag(torch.tensor([2.0, 1.0, 1.0])),
    ],
)
def test_equal_singular_values_give_no_nan(features):
    features = features.double().requires_grad_()
    for k in (1, 2):
        (grad,) = torch.autograd.grad(spectral_shrinkage(features, k), features)
        assert torch.isfinite(grad).all()


def test_gradient_at_equal_singular_values_is_that_of_their_sum():
    # The sum of all squares is smooth, whatever the values are.
    features = torch.eye(3, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(spectral_shrinkage(features, 3), features)
    assert_allclose(grad.numpy(), 2 * np.eye(3), atol=1e-12)


def test_rotations_change_nothing():
    rng = np.random.RandomState(2)
    features = rng.normal(size=(5, 4))
    turn, _ = np.linalg.qr(rng.normal(size=(4, 4)))
    shuffled = features[rng.permutation(5)] @ turn
    values = [
        float(spectral_shrinkage(torch.from_numpy(f), 2)) for f in (features, shuffled)
    ]
    assert_allclose(*values)


def test_narrow_floats_and_values_that_are_none():
    features = torch.randn(3, 4, dtype=torch.bfloat16)
    assert spectral_shrinkage(features, 1).dtype == torch.float32
    features[0, 0] = torch.nan
    assert torch.isnan(spectral_shrinkage(features, 1))


def test_term_is_the_strength_times_the_penalty():
    X, y = images()
    network = network_of()
    regularizer = BSS(0.3, n_singular_values=2)
    term = regularizer.start(
        network, rows_of(X, y), device="cpu", has_source_head=False
    )
    batch = batch_of(network, X, y)
    values = np.linalg.svd(batch.features.detach().numpy(), compute_uv=False)
    expected = 0.3 * (values[-1] ** 2 + values[-2] ** 2)
    assert_allclose(float(term(batch).detach()), expected)


def test_training_with_it_shrinks_the_smallest():
    X, y = images()
    smallest = []
    for regularizer in (None, BSS(10.0)):
        network = network_of()
        train_plainly(network, X, y, regularizer, n_epochs=20)
        features = batch_of(network.eval(), X, y).features.detach().numpy()
        values = np.linalg.svd(features, compute_uv=False)
        smallest.append(values[-1])
    assert smallest[1] < 0.5 * smallest[0]
