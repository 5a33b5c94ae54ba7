"""How training ends: out of patience, by a callback, by the user, by divergence."""

import io
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.callback import ScoringMonitor
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sktransfer.deep import FineTunedClassifier


def draw(n=120, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    y = (X[:, 0] + 0.5 * rng.normal(size=n) > 0).astype(int)
    return X, y, np.where(np.arange(n) % 2 == 0, -1, 1)


class Recorder:
    """Counts tasks, and stops the training after `stop_after` epochs."""

    def __init__(self, stop_after=None, error=None):
        self.begun, self.ended = [], []
        self.stop_after, self.error = stop_after, error

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append(context.task_name)

    def on_fit_task_end(self, estimator, context):
        self.ended.append(context.task_name)
        epochs = len([name for name in self.ended if name.endswith("epoch")])
        if self.error is not None and epochs == 2:
            raise self.error
        return self.stop_after is not None and epochs >= self.stop_after


@pytest.mark.parametrize("batch_size", [7, 64])
def test_best_weights_are_restored(monkeypatch, batch_size):
    """The loss of the restored weights on the rows set aside is the recorded one."""
    X, y, domain = draw()
    kept = {}
    split = FineTunedClassifier._split

    def spy(self, rows, is_target, seed):
        kept["train"], kept["valid"] = split(self, rows, is_target, seed)
        return kept["train"], kept["valid"]

    monkeypatch.setattr(FineTunedClassifier, "_split", spy)
    model = FineTunedClassifier(
        nn.Sequential(nn.Linear(4, 32), nn.ReLU()).double(),
        validation_fraction=0.3,
        batch_size=batch_size,
        source_weight=0.5,
        max_epochs=60,
        patience=60,
        lr=0.05,
        random_state=0,
    ).fit(X, y, sample_domain=domain)
    losses = [epoch["valid_loss"] for epoch in model.history_]
    assert len(losses) == 60
    valid = kept["valid"]
    proba = model.predict_proba(valid.X)[np.arange(len(valid.y)), valid.y]
    assert_allclose(-np.log(proba).mean(), min(losses), rtol=1e-3)
    assert min(losses) < 0.9 * losses[-1]
    # Only target rows are set aside, in the right number, and none is trained on.
    target_rows = {tuple(row) for row in X[domain < 0]}
    held = {tuple(row) for row in valid.X}
    assert held <= target_rows
    assert len(held) == round(0.3 * len(target_rows))
    assert not held & {tuple(row) for row in kept["train"].X}


def test_patience_counts_epochs_without_progress():
    X, y, domain = draw()
    model = FineTunedClassifier(
        validation_fraction=0.3, patience=4, max_epochs=300, lr=0.05, random_state=0
    ).fit(X, y, sample_domain=domain)
    epochs = [e for e in model.history_ if e["phase"] == "fine-tune"]
    losses = [e["valid_loss"] for e in epochs]
    assert len(losses) == np.argmin(losses) + 1 + 4
    assert model.n_iter_ == len(model.history_) == 50 + len(epochs)
    # The first phase sets nothing aside when a second one follows.
    assert "valid_loss" not in model.history_[0]


def test_a_single_phase_stops_early_too():
    X, y, _ = draw()
    model = FineTunedClassifier(
        validation_fraction=0.3, patience=4, pretrain_epochs=300, lr=0.05
    ).fit(X, y)
    assert {epoch["phase"] for epoch in model.history_} == {"pretrain"}
    assert len(model.history_) < 300


def test_callbacks_see_every_epoch():
    X, y, domain = draw()
    recorder = Recorder()
    model = FineTunedClassifier(pretrain_epochs=2, max_epochs=3)
    model.set_callbacks(recorder).fit(X, y, sample_domain=domain)
    expected = ["pretrain-epoch"] * 2 + ["fine-tune-epoch"] * 3
    assert recorder.begun == ["fit", *expected]
    assert recorder.ended == [*expected, "fit"]


def test_a_callback_ends_the_phase():
    X, y, _ = draw()
    recorder = Recorder(stop_after=3)
    model = FineTunedClassifier(max_epochs=20).set_callbacks(recorder).fit(X, y)
    assert model.n_iter_ == 3
    assert sorted(recorder.begun) == sorted(recorder.ended)
    assert model.predict(X).shape == y.shape


def test_stopping_early_still_closes_the_last_task():
    X, y, _ = draw()
    recorder = Recorder()
    FineTunedClassifier(validation_fraction=0.3, patience=2, lr=0.1).set_callbacks(
        recorder
    ).fit(X, y)
    assert sorted(recorder.begun) == sorted(recorder.ended)


def test_callbacks_through_a_pipeline():
    X, y, _ = draw()
    recorder = Recorder()
    model = make_pipeline(StandardScaler(), FineTunedClassifier(pretrain_epochs=2))
    model[-1].set_callbacks(recorder)
    model.fit(X, y)
    assert recorder.begun.count("pretrain-epoch") == 2


def test_scores_after_each_epoch():
    """scikit-learn's own callback scores the network as it is after each epoch."""
    X, y, _ = draw()
    names = np.array(["no", "yes"])[y]
    monitor = ScoringMonitor(scoring="neg_log_loss")
    model = FineTunedClassifier(pretrain_epochs=3, batch_size=500, random_state=0)
    model.set_callbacks(monitor).fit(X, names)
    scores = monitor.get_logs().data_as_pandas["neg_log_loss"].to_numpy()
    whole, epochs = scores[0], scores[1:]
    # The loss recorded for an epoch is that of the weights with which it began.
    losses = [epoch["train_loss"] for epoch in model.history_]
    assert_allclose(-epochs[:2], losses[1:], rtol=1e-6)
    final = log_loss(names, model.predict_proba(X))
    assert_allclose([-epochs[2], -whole], final, rtol=1e-6)


def test_the_users_interrupt_is_not_swallowed():
    X, y, _ = draw()
    model = FineTunedClassifier(pretrain_epochs=5)
    model.set_callbacks(Recorder(error=KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, y)


def test_divergence_is_an_error():
    X, y, _ = draw()
    model = FineTunedClassifier(optimizer="sgd", lr=1e200)
    with pytest.raises(ValueError, match=r"Training diverged: the loss is (nan|inf)"):
        model.fit(1e150 * X, y)


def test_verbose_prints_a_line_for_each_epoch():
    X, y, _ = draw()
    for verbose, lines in ((0, 0), (1, 3)):
        output = io.StringIO()
        with redirect_stdout(output):
            FineTunedClassifier(pretrain_epochs=3, verbose=verbose).fit(X, y)
        printed = [line.split() for line in output.getvalue().splitlines()]
        epochs = [words[0] for words in printed if words and words[0].isdigit()]
        assert epochs == [str(i + 1) for i in range(lines)]


def test_torch_threads_and_types_are_left_alone():
    X, y, _ = draw()
    before = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    FineTunedClassifier(pretrain_epochs=1).fit(X, y).predict(X)
    after = torch.get_num_threads(), torch.get_default_dtype(), torch.is_grad_enabled()
    assert before == after
