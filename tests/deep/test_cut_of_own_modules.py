"""Networks of the user's own are cut where that is right, and not where it is not."""

import random
import threading

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen import _inner_cut
from sktransfer.deep.frozen._call_shapes import FoundShapes
from sktransfer.deep.frozen._inner_cut import cut_inside
from sktransfer.deep.frozen._missing import NeedsValues
from sktransfer.deep.frozen._replay import replaying
from tests.deep.counting import CountsRows


class Counted(nn.Linear, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


class Own(nn.Module):
    """Three layers; what stands between them is in subclasses."""

    def __init__(self):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = Counted(4, 4), nn.Linear(4, 4)
            self.third = nn.Linear(4, 4)
        self.norm = nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, X):
        first = self.first(X)
        return self.third(self.between(self.second(self.start(first)), first, X))

    def start(self, first):
        return torch.relu(first)

    def between(self, second, first, X):
        return second


class LooksBack(Own):
    def between(self, second, first, X):
        return second + first


class LooksAtRows(Own):
    def between(self, second, first, X):
        return second * X


class InPlace(Own):
    def start(self, first):
        return first.clone().relu_()

    def between(self, second, first, X):
        second += 1
        return second.mul_(2)


class ChangesWhatIsKept(Own):
    """What the first layer gave is another thing later on."""

    def start(self, first):
        return functional.relu_(first)

    def between(self, second, first, X):
        return second + first


class WritesIntoValues(Own):
    def between(self, second, first, X):
        made = torch.zeros_like(X)
        made[:, :2] = second[:, :2]
        return made + second


class Branches(Own):
    def between(self, second, first, X):
        return second + 1 if bool(first[:, 0].sum() > 0) else second


class BranchesOnRows(Own):
    """Another way, on rows that are not on trial."""

    def between(self, second, first, X):
        return second + first if float(X.abs().max()) > 50 else second


class NoGradient(Own):
    def between(self, second, first, X):
        with torch.no_grad():
            return second + self.norm(first)


class Twice(Own):
    def start(self, first):
        return self.second(first)


class NumbersOf(Own):
    def between(self, second, first, X):
        return torch.from_numpy(second.numpy() + 1)


class Detached(Own):
    """A layer that learns comes first; its gradient is not wanted."""

    def forward(self, X):
        return self.second(self.third(X).detach()) + self.third(X)


class OwnWeight(Own):
    def start(self, first):
        return first * self.scale


class OfTheBatch(Own):
    def start(self, first):
        return first - first.mean(dim=0)


class DropsInTraining(Own):
    def start(self, first):
        return functional.dropout(first, 0.5, self.training)


class DrawsFromNumpy(Own):
    def start(self, first):
        noise = np.random.normal(size=4) if self.training else np.zeros(4)  # noqa: NPY002
        return first + torch.as_tensor(noise, dtype=first.dtype)


class DrawsFromPython(Own):
    def start(self, first):
        return first * (random.random() if self.training else 1.0)


class OtherwiseInTraining(Own):
    def start(self, first):
        return 2 * first if self.training else first


class Hooked(Own):
    def __init__(self):
        super().__init__()
        self.second.register_forward_hook(lambda part, args, output: output + 1)


def rows(n=6):
    return torch.from_numpy(np.random.RandomState(0).normal(size=(n, 4)).astype("f4"))


def network_of(kind, trainable=("third.*",)):
    network = build_network(kind(), "linear", 3, rows(2))
    network.freeze(list(trainable))
    return network.train()


def cut_of(*args):
    network = network_of(*args)
    return network, cut_inside(network, rows(2))


ALL = [("first", 0), ("second", 0)]


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (Own, ALL[1:]),
        (LooksBack, ALL),
        (LooksAtRows, ALL[1:]),
        (InPlace, ALL[1:]),
        (WritesIntoValues, ALL[1:]),
        (Branches, ALL),
        (NoGradient, [("norm", 0), ("second", 0)]),
        (Twice, [("second", 1)]),
        (NumbersOf, ALL[1:]),
    ],
)
def test_what_is_kept(kind, kept):
    network, cut = cut_of(kind)
    assert sorted(cut.frozen.plan.kept) == sorted(kept)
    X = rows()
    with torch.no_grad():
        states = cut.frozen(X)
        assert_allclose(cut.live.train()(states, X), network(X), rtol=1e-5)
        assert_allclose(cut.live.eval()(states, X), network(X), rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "trainable"),
    [
        (Detached, ["third.*"]),
        (OwnWeight, ["scale"]),
        (OfTheBatch, ["third.*"]),
        (Own, ["first.*"]),
    ],
)
def test_what_is_not_cut(kind, trainable):
    assert cut_of(kind, trainable)[1] is None


@pytest.mark.parametrize(
    "kind", [DropsInTraining, DrawsFromNumpy, DrawsFromPython, OtherwiseInTraining]
)
def test_what_comes_after_draws_or_differs_in_training_is_not_kept(kind):
    network = network_of(kind)
    states = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    cut = cut_inside(network, rows(2))
    assert cut.frozen.plan.calls == (("first", 0),)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert random.getstate() == states[1]
    assert_allclose(np.random.get_state()[1], states[2])  # noqa: NPY002


@pytest.mark.parametrize("kind", [ChangesWhatIsKept, Hooked])
def test_training_is_right_in_any_case(kind):
    X, y = rows(24).numpy(), np.arange(24) % 3
    params = {"trainable": ["third.*"], "optimizer": "sgd", "lr": 0.1, "batch_size": 8}
    params |= {"max_epochs": 3, "random_state": 0, "device": "cpu"}
    cut = FineTunedClassifier(kind(), **params).fit(X, y)
    whole = FineTunedClassifier(kind(), augment=lambda rows: rows, **params).fit(X, y)
    assert_allclose(cut.predict_proba(X), whole.predict_proba(X), atol=1e-5)
    assert_allclose(
        cut.network_.backbone.third.weight.detach(),
        whole.network_.backbone.third.weight.detach(),
        atol=1e-5,
    )


def test_rows_that_go_another_way_go_through_the_whole_backbone():
    network, cut = cut_of(BranchesOnRows)
    X = rows()
    X[3] *= 100
    with torch.no_grad():
        states = cut.frozen(X)
        assert_allclose(cut.live(states, X), network(X), rtol=1e-5)
        assert_allclose(cut.live(states[:3], X[:3]), network(X[:3]), rtol=1e-5)


def test_each_row_is_computed_once_for_epochs_and_candidates():
    X, y = rows(60).numpy() + 7, np.arange(60) % 3
    Counted.n_rows = 0
    for lr in (0.1, 0.01, 0.001):
        clf = FineTunedClassifier(LooksBack(), trainable=["third.*"], lr=lr)
        clf.fit(X, y).predict(X)
    assert Counted.n_rows < 60 + 6 * 12  # and a few on trial


def test_trial_once_for_fit_and_predictions(monkeypatch):
    tried = []
    trial = _inner_cut._plan_of

    def count(*args):
        tried.append(args)
        return trial(*args)

    monkeypatch.setattr(_inner_cut, "_plan_of", count)
    X, y = rows(30).numpy(), np.arange(30) % 3
    clf = FineTunedClassifier(LooksBack(), trainable=["third.*"], max_epochs=1)
    clf.fit(X, y).predict(X)
    clf.predict(X + 1)
    assert len(tried) == 1
    clf.network_.backbone.second.register_forward_hook(lambda *args: None)
    clf.predict(X)  # now somebody looks at it
    assert len(tried) == 2


def test_other_threads_see_the_whole_network():
    backbone, X = Own(), rows()
    expected = backbone(X).detach()
    entered, go_on, found = threading.Event(), threading.Event(), []
    kept = {(*ALL[1], 0): torch.zeros(6, 4)}

    def skip():
        with replaying(backbone, ALL, kept, FoundShapes(), len(X)):
            entered.set()
            go_on.wait(10)
            found.append(backbone(X).detach())

    thread = threading.Thread(target=skip)
    thread.start()
    entered.wait(10)
    assert torch.equal(backbone(X).detach(), expected)
    go_on.set()
    thread.join()
    assert_allclose(found[0], backbone.third.bias.detach().expand(6, 4))
    assert "forward" not in vars(backbone.first)


def test_what_learns_gets_no_missing_values():
    backbone = Own()
    for part in (backbone.first, backbone.second):
        part.requires_grad_(False)
    with (
        pytest.raises(NeedsValues, match="second"),
        replaying(backbone, ALL, {}, FoundShapes(), 6),
    ):
        backbone(rows())
    assert "forward" not in vars(backbone.second)
