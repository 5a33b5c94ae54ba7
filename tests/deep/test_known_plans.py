"""Fits of a search share the trial of a network that is cut inside."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.model_selection import GridSearchCV
from torch import nn

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.frozen._frozen_features import frozen_features
from sktransfer.deep.frozen._inner_cut import cut_inside
from sktransfer.deep.frozen._known_plans import KnownPlans, known_plans
from tests.deep.counting import CountsRows


class Counted(nn.Linear, metaclass=CountsRows):
    """Counts the rows that go through it, in all copies."""


class Own(nn.Module):
    def __init__(self, scale=1.0):
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.first, self.second = Counted(4, 4), nn.Linear(4, 4)
            self.third = nn.Linear(4, 4)
        self.scale = scale

    def forward(self, X):
        first = self.first(X)
        return self.third(self.scale * self.second(first) + first)


class Sorted(Own):
    """By lengths; rows that are all as long stay where they are."""

    def forward(self, X):
        order = (X != 0).sum(dim=1).argsort(stable=True)
        return self.third(self.second(self.first(X[order]))[order.argsort()])


def rows(n=60):
    return np.random.RandomState(0).normal(size=(n, 4)).astype("f4")


def network_of(backbone, trainable=1, X=None):
    X = torch.from_numpy(rows(2)) if X is None else X
    network = build_network(backbone, "linear", 3, X)
    network.freeze(trainable)
    return network.train()


def test_a_search_sends_the_rows_through_the_network_twice_at_most():
    X, y = rows() + 3, np.arange(60) % 3
    model = FineTunedClassifier(Own(), trainable=1, max_epochs=5, random_state=0)
    grid = {"head": ["linear", (8,)], "lr": [0.01, 0.001]}
    Counted.n_rows = 0
    search = GridSearchCV(model, grid, cv=4).fit(X, y)
    search.predict(X)
    # Two rows of each of the 17 fits tell the number of features.
    assert Counted.n_rows <= 2 * 60
    expected = FineTunedClassifier(
        Own(), trainable=1, max_epochs=5, random_state=0, augment=lambda rows: rows
    )
    expected.set_params(**search.best_params_).fit(X, y)
    assert_allclose(search.predict_proba(X), expected.predict_proba(X), atol=1e-4)


def test_the_same_network_has_the_same_key():
    X = torch.from_numpy(rows(2))
    keys = {known_plans.key_of(network_of(Own()), X, 1) for _ in range(3)}
    assert len(keys) == 1


@pytest.mark.parametrize("part", ["first", "second", "third"])
def test_other_weights_are_tried_anew(part):
    X = torch.from_numpy(rows(2))
    one, other = network_of(Own()), network_of(Own())
    with torch.no_grad():
        getattr(other.backbone, part).bias[0] += 1e-3
    assert known_plans.key_of(one, X, 1) != known_plans.key_of(other, X, 1)


def test_other_networks_modes_and_rows_are_tried_anew():
    X = torch.from_numpy(rows(2))
    given = [
        (network_of(Own()), X, 1),
        (network_of(Own()), X, 2),
        (network_of(Own()).eval(), X, 1),
        (network_of(Own(2.0)), X, 1),
        (network_of(Sorted()), X, 1),
        (network_of(Own(), 2), X, 1),
        (network_of(Own(), "all"), X, 1),
        (network_of(Own()), X.double(), 1),
        (network_of(Own()), X[:, None], 1),
    ]
    assert len({known_plans.key_of(*args) for args in given}) == len(given)


def test_another_head_shares_the_plan():
    X = torch.from_numpy(rows(2))
    one = network_of(Own())
    other = build_network(Own(), (7,), 5, X)
    other.freeze(1)
    Counted.n_rows = 0
    cut_inside(one, X)
    assert Counted.n_rows > 0
    Counted.n_rows = 0
    cut = cut_inside(other.train(), X)
    assert Counted.n_rows == 0
    X = torch.from_numpy(rows())
    with torch.no_grad():
        assert_allclose(cut.live(cut.frozen(X), X), other(X), atol=1e-6)


def test_rows_of_more_lengths_are_a_new_trial():
    X, y = rows(24), np.arange(24) % 3
    params = {"trainable": ["third.*"], "max_epochs": 2, "random_state": 0}
    clf = FineTunedClassifier(Sorted(), **params).fit(X, y)
    X[np.arange(24) % 2 == 0, 2:] = 0
    X[np.arange(24) % 3 == 0, 1:] = 0
    with torch.no_grad():
        expected = clf.network_(torch.from_numpy(X)).softmax(dim=1)
    assert_allclose(clf.predict_proba(X), expected, atol=1e-5)


def test_rows_to_stop_by_are_on_trial_too():
    X, more = rows(24), rows(12)
    more[::2, 2:] = 0
    more[::3, 1:] = 0
    network = network_of(Sorted(), ["third.*"])
    live, _ = frozen_features(
        network,
        [X, more],
        device=torch.device("cpu"),
        mixed_precision=False,
        batch_size=8,
        memory=None,
    )
    assert live is None  # what is sorted by lengths cannot be kept


def test_the_number_of_plans_is_bounded_and_the_oldest_go_first():
    plans, made = KnownPlans(most=2), []

    def make(key):
        return lambda: made.append(key) or key

    for key in "abacab":
        assert plans.find(key, make(key)) == key
    assert made == ["a", "b", "c", "b"]
