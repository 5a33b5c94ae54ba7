"""Bars and lines over batches: all steps come, and are told of on request alone."""

import numpy as np
import pytest
from torch import nn

from sktransfer.deep import FineTunedClassifier, PretrainedFeatures
from sktransfer.deep import _progress as progress


@pytest.mark.parametrize("has_rich", [True, False])
def test_steps_are_shown_on_request(has_rich, monkeypatch, capsys):
    if not has_rich:
        monkeypatch.setattr(progress, "find_spec", lambda name: None)
    steps = range(0, 40, 2)
    assert list(progress.shown(steps, "Features", verbose=0)) == list(steps)
    assert capsys.readouterr().out == ""
    assert list(progress.shown(steps, "Features", verbose=1)) == list(steps)
    assert "Features" in capsys.readouterr().out


def test_features_show_their_batches(capsys):
    X = np.random.RandomState(7).normal(size=(30, 4))
    quiet = PretrainedFeatures(nn.Linear(4, 3).double()).fit(X)
    loud = PretrainedFeatures(nn.Linear(4, 3).double(), verbose=1, batch_size=8).fit(X)
    quiet.transform(X)
    assert capsys.readouterr().out == ""
    loud.transform(X)
    assert "Features" in capsys.readouterr().out
    model = FineTunedClassifier(
        nn.Linear(4, 3).double(), trainable="head", max_epochs=1
    )
    many = np.tile(X, (40, 1)) + np.arange(1200)[:, None]
    model.set_params(verbose=1).fit(many, np.arange(1200) % 2)
    assert "Features" in capsys.readouterr().out
