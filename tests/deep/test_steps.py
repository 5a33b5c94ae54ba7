"""Steps: accumulated batches, clipped gradients, augmentation, memory, Ctrl-C."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from torch import nn

from sktransfer.deep import FineTunedClassifier, FineTunedRegressor
from sktransfer.deep._out_of_memory import explain_out_of_memory


def draw(n=48, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    y = (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y, np.where(np.arange(n) % 2 == 0, -1, 1)


def linear():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Linear(4, 3).double()


@pytest.mark.parametrize(("batch_size", "accumulate"), [(12, 4), (16, 3), (20, 5)])
def test_accumulated_batches_are_one_large_batch(batch_size, accumulate):
    """Also where the last batch is short, and weights are uneven."""
    X, y, _ = draw()
    weight = np.random.RandomState(1).exponential(size=48)
    found = []
    for size, times in ((48, 1), (batch_size, accumulate)):
        model = FineTunedClassifier(
            linear(),
            batch_size=size,
            accumulate=times,
            optimizer="sgd",
            lr=0.5 * (batch_size * accumulate / 48 if times > 1 else 1),
            max_epochs=5,
            random_state=0,
        ).fit(X, y, sample_weight=weight)
        found.append(model.decision_function(X))
    # The nominal batch is the divisor, so a short epoch takes a shorter step.
    assert_allclose(found[1], found[0], atol=1e-8)


def test_the_gradient_is_clipped():
    X, y, _ = draw()
    given = linear()
    kept = FineTunedClassifier(
        given,
        clip_norm=1e-3,
        optimizer="sgd",
        lr=1.0,
        max_epochs=1,
        batch_size=48,
        device="cpu",
    ).fit(X, y)
    moved = sum(
        float((a - b).square().sum().detach())
        for a, b in zip(
            kept.network_.backbone.parameters(), given.parameters(), strict=True
        )
    )
    # One step of at most the norm, shared with the head.
    assert 0 < moved**0.5 <= 1e-3
    free = FineTunedClassifier(given, clip_norm=1e9, max_epochs=2, random_state=0)
    plain = FineTunedClassifier(given, max_epochs=2, random_state=0)
    assert_array_equal(
        free.fit(X, y).predict_proba(X), plain.fit(X, y).predict_proba(X)
    )


def test_augmentation_sees_training_batches_only():
    X, y, domain = draw()
    seen = []

    def jitter(rows):
        seen.append(len(rows))
        return rows + 0.1 * torch.randn_like(rows)

    model = FineTunedClassifier(
        linear(),
        augment=jitter,
        validation_fraction=0.25,
        max_epochs=3,
        batch_size=64,
        random_state=0,
    )
    state = torch.random.get_rng_state()
    proba = model.fit(X, y, sample_domain=domain).predict_proba(X)
    assert torch.equal(state, torch.random.get_rng_state())
    assert seen == [18, 18, 18]  # 24 labelled target rows less a quarter
    again = model.fit(X, y, sample_domain=domain).predict_proba(X)
    assert_array_equal(proba, again)
    order = np.random.RandomState(3).permutation(len(X))
    model.fit(X[order], y[order], sample_domain=domain[order])
    assert_array_equal(proba, model.predict_proba(X))


def test_augmentation_that_does_nothing_changes_nothing():
    X, y, _ = draw()
    plain = FineTunedClassifier(linear(), trainable="head", random_state=0).fit(X, y)
    model = FineTunedClassifier(
        linear(), trainable="head", augment=lambda rows: rows, random_state=0
    ).fit(X, y)
    # The backbone is passed in every epoch, with the same result.
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-12)


def test_bad_augmentations():
    X, y, _ = draw()
    with pytest.raises(TypeError, match="`augment` must be None or a function"):
        FineTunedClassifier(augment="flip").fit(X, y)
    with pytest.raises(ValueError, match="as many rows as it gets"):
        FineTunedClassifier(augment=lambda rows: rows[:-1]).fit(X, y)
    with pytest.raises(ValueError, match="got ndarray for"):
        FineTunedClassifier(augment=lambda rows: rows.numpy()).fit(X, y)


class Interrupt:
    """Presses Ctrl-C after some epochs."""

    def __init__(self, after):
        self.after = after

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        self.after -= 1
        if self.after == 0:
            raise KeyboardInterrupt


def test_interrupted_training_leaves_nothing():
    X, y, _ = draw()
    model = FineTunedClassifier(pretrain_epochs=9).set_callbacks(Interrupt(3))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)
    assert not hasattr(model, "network_")


def test_interrupted_training_keeps_the_weights_on_request():
    X, y, _ = draw()
    model = FineTunedClassifier(pretrain_epochs=9, on_interrupt="keep", random_state=0)
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(Interrupt(3)).fit(X, y)
    assert model.n_iter_ == len(model.history_) == 3
    assert not model.network_.training
    whole = FineTunedClassifier(pretrain_epochs=3, random_state=0).fit(X, y)
    assert_array_equal(model.predict_proba(X), whole.predict_proba(X))


def test_interrupted_warm_start_goes_back():
    X, y, _ = draw()
    model = FineTunedClassifier(pretrain_epochs=3, warm_start=True, random_state=0)
    before = model.fit(X, y).predict_proba(X)
    with pytest.raises(KeyboardInterrupt):
        model.set_callbacks(Interrupt(2)).fit(X, y)
    assert_array_equal(model.predict_proba(X), before)
    assert model.n_iter_ == len(model.history_) == 3


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
    ],
)
def test_out_of_memory_says_which_batch_size_to_try(error):
    class Greedy(nn.Module):
        def __init__(self, most=2):
            super().__init__()
            self.linear, self.most = nn.Linear(4, 2).double(), most

        def forward(self, X):
            if len(X) > self.most:
                raise error
            return self.linear(X)

    X, y, _ = draw()
    match = r"A batch of 16 rows .* Try batch_size=8"
    with pytest.raises(MemoryError, match=f"{match}; trainable='head' needs no"):
        FineTunedClassifier(Greedy(), batch_size=16).fit(X, y)
    with pytest.raises(MemoryError, match=rf"{match}\.$"):
        FineTunedClassifier(Greedy(), batch_size=16, trainable="head").fit(X, y)
    with pytest.raises(MemoryError, match=r"A row does not fit .* a smaller backbone"):
        FineTunedClassifier(Greedy(0)).fit(X, y)
    with (
        pytest.raises(MemoryError, match="smaller backbone"),
        explain_out_of_memory(1, "cpu"),
    ):
        raise error
    with (
        pytest.raises(RuntimeError, match="shapes"),
        explain_out_of_memory(8, "cpu"),
    ):
        raise RuntimeError("shapes do not fit")


def test_label_smoothing_formula():
    X, y, _ = draw()
    model = FineTunedClassifier(
        linear(), label_smoothing=0.3, max_epochs=1, lr=1e-12, random_state=0
    ).fit(X, y)
    log_proba = model.predict_log_proba(X)
    smooth = 0.7 * np.eye(2)[y] + 0.15
    expected = -(smooth * log_proba).sum(axis=1).mean()
    assert_allclose(model.history_[0]["train_loss"], expected, rtol=1e-6)


def test_whole_numbers_reach_a_backbone_that_looks_them_up():
    """Token ids stay integers for an embedding; for other backbones they are floats."""
    rng = np.random.RandomState(0)
    X = rng.randint(0, 20, size=(60, 5))
    y = (X[:, 0] > 9).astype(int)

    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(20, 8)

        def forward(self, X):
            return self.embedding(X).flatten(1)

    for trainable in ("all", "head"):
        model = FineTunedClassifier(
            Words(), trainable=trainable, max_epochs=60, lr=0.02, random_state=0
        ).fit(X, y)
        assert model.input_dtype_ == "int64"
        assert model.score(X, y) > 0.9
    model = FineTunedClassifier(lambda: nn.Linear(5, 4), max_epochs=1).fit(X, y)
    assert model.input_dtype_ == "float64"


def test_several_labels_a_row():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 4))
    Y = np.c_[X[:, 0] > 0, X[:, 1] > 0.5, X[:, 2] + X[:, 3] > 0].astype(int)
    model = FineTunedClassifier(pretrain_epochs=200, lr=0.01, random_state=0).fit(X, Y)
    proba = model.predict_proba(X)
    assert model.multilabel_
    assert_array_equal(model.classes_, [0, 1, 2])
    assert_array_equal(model.predict(X), proba > 0.5)
    assert_allclose(proba, np.exp(model.predict_log_proba(X)))
    assert_allclose(proba, expit(model.decision_function(X)))
    assert model.score(X, Y) > 0.9
    # The loss is the mean over rows and labels, by hand.
    still = FineTunedClassifier(linear(), max_epochs=1, lr=1e-12).fit(X, Y)
    margins = still.decision_function(X) * (2 * Y - 1)
    expected = np.logaddexp(0, -margins).mean()
    assert_allclose(still.history_[0]["train_loss"], expected, rtol=1e-6)
    # Unlabelled target rows teach nothing; two labels are no pair of classes.
    marked = Y.copy()
    marked[150:] = -1
    domain = np.where(np.arange(200) < 100, 1, -1)
    part = model.fit(X, marked, sample_domain=domain).predict_proba(X)
    few = FineTunedClassifier(pretrain_epochs=200, lr=0.01, random_state=0)
    few.fit(X[:150], Y[:150], sample_domain=domain[:150])
    assert_array_equal(part, few.predict_proba(X))
    with pytest.raises(ValueError, match="must hold 0 or 1"):
        model.fit(X, 2 * Y)
    with pytest.raises(ValueError, match="`class_weight` weighs rows by their one"):
        FineTunedClassifier(class_weight="balanced").fit(X, Y)


def test_names_are_no_values():
    X, y, _ = draw()
    with pytest.raises(ValueError, match=r"must hold numbers, got '[ny].*Classifier"):
        FineTunedRegressor().fit(X, np.array(["no", "yes"])[y])


def test_several_outputs_are_regressed_together():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(80, 3))
    Y = np.c_[10 + X[:, 0], 5 * X[:, 1]]
    model = FineTunedRegressor(pretrain_epochs=200, random_state=0).fit(X, Y)
    assert model.predict(X).shape == (80, 2)
    assert model.score(X, Y) > 0.95
    # The same column twice is learned like one.
    twice = FineTunedRegressor(head="linear", pretrain_epochs=5, random_state=0)
    assert twice.fit(X, np.c_[Y[:, 0], Y[:, 0]]).y_mean_.shape == (2,)
