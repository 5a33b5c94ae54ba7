"""
What fine-tuning means: what is kept, what is forgotten
=======================================================

A network knows a source; of the target there are four labelled rows of each class. It
can be used as it is, thrown away, or trained further: its head, all of it, or all of it
on a leash. In the plane each answer can be seen, and what it costs on the source.
"""

# %%
# Data
# ----
# Two moons. The target's are turned, as if a sensor had been mounted at another angle.

import copy

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from sklearn.datasets import make_moons

from sktransfer.deep import L2SP, FineTunedClassifier


def moons(n, degrees, seed):
    X, y = make_moons(n, noise=0.12, random_state=seed)
    cos, sin = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    return (X - [0.5, 0.25]) @ [[cos, sin], [-sin, cos]], y


def labelled(y, seed):
    order = np.random.RandomState(seed).permutation(len(y))
    return np.concatenate([order[y[order] == kind][:4] for kind in (0, 1)])


# %%
# Five networks
# -------------
# All have two hidden layers of 64 units. With ``warm_start`` a call of ``fit`` goes on
# from the weights of the source; copies of one network do so in different ways.

X_source, y_source = moons(400, 0, seed=0)
settings = {"lr": 0.01, "pretrain_epochs": 60, "max_epochs": 60, "random_state": 0}
source = FineTunedClassifier(warm_start=True, **settings).fit(X_source, y_source)


def tuned(X, y, **how):
    return copy.deepcopy(source).set_params(**how).fit(X, y)


NETWORKS = {
    "source alone": lambda X, y: source,
    "target alone": lambda X, y: FineTunedClassifier(**settings).fit(X, y),
    "head alone": lambda X, y: tuned(X, y, trainable="head"),
    "fine-tuned": tuned,
    "fine-tuned, L2SP": lambda X, y: tuned(X, y, regularizer=L2SP(0.1)),
}

# %%
# A turn by 40 degrees
# --------------------
# Dots are source rows, triangles target rows, the filled ones labelled. The line is
# where the two classes are as likely.

X, y = moons(400, 40, seed=1)
rows = labelled(y, seed=3)
colors = LinearSegmentedColormap.from_list("", ["#0072B2", "white", "#D55E00"])
rims = colors(y[::4].astype(float))
steps = np.linspace(-1.8, 1.8, 120)
grid = np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
figure, axes = plt.subplots(1, 5, figsize=(15, 3.7), layout="constrained")
plt.setp(axes, xticks=[], yticks=[], aspect="equal")
for axis, (name, learn) in zip(axes, NETWORKS.items(), strict=True):
    network = learn(X[rows], y[rows])
    region = network.predict_proba(grid)[:, 1].reshape(120, 120)
    axis.pcolormesh(steps, steps, region, cmap=colors, alpha=0.4, lw=0, vmin=0, vmax=1)
    axis.contour(steps, steps, region, [0.5], colors="black", linewidths=1.2)
    axis.scatter(*X_source[::3].T, c=y_source[::3], cmap=colors, s=7, alpha=0.45, lw=0)
    axis.scatter(*X[::4].T, s=20, marker="^", facecolor="none", edgecolor=rims, lw=0.8)
    axis.scatter(*X[rows].T, c=y[rows], cmap=colors, s=75, marker="^", edgecolor="k")
    kept = f"source {network.score(X_source, y_source):.2f}"
    axis.set_title(f"{name}\ntarget {network.score(X, y):.2f}   {kept}")

# %%
# Eight rows alone miss the bend, which the source's features have. With all weights
# free more of the source is forgotten; L2SP pulls the weights to where they were.
#
# Further and further away
# ------------------------
# The same for other angles, three draws of the labelled rows each.

ANGLES = (0, 30, 60, 90)
curves = {name: np.zeros((2, len(ANGLES), 3)) for name in NETWORKS}
for i, draw in np.ndindex(len(ANGLES), 3):
    X, y = moons(400, ANGLES[i], seed=1)
    rows = labelled(y, seed=draw)
    for name, learn in NETWORKS.items():
        network = learn(X[rows], y[rows])
        curves[name][0, i, draw] = network.score(X, y)
        curves[name][1, i, draw] = network.score(X_source, y_source)

figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
palette = ["0.45", "#D55E00", "#56B4E9", "#0072B2", "#009E73"]
for (name, values), color, mark in zip(curves.items(), palette, "x^sov", strict=True):
    means = values.mean(axis=2)
    print(f"{name:18s} target {means[0].round(2)}  source {means[1].round(2)}")
    for axis, mean in zip(axes, means, strict=True):
        axis.plot(ANGLES, mean, color=color, marker=mark, label=name)
axes[0].set(title="learned: target", ylabel="accuracy, mean of three draws")
axes[1].set_title("kept: source")
plt.setp(axes, xlabel="turn of the target (degrees)", xticks=ANGLES)
axes[0].legend(frameon=False)

# %%
# Where it does not help
# ----------------------
# At 90 degrees the source says the opposite of the target on most rows. Nothing that
# starts from it is ahead of the eight labelled rows alone, and the head alone is behind
# them from 60 degrees on: the features below it are those of another turn.
