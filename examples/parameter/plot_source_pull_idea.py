"""
What being held near a source means: from the target alone to the source
========================================================================

A classifier of a dozen rows may point anywhere. Let its penalty be on the distance from
the coefficients of a source, and not from zero: then it points where the source does,
unless the rows say otherwise. How much they must say is one number, ``alpha``. It helps
as far as the source is near the truth, and costs where it is not.
"""

# %%
# Data
# ----
# Two features, so that coefficients can be drawn. The target's true coefficients are
# turned against the source's, and its rows lie a little further up.

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sktransfer import SourceRegularizedClassifier

plt.rc("axes.spines", top=False, right=False)


def drawn(coef, n, rng, center=0.0):
    X = center + rng.normal(size=(n, len(coef)))
    return X, (rng.uniform(size=n) < expit((X - center) @ coef)).astype(int)


rng = np.random.RandomState(5)
truth = np.array([2.4, 0.8])
source = LogisticRegression().fit(*drawn(np.array([1.2, 2.0]), 500, rng))
X, y = drawn(truth, 12, rng, center=0.5)
X_new, y_new = drawn(truth, 3000, rng, center=0.5)

# %%
# The path as the penalty grows
# -----------------------------
# Left: the lines that part the classes, dashed the true one. Middle: the coefficients,
# on the loss of the twelve rows. Right: the loss on rows to come.

alphas = np.logspace(-2, 3, 26)
path = [SourceRegularizedClassifier(source, alpha=alpha).fit(X, y) for alpha in alphas]
losses = [log_loss(y_new, model.predict_proba(X_new)) for model in path]
colors = plt.get_cmap("viridis")(np.linspace(0, 0.95, len(path)))
orange, gray, span = "#D55E00", "0.45", np.array([-2.0, 3.0])
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(13, 4.2), layout="tight")
for model, color in list(zip(path, colors, strict=True))[::5]:
    (a, b), c = model.coef_[0], model.intercept_[0]
    left.plot(-(c + b * span) / a, span, color=color, lw=1.8)
left.plot(0.5 - truth[1] * (span - 0.5) / truth[0], span, color=orange, ls="--")
left.scatter(*X.T, c=y, cmap="gray", edgecolors="black", s=60, zorder=3)
left.set(xlim=(-1.8, 2.6), ylim=(-2, 3), title="twelve rows of two classes")
grid = np.stack(np.meshgrid(np.linspace(-0.5, 6, 60), np.linspace(-0.5, 3, 60)), -1)
scores = (grid @ X.T)[..., None] + np.linspace(-12, 6, 91)
loss = np.logaddexp(0, np.where(y == 1, -1, 1)[:, None] * scores).mean(axis=2).min(-1)
middle.contour(grid[..., 0], grid[..., 1], loss, 12, colors="0.85")
points = np.array([model.coef_[0] for model in path])
middle.plot(*points.T, color="0.6", lw=1, zorder=1)
middle.scatter(*points.T, c=colors, s=28, zorder=2)
middle.scatter(*source.coef_.T, s=110, marker="D", color=gray, label="source")
middle.scatter(*truth, s=170, marker="*", color=orange, label="truth of the target")
middle.set(title="their coefficients, from alpha 0.01 to 1000")
middle.legend(frameon=False, loc="upper right")

own = LogisticRegression().fit(X, y)
right.scatter(alphas, losses, c=colors, s=28)
for model, style, label in (
    (source, "-", "source as it is"),
    (own, ":", "held at zero"),
):
    level = log_loss(y_new, model.predict_proba(X_new))
    right.axhline(level, color=gray, ls=style, label=label)
right.set(xscale="log", xlabel="alpha", title="log loss on rows to come")
right.legend(frameon=False, loc=(0.3, 0.8))
plt.show()

# %%
# At the dark end is a model of twelve rows, far too sure; at the light one the source
# with an intercept of these rows. Some of what lies between is better than either, and
# better than scikit-learn's ``LogisticRegression``, which is held at zero.
#
# Where it hurts
# --------------
# Ten features, and three sources: near the truth, with other features, and opposite.

COUNTS, DRAWS, few = ("12", "25", "50", "100", "200"), 10, [0.1, 1, 10, 100]
names = "source as it is", "target alone", "alpha=10", 'alpha="cv"'
styles, tints = ("-", "s:", "o-", "D-"), (gray, "black", "#0072B2", orange)
truth = np.r_[np.ones(5), np.zeros(5)]
kinds = {"near": truth + 0.3, "other features": truth[::-1], "opposite": -truth}
figure, axes = plt.subplots(1, 3, figsize=(12, 3.8), sharey=True, layout="constrained")
for axis, (kind, coef) in zip(axes, kinds.items(), strict=True):
    losses = np.zeros((len(names), len(COUNTS), DRAWS))
    for i, seed in np.ndindex(losses.shape[1:]):
        rng = np.random.RandomState(seed)
        source = LogisticRegression().fit(*drawn(coef, 500, rng))
        X_new, y_new = drawn(truth, 1000, rng, center=0.2)
        X, y = drawn(truth, int(COUNTS[i]), rng, center=0.2)
        held = SourceRegularizedClassifier(source, alpha=10)
        chosen = SourceRegularizedClassifier(source, alpha="cv", alphas=few)
        models = [m.fit(X, y) for m in (LogisticRegression(), held, chosen)]
        for k, model in enumerate([source, *models]):
            losses[k, i, seed] = log_loss(y_new, model.predict_proba(X_new))
    for values, name, style, tint in zip(losses, names, styles, tints, strict=True):
        mean, error = values.mean(axis=1), 2 * values.std(axis=1) / DRAWS**0.5
        axis.errorbar(COUNTS, mean, error, fmt=style, color=tint, label=name)
        print(f"{kind:15s}{name:16s}", *(f"{value:.2f}" for value in mean))
    axis.set(title=f"source: {kind}", xlabel="labelled target rows")
axes[0].set(ylabel="log loss on the target", ylim=(0.35, 1.55))
axes[0].legend(frameon=False)
plt.show()

# %%
# A near source is worth many labelled rows, and no choice is needed. A wrong one costs
# much if held to; the folds of ``"cv"`` find out, but not with two dozen rows.
