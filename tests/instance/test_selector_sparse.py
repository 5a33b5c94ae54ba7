"""Sparse rows in `InstanceSelector`: what dense ones give, or a reason."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier
from sklearn.gaussian_process import GaussianProcessClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.utils import get_tags

from sktransfer import TransferClassifier
from sktransfer._kernels import KERNELS
from sktransfer.instance import (
    InstanceSelector,
    LabelShiftWeighter,
    NearestNeighborWeighter,
)
from tests.adapters import ByFirstColumn

TAKEN = [
    InstanceSelector("nearest"),
    InstanceSelector("density_ratio"),
    InstanceSelector(
        "density_ratio", weighter=LabelShiftWeighter(n_bootstrap=0), balance=True
    ),
    *(
        InstanceSelector(strategy, kernel=kernel)
        for strategy in ("landmarks", "herding")
        for kernel in KERNELS
    ),
    InstanceSelector("agreement"),
    InstanceSelector("dynamic", n_neighbors=20),
    InstanceSelector("nearest", balance=True, fraction=0.4),
]

# The other rows come twice.
DISTINCT = np.r_[5:90, 95:160]


def words(dtype=np.float64, *, ties=False):
    """Draw rows of weighted words, some rows equal; `ties`: of counts, which tie."""
    rng = np.random.RandomState(0)
    y = np.arange(160) % 2
    rate = np.full((160, 30), 0.15)
    rate[y == 1, :8] = 0.9
    rate[100:, 20:] = 0.6
    X = rng.poisson(rate).astype(dtype)
    if not ties:
        X *= rng.uniform(0.5, 1.5, X.shape).astype(dtype)
    X[90:95] = X[:5]
    domain = np.repeat([1, -1], [100, 60])
    return X, np.where(domain < 0, -1, y), domain


@pytest.mark.filterwarnings("ignore::sktransfer.exceptions.WeightCollapseWarning")
@pytest.mark.parametrize("selector", TAKEN, ids=str)
@pytest.mark.parametrize("make", [sparse.csr_array, sparse.csc_matrix])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_same_as_dense(selector, make, dtype):
    X, y, domain = words(dtype)
    assert get_tags(selector).input_tags.sparse
    rtol = 1e-6 if dtype is np.float64 else 1e-3
    scores = selector.fit(X, y, sample_domain=domain).scores_
    new = selector.score_samples(X[:60] + 1, y[:60])
    support = selector.support_
    selector.fit(make(X), y, sample_domain=domain)
    again = selector.score_samples(make(X[:60] + 1), y[:60])
    atol = rtol * np.abs(new).max()
    np.testing.assert_allclose(again, new, rtol=rtol, atol=atol)
    # Of equal rows another one may come first.
    if selector.strategy != "herding":
        found, scores = selector.scores_[DISTINCT], scores[DISTINCT]
        np.testing.assert_allclose(found, scores, rtol=rtol, atol=10 * rtol)
    # Many weights are zero: which of these rows stay is another choice of order.
    if dtype is np.float64 and selector.strategy != "density_ratio":
        found, support = selector.support_[DISTINCT], support[DISTINCT]
        np.testing.assert_array_equal(found, support)


@pytest.mark.parametrize("selector", TAKEN, ids=str)
@pytest.mark.filterwarnings("ignore::sktransfer.exceptions.WeightCollapseWarning")
def test_order_of_rows(selector):
    X, y, domain = words(ties=True)
    X = sparse.csr_array(X)
    support = selector.fit(X, y, sample_domain=domain).support_
    order = np.random.RandomState(0).permutation(160)
    selector.fit(X[order], y[order], sample_domain=domain[order])
    for label in (0, 1):
        rows = y == label
        assert support[rows].sum() == selector.support_[y[order] == label].sum()
    moved = np.empty(160, bool)
    moved[order] = selector.support_
    np.testing.assert_array_equal(moved[DISTINCT], support[DISTINCT])


def test_learns_from_sparse_rows():
    X, y, domain = words()
    truth = np.arange(160) % 2
    for selector in (InstanceSelector(), InstanceSelector("agreement")):
        model = TransferClassifier(LogisticRegression(), selector)
        assert get_tags(model).input_tags.sparse
        dense = model.fit(X, y, sample_domain=domain).predict_proba(X)
        model.fit(sparse.csr_array(X), y, sample_domain=domain)
        found = model.predict_proba(sparse.csr_array(X))
        np.testing.assert_allclose(found, dense, atol=1e-3)
        assert np.mean(found[100:].argmax(axis=1) == truth[100:]) > 0.8


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (InstanceSelector("influence"), "by all pairs of columns"),
        (InstanceSelector("landmarks", kernel=np.dot), "may not take them"),
        (
            InstanceSelector("density_ratio", weighter=ByFirstColumn()),
            r"weighter=ByFirstColumn\(\) takes none",
        ),
        (
            InstanceSelector("dynamic", estimator=GaussianProcessClassifier()),
            r"estimator=GaussianProcessClassifier\(\) takes none",
        ),
    ],
)
def test_why_not(selector, why):
    X, y, domain = words()
    assert not get_tags(selector).input_tags.sparse
    sentence = f"dense data is required by strategy='{selector.strategy}': .*{why}"
    with pytest.raises(TypeError, match=sentence):
        selector.fit(sparse.csr_array(X), y, sample_domain=domain)


def test_an_estimator_that_takes_them():
    X, y, domain = words()
    forest = RandomForestClassifier(10, random_state=0)
    selector = InstanceSelector("agreement", estimator=forest)
    assert selector.fit(sparse.csr_array(X), y, sample_domain=domain).support_.any()
    taken = get_tags(NearestNeighborWeighter()).input_tags.sparse
    selector = InstanceSelector("density_ratio", weighter=NearestNeighborWeighter())
    assert get_tags(selector).input_tags.sparse is taken
