"""Which rows each phase sees, with which weights, and where each phase starts."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils import check_random_state
from skorch import NeuralNetClassifier
from torch import nn

from sktransfer.deep import FineTunedClassifier, FineTunedRegressor
from sktransfer.deep._content_order import row_numbers
from sktransfer.deep._network import build_network


def draw(n=60, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    y = (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y, np.where(np.arange(n) % 3 == 0, -1, 1)


def module():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 8), nn.ReLU()).double()


def phases(model):
    names = [epoch["phase"] for epoch in model.history_]
    return [(name, names.count(name)) for name in dict.fromkeys(names)]


SHORT = {"pretrain_epochs": 2, "max_epochs": 3, "random_state": 0}
PRE, FINE = ("pretrain", 2), ("fine-tune", 3)


@pytest.mark.parametrize(
    ("backbone", "pretrain", "with_target", "alone"),
    [
        (None, "auto", [PRE, FINE], [PRE]),
        (None, False, [FINE], [FINE]),
        (module(), "auto", [FINE], [FINE]),
        (module(), True, [PRE, FINE], [PRE]),
    ],
)
def test_phases(backbone, pretrain, with_target, alone):
    X, y, domain = draw()
    model = FineTunedClassifier(backbone, pretrain=pretrain, **SHORT)
    assert phases(model.fit(X, y, sample_domain=domain)) == with_target
    assert phases(model.fit(X, y)) == alone
    # Unlabelled target rows teach nothing: they are as good as absent.
    source = domain > 0
    model.fit(X, np.where(source, y, -1), sample_domain=domain)
    assert phases(model) == alone
    predicted = model.predict_proba(X)
    assert_array_equal(predicted, model.fit(X[source], y[source]).predict_proba(X))
    # So are unlabelled source rows: the labelled target rows are then the only set.
    model.fit(X, np.where(source, -1, y), sample_domain=domain)
    assert phases(model) == alone


def test_labels_of_the_target_do_not_reach_the_first_phase():
    X, y, domain = draw()
    model = FineTunedClassifier(pretrain_epochs=5, max_epochs=1, lr=1e-3)
    model.set_params(random_state=0, trainable="head")
    first = model.fit(X, y, sample_domain=domain).network_.backbone.state_dict()
    scrambled = np.where(domain < 0, 1 - y, y)
    model.fit(X, scrambled, sample_domain=domain)
    for key, value in model.network_.backbone.state_dict().items():
        assert torch.equal(value, first[key])


@pytest.mark.parametrize("batch_size", [16, 48])
def test_adaptation_off_is_plain_skorch(batch_size):
    """Same seed, same batches, same weights, over several epochs."""
    X, y, _ = draw(48)
    model = FineTunedClassifier(
        batch_size=batch_size, pretrain_epochs=4, lr=0.01, random_state=5
    ).fit(X, y)
    order = np.argsort(row_numbers(X), kind="stable")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(check_random_state(5).randint(2**31 - 1))
        plain = NeuralNetClassifier(
            build_network(None, "linear", 2, torch.from_numpy(X[:2])),
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            optimizer__weight_decay=0.0,
            lr=0.01,
            max_epochs=4,
            batch_size=batch_size,
            iterator_train__shuffle=batch_size < 48,
            train_split=None,
            verbose=0,
        ).fit(X[order], y[order])
    expected = torch.softmax(plain.forward(X), dim=1).numpy()
    assert_allclose(model.predict_proba(X), expected, rtol=1e-10)


@pytest.mark.parametrize("backbone", [None, module()])
@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 1.0, 1: 4.0}])
def test_whole_weights_are_repetitions(backbone, class_weight):
    """For one set of rows and for two, with zeros as absent rows."""
    X, y, domain = draw(40)
    count = np.random.RandomState(0).randint(0, 4, size=40)
    model = FineTunedClassifier(
        backbone, class_weight=class_weight, source_weight=0.3, batch_size=500, **SHORT
    )

    def predict(rows, **weights):
        first = model.fit(X[rows], y[rows], **weights).predict_proba(X)
        model.fit(X[rows], y[rows], sample_domain=domain[rows], **weights)
        return first, model.predict_proba(X)

    weighted = predict(np.arange(40), sample_weight=count)
    for got, expected in zip(
        weighted, predict(np.repeat(np.arange(40), count)), strict=True
    ):
        assert_allclose(got, expected, rtol=1e-8)


def test_class_weight_counts_once():
    """Of a dict's factor 4, one set of rows sees 4, not 16."""
    X, y, _ = draw(40)
    model = FineTunedClassifier(module(), class_weight={1: 4.0}, **SHORT)
    by_class = model.fit(X, y).predict_proba(X)
    model.set_params(class_weight=None).fit(X, y, sample_weight=np.where(y, 4.0, 1.0))
    assert_allclose(model.predict_proba(X), by_class, rtol=1e-10)


def test_class_weight_names_a_class_that_the_target_lacks():
    X, _, domain = draw(60)
    y = np.where(domain < 0, 0, np.arange(60) % 3)
    y[np.flatnonzero(domain < 0)[::2]] = 1
    weights = {0: 2.0, 1: 3.0, 2: 4.0}
    model = FineTunedClassifier(class_weight=weights, **SHORT)
    model.fit(X, y, sample_domain=domain)
    assert_array_equal(model.classes_, [0, 1, 2])


def test_source_weight_is_a_weight_of_rows():
    X, y, domain = draw()
    model = FineTunedClassifier(module(), source_weight=0.25, **SHORT)
    mixed = model.fit(X, y, sample_domain=domain).predict_proba(X)
    weight = np.where(domain < 0, 1.0, 0.25)
    assert_allclose(
        model.fit(X, y, sample_weight=weight).predict_proba(X), mixed, rtol=1e-10
    )


def test_backbone_lr_of_zero_trains_the_head_alone():
    X, y, domain = draw()
    given = module()
    model = FineTunedClassifier(given, backbone_lr=0.0, device="cpu", **SHORT)
    model.fit(X, y, sample_domain=domain)
    for ours, theirs in zip(
        model.network_.backbone.parameters(), given.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)
    head = FineTunedClassifier(given, trainable="head", device="cpu", **SHORT)
    head.fit(X, y, sample_domain=domain)
    assert_allclose(model.predict_proba(X), head.predict_proba(X), rtol=1e-10)


def test_l2_sp_closed_form():
    """One step of gradient descent on loss and penalty, by hand."""
    X, y, domain = draw()
    target = domain < 0
    given = module()
    model = FineTunedClassifier(
        given,
        l2_sp=0.5,
        optimizer="sgd",
        lr=0.1,
        max_epochs=2,
        random_state=0,
        device="cpu",
    ).fit(X, y, sample_domain=domain)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(check_random_state(0).randint(2**31 - 1))
        network = build_network(given, "linear", 2, torch.from_numpy(X[:2]))
    start = [p.detach().clone() for p in given.parameters()]
    rows, codes = torch.from_numpy(X[target]), torch.from_numpy(y[target])
    for _ in range(2):
        loss = nn.functional.cross_entropy(network(rows), codes)
        for now, was in zip(network.backbone.parameters(), start, strict=True):
            loss = loss + 0.25 * (now - was).square().sum()
        network.zero_grad()
        loss.backward()
        with torch.no_grad():
            for parameter in network.parameters():
                parameter -= 0.1 * parameter.grad
    for ours, plain in zip(
        model.network_.parameters(), network.parameters(), strict=True
    ):
        assert_allclose(ours.detach(), plain.detach(), rtol=1e-9, atol=1e-12)


def test_regression_is_equivariant_to_the_scale_of_the_values():
    X, _, domain = draw()
    y = X[:, 0] + np.where(domain < 0, 2.0, 0.0)
    model = FineTunedRegressor(**SHORT).fit(X, y, sample_domain=domain)
    predicted = model.predict(X)
    model.fit(X, 1000.0 * y - 7.0, sample_domain=domain)
    assert_allclose(model.predict(X), 1000.0 * predicted - 7.0, rtol=1e-8)


def test_linear_regression_limit():
    X, _, _ = draw()
    y = X @ [1.0, -2.0, 0.5, 0.0] + 0.3 * np.random.RandomState(1).normal(size=60)
    model = FineTunedRegressor(
        nn.Identity, batch_size=500, pretrain_epochs=600, lr=0.05, random_state=0
    ).fit(X, y)
    design = np.c_[X, np.ones(60)]
    expected = design @ np.linalg.lstsq(design, y, rcond=None)[0]
    assert_allclose(model.predict(X), expected, atol=1e-4)
