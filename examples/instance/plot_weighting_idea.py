"""
What weighting means: source rows that count as often as the target has them
=============================================================================

A line cannot follow a curve everywhere; it can where the target is, if the source rows
there count more. How much more is a ratio of densities, known here and estimated by the
weighters. What it costs is data: it helps the wrong model and hurts the right one.
"""

# %%
# Data
# ----
# The same curve and the same noise in both domains; the target's rows lie further to
# the right. Both densities are normal, so the right weights are known.

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from sktransfer import (
    DiscriminativeWeighter,
    KernelMeanMatchingWeighter,
    NearestNeighborWeighter,
    TransferRegressor,
)


def curve(x):
    return np.sin(1.6 * x) + 0.4 * x


def both_domains(center, seed, n=150):
    rng = np.random.RandomState(seed)
    X = np.r_[rng.normal(0, 1, n), rng.normal(center, 0.5, n)][:, None]
    y = curve(X[:, 0]) + 0.3 * rng.normal(size=2 * n)
    # Labels of the target are not used.
    return X, np.where(np.arange(2 * n) < n, y, np.nan), np.repeat([1, -1], n)


# %%
# True and estimated weights
# --------------------------
# Each weighter sees the rows of both domains, and no label. Weights of the source rows
# have mean one; the black line is the true ratio on the same scale.

quadratic = make_pipeline(PolynomialFeatures(2), LogisticRegression())
weighters = {
    "Discriminative, linear": DiscriminativeWeighter(),
    "Discriminative, quadratic": DiscriminativeWeighter(quadratic),
    "NearestNeighbor": NearestNeighborWeighter(),
    "KernelMeanMatching": KernelMeanMatchingWeighter(upper_bound=20),
}
X, y, domain = both_domains(1.2, seed=0)
source = domain > 0
grid = np.linspace(-2.7, 2.7, 200)
ratio = norm.pdf(grid, 1.2, 0.5) / norm.pdf(grid)
at_rows = norm.pdf(X[source, 0], 1.2, 0.5) / norm.pdf(X[source, 0])
red, plain = "#D55E00", LinearRegression().fit(X[source], y[source])
figure, axes = plt.subplots(2, 4, figsize=(12, 6), sharey="row", layout="constrained")
for (top, bottom), (name, weighter) in zip(axes.T, weighters.items(), strict=True):
    model = TransferRegressor(LinearRegression(), weighter)
    model.fit(X, y, sample_domain=domain)
    weights = model.adapters_[0].sample_weight_[source]
    size = f"{model.adapters_[0].effective_sample_size_:.0f} rows"
    top.plot(grid, ratio / at_rows.mean(), color="black", lw=1, label="true")
    top.scatter(X[source], weights, s=14, color="#0072B2", label=size)
    top.set_title(name)
    top.legend(frameon=False, loc="upper left")
    bottom.scatter(X[source], y[source], s=9 * weights + 1, color="#0072B2", lw=0)
    bottom.plot(grid, curve(grid), color="black", lw=1, ls=":")
    for shown, color, label in (
        (plain, "0.55", "unweighted"),
        (model, red, "weighted"),
    ):
        bottom.plot(grid, shown.predict(grid[:, None]), color=color, label=label)
    bottom.axvspan(0.2, 2.2, color=red, alpha=0.08, lw=0)
axes[0, 0].set(ylabel="weight")
axes[1, 0].set(ylabel="y", ylim=(-3, 3.2))
axes[1, 0].legend(frameon=False, loc="lower right")
plt.show()

# %%
# The unweighted line serves the bulk of the source, the weighted ones serve the shaded
# target. "Rows" is the effective sample size: what the weights leave of 150 rows. A
# ratio of normal densities has a quadratic logarithm, which a linear classifier of the
# domains cannot give; votes of neighbours are noisy and leave no row without weight.
#
# Limits
# ------
# A polynomial of degree 7 can follow the curve everywhere, so to weigh its rows means
# to learn from fewer of them and nothing else: the fewer, the further the target is.

centers = np.linspace(0, 1.8, 7)
models = {"a line": 1, "a polynomial that fits": 7}
figure, axes = plt.subplots(1, 2, figsize=(9, 4), sharey=True, layout="constrained")
for axis, (title, degree) in zip(axes, models.items(), strict=True):
    errors = np.zeros((2, len(centers), 15))
    for i, seed in np.ndindex(errors.shape[1:]):
        X, y, domain = both_domains(centers[i], seed)
        for k, adapter in enumerate((None, KernelMeanMatchingWeighter(upper_bound=20))):
            estimator = make_pipeline(PolynomialFeatures(degree), LinearRegression())
            model = TransferRegressor(estimator, adapter)
            predicted = model.fit(X, y, sample_domain=domain).predict(X[domain < 0])
            errors[k, i, seed] = np.mean((predicted - curve(X[domain < 0, 0])) ** 2)
    plain, weighted = np.sqrt(np.median(errors, axis=2))
    axis.plot(centers, plain, color="0.55", marker="o", label="unweighted")
    axis.plot(centers, weighted, color=red, marker="s", label="kernel mean matching")
    axis.set(title=title, xlabel="center of the target (source: 0)", yscale="log")
    axis.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("error on the target, median of 15 draws")
axes[0].legend(frameon=False)
plt.show()

# %%
# The line gains everywhere, the polynomial loses everywhere. Real models lie between
# the two: ask labelled target rows (``TargetKFold``) whether weights help.
