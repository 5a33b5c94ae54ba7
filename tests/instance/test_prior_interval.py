"""How often the interval of `LabelShiftWeighter` holds the shares of the simulation."""

import warnings

import numpy as np
import pytest

from sktransfer import LabelShiftWeighter
from sktransfer.exceptions import UninformativeClassifierWarning

SHARES = {2: np.array([0.75, 0.25]), 3: np.array([0.6, 0.3, 0.1])}


def draw(n_classes, n, spread, seed):
    """Draw n rows of either domain; `spread`: standard deviations of the classes."""
    rng = np.random.RandomState(seed)
    target = rng.choice(n_classes, n, p=SHARES[n_classes])
    labels = np.r_[np.arange(n) % n_classes, target]
    noise = np.array(spread)[labels][:, None] * rng.normal(size=(2 * n, 4))
    X = noise + 1.5 * np.eye(4)[labels]
    return X, np.r_[labels[:n], np.full(n, -1)]


def coverage(method, n_classes, n, spread, n_draws=200):
    truth, inside = SHARES[n_classes], []
    for seed in range(n_draws):
        X, y = draw(n_classes, n, spread, seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UninformativeClassifierWarning)
            low, high = LabelShiftWeighter(method=method).fit(X, y).prior_interval_.T
        inside.append((low <= truth) & (truth <= high))
    return np.mean(inside)


ALIKE, UNLIKE = (1.0, 1.0, 1.0), (1.0, 2.0, 0.5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "n_classes", "n", "spread"),
    [
        ("em", 2, 100, ALIKE),
        ("em", 3, 100, ALIKE),
        ("em", 3, 300, UNLIKE),
        ("em", 2, 500, UNLIKE),
        ("bbse", 2, 100, ALIKE),
        ("rlls", 2, 500, UNLIKE),
        ("kmm", 3, 100, ALIKE),
    ],
)
def test_coverage(method, n_classes, n, spread):
    # Logistic regression, calibrated or not, is wrong where the classes are unlike.
    assert coverage(method, n_classes, n, spread) >= 0.9
