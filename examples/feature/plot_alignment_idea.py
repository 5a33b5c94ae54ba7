"""
What aligning means: one shift, five answers
============================================

All aligners want the domains to look alike, and they differ in what they may do for it:
match covariances, move rows as little as possible, turn axes, drop the directions that
differ, or match row by row. On a shift in the plane each answer can be seen.
"""

# %%
# Data
# ----
# Two classes of equal size. The target's rows are made in the same way, then sheared,
# stretched and moved, as by another sensor. Its labels are used for scores only.

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from sktransfer import (
    CORALAligner,
    LinearTransportAligner,
    MMDAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    stack_domains,
)


def drawn(n_orange, rng):
    labels = np.repeat([0, 1], [150 - n_orange, n_orange])
    rows = rng.normal(size=(150, 2)) * [1.6, 0.35]
    return rows + np.outer(labels - 0.5, [0.6, 1.8]), labels


def both_domains(n_orange, seed):
    rng = np.random.RandomState(seed)
    (X_source, y_source), (X_target, y_target) = drawn(75, rng), drawn(n_orange, rng)
    X_target = X_target @ [[1.2, 0.6], [0.6, 0.9]] + [4.0, 1.5]
    X, y, sample_domain = stack_domains((X_source, y_source), (X_target, None))
    return X, y, sample_domain > 0, y_target


# %%
# The same source under each aligner
# ----------------------------------
# Dots are source rows, hollow triangles target rows. The background is what logistic
# regression makes of the mapped source, the number its accuracy on the target. Lines
# show how rows were moved. Of two directions ``MMDAligner`` is to keep one.

aligners = {
    "No transfer": None,
    "CORALAligner": CORALAligner(),
    "LinearTransportAligner": LinearTransportAligner(),
    "OptimalTransportAligner": OptimalTransportAligner(),
    "SubspaceAligner": SubspaceAligner(),
    "MMDAligner": MMDAligner(n_components=1),
}
colors = ListedColormap(["#0072B2", "#D55E00"])
X, y, source, y_target = both_domains(75, seed=0)
figure, axes = plt.subplots(2, 3, figsize=(12, 7.2), layout="constrained")
for axis, (name, aligner) in zip(axes.flat, aligners.items(), strict=True):
    Z = X if aligner is None else aligner.fit_transform(X, y)
    model = LogisticRegression().fit(Z[source], y[source])
    # A single component lies across, with the domains one above the other.
    heights = source + np.random.RandomState(1).uniform(-0.3, 0.3, len(Z))
    shown = np.c_[Z, heights][:, :2]
    moves = np.stack([X[source][::3], shown[source][::3]])
    if "Transport" in name or "CORAL" in name:
        axis.plot(*np.moveaxis(moves, -1, 0), color="0.6", lw=0.5, zorder=1)
    axis.scatter(*shown[source].T, c=y[source], cmap=colors, s=16, lw=0)
    rims = colors(y_target.astype(float))
    axis.scatter(*shown[~source].T, s=26, marker="^", facecolor="none", edgecolor=rims)
    edges = np.linspace(*np.transpose([axis.get_xlim(), axis.get_ylim()]), 200)
    grid = np.stack(np.meshgrid(*edges.T), axis=-1)
    region = model.predict(grid.reshape(-1, 2)[:, : Z.shape[1]]).reshape(200, 200)
    axis.pcolormesh(*edges.T, region, cmap=colors, alpha=0.13, zorder=0, lw=0)
    score = model.score(Z[~source], y_target)
    axis.set(title=f"{name}: {score:.2f}", xticks=[], yticks=[])
axes[1, 2].set_yticks([0, 1], ["target", "source"], rotation=90, va="center")
for x, height, domain in ((0.12, 0.6, "source"), (0.58, 0.84, "target")):
    axes[0, 0].text(x, height, domain, transform=axes[0, 0].transAxes)
plt.show()

# %%
# Without transfer the line misses the target. CORAL and linear transport give the
# source the target's covariance, the latter by shorter moves, and such a map made this
# target. Optimal transport puts each source row on a target row, without a formula.
# Subspace alignment turns the principal axes: the stretch stays. MMDAligner gives up
# the direction in which the means differ.
#
# Limits
# ------
# Here the classes are as frequent in the target as in the source. Aligners do not see
# the target's labels: a change of the shares looks to them like a move of the rows.

shares = [0.5, 0.6, 0.7, 0.8, 0.9]
scores = {name: np.zeros((len(shares), 10)) for name in aligners}
for i, seed in np.ndindex(len(shares), 10):
    X, y, source, y_target = both_domains(round(150 * shares[i]), seed)
    for name, aligner in aligners.items():
        Z = X if aligner is None else aligner.fit_transform(X, y)
        predicted = LogisticRegression().fit(Z[source], y[source]).predict(Z[~source])
        scores[name][i, seed] = balanced_accuracy_score(y_target, predicted)

figure, axis = plt.subplots(figsize=(8, 4.4), layout="constrained")
palette = ["0.45", "#0072B2", "#56B4E9", "#D55E00", "#009E73", "#CC79A7"]
for (name, runs), color, marker in zip(scores.items(), palette, "osv^DP", strict=True):
    axis.plot(shares, runs.mean(axis=1), color=color, marker=marker, label=name)
axis.set(xlabel="share of orange rows in the target (source: 0.5)", xticks=shares)
axis.set(ylabel="balanced accuracy, mean of 10 draws")
figure.legend(loc="outside right center", frameon=False)
plt.show()

# %%
# Every aligner loses as the shares part, optimal transport most: it must place all
# rows. Where shares may differ, keep some labelled target rows to judge by.
