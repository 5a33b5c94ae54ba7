"""Four hospitals with the same columns: heart disease of the UCI repository."""

import csv

import numpy as np

from tests.shared_data import shared_file

COLUMNS = ("age", "sex", "cp", "trestbps", "fbs", "restecg", "thalach", "exang")
COLUMNS += ("oldpeak",)


def hospitals(*sites):
    """Return X and y of each site: columns that all have, standardised together.

    Missing cells are the median of the first site, whose moments scale all of them.
    """
    path = shared_file("uci_heart_disease/heart_disease_4sites.csv")
    with path.open(encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    parts = []
    for site in sites:
        rows = [row for row in table if row["site"] == site]
        X = np.array([[float(row[name] or "nan") for name in COLUMNS] for row in rows])
        parts.append((X, np.array([int(float(row["num"]) > 0) for row in rows])))
    middle = np.nanmedian(parts[0][0], axis=0)
    filled = [np.where(np.isnan(X), middle, X) for X, _ in parts]
    mean, scale = filled[0].mean(axis=0), filled[0].std(axis=0)
    labels = [y for _, y in parts]
    return [((X - mean) / scale, y) for X, y in zip(filled, labels, strict=True)]
