import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.decomposition import PCA

from sktransfer import GeodesicFlowAligner
from sktransfer.joint._locality_preserving import unit_rows
from sktransfer.joint._manifold_embedding import leading_axes, learn_embedding


def two_domains(n=40, p=6, seed=0):
    rng = np.random.RandomState(seed)
    scales = np.arange(1.0, p + 1)[::-1]
    X_source = rng.normal(size=(n, p)) * scales + 1
    X_target = rng.normal(size=(n + 5, p)) * np.roll(scales, 1) - 2
    return X_source, X_target


@pytest.mark.parametrize("shape", [(30, 5), (8, 40), (12, 12)])
def test_axes_are_the_principal_ones(shape):
    X = np.random.RandomState(0).normal(size=shape) + 3
    axes = leading_axes(X, 4)
    expected = PCA(4).fit(X).components_.T
    assert_allclose(np.abs(axes.T @ expected), np.eye(4), atol=1e-8)


def test_only_axes_with_variance():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(20, 2)) @ rng.normal(size=(2, 30)) + 1e3
    for rows in (X, X.T):
        axes = leading_axes(rows, 10)
        assert axes.shape[1] == 2
        assert_allclose(axes.T @ axes, np.eye(2), atol=1e-12)
    assert leading_axes(np.ones((5, 3)), 2).shape == (3, 0)
    assert leading_axes(np.full((5, 3), 1e6 / 3), 2).shape == (3, 0)
    assert leading_axes(X[:1], 2).shape == (30, 0)


def test_geodesic_is_the_geodesic_flow_kernel():
    X_source, X_target = two_domains()
    embed = learn_embedding(
        X_source, X_target, 2, method="geodesic", center=False, normalize=False
    )
    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(X_source)), -np.ones(len(X_target))]
    factor = GeodesicFlowAligner(2).fit(X, sample_domain=domain).factor_
    kernel = X @ factor @ factor.T @ X.T
    kernel /= np.diag(kernel).mean()
    assert_allclose(embed(X) @ embed(X).T, kernel, atol=1e-8)


def test_centred_rows_do_not_depend_on_the_origin():
    X_source, X_target = two_domains()
    for method in ("geodesic", "pca", None):
        options = {"method": method, "center": True, "normalize": True}
        here = learn_embedding(X_source, X_target, 2, **options)(X_source)
        moved = learn_embedding(X_source + 50, X_target + 50, 2, **options)(
            X_source + 50
        )
        assert_allclose(here @ here.T, moved @ moved.T, atol=1e-7)
        assert_allclose(np.linalg.norm(here, axis=1), 1)


def test_without_a_map_the_columns_stay():
    X_source, X_target = two_domains()
    options = {"method": None, "center": False}
    X = np.r_[X_source, X_target]
    embed = learn_embedding(X_source, X_target, 2, normalize=True, **options)
    assert_allclose(embed(X), unit_rows(X))
    embed = learn_embedding(X_source, X_target, 2, normalize=False, **options)
    assert_allclose(embed(X) * np.sqrt(np.square(X).sum() / len(X)), X)


@pytest.mark.parametrize("n_target", [0, 1])
def test_a_domain_without_directions_takes_the_joint_axes(n_target):
    X_source, X_target = two_domains()
    domains = X_source, X_target[:n_target]
    options = {"center": True, "normalize": False}
    geodesic = learn_embedding(*domains, 3, method="geodesic", **options)
    joint = learn_embedding(*domains, 3, method="pca", **options)
    assert_allclose(geodesic.projection, joint.projection)


def test_few_target_rows_give_few_directions():
    X_source, X_target = two_domains()
    options = {"method": "geodesic", "center": True, "normalize": True}
    embed = learn_embedding(X_source, X_target[:3], 5, **options)
    assert embed.projection.shape == (6, 4)


def test_equal_rows():
    X = np.ones((6, 3))
    for method in ("geodesic", "pca", None):
        for normalize in (True, False):
            embed = learn_embedding(
                X[:3], X[3:], 2, method=method, center=True, normalize=normalize
            )
            assert_allclose(embed(X), 0)
