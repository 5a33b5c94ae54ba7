"""The SURF features of Office and Caltech, prepared as the published codes do."""

import numpy as np
from sklearn.preprocessing import scale

from tests.shared_data import shared_file

__all__ = ["TASKS", "aligned_score", "surf_domains"]

NAMES = {"C": "caltech", "A": "amazon", "W": "webcam", "D": "dslr"}
TASKS = [f"{s}-{t}" for s in NAMES for t in NAMES if s != t]


def surf_domains():
    """Return rows and labels by letter: shares of the histogram, columns z-scored."""
    domains = {}
    with np.load(shared_file("office_caltech10/surf.npz")) as file:
        for letter, name in NAMES.items():
            counts = file[f"{name}_X"].astype(float)
            shares = counts / counts.sum(axis=1, keepdims=True)
            domains[letter] = scale(shares), file[f"{name}_y"]
    return domains


def aligned_score(aligner, classifier, domains):
    """Mean accuracy in per cent over the tasks, full source and full target."""
    scores = []
    for task in TASKS:
        (X_source, y_source), (X_target, y_target) = domains[task[0]], domains[task[2]]
        sample_domain = np.r_[np.ones(len(y_source)), -np.ones(len(y_target))]
        X = np.r_[X_source, X_target]
        Z = aligner.fit_transform(X, sample_domain=sample_domain)
        classifier.fit(Z[sample_domain > 0], y_source)
        scores.append(100 * classifier.score(Z[sample_domain < 0], y_target))
    return np.mean(scores)
