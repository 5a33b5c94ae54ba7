"""partial_fit and warm_start: what goes on from where."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch import nn

from sktransfer.deep import FineTunedClassifier, FineTunedRegressor


def draw(n=60, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    y = (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y, np.where(np.arange(n) % 3 == 0, -1, 1)


def module():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU()
        return nn.Sequential(*layers).double()


def state(network):
    return {key: value.clone() for key, value in network.state_dict().items()}


def same(before, after):
    return all(torch.equal(before[key], after[key]) for key in before)


def test_first_partial_fit_is_one_epoch_of_fit():
    X, y, _ = draw()
    params = {"batch_size": 20, "random_state": 0}
    part = FineTunedClassifier(**params).partial_fit(X, y)
    whole = FineTunedClassifier(pretrain_epochs=1, **params).fit(X, y)
    assert_array_equal(part.predict_proba(X), whole.predict_proba(X))
    assert part.n_iter_ == whole.n_iter_ == 1


def test_partial_fit_keeps_frozen_what_is_frozen():
    X, y, domain = draw()
    given = module()
    model = FineTunedClassifier(given, trainable="head", random_state=0, device="cpu")
    for _ in range(3):
        model.partial_fit(X, y)
    assert same(state(given), model.network_.backbone.state_dict())
    # After fit a default backbone, too, has its weights.
    model = FineTunedClassifier(trainable="head", pretrain_epochs=2, max_epochs=2)
    before = state(model.fit(X, y, sample_domain=domain).network_.backbone)
    model.partial_fit(X, y)
    assert same(before, model.network_.backbone.state_dict())
    # Without fit it has none, and learns.
    model = FineTunedClassifier(trainable="head", random_state=0).partial_fit(X, y)
    before = state(model.network_.backbone)
    model.partial_fit(X, y)
    assert not same(before, model.network_.backbone.state_dict())


def test_partial_fit_learns_from_the_labelled_target_rows():
    X, y, domain = draw()
    model = FineTunedClassifier(module(), random_state=0)
    model.partial_fit(X, np.where(domain > 0, 1 - y, y), sample_domain=domain)
    got = model.predict_proba(X)
    model = FineTunedClassifier(module(), random_state=0)
    model.partial_fit(X[domain < 0], y[domain < 0])
    assert_array_equal(got, model.predict_proba(X))


def test_partial_fit_knows_all_classes_from_the_first_call():
    X, _, _ = draw()
    model = FineTunedClassifier(random_state=0)
    model.partial_fit(X[:5], ["a"] * 5, classes=["a", "b", "c"])
    assert_array_equal(model.classes_, ["a", "b", "c"])
    for _ in range(60):
        model.partial_fit(X, np.where(X[:, 0] > 0, "b", "c"))
    assert set(model.predict(X)) == {"b", "c"}
    with pytest.raises(ValueError, match="X has 3 features, but FineTunedClassifier"):
        model.partial_fit(X[:, :3], np.where(X[:, 0] > 0, "b", "c"))


def test_regression_keeps_the_scale_of_the_first_call():
    X, _, _ = draw()
    model = FineTunedRegressor(random_state=0).partial_fit(X, 5.0 * X[:, 0] + 3.0)
    mean, scale = model.y_mean_, model.y_scale_
    model.partial_fit(X, X[:, 0])
    assert (model.y_mean_, model.y_scale_) == (mean, scale)
    for _ in range(150):
        model.partial_fit(X, 5.0 * X[:, 0] + 3.0)
    assert model.score(X, 5.0 * X[:, 0] + 3.0) > 0.95


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_many_epochs_of_partial_fit_are_as_many_of_fit(optimizer):
    """The optimizer remembers its moments from call to call, through pickling too."""
    X, y, _ = draw()
    params = {"batch_size": 500, "optimizer": optimizer, "lr": 0.02, "random_state": 0}
    part = FineTunedClassifier(**params)
    for _ in range(20):
        part = pickle.loads(pickle.dumps(part.partial_fit(X, y)))
    whole = FineTunedClassifier(pretrain_epochs=20, **params).fit(X, y)
    assert_allclose(part.predict_proba(X), whole.predict_proba(X), rtol=1e-9)
    part.set_params(lr=1e-12).partial_fit(X, y)  # a new learning rate counts
    assert_allclose(part.predict_proba(X), whole.predict_proba(X), atol=1e-8)
    part.set_params(optimizer="sgd" if optimizer == "adamw" else "adamw")
    assert np.isfinite(part.partial_fit(X, y).predict_proba(X)).all()


def test_warm_start_goes_on_from_the_present_weights():
    X, y, domain = draw()
    model = FineTunedClassifier(
        pretrain_epochs=5, max_epochs=5, warm_start=True, random_state=0
    ).fit(X, y, sample_domain=domain)
    before = model.predict_proba(X)
    model.set_params(lr=1e-12).fit(X, y, sample_domain=domain)
    assert_allclose(model.predict_proba(X), before, atol=1e-8)
    assert {epoch["phase"] for epoch in model.history_} == {"fine-tune"}
    cold = model.set_params(warm_start=False, lr=0.005)
    assert_array_equal(cold.fit(X, y, sample_domain=domain).predict_proba(X), before)


def test_warm_start_with_another_head():
    X = np.random.RandomState(0).normal(size=(20, 3))
    y = (X[:, 0] > 0).astype(int)
    model = FineTunedClassifier(head=(4,), pretrain_epochs=1, warm_start=True)
    model.fit(X, y).fit(X, y)
    for head in ("linear", (5,), (4, 4)):
        with pytest.raises(ValueError, match=r"of sizes \(4,\), got head"):
            model.set_params(head=head).fit(X, y)
    model.set_params(warm_start=False).fit(X, y)


def test_warm_start_can_unfreeze_gradually():
    X, y, domain = draw()
    given = module()
    model = FineTunedClassifier(
        given, trainable="head", max_epochs=2, warm_start=True, device="cpu"
    )
    model.fit(X, y, sample_domain=domain)
    assert same(state(given), model.network_.backbone.state_dict())
    model.set_params(trainable="all").fit(X, y, sample_domain=domain)
    assert not same(state(given), model.network_.backbone.state_dict())


def test_warm_start_keeps_classes_columns_and_scale():
    X, y, _ = draw()
    model = FineTunedClassifier(pretrain_epochs=2, max_epochs=2, warm_start=True)
    model.fit(X, y)
    model.fit(X[y == 1], y[y == 1])  # fewer classes are no other problem
    assert_array_equal(model.classes_, [0, 1])
    with pytest.raises(ValueError, match="label 2, which is not among the classes"):
        model.fit(X, y + 1)
    with pytest.raises(ValueError, match="X has 3 features"):
        model.fit(X[:, :3], y)
    regressor = FineTunedRegressor(pretrain_epochs=2, warm_start=True).fit(X, X[:, 0])
    before = regressor.predict(X)
    regressor.set_params(lr=1e-12, max_epochs=1).fit(X, 50.0 * X[:, 0] + 9.0)
    assert_allclose(regressor.predict(X), before, atol=1e-8)
