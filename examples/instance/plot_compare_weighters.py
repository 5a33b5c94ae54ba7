"""
Weighters and selectors between four hospitals
==============================================

Twelve times, patients of one hospital train a model for another one of which no outcome
is known. Does it help to choose or weigh the patients by how much they look like those
of the other hospital? Here mostly not: what differs is how often patients are ill, and
what the columns mean.
"""

# %%
# Data
# ----
# Heart disease of the UCI repository: 920 patients, 13 columns, and whether the patient
# is ill: 36 % in Hungary, 46 % in Cleveland, 74 % in Long Beach, 93 % in Switzerland.
# Missing values are imputed inside the pipeline; a cholesterol of zero is one of them.

import inspect
import os
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sktransfer
from sktransfer import BaseWeighter, InstanceSelector, TransferClassifier, stack_domains
from sktransfer.exceptions import ClassLostWarning, WeightCollapseWarning

DATA = Path(os.environ.get("SKTRANSFER_DATA", "../shared/data"))
table = pd.read_csv(DATA / "uci_heart_disease" / "heart_disease_4sites.csv")
table["chol"] = table["chol"].where(table["chol"] > 0)
hospitals = {
    site: (rows.drop(columns=["site", "num"]), (rows["num"] > 0).to_numpy().astype(int))
    for site, rows in table.groupby("site")
}
pairs = [(one, other) for one in hospitals for other in hospitals if one != other]

# %%
# Methods
# -------
# Every weighter at its default but BalancedWeighter, which needs labels of the target,
# and the selectors that need none. Where a method says in an error that it can do
# nothing, the gain is zero. Warnings of weights on a few patients are switched off; the
# scores show what they cost.

warnings.simplefilter("ignore", WeightCollapseWarning)
warnings.simplefilter("ignore", ClassLostWarning)
adapters = {
    name: cls()
    for name, cls in vars(sktransfer).items()
    if inspect.isclass(cls) and issubclass(cls, BaseWeighter) and cls != BaseWeighter
}
del adapters["BalancedWeighter"]
for strategy in ("nearest", "landmarks", "herding", "agreement", "dynamic"):
    adapters[f"selector, {strategy}"] = InstanceSelector(strategy, n_neighbors=20)


def accuracy(adapter, source, target):
    X, y, domain = stack_domains(hospitals[source], (hospitals[target][0], None))
    model = make_pipeline(
        SimpleImputer(strategy="median"),
        StandardScaler(),
        TransferClassifier(LogisticRegression(), adapter),
    )
    model.fit(X, y, transferclassifier__sample_domain=domain)
    return 100 * model.score(*hospitals[target])


plain = np.array([accuracy(None, *pair) for pair in pairs])
gains, failed = {}, {}
for name, adapter in adapters.items():
    gains[name] = np.zeros(len(pairs))
    for i, pair in enumerate(pairs):
        try:
            gains[name][i] = accuracy(adapter, *pair) - plain[i]
        except ValueError:  # it says that it cannot weigh: the model stays as it is
            failed[name] = failed.get(name, 0) + 1
    print(f"{name:28s}{gains[name].mean():+6.1f}, not fitted {failed.get(name, 0)}")

# %%
# Gain or loss on each pair
# -------------------------
# A dot is a pair of hospitals, the bar the mean of the twelve. A dot at the left edge
# would lie further out.

order = sorted(gains, key=lambda name: gains[name].mean())
figure, axis = plt.subplots(figsize=(9, 0.42 * len(order) + 1.2), layout="constrained")
targets = np.array([target for _, target in pairs])
blue, colors = "#0072B2", {"switzerland": "#D55E00", "va": "#E69F00"}
for place, name in enumerate(order):
    axis.barh(place, gains[name].mean(), color="0.85", height=0.75, zorder=0)
    for site, color in {**dict.fromkeys(hospitals, blue), **colors}.items():
        dots = np.maximum(gains[name][targets == site], -25)
        axis.scatter(dots, np.full(len(dots), place), s=22, color=color, alpha=0.8)
axis.axvline(0, color="black", lw=1)
axis.set_yticks(range(len(order)), order)
axis.set(xlabel="accuracy on the target, points above no transfer", ylim=(-0.6, None))
axis.spines[["top", "right", "left"]].set_visible(False)
shown = {"to Switzerland": "#D55E00", "to Long Beach": "#E69F00", "to others": blue}
handles = [plt.Line2D([], [], color=c, marker="o", ls="") for c in shown.values()]
axis.legend(handles, shown, loc="lower right")
plt.show()

# %%
# No method gains on all pairs; most lose a little on average. LabelShiftWeighter stands
# for what differs, the share of the ill: it gains twenty points on one pair and loses
# seven on another. Of Switzerland with its eight healthy patients and of Long Beach,
# where a model hardly tells who is ill, it estimates nothing that one could train with,
# and "agreement" keeps none of the eight.
#
# Nothing was chosen here, as without outcomes there is nothing to choose by. With some
# known outcomes one would compare on these (``TargetKFold``) before weighing anything.
