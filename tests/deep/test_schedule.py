"""Courses of the learning rates, per step, per block, and which blocks learn."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import Network
from sktransfer.deep._parameter_groups import parameter_groups
from sktransfer.deep._schedule import SCHEDULES, rate_factor
from sktransfer.deep._unfreezing import open_blocks


def draw(n=40, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    return X, (X[:, 0] > 0).astype(int)


def three_blocks():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = [nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(5, 3)).double()


@given(
    n_steps=st.integers(1, 300),
    schedule=st.sampled_from(SCHEDULES),
    warmup=st.floats(0, 1),
)
def test_factors_are_shares_that_rise_then_fall(n_steps, schedule, warmup):
    factors = np.array(
        [
            rate_factor(step, n_steps, schedule=schedule, warmup=warmup)
            for step in range(n_steps)
        ]
    )
    assert factors.min() > 0
    assert factors.max() <= 1
    peak = factors.argmax()
    assert np.all(np.diff(factors[: peak + 1]) >= 0)
    assert np.all(np.diff(factors[peak:]) <= 0)
    # It would reach zero one step after the last; the peak is one.
    assert factors.max() == 1 or n_steps == 1


def test_factors_by_hand():
    linear = [rate_factor(s, 6, schedule="linear", warmup=1 / 3) for s in range(6)]
    assert_allclose(linear, [0.5, 1.0, 1.0, 0.75, 0.5, 0.25])
    cosine = [rate_factor(s, 4, schedule="cosine") for s in range(4)]
    assert_allclose(cosine, [(1 + np.cos(np.pi * s / 4)) / 2 for s in range(4)])
    assert {rate_factor(s, 9) for s in range(9)} == {1.0}


@pytest.mark.parametrize("schedule", ["cosine", "linear"])
def test_rates_equal_the_scheduler_of_torch(schedule):
    """LambdaLR and CosineAnnealingLR, stepped once a batch, over two phases' epochs."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.1)
    if schedule == "cosine":
        reference = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    else:
        reference = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 1e-9, 12)
    expected = []
    for _ in range(12):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        reference.step()
    X, y = draw(40)
    model = FineTunedClassifier(
        schedule=schedule, lr=0.1, batch_size=10, pretrain_epochs=3, random_state=0
    ).fit(X, y)
    # Of the four batches of an epoch the last one's rate is recorded.
    assert_allclose([e["lr"] for e in model.history_], expected[3::4], atol=1e-8)


def test_no_schedule_records_no_rate():
    X, y = draw()
    assert "lr" not in FineTunedClassifier(pretrain_epochs=1).fit(X, y).history_[0]


def test_rates_by_block():
    network = Network(three_blocks(), nn.Linear(3, 2).double())
    extra = nn.Parameter(torch.zeros(2))
    groups = parameter_groups(
        network,
        [*network.parameters(), extra],
        lr=1.0,
        backbone_lr=0.1,
        layer_decay=0.5,
    )
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    assert len(rates) == sum(len(group["params"]) for group in groups) == 9
    assert rates[id(extra)] == rates[id(network.head.weight)] == 1.0
    for position, rate in ((4, 0.1), (2, 0.05), (0, 0.025)):
        assert_allclose(rates[id(network.backbone[position].weight)], rate)
    plain = parameter_groups(network, list(network.parameters()), lr=1.0)
    assert [group["lr"] for group in plain] == [1.0, 1.0]


def test_layer_decay_of_one_changes_nothing_and_small_ones_hold_early_layers():
    X, y = draw()

    def moved(decay):
        given = three_blocks()
        model = FineTunedClassifier(
            given,
            layer_decay=decay,
            max_epochs=3,
            optimizer="sgd",
            random_state=0,
            device="cpu",
        ).fit(X, y)
        pairs = zip(
            model.network_.backbone.parameters(), given.parameters(), strict=True
        )
        return [float((a - b).abs().sum().detach()) for a, b in pairs]

    free, held = moved(1.0), moved(1e-6)
    assert free[0] > 0
    assert held[0] < 1e-6 * free[0]
    assert held[-1] > 0.5 * free[-1]


def test_open_blocks():
    assert [open_blocks(e, 2, 3) for e in range(9)] == [0, 0, 1, 1, 2, 2, 3, 3, 3]


def test_blocks_open_one_by_one():
    X, y = draw()
    seen = []

    class Watch:
        def setup(self, estimator, context):
            pass

        def teardown(self, estimator, context):
            pass

        def on_fit_task_begin(self, estimator, context):
            pass

        def on_fit_task_end(self, estimator, context):
            if context.task_name == "fine-tune-epoch":
                state = model.network_.backbone.state_dict()
                seen.append({k: v.clone() for k, v in state.items()})

    given = three_blocks()
    model = FineTunedClassifier(
        given, unfreeze_every=2, max_epochs=7, random_state=0, device="cpu"
    )
    model.set_callbacks(Watch()).fit(X, y)
    states = [given.state_dict(), *seen]
    moved = [
        "".join(
            str(int(not torch.equal(a[f"{i}.weight"], b[f"{i}.weight"])))
            for i in (0, 2, 4)
        )
        for a, b in pairwise(states)
    ]
    assert moved == ["000", "000", "001", "001", "011", "011", "111"]


def test_patterns_of_names():
    X, y = draw()
    given = three_blocks()
    for patterns, expected in (
        (["2.*"], {"2.weight", "2.bias"}),
        (("*.bias",), {"0.bias", "2.bias", "4.bias"}),
    ):
        model = FineTunedClassifier(
            given, trainable=patterns, max_epochs=2, device="cpu"
        ).fit(X, y)
        after = model.network_.backbone.state_dict()
        changed = {k for k, v in given.state_dict().items() if not v.equal(after[k])}
        assert changed == expected
    with pytest.raises(ValueError, match="no parameter of the backbone matches 'layer"):
        FineTunedClassifier(given, trainable=["layer4.*"]).fit(X, y)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"trainable": "layer4"}, r"For one pattern pass \['layer4'\]"),
        ({"trainable": []}, "must hold patterns of parameter names"),
        ({"unfreeze_every": 2, "trainable": "head"}, "names none"),
        ({"schedule": "step"}, "`schedule` must be one of"),
        ({"warmup": 1.5}, "`warmup` must be a finite number in"),
        ({"layer_decay": 0.0}, "`layer_decay` must be a finite number in"),
        ({"accumulate": 0}, "`accumulate` must be an integer"),
        ({"clip_norm": 0}, "`clip_norm` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    with pytest.raises(ValueError, match=sentence):
        FineTunedClassifier(**params).fit(*draw())
