"""What every fine-tuning regulariser promises."""

import copy
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, ParameterGrid
from torch import nn

from sktransfer.deep import (
    BSS,
    DELTA,
    L2SP,
    LWF,
    BiTuning,
    CoTuning,
    FineTunedClassifier,
    StochNorm,
)
from sktransfer.deep.regularizers._regularizer import Term
from tests.deep.plain_loop import (
    batch_of,
    images,
    network_of,
    rows_of,
    small_cnn,
    train_plainly,
)

ALL = [
    L2SP(),
    BSS(),
    DELTA(),
    DELTA(attention="gradient"),
    LWF(),
    CoTuning(),
    CoTuning(relationship="reverse"),
    StochNorm(),
    BiTuning(),
]
OFF = [
    L2SP(0.0, head_strength=0.0),
    BSS(0.0),
    DELTA(0.0),
    LWF(0.0),
    CoTuning(0.0),
    StochNorm(0.0),
    BiTuning(0.0),
]
every = pytest.mark.parametrize("regularizer", ALL, ids=str)


def dropped():
    return small_cnn(drop=0.3)


def started(regularizer, network, X, y, has_source_head=True):
    return regularizer.start(
        network, rows_of(X, y), device="cpu", has_source_head=has_source_head
    )


@every
def test_parameters_can_be_searched(regularizer):
    same = clone(regularizer)
    assert repr(same) == repr(regularizer)
    assert same.get_params() == regularizer.get_params()
    for candidate in ParameterGrid({"strength": [0.5]}):
        if "strength" in same.get_params():
            assert same.set_params(**candidate).strength == 0.5
    assert pickle.loads(pickle.dumps(regularizer)).get_params()


@pytest.mark.parametrize("regularizer", OFF, ids=str)
@pytest.mark.parametrize("backbone", [small_cnn, dropped])
def test_switched_off_it_is_plain_training(regularizer, backbone):
    X, y = images()
    plain, drawn = train_plainly(network_of(backbone), X, y)
    # Nothing to act on is no error where nothing is asked for.
    with_term, drawn_too = train_plainly(
        network_of(backbone), X, y, regularizer, has_source_head=False
    )
    assert all(torch.equal(plain[key], with_term[key]) for key in plain)
    assert torch.equal(drawn, drawn_too)
    regularizer.start(
        network_of(trainable="head"), rows_of(X, y), device="cpu", has_source_head=False
    )


@every
def test_training_with_it_is_deterministic_and_differs(regularizer):
    X, y = images()
    plain, _ = train_plainly(network_of(dropped), X, y)
    first, _ = train_plainly(network_of(dropped), X, y, regularizer)
    second, _ = train_plainly(network_of(dropped), X, y, regularizer)
    assert list(first) == list(plain)
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not all(torch.equal(first[key], plain[key]) for key in plain)
    assert all(torch.isfinite(value).all() for value in first.values())


@every
def test_the_order_of_rows_changes_nothing(regularizer):
    X, y = images(9)
    weight = np.linspace(0.5, 1.5, 9)
    order = np.random.RandomState(0).permutation(9)
    values = []
    for rows in (np.arange(9), order):
        network = network_of()
        torch.manual_seed(0)
        term = started(regularizer, network, X, y)
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.mul_(1.05)
        torch.manual_seed(1)
        for _ in range(2):  # the second time, the queue of Bi-Tuning is filled
            batch = batch_of(network, X[rows], y[rows], weight[rows])
            value = term(batch)
        values.append(float(value.detach()))
        term.finish()
    assert_allclose(*values, rtol=1e-9)


@every
@pytest.mark.parametrize("n_rows", [1, 2])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_smallest_batches(regularizer, n_rows, dtype):
    X, y = images()
    X = X.astype(dtype)
    network = network_of().to(torch.from_numpy(X).dtype)
    term = started(regularizer, network, X, y)
    for start in range(3):
        batch = batch_of(
            network, X[start : start + n_rows], y[:n_rows], np.ones(n_rows, dtype)
        )
        value = term(batch)
        assert value.shape == ()
        assert torch.isfinite(value)
        loss = batch.outputs.square().sum() + value
        network.zero_grad()
        loss.backward()
        for parameter in network.parameters():
            assert torch.isfinite(parameter.grad).all()
    assert all(p.dtype == network.head.weight.dtype for p in term.parameters())
    term.finish()


@every
def test_nothing_is_left_behind(regularizer):
    X, y = images()
    network, untouched = network_of(), network_of()
    state, X_before = copy.deepcopy(network.state_dict()), X.copy()
    drawn = np.random.get_state()[1].copy()  # noqa: NPY002
    term = started(regularizer, network, X, y)
    assert all(module.training for module in network.modules())
    assert list(network.state_dict()) == list(state)
    assert all(torch.equal(network.state_dict()[key], state[key]) for key in state)
    assert all(p.requires_grad for p in network.parameters())
    own = {id(p) for p in term.parameters()}
    assert not own & {id(p) for p in network.parameters()}
    term.train()
    term(batch_of(network, X, y))
    term.finish()
    term.finish()
    for module, other in zip(network.modules(), untouched.modules(), strict=True):
        assert type(module) is type(other)
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert vars(module).keys() == vars(other).keys()
    assert np.array_equal(X, X_before)
    assert np.array_equal(np.random.get_state()[1], drawn)  # noqa: NPY002


@every
def test_copies_of_the_network_in_the_phase(regularizer):
    # Callbacks may copy or pickle it; what they hold must be plain afterwards.
    X, y = images()
    network = network_of()
    term = started(regularizer, network, X, y)
    term(batch_of(network, X, y))
    copies = [copy.deepcopy(network), pickle.loads(pickle.dumps(network))]
    term.finish()
    plain = network_of()
    for each in copies:
        plain.load_state_dict(each.state_dict())
        torch.manual_seed(0)
        expected = plain.train()(torch.from_numpy(X))
        assert torch.equal(each.train()(torch.from_numpy(X)), expected)


@every
def test_weights_of_rows(regularizer):
    if isinstance(regularizer, L2SP | BSS | StochNorm):
        return  # no mean over rows
    X, y = images(6)
    network = network_of().eval()
    torch.manual_seed(0)
    term = started(regularizer, network, X, y)
    with torch.no_grad():
        term(batch_of(network, X, y))  # fills the queue of Bi-Tuning
        term.eval()
        for parameter in network.parameters():
            parameter.mul_(1.1)
        alone = [float(term(batch_of(network, X[[i]], y[[i]]))) for i in range(len(X))]
        weight = np.array([0.0, 2.0, 1.0, 1.5, 0.5, 1.0])
        together = float(term(batch_of(network, X, y, weight)))
    assert_allclose(together, np.mean(weight * np.array(alone)), rtol=1e-9)
    assert together != 0
    term.finish()


@pytest.mark.parametrize("trainable", ["head"])
@every
def test_without_anything_to_act_on(regularizer, trainable):
    X, y = images()
    with pytest.raises(ValueError, match="leave `regularizer` None"):
        started(regularizer, network_of(trainable=trainable), X, y)


@every
def test_frozen_blocks(regularizer):
    X, y = images()
    network = network_of(trainable=2)
    before = copy.deepcopy(network.state_dict())
    after, _ = train_plainly(network, X, y, regularizer)
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert not any(key.startswith(("backbone.0", "backbone.1")) for key in changed)
    assert any(key.startswith("backbone.4") for key in changed)


def test_the_plain_term_adds_nothing():
    X, y = images()
    network, term = network_of(), Term()
    assert float(term(batch_of(network, X, y))) == 0
    term.finish()


@pytest.mark.parametrize(
    ("regularizer", "sentence"),
    [
        (L2SP(-1), r"`strength` must be a finite number in \[0, inf\), got -1"),
        (L2SP(head_strength=None), "`head_strength` must be a finite number"),
        (BSS("a"), "`strength` must be a finite number"),
        (BSS(n_singular_values=0), "`n_singular_values` must be an integer in"),
        (DELTA(-0.1), "`strength` must be a finite number"),
        (DELTA(attention=True), "`attention` must be one of 'ablation', 'gradient', N"),
        (DELTA(layers="4"), "`layers` must be None or a list of names"),
        (DELTA(channel_axis=1.5), "`channel_axis` must be an integer or 'auto'"),
        (DELTA(n_attention_rows=0), "`n_attention_rows` must be an integer"),
        (LWF(temperature=0), r"`temperature` must be a finite number in \(0, inf\)"),
        (CoTuning(relationship="both"), "`relationship` must be one of 'direct', 'rev"),
        (CoTuning(temperature=-1), "`temperature` must be a finite number"),
        (StochNorm(1.5), r"`probability` must be a finite number in \[0, 1\], got 1.5"),
        (BiTuning(queue_size=0), "`queue_size` must be an integer"),
        (BiTuning(momentum=1.1), "`momentum` must be a finite number"),
        (BiTuning(projection_size=0), "`projection_size` must be an integer"),
    ],
    ids=str,
)
def test_parameters_are_checked_at_the_start(regularizer, sentence):
    X, y = images()
    with pytest.raises(ValueError, match=sentence):
        started(regularizer, network_of(), X, y)


@pytest.mark.parametrize("regularizer", [CoTuning(), BiTuning()], ids=str)
def test_class_labels_are_needed(regularizer):
    X, y = images()
    for other in (y.astype(float), np.eye(3)[y]):
        with pytest.raises(ValueError, match="needs one class label for each row"):
            started(regularizer, network_of(), X, other)


@pytest.mark.parametrize("regularizer", [LWF(), CoTuning()], ids=str)
def test_the_classifier_of_the_source(regularizer):
    X, y = images()
    with pytest.raises(ValueError, match="the head of this network is new"):
        started(regularizer, network_of(), X, y, has_source_head=False)
    for given, error, sentence in (
        ("linear", TypeError, "`source_head` must be None or a torch.nn.Module"),
        (nn.Linear(5, 3), ValueError, "cannot take the 6 features of the backbone"),
        (nn.Linear(6, 1), ValueError, "scores of at least two source classes"),
    ):
        model = clone(regularizer).set_params(source_head=given)
        with pytest.raises(error, match=sentence):
            started(model, network_of(), X, y, has_source_head=False)
    given = nn.Linear(6, 5)  # float32, as pretrained ones are
    before = copy.deepcopy(given.state_dict())
    model = clone(regularizer).set_params(source_head=given)
    train_plainly(network_of(), X, y, model, has_source_head=False)
    assert all(torch.equal(given.state_dict()[key], before[key]) for key in before)


def test_a_source_of_values_has_no_classes():
    X, y = images()
    with pytest.raises(ValueError, match="LWF needs a source that was trained on clas"):
        started(LWF(), network_of(), X, y.astype(float))


def fitted(**settings):
    """Return the probabilities of a classifier that was fine-tuned."""
    X, y = images(40, n_classes=2)
    model = FineTunedClassifier(
        lambda: small_cnn(drop=0.2),
        max_epochs=3,
        pretrain_epochs=2,
        batch_size=8,
        device="cpu",
        random_state=0,
        **settings,
    )
    model.fit(X, y, sample_domain=np.where(np.arange(40) < 20, 1, -1))
    modules = model.network_.modules()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in modules)
    return model.predict_proba(X)


def test_switched_off_in_the_classifier():
    plain = fitted()
    for regularizer in OFF:
        assert np.array_equal(fitted(regularizer=regularizer), plain)


@every
def test_in_the_classifier(regularizer):
    assert np.abs(fitted(regularizer=regularizer) - fitted()).max() > 1e-7


def test_l2_sp_is_the_parameter_of_that_name():
    given = fitted(regularizer=L2SP(0.5, head_strength=0.0))
    assert_allclose(given, fitted(l2_sp=0.5), rtol=1e-12)


def test_search():
    X, y = images(20, n_classes=2)
    model = FineTunedClassifier(max_epochs=1, device="cpu", regularizer=BSS())
    search = GridSearchCV(model, {"regularizer__strength": [0.0, 0.5]}, cv=2)
    search.fit(X.reshape(20, -1), y)
    assert search.best_estimator_.regularizer.strength in (0.0, 0.5)
