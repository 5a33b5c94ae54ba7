import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.integrate import quad_vec
from scipy.linalg import expm, logm, null_space

from sktransfer.feature._geodesic_flow import (
    geodesic_flow_factor,
    subspace_disagreement,
)


def bases(seed, p, d):
    rng = np.random.RandomState(seed)
    return (np.linalg.qr(rng.normal(size=(p, d)))[0] for _ in range(2))


def by_integration(P_source, P_target):
    """Mean projection along the geodesic, from the flow in the paper's coordinates."""
    R = null_space(P_source.T)
    left, cosines, right = np.linalg.svd(P_source.T @ P_target)
    angles = np.arccos(np.clip(cosines, -1, 1))
    U_second = -(R.T @ P_target @ right.T) / np.sin(angles)

    def projection(t):
        flow = P_source @ left * np.cos(t * angles)
        flow -= R @ U_second * np.sin(t * angles)
        return flow @ flow.T

    return quad_vec(projection, 0, 1)[0], projection


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), d=st.integers(1, 4))
def test_kernel_is_the_integral(seed, d):
    P_source, P_target = bases(seed, 9, d)
    F = geodesic_flow_factor(P_source, P_target)
    assert F.shape == (9, 2 * d)
    expected, projection = by_integration(P_source, P_target)
    assert_allclose(projection(1.0), P_target @ P_target.T, atol=1e-9)
    assert_allclose(F @ F.T, expected, atol=1e-8)


def test_kernel_of_the_matrix_geodesic():
    # An independent path: the rotation that takes one projection to the other.
    P_source, P_target = bases(3, 6, 2)
    first, second = (2 * P @ P.T - np.eye(6) for P in (P_source, P_target))
    turn = logm(second @ first).real / 2

    def projection(t):
        moved = expm(t * turn) @ P_source
        return moved @ moved.T

    assert_allclose(projection(1.0), P_target @ P_target.T, atol=1e-8)
    F = geodesic_flow_factor(P_source, P_target)
    assert_allclose(F @ F.T, quad_vec(projection, 0, 1)[0], atol=1e-7)


@pytest.mark.parametrize("size", [0.0, 1e-12, 1e-9, 1e-5])
def test_subspaces_that_nearly_agree(size):
    P_source, other = bases(0, 8, 3)
    P_target = np.linalg.qr(P_source + size * other)[0]
    F = geodesic_flow_factor(P_source, P_target)
    assert np.isfinite(F).all()
    assert_allclose(F @ F.T, P_source @ P_source.T, atol=5 * size + 1e-12)


def test_swapping_the_domains_or_turning_the_bases_changes_nothing():
    P_source, P_target = bases(1, 8, 3)
    F = geodesic_flow_factor(P_source, P_target)
    back = geodesic_flow_factor(P_target, P_source)
    assert_allclose(back @ back.T, F @ F.T, atol=1e-9)
    turn = np.linalg.qr(np.random.RandomState(0).normal(size=(3, 3)))[0]
    turned = geodesic_flow_factor(P_source @ turn, P_target)
    assert_allclose(turned @ turned.T, F @ F.T, atol=1e-9)


def test_orthogonal_directions():
    # A quarter turn in a plane: the mean projection is half the identity of the plane,
    # with the cross term 1 / pi.
    F = geodesic_flow_factor(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]]))
    assert_allclose(F @ F.T, [[0.5, 1 / np.pi], [1 / np.pi, 0.5]], atol=1e-12)


def test_disagreement():
    axes = np.eye(5)[:, :3]
    assert_allclose(subspace_disagreement(axes, axes, axes), 0, atol=1e-7)
    other = np.eye(5)[:, [0, 3, 4]]
    assert_allclose(subspace_disagreement(axes, other, axes), [0, 0.5, 0.5], atol=1e-7)
