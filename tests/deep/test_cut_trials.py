"""What a network is tried on before it is cut, and what the trial leaves behind."""

import copy
import pickle
import threading

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen import _replay
from sktransfer.deep.frozen._call_shapes import FoundShapes
from sktransfer.deep.frozen._cut_halves import LiveHalf
from sktransfer.deep.frozen._frozen_calls import frozen_calls
from sktransfer.deep.frozen._frozen_features import _unlike
from sktransfer.deep.frozen._inner_cut import cut_inside
from sktransfer.deep.frozen._missing import Missing, missing
from sktransfer.deep.frozen._random_states import RandomStates
from tests.deep.test_cut_and_side_effects import Checkpoint
from tests.deep.test_inner_cut import cut_of, sentences, text

PARAMS = {"optimizer": "sgd", "lr": 0.1, "random_state": 0, "device": "cpu"}


class Own(nn.Module):
    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = nn.Sequential(nn.Linear(4, 4), nn.Tanh())
            self.second, self.third = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, X):
        return self.third(self.second(self.first(X)))


class OfTheBatch(Own):
    def forward(self, X):
        first = self.first(X)
        return self.third(self.second(first - first.mean(dim=0)))


class DrawsAlways(Own):
    def forward(self, X):
        return nn.functional.dropout(super().forward(X), 0.1)


class DrawsNowAndThen(Own):
    def __init__(self):
        super().__init__()
        self.own = np.random.RandomState(0)

    def forward(self, X):
        first = self.first(X)
        if self.training and self.own.rand() < 0.05:
            first = -first
        return self.third(self.second(first))


RARELY = np.random.default_rng(0)


def is_rare():
    return RARELY.random() < 0.05


class DrawsFromTheFile(Own):
    def forward(self, X):
        first = self.first(X)
        if self.training and is_rare():
            first = -first
        return self.third(self.second(first))


class KeepsItsOutput(Own):
    def forward(self, X):
        self.outputs = {"last": [super().forward(X)]}
        return self.outputs["last"][0]


class Branches(Own):
    def forward(self, X):
        first = self.first(X)
        second = self.second(first)
        return self.third(second + first if float(X.abs().max()) > 50 else second)


def rows(n=6):
    return torch.from_numpy(np.random.RandomState(0).normal(size=(n, 4)).astype("f4"))


def network_of(kind, n=2):
    network = build_network(kind(), "linear", 3, rows(n))
    network.freeze(["third.*"])
    return network.train()


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        ([[7, 7, 7], [1, 0, 0], [0, 0, 0], [1, 2, 0]], [[1, 0, 0], [1, 2, 0], [7] * 3]),
        ([[1, 2], [1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([[0, 0], [1, 2], [3, 4]], [[1, 2], [3, 4]]),
        ([[1, 2], [1, 2]], [[1, 2], [1, 2]]),
        ([[0, 0]], [[0, 0], [0, 0]]),
        ([[[1]], [[1]], [[2]]], [[[1]], [[2]]]),
        ([[5, 9, 9], [5, 6, 7], [5, 6, 9]], [[5, 9, 9], [5, 6, 9], [5, 6, 7]]),
        ([[[1.0, 2.0]], [[2.0, 0.0]]], [[[2.0, 0.0]], [[1.0, 2.0]]]),
    ],
)
def test_rows_on_trial_differ(X, expected):
    assert_array_equal(_unlike(np.array(X)), expected)


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_rows_that_are_alike_tell_nothing(shape):
    class Shaped(OfTheBatch):
        def forward(self, X):
            return super().forward(X.flatten(1))

    X = np.repeat(rows(4).numpy(), 2, axis=0).reshape(-1, *shape)
    y = np.arange(8) % 2
    params = {**PARAMS, "trainable": ["third.*"], "max_epochs": 2}
    cut = FineTunedClassifier(Shaped(), **params).fit(X, y)
    whole = FineTunedClassifier(Shaped(), augment=lambda rows: rows, **params)
    whole.fit(X, y)
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, whole.network_.state_dict()[key], atol=1e-6)


def test_one_row_is_cut_as_many_were_but_is_no_trial():
    network = network_of(Own)
    assert cut_inside(network, rows(1)) is None
    assert cut_inside(network, rows(2)) is not None
    assert cut_inside(network, rows(1)) is not None


def test_a_model_that_mixes_padding_into_texts_is_not_cut():
    backbone = text("FNet")
    X = _unlike(sentences(12))
    assert cut_of(backbone, 1, X)[1] is None


def test_nested_tensors_are_not_kept():
    class Encoder(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(9, 4)
            layer = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
            self.layers = nn.TransformerEncoder(layer, 2)
            self.last = nn.Linear(4, 4)

        def forward(self, ids):
            found = self.layers(self.words(ids), src_key_padding_mask=ids == 0)
            return self.last(found).mean(dim=1)

    X = np.array([[1, 2, 3, 4], [2, 3, 0, 0], [1, 0, 0, 0], [5, 6, 7, 8]])
    clf = FineTunedClassifier(Encoder().eval(), trainable=1, max_epochs=1, **PARAMS)
    with pytest.warns(UserWarning, match="nested"):
        clf.fit(X, [0, 1, 0, 1])
    assert clf.predict(X).shape == (4,)


def test_what_torch_has_compiled_is_not_cut():
    network = network_of(Own)
    network.backbone.third.compile(backend="eager")
    assert cut_inside(network, rows(2)) is None


def test_generators_and_weights_are_left_as_they_were():
    network, before = network_of(DrawsAlways), RandomStates()
    state = copy.deepcopy(network.state_dict())
    cut_inside(network, rows(2))
    assert RandomStates() == before
    for key, value in network.state_dict().items():
        assert torch.equal(value, state[key])
    torch.rand(1)
    assert RandomStates() != before
    before.restore()
    assert RandomStates() == before


@pytest.mark.parametrize("kind", [DrawsNowAndThen, DrawsFromTheFile])
def test_a_network_that_draws_from_a_generator_of_its_own_is_not_cut_in_training(kind):
    network = network_of(kind)
    assert cut_inside(network, rows(2)) is None
    assert cut_inside(network_of(kind).eval(), rows(2)) is not None


def test_what_learned_parts_left_with_gradients_is_no_obstacle():
    network = network_of(KeepsItsOutput)
    assert cut_inside(network, rows(2)) is not None
    network(rows())
    assert cut_inside(network, rows(2)) is not None
    assert cut_inside(network.eval(), rows(2)) is not None
    network.backbone.lock = threading.Lock()
    assert cut_inside(network, rows(2)) is None


def test_of_nested_calls_the_outer_ones_are_kept():
    backbone = Own().requires_grad_(False)
    calls = frozen_calls(backbone, {"first", "first.0"}, rows(), to_the_end=True)
    kept = {call.key: call.outputs is not None for call in calls}
    assert kept == {("first.0", 0): False, ("first", 0): True}


def test_nothing_is_skipped_any_more_where_values_are_missing_again_and_again(
    monkeypatch,
):
    tried, skipping = [], LiveHalf._skipping

    def count(*args):
        tried.append(args)
        return skipping(*args)

    network = network_of(Branches)
    cut = cut_inside(network, rows(2))
    monkeypatch.setattr(LiveHalf, "_skipping", count)
    X = 100 * rows()
    with torch.no_grad():
        states = cut.frozen(X)
        for _ in range(10):
            assert_allclose(cut.live(states, X), network(X), rtol=1e-5)
    assert len(tried) == 4


def test_what_is_known_of_shapes_does_not_grow_without_bound(monkeypatch):
    monkeypatch.setattr("sktransfer.deep.frozen._call_shapes._MOST_KNOWN", 3)
    shapes, part = FoundShapes(), nn.Linear(4, 2)
    for n in range(1, 9):
        (found,), _ = shapes.of("part", part, (torch.ones(n, 4),), {}, n)
        assert found.sizes == (n, 2)
        assert len(shapes.known) <= 3


def test_what_is_missing_can_be_copied_and_pickled():
    absent = missing((2, 3), torch.float64, torch.device("cpu"), frozenset(["a"]))
    weight = nn.Parameter(torch.ones(1))
    for found in (
        copy.deepcopy([weight, absent])[1],
        pickle.loads(pickle.dumps(absent)),
    ):
        assert isinstance(found, Missing)
        assert found.shape == (2, 3)
        assert found.dtype == torch.float64
        assert found.origins == {"a"}


def test_the_optimizer_goes_on_where_a_batch_is_not_cut():
    """A single row is none to try a network on."""
    X, y = rows(9).numpy(), np.arange(9) % 3
    params = {**PARAMS, "trainable": ["third.*"], "optimizer": "adamw", "lr": 0.01}
    settings = {"cut": None, "whole": lambda rows: rows}
    found = {}
    for name, augment in settings.items():
        clf = FineTunedClassifier(Own(), augment=augment, **params)
        for part in (slice(0, 1), slice(1, 5), slice(5, 9)):
            clf.partial_fit(X[part], y[part], classes=[0, 1, 2])
        found[name] = clf.network_.backbone.third.weight.detach()
    assert_allclose(found["cut"], found["whole"], atol=1e-6)


def test_checkpoints_where_torch_does_not_tell_of_hooks(monkeypatch):
    X, y = rows(24).numpy(), np.arange(24) % 3
    torch.manual_seed(0)
    backbone = Checkpoint()
    params = {"trainable": ["third.*"], "batch_size": 8, "max_epochs": 2}
    params |= {"random_state": 0, "device": "cpu"}
    expected = FineTunedClassifier(backbone, **params).fit(X, y).predict_proba(X)
    monkeypatch.setattr(_replay, "_top_hooks", None)  # as in torch 2.7
    found = FineTunedClassifier(backbone, **params).fit(X, y).predict_proba(X)
    assert_allclose(found, expected, atol=1e-5)
