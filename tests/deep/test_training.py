"""Losses, freezing and phases of the fine-tuned estimators."""

import copy

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from torch import nn

from sktransfer.deep import FineTunedClassifier, FineTunedRegressor
from sktransfer.deep._net import Net
from sktransfer.deep._training import row_batch_size


def draw(n=60, p=4, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, p))
    y = (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    domain = np.where(np.arange(n) % 3 == 0, -1, 1)
    return X, y, domain


def backbone():
    torch_state = torch.random.get_rng_state()
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 6)
    ).double()
    torch.random.set_rng_state(torch_state)
    return made


def state(module):
    return {key: value.clone() for key, value in module.state_dict().items()}


def changed(before, after):
    return {key for key in before if not torch.equal(before[key], after[key])}


def test_frozen_backbone_stays_bit_by_bit():
    X, y, domain = draw()
    given = backbone()
    before = state(given)
    model = FineTunedClassifier(
        given, trainable="head", max_epochs=5, random_state=0, device="cpu"
    )
    model.fit(X, y, sample_domain=domain)
    # Parameters and the running statistics of batch normalisation.
    assert not changed(before, model.network_.backbone.state_dict())
    assert not changed(before, given.state_dict())
    assert given.training


def test_last_blocks_learn():
    X, y, domain = draw()
    given = backbone()
    for trainable, expected in (
        (1, {"4.weight", "4.bias"}),
        (3, set(given.state_dict())),
    ):
        model = FineTunedClassifier(
            given, trainable=trainable, max_epochs=3, device="cpu"
        )
        model.fit(X, y, sample_domain=domain)
        got = changed(state(given), model.network_.backbone.state_dict())
        assert got == expected
    with pytest.raises(ValueError, match="trainable=4 asks for more blocks"):
        FineTunedClassifier(given, trainable=4).fit(X, y)


def test_module_is_never_trained_and_clones_carry_no_weights():
    X, y, domain = draw()
    given = backbone()
    before = state(given)
    model = FineTunedClassifier(given, max_epochs=3, device="cpu").fit(
        X, y, sample_domain=domain
    )
    assert changed(before, model.network_.backbone.state_dict())
    assert not changed(before, clone(model).backbone.state_dict())


def test_l2_sp():
    X, y, domain = draw()
    given = backbone()

    def moved(l2_sp):
        model = FineTunedClassifier(
            given, l2_sp=l2_sp, lr=1e-3, random_state=0, device="cpu"
        )
        after = model.fit(X, y, sample_domain=domain).network_.backbone.parameters()
        return sum(
            float((a - b).square().sum().detach())
            for a, b in zip(after, given.parameters(), strict=True)
        )

    assert moved(100.0) < 0.01 * moved(0.0)


def test_l2_sp_formula(monkeypatch):
    X, y, domain = draw()
    seen = []
    original = Net.penalty

    def spy(net):
        value = original(net)
        start = [p.clone() for p in net.start_.values()]
        now = [p.detach().clone() for p in net.module_.backbone.parameters()]
        seen.append((float(torch.as_tensor(value).detach()), start, now))
        return value

    monkeypatch.setattr(Net, "penalty", spy)
    given = backbone()
    FineTunedClassifier(given, l2_sp=0.7, max_epochs=3, device="cpu").fit(
        X, y, sample_domain=domain
    )
    assert seen[0][0] == 0.0
    for value, start, now in seen:
        for given_part, part in zip(given.parameters(), start, strict=True):
            assert torch.equal(given_part, part)
        squares = sum(
            float((a - b).square().sum()) for a, b in zip(now, start, strict=True)
        )
        assert_allclose(value, 0.35 * squares)


def test_batches_add_up_to_the_whole_gradient(monkeypatch):
    """With uneven weights and an uneven last batch."""
    from sktransfer.deep import _training

    X, y, _ = draw(50)
    weight = np.random.RandomState(1).exponential(size=50)
    gradients = {}

    class Frozen(torch.optim.SGD):
        def step(self, closure=None):
            closure()
            parts = [p.grad for g in self.param_groups for p in g["params"]]
            parts = [p.detach().clone().flatten() for p in parts if p is not None]
            size = gradients["size"]
            gradients.setdefault(size, []).append(torch.cat(parts))

    monkeypatch.setitem(_training._OPTIMIZERS, "sgd", Frozen)
    for size in (50, 16):
        gradients["size"] = size
        FineTunedClassifier(
            batch_size=size, pretrain_epochs=1, optimizer="sgd", random_state=0
        ).fit(X, y, sample_weight=weight)
    assert len(gradients[16]) == 4
    whole = gradients[50][0]
    assert_allclose(sum(gradients[16]) * 16 / 50, whole, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("weighting", ["sample_weight", "class_weight"])
def test_weights_equal_repeated_rows(weighting):
    X, y, _ = draw(30)
    counts = np.where(y == 1, 3, 1)
    params = {"batch_size": 1000, "random_state": 0, "pretrain_epochs": 30}
    repeated = FineTunedClassifier(**params).fit(X.repeat(counts, 0), y.repeat(counts))
    if weighting == "sample_weight":
        model = FineTunedClassifier(**params).fit(X, y, sample_weight=counts)
    else:
        model = FineTunedClassifier(class_weight={0: 1, 1: 3}, **params).fit(X, y)
    assert_allclose(model.predict_proba(X), repeated.predict_proba(X), atol=1e-6)


def test_linear_limit_is_logistic_regression():
    X, y, _ = draw(80)
    model = FineTunedClassifier(
        nn.Flatten, batch_size=1000, pretrain_epochs=1500, lr=0.05, random_state=0
    )
    expected = LogisticRegression(C=np.inf).fit(X, y).predict_proba(X)
    assert_allclose(model.fit(X, y).predict_proba(X), expected, atol=1e-3)


def test_equals_a_plain_torch_loop():
    X, y, _ = draw(40)
    model = FineTunedClassifier(
        backbone=nn.Flatten,
        batch_size=1000,
        pretrain_epochs=1,
        lr=0.1,
        random_state=3,
        device="cpu",
    ).fit(X, y)
    start = copy.deepcopy(model).set_params(pretrain_epochs=1, lr=1e-30).fit(X, y)
    head = copy.deepcopy(start.network_.head).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=0.1, weight_decay=0.0)
    loss = nn.functional.cross_entropy(head(torch.tensor(X)), torch.tensor(y))
    loss.backward()
    optimizer.step()
    for ours, plain in zip(
        model.network_.head.parameters(), head.parameters(), strict=True
    ):
        assert_allclose(ours.detach(), plain.detach(), atol=1e-10)


def test_source_weight():
    X, y, domain = draw(90)
    scrambled = np.where(domain > 0, 1 - y, y)
    params = {"pretrain": False, "max_epochs": 10, "random_state": 0}

    def predict(labels, source_weight):
        model = FineTunedClassifier(source_weight=source_weight, **params)
        return model.fit(X, labels, sample_domain=domain).predict_proba(X)

    assert_array_equal(predict(y, 0.0), predict(scrambled, 0.0))
    assert np.abs(predict(y, 0.5) - predict(scrambled, 0.5)).max() > 0.05
    # At 1 the two domains are one set.
    together = FineTunedClassifier(**params).fit(X, y).predict_proba(X)
    assert_allclose(predict(y, 1.0), together, atol=1e-8)


def test_early_stopping_restores_the_best_weights():
    X, y, domain = draw(120)
    model = FineTunedClassifier(
        validation_fraction=0.4, patience=3, max_epochs=200, lr=0.05, random_state=0
    ).fit(X, y, sample_domain=domain)
    losses = [h["valid_loss"] for h in model.history_ if h["phase"] == "fine-tune"]
    assert len(losses) < 200
    assert np.argmin(losses) < len(losses) - 1
    with pytest.raises(ValueError, match="cannot be set aside from"):
        model.set_params(validation_fraction=0.01).fit(X, y, sample_domain=domain)


@pytest.mark.parametrize("estimator", [FineTunedClassifier, FineTunedRegressor])
def test_order_of_the_rows_and_random_state(estimator):
    X, y, domain = draw(100)
    state = torch.random.get_rng_state()
    model = estimator(batch_size=16, max_epochs=5, pretrain_epochs=5, random_state=1)
    predicted = model.fit(X, y, sample_domain=domain).predict(X)
    order = np.random.RandomState(0).permutation(100)
    model.fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(model.predict(X), predicted, atol=1e-8)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_batch_sizes_leave_no_single_row():
    assert row_batch_size(65, 64) == 65
    assert row_batch_size(10, 64) == 10
    for n in range(2, 60):
        for size in range(2, 20):
            chosen = row_batch_size(n, size)
            assert n % chosen != 1


def test_images_take_the_default_convolutions():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
    y = np.arange(40) % 2
    X[y == 1, :, :4] += 2.0
    model = FineTunedClassifier(pretrain_epochs=20, random_state=0).fit(X, y)
    assert model.score(X, y) == 1.0
    assert next(model.network_.parameters()).dtype == torch.float32
    with pytest.raises(ValueError, match=r"fitted on rows of shape \(1, 8, 8\)"):
        model.predict(X[:, :, :6])


def test_partial_fit_and_warm_start():
    X, y, _ = draw()
    model = FineTunedClassifier(random_state=0)
    model.partial_fit(X[:20], y[:20], classes=[0, 1])
    losses = [model.partial_fit(X, y).history_[-1]["train_loss"] for _ in range(30)]
    assert losses[-1] < 0.8 * losses[0]
    with pytest.raises(ValueError, match="label 7, which is not among the classes"):
        model.partial_fit(X[:3], [0, 1, 7])
    warm = FineTunedClassifier(warm_start=True, pretrain_epochs=30, random_state=0)
    first = warm.fit(X, y).history_[-1]["train_loss"]
    assert warm.fit(X, y).history_[0]["train_loss"] < 1.2 * first


BAD = [
    ({"trainable": "body"}, ValueError, "`trainable` must be 'all', 'head', a number"),
    ({"trainable": 0}, ValueError, "`trainable` must be an integer"),
    ({"lr": 0.0}, ValueError, "`lr` must be a finite number"),
    ({"l2_sp": -1.0}, ValueError, "`l2_sp` must be a finite number"),
    ({"optimizer": "lbfgs"}, ValueError, "`optimizer` must be one of"),
    ({"device": "abacus"}, ValueError, "`device` must be 'auto', 'cpu'"),
    ({"head": 3}, ValueError, "`head` must be 'linear' or a tuple"),
    ({"backbone": 3}, TypeError, "`backbone` must be None, a name, a torch.nn.Module"),
    ({"backbone": lambda: 3}, TypeError, "it must return a torch.nn.Module"),
    ({"backbone": nn.Linear(9, 2)}, ValueError, "cannot take rows of shape"),
]


@pytest.mark.parametrize(("params", "error", "sentence"), BAD)
def test_bad_parameters(params, error, sentence):
    X, y, _ = draw()
    with pytest.raises(error, match=sentence):
        FineTunedClassifier(**params).fit(X, y)
