"""
A voice encoder for speakers, and for digits
============================================

A recurrent network was trained to tell thousands of voices apart. Here it meets six
speakers who say digits. Its features name the speaker from one word and five labelled
clips each; for the *digit* that is said, which it learned to ignore, they are no better
than plain statistics of the spectrum.
"""

# %%
# Data and model
# --------------
# The weights come from PyPI (``pip install --no-deps resemblyzer``); the package itself
# is not imported. A clip is a row of mel frames; the frames after its end are zero, and
# the state at the last true frame is the embedding.

import os
import warnings
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from torch import nn

from sktransfer import FineTunedClassifier, PretrainedFeatures
from sktransfer.deep import MelSpectrogram
from sktransfer.exceptions import TruncationWarning

DATA = Path(os.environ.get("SKTRANSFER_DATA", "../shared/data"))


class VoiceEncoder(nn.Module):
    """Three recurrent layers and a projection to the unit sphere."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, X):
        lengths = (X > 0).any(dim=2).sum(dim=1).clamp(min=1)
        states, _ = self.lstm(X[:, : int(lengths.max())])
        last = states[torch.arange(len(X)), lengths - 1]
        return nn.functional.normalize(torch.relu(self.linear(last)), dim=1)


def pretrained():
    folder = Path(find_spec("resemblyzer").origin).parent
    state = torch.load(folder / "pretrained.pt", "cpu", weights_only=True)
    state = state["model_state"]
    encoder = VoiceEncoder()
    encoder.load_state_dict(
        {k: v for k, v in state.items() if k.startswith(("lstm", "linear"))}
    )
    return encoder


with np.load(DATA / "free_spoken_digits" / "fsdd_subset.npz") as file:
    samples, offsets = file["samples"], file["offsets"]
    speaker, digit, rate = file["speaker"], file["digit"], int(file["sample_rate"])
clips = [samples[start:stop] for start, stop in pairwise(offsets)]
# A word takes less than a second; some recordings end in silence.
warnings.simplefilter("ignore", TruncationWarning)
prepare = MelSpectrogram(16_000, input_rate=rate, loudness=-30.0, max_seconds=0.8)
X = prepare.fit_transform(clips)
print(f"{len(X)} clips as {X.shape[1]} frames of {X.shape[2]} mel bands")


def statistics(X):
    """Mean and deviation of the log energies of each band, over the true frames."""
    true = (X > 0).any(axis=2, keepdims=True)
    logs, n = np.log(X + 1e-8), true.sum(axis=1)
    mean = (logs * true).sum(axis=1) / n
    spread = (np.square(logs - mean[:, None]) * true).sum(axis=1) / n
    return np.hstack([mean, np.sqrt(spread)])


# %%
# Who speaks?
# -----------
# Five labelled clips of each of the six speakers, five draws.

LINEAR = {"C": 10, "max_iter": 5000}
FEATURES = {
    "log-mel statistics": lambda: make_pipeline(
        FunctionTransformer(statistics), StandardScaler(), LogisticRegression(**LINEAR)
    ),
    "untrained network": lambda: make_pipeline(
        PretrainedFeatures(untrained), StandardScaler(), LogisticRegression(**LINEAR)
    ),
    "voice encoder": lambda: make_pipeline(
        PretrainedFeatures(encoder), StandardScaler(), LogisticRegression(**LINEAR)
    ),
}
encoder = pretrained()
with torch.random.fork_rng(devices=[]):
    torch.manual_seed(0)
    untrained = VoiceEncoder()


def drawn(y, count, seed):
    """Return so many rows of each class, and the other rows."""
    rng = np.random.RandomState(seed)
    rows = [rng.choice(np.flatnonzero(y == c), count, False) for c in np.unique(y)]
    fit = np.concatenate(rows)
    return fit, np.setdiff1d(np.arange(len(y)), fit)


who = {name: [] for name in FEATURES}
for seed in range(5):
    fit, test = drawn(speaker, 5, seed)
    for name, make in FEATURES.items():
        model = make().fit(X[fit], speaker[fit])
        who[name].append(accuracy_score(speaker[test], model.predict(X[test])))
for name, values in who.items():
    print(f"speaker  {name:20s} {np.mean(values):.3f} +- {np.std(values):.3f}")

# %%
# What is said?
# -------------
# Three speakers are the source; of each other speaker two clips of each digit are
# labelled.

source = np.isin(speaker, (0, 1, 2))
said = {name: [] for name in [*FEATURES, "fine-tuned encoder"]}
for other in (3, 4, 5):
    of_other = np.flatnonzero(speaker == other)
    fit, test = (of_other[rows] for rows in drawn(digit[of_other], 2, seed=0))
    known = np.r_[np.flatnonzero(source), fit]
    for name, make in FEATURES.items():
        model = make().fit(X[known], digit[known])
        said[name].append(accuracy_score(digit[test], model.predict(X[test])))
    domain = np.where(np.isin(known, fit), "target", "source")
    model = FineTunedClassifier(
        encoder, pretrain=True, pretrain_epochs=3, max_epochs=12, lr=2e-3,
        random_state=0,
    ).fit(X[known], digit[known], sample_domain=domain)  # fmt: skip
    said["fine-tuned encoder"].append(
        accuracy_score(digit[test], model.predict(X[test]))
    )
for name, values in said.items():
    print(f"digit    {name:20s} {np.mean(values):.3f}")

# %%
# What it shows
# -------------
# For speakers the pretrained network is far ahead of its untrained twin and of plain
# statistics. For digits its frozen features are a bad start: it was trained to give the
# same answer whatever is said. Fine-tuned on the source's digits it comes back.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.4), width_ratios=[1.2, 1, 1])
row = int(np.flatnonzero(digit == 7)[0])
axes[0].imshow(np.log(X[row] + 1e-8).T, origin="lower", aspect="auto", cmap="magma")
axes[0].set(title="the word seven", xlabel="frame", ylabel="mel band")
for axis, (task, found) in zip(
    axes[1:], (("speaker", who), ("digit", said)), strict=True
):
    values = [np.mean(each) for each in found.values()]
    bars = axis.barh(list(found), values, color="tab:blue")
    axis.bar_label(bars, [f"{value:.2f}" for value in values], padding=2)
    axis.set(xlim=(0, 1.1), title=f"accuracy: {task}")
    axis.invert_yaxis()
    axis.spines[["top", "right"]].set_visible(False)
figure.tight_layout()
