"""Published and recomputed accuracies of correlation alignment on the SURF features.

Histograms divided by their sum, columns z-scored per domain; identity added to both
covariances. Full source, full target. The published table's 48.8 comes from a kernel
that maps one side only; with the proper one the classifier's C from two folds of the
source gives 47.8, C = 1 gives 46.6, and 1-NN 35.7.
"""

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import scale
from sklearn.svm import SVC

from sktransfer import CORALAligner
from tests.feature.test_mmd_aligner_published import NAMES, PUBLISHED
from tests.shared_data import shared_file

pytestmark = pytest.mark.slow

GRID = {"C": [0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1000.0]}
FOLDS = StratifiedKFold(2, shuffle=True, random_state=0)


@pytest.fixture(scope="module")
def aligned():
    """Source and target rows after alignment, for each of the twelve tasks."""
    domains = {}
    with np.load(shared_file("office_caltech10/surf.npz")) as file:
        for letter, name in NAMES.items():
            counts = file[f"{name}_X"].astype(float)
            shares = counts / counts.sum(axis=1, keepdims=True)
            domains[letter] = scale(shares), file[f"{name}_y"]
    tasks = []
    for task in PUBLISHED:
        (X_source, y_source), (X_target, y_target) = domains[task[0]], domains[task[2]]
        sample_domain = np.r_[np.ones(len(y_source)), -np.ones(len(y_target))]
        aligner = CORALAligner(regularization=1.0)
        Z = aligner.fit_transform(
            np.r_[X_source, X_target], sample_domain=sample_domain
        )
        tasks.append((Z[: len(y_source)], y_source, Z[len(y_source) :], y_target))
    return tasks


@pytest.mark.parametrize(
    ("classifier", "expected", "off"),
    [
        (SVC(kernel="linear"), 46.6, 0.1),
        (KNeighborsClassifier(1), 35.7, 0.1),
        (GridSearchCV(SVC(kernel="linear"), GRID, cv=FOLDS), 47.8, 1.0),
    ],
)
def test_surf(classifier, expected, off, aligned):
    scores = [
        100 * classifier.fit(X_source, y_source).score(X_target, y_target)
        for X_source, y_source, X_target, y_target in aligned
    ]
    assert abs(np.mean(scores) - expected) <= off
