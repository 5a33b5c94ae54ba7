"""The order of the rows changes no prediction on real data: SURF, webcam to DSLR."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.svm import SVC

from sktransfer import (
    CORALAligner,
    ManifoldAlignedClassifier,
    SelectiveManifoldClassifier,
    TransferClassifier,
)
from tests.feature.surf import surf_domains

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def rows():
    domains = surf_domains()
    (X_source, y_source), (X_target, _) = domains["W"], domains["D"]
    y = np.r_[y_source.astype(int), np.full(len(X_target), -1)]
    return np.r_[X_source, X_target], y


@pytest.mark.parametrize(
    "model",
    [
        ManifoldAlignedClassifier(),
        SelectiveManifoldClassifier(),
        TransferClassifier(SVC(kernel="linear"), CORALAligner()),
    ],
    ids=["manifold", "selective", "coral"],
)
def test_surf_does_not_depend_on_the_order(model, rows):
    X, y = rows
    X_target = X[y < 0]
    expected = model.fit(X, y).predict(X_target)
    for seed in range(2):
        order = np.random.RandomState(seed).permutation(len(X))
        got = model.fit(X[order], y[order]).predict(X_target)
        assert_array_equal(got, expected)
