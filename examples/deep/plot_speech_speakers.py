"""
A voice encoder for speakers, and for digits
============================================

A recurrent network was trained to tell thousands of voices apart. Its features name one
of six speakers by a single word, from five labelled clips each. For the *digit* that is
said, which it learned to ignore, they are no better than statistics of the spectrum.
"""

# %%
# Data and model
# --------------
# The weights come from PyPI (``pip install --no-deps resemblyzer``). A clip is a row of
# mel frames, zero after its end; the state at the last true frame is the embedding.

import copy
import os
from collections import defaultdict
from importlib.util import find_spec
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from sktransfer.deep import FineTunedClassifier, MelSpectrogram, PretrainedFeatures


class VoiceEncoder(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = torch.nn.Linear(256, 256)

    def forward(self, X):
        lengths = (X > 0).any(dim=2).sum(dim=1).clamp(min=1)
        states, _ = self.lstm(X[:, : int(lengths.max())])
        last = states[torch.arange(len(X)), lengths - 1]
        return torch.nn.functional.normalize(self.linear(last).relu(), dim=1)


encoder = VoiceEncoder()
weights = Path(find_spec("resemblyzer").origin).parent / "pretrained.pt"
state = torch.load(weights, "cpu", weights_only=True)["model_state"]
encoder.load_state_dict({name: state[name] for name in encoder.state_dict()})

DATA = Path(os.environ.get("SKTRANSFER_DATA", "../shared/data"))
spoken = dict(np.load(DATA / "free_spoken_digits" / "fsdd_subset.npz"))
speaker, digit, rate = spoken["speaker"], spoken["digit"], int(spoken["sample_rate"])
clips = np.split(spoken["samples"], spoken["offsets"][1:-1])
prepare = MelSpectrogram(16_000, input_rate=rate, loudness=-30.0, max_seconds=0.8)
X = prepare.fit_transform([clip[: int(0.8 * rate)] for clip in clips])

# %%
# Who speaks?
# -----------
# Five labelled clips of each speaker, five draws. The statistics are mean and deviation
# of the log energies of each band.


def statistics(X):
    ended = np.broadcast_to(~X.any(axis=2, keepdims=True), X.shape)
    logs = np.ma.array(np.log(X + 1e-8), mask=ended)
    return np.hstack([logs.mean(axis=1).filled(0), logs.std(axis=1).filled(0)])


def drawn(y, count, seed):
    order = np.random.RandomState(seed).permutation(len(y))
    fit = np.concatenate([order[y[order] == kind][:count] for kind in np.unique(y)])
    return fit, np.setdiff1d(order, fit)


features = {"statistics": FunctionTransformer(statistics)}
features["voice encoder"] = PretrainedFeatures(encoder)
linear = make_pipeline(StandardScaler(), LogisticRegression(C=10, max_iter=5000))
frozen = {name: make_pipeline(each, clone(linear)) for name, each in features.items()}
who, said = defaultdict(list), defaultdict(list)
for seed, (name, model) in product(range(5), frozen.items()):
    fit, test = drawn(speaker, 5, seed)
    who[name].append(model.fit(X[fit], speaker[fit]).score(X[test], speaker[test]))

# %%
# What is said?
# -------------
# Three speakers are the source, and two clips a digit of each other speaker are
# labelled. The encoder is fine-tuned on the source, then a copy on each speaker.

source = np.flatnonzero(speaker < 3)
tuned = FineTunedClassifier(encoder, lr=2e-3, random_state=0, warm_start=True)
tuned.set_params(max_epochs=3).fit(X[source], digit[source])
for other in (3, 4, 5):
    rows = np.flatnonzero(speaker == other)
    fit, test = (rows[each] for each in drawn(digit[rows], 2, seed=0))
    known = np.r_[source, fit]
    models = {name: model.fit(X[known], digit[known]) for name, model in frozen.items()}
    twice = copy.deepcopy(tuned).set_params(max_epochs=12).fit(X[fit], digit[fit])
    models |= {"tuned on the source": tuned, "and on the speaker": twice}
    for name, model in models.items():
        said[name].append(model.score(X[test], digit[test]))

# %%
# What it shows
# -------------
# Frozen features help where the task is the network's own, who speaks. They do not help
# for what is said. Fine-tuned on three speakers the network does not yet understand a
# fourth; with twenty clips of that speaker it is ahead of all others.

tasks = {"who speaks": who, "what is said": said}
figure, axes = plt.subplots(1, 2, figsize=(9.5, 2.4), layout="constrained")
for axis, (task, found) in zip(axes, tasks.items(), strict=True):
    means = {name: np.mean(values) for name, values in found.items()}
    print(task, *(f"{name} {mean:.3f}" for name, mean in means.items()), sep="\n  ")
    axis.bar_label(axis.barh(list(means), means.values()), fmt="%.2f", padding=2)
    axis.set(xlim=(0, 1.1), title=f"accuracy: {task}")
    axis.invert_yaxis()
