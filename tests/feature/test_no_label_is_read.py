"""Aligners that need no label read none: neither the target's nor the source's."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sktransfer import (
    CORALAligner,
    FeatureAugmenter,
    GeodesicFlowAligner,
    InvariantFeatureSelector,
    LinearTransportAligner,
    LocationScaleAligner,
    MarginalizedDenoiser,
    MMDAligner,
    OptimalTransportAligner,
    SubspaceAligner,
    TransferSubspaceAligner,
)

ALIGNERS = [
    CORALAligner(),
    FeatureAugmenter(),
    FeatureAugmenter(co_regularization=1.0),
    GeodesicFlowAligner(),
    InvariantFeatureSelector(),
    LinearTransportAligner(),
    LinearTransportAligner(reference="barycenter"),
    LocationScaleAligner(random_state=0),
    MMDAligner(),
    MMDAligner(kernel="rbf"),
    MMDAligner(kernel="linear", instance_sparsity=True),
    MarginalizedDenoiser(random_state=0),
    SubspaceAligner(),
    TransferSubspaceAligner(objective="pca"),
    TransferSubspaceAligner(objective="lpp"),
    *(
        OptimalTransportAligner(method)
        for method in ("emd", "sinkhorn", "laplace", "unbalanced", "partial")
    ),
]


def rows(n_source=60, n_target=45, seed=0):
    """Three classes, moved and stretched in the target, the domains interleaved."""
    rng = np.random.RandomState(seed)
    n = n_source + n_target
    labels, domain = np.arange(n) % 3, np.r_[np.ones(n_source), -np.ones(n_target)]
    X = rng.normal(size=(n, 6)) + 3 * np.eye(3, 6)[labels]
    X[n_source:] = 1.3 * X[n_source:] + 0.5
    y = np.where(domain > 0, labels, -1)
    order = rng.permutation(n)
    return X[order], y[order], domain[order].astype(int)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("aligner", ALIGNERS, ids=repr)
def test_no_label_is_read(aligner):
    X, y, domain = rows()
    source = domain > 0
    scrambled = y.copy()
    scrambled[source] = np.random.RandomState(1).permutation(y[source])
    with_labels = aligner.fit_transform(X, y, sample_domain=domain)
    assert not np.array_equal(with_labels, X)
    for other in (scrambled, None):
        mapped = aligner.fit_transform(X, other, sample_domain=domain)
        assert_array_equal(mapped, with_labels)
