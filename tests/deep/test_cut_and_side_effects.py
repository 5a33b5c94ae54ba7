"""A forward pass does more than return its output; with the cut it does the same."""

import copy
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen import _inner_cut
from sktransfer.deep.frozen._module_state import ModuleState


class Own(nn.Module):
    """Three layers, of which the last one learns."""

    def __init__(self, first=None):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first = first or nn.Linear(4, 4)
            self.second, self.third = nn.Linear(4, 4), nn.Linear(4, 4)
            self.norm = nn.BatchNorm1d(4)

    def forward(self, X):
        return self.third(self.second(self.first(X)))


class OfTheBatch(Own):
    def forward(self, X):
        first = self.first(X)
        return self.third(self.second(first - first.mean(dim=0)))


class Moving(Own):
    """Learns the mean of its rows, after it was used."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.zeros(4))

    def forward(self, X):
        first = self.first(X)
        second = self.second(first - self.mean)
        if self.training:
            self.mean.mul_(0.5).add_(first.detach().mean(dim=0), alpha=0.5)
        return self.third(second)


class MovingLate(Moving):
    """The trial must not move it."""

    def forward(self, X):
        if self.training:
            self.mean.mul_(0.5).add_(X.mean(dim=0), alpha=0.5)
        return self.third(self.second(self.first(X)) - self.mean)


class Counts(Own):
    """Something else happens after some steps."""

    n_steps = 0

    def forward(self, X):
        self.n_steps += self.training
        return self.third(self.second(self.first(X) * (1 + (self.n_steps > 5))))


class Lists(Own):
    def forward(self, X):
        for layer in [*self.early, *self.late]:
            X = layer(X)
        return X

    def __init__(self):
        super().__init__()
        self.early = nn.ModuleList([self.first, self.second])
        self.late = nn.ModuleList([nn.Linear(4, 4)])


class Stem(nn.Module):
    """Two layers; what the first one gave stays in an attribute."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.seen, self.place = [], None

    def forward(self, X):
        return self.b(self.keep(self.a(X)))

    def keep(self, a):
        self.last = a
        return a


class InAList(Stem):
    def keep(self, a):
        self.seen[:] = [a]
        return a

    @property
    def last(self):
        return self.seen[0]


class InNumpy(Stem):
    def keep(self, a):
        self.array = a.detach().numpy().copy()
        return a

    @property
    def last(self):
        return torch.from_numpy(self.array)


class LooksInside(Own):
    kind = Stem

    def __init__(self):
        super().__init__(self.kind())

    def forward(self, X):
        return self.third(self.second(self.first(X)) + self.first.last)


class LooksInAList(LooksInside):
    kind = InAList


class LooksInNumpy(LooksInside):
    kind = InNumpy


ELSEWHERE = SimpleNamespace()


class Elsewhere(Stem):
    def keep(self, a):
        ELSEWHERE.last = a
        return a

    @property
    def last(self):
        return ELSEWHERE.last


class LooksElsewhere(LooksInside):
    kind = Elsewhere


class Shows(Own):
    """Keeps its maps, for pictures of them."""

    def forward(self, X):
        self.maps = [self.first(X)]
        self.map = self.second(self.maps[0])
        return self.third(self.map)


class Places(Stem):
    def keep(self, a):
        if self.place is None or self.place.shape != a.shape:
            self.place = torch.ones(a.shape).to(a)
        return a + self.place


class FrozenPlaces(Own):
    def __init__(self):
        super().__init__(Places())


class OwnPlaces(Own):
    place = None

    def forward(self, X):
        first = self.first(X)
        if self.place is None or self.place.shape != first.shape:
            self.place = torch.ones(first.shape).to(first)
        return self.third(self.second(first + self.place) + self.place)


class Caps(nn.Module):
    def forward(self, X):
        return X.clamp_(max=3.0)


class InPlace(Own):
    """Another part changes what the first one gave, in rare rows."""

    def __init__(self):
        super().__init__()
        self.caps = Caps()

    def forward(self, X):
        first = self.first(X)
        return self.third(self.second(self.caps(first)) + first)


class View(Own):
    def __init__(self):
        super().__init__()
        self.same = nn.Identity()

    def forward(self, X):
        first = self.first(X)
        same = self.same(first)
        first.clamp_(max=3.0)
        return self.third(self.second(first) + same)


class Appends(nn.Linear):
    def forward(self, X, seen):
        seen.append(super().forward(X))
        return seen[-1]


class InAnArgument(Own):
    def __init__(self):
        super().__init__(Appends(4, 4))

    def forward(self, X):
        seen = []
        return self.third(self.second(self.first(X, seen)) + seen.pop())


class Flag(Stem):
    def forward(self, X):
        a = self.a(X)
        return a, bool(a.abs().max() > 20)


class Flagged(Own):
    def __init__(self):
        super().__init__(Flag())

    def forward(self, X):
        first, is_large = self.first(X)
        second = self.second(first)
        return self.third(-second if is_large else second)


class Sized(Stem):
    def forward(self, X):
        a = self.a(X)
        return a, a.shape[1]


class Sizes(Own):
    def __init__(self):
        super().__init__(Sized())

    def forward(self, X):
        first, size = self.first(X)
        return self.third(self.second(first) / size)


class Scaled(Stem):
    def forward(self, X, scale):
        return scale * self.a(X)


class AnotherArgument(Own):
    def __init__(self):
        super().__init__(Scaled())

    def forward(self, X):
        return self.third(self.second(self.first(X, 1.0 + (X.max() > 50).item())))


class Tries(Own):
    """Takes what has no values for an error of its own, in some batches."""

    def forward(self, X):
        first = self.first(X)
        try:
            shift = 1.0 if X.max() < 50 else float(first.mean())
        except Exception:
            shift = 0.0
        return self.third(self.second(first) + shift)


class LateBranch(Own):
    """A norm learned from a batch before the values turn out to be missing."""

    def forward(self, X):
        first = self.first(X)
        second = self.norm(self.second(first))
        if float(X.abs().max()) > 50:
            second = second + first
        return self.third(functional.dropout(second, 0.2, self.training))


class Checkpoint(Own):
    def rest(self, first):
        return self.third(self.second(torch.relu(first)))

    def forward(self, X):
        return checkpoint(self.rest, self.first(X), use_reentrant=False)


class OfAGate(Own):
    """Its gate learns, and lies beside what does not."""

    def __init__(self):
        super().__init__(nn.Module())
        self.first.layer, self.first.gate = nn.Linear(4, 4), nn.Parameter(torch.ones(4))

    def forward(self, X):
        gate = self.first.gate
        return gate * self.third(self.second(self.first.layer(X) * gate.detach()))


class Asserts(Own):
    def forward(self, X):
        second = self.second(self.first(X))
        assert type(second) is torch.Tensor
        return self.third(second)


class Gradients(Own):
    def forward(self, X):
        second = torch.func.grad(lambda row: torch.tanh(self.second(row)).sum())
        return self.third(torch.vmap(second)(self.first(X)))


def rows(n=24):
    X = np.random.RandomState(0).normal(size=(n, 4)).astype("f4")
    X[n // 2] *= 100  # not on trial
    return X


FIRST, SECOND = ("first", 0), ("second", 0)


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (OfTheBatch, None),
        (Moving, None),
        (MovingLate, None),
        (Counts, None),
        (Lists, [SECOND]),
        (LooksInside, [("first.a", 0), SECOND]),
        (LooksInAList, [("first.a", 0), SECOND]),
        (LooksInNumpy, [("first.a", 0), SECOND]),
        (LooksElsewhere, None),
        (Shows, [FIRST, SECOND]),
        (FrozenPlaces, [("first.a", 0), SECOND]),
        (OwnPlaces, [FIRST, SECOND]),
        (InPlace, [FIRST, SECOND]),
        (View, [FIRST, SECOND]),
        (InAnArgument, [SECOND]),
        (Flagged, [("first.a", 0), SECOND]),
        (Sizes, [SECOND]),
        (AnotherArgument, [SECOND]),
        (Tries, [SECOND]),
        (LateBranch, [SECOND]),
        (Checkpoint, [SECOND]),
        (OfAGate, None),
        (Asserts, None),
        (Gradients, None),
    ],
)
def test_training_is_the_same_as_through_the_whole_network(kind, kept):
    X, y = rows(), np.arange(24) % 3
    trainable = ["third.*", "norm.*", "*late.*", "*gate"]
    present = [name for name, _ in kind().named_parameters()]
    trainable = [t for t in trainable if any(t.strip("*.") in n for n in present)]
    if kind is not LateBranch:
        trainable.remove("norm.*")
    params = {"trainable": trainable, "optimizer": "sgd", "lr": 0.1, "batch_size": 8}
    params |= {"max_epochs": 3, "random_state": 0, "device": "cpu"}
    torch.manual_seed(0)
    backbone = kind()
    cut = FineTunedClassifier(backbone, **params).fit(X, y)
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(backbone, augment=lambda rows: rows, **params).fit(X, y)
    expected = whole.network_.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], rtol=1e-6, atol=1e-5, err_msg=key)
    with torch.no_grad():
        scores = [whole.network_(part) for part in torch.from_numpy(X).split(8)]
    assert_allclose(cut.predict_proba(X), torch.cat(scores).softmax(dim=1), atol=1e-5)
    for part in cut.network_.modules():
        assert not part._forward_hooks
        assert "forward" not in vars(part)
    assert not ModuleState(cut.network_.modules()).missing_now()
    pickle.loads(pickle.dumps(copy.deepcopy(cut)))
    network = build_network(kind(), "linear", 3, torch.from_numpy(X[:2]))
    network.freeze(trainable)
    found = _inner_cut._plan_of(network.train(), torch.from_numpy(X[:2]))
    assert (None if found is None else list(found[0].kept)) == kept
