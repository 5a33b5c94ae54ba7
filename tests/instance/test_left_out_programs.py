import numpy as np
import pytest
from numpy.testing import assert_allclose

from sktransfer.instance._left_out_programs import LeftOutPrograms
from sktransfer.instance._mean_log import maximize_mean_log
from tests.instance.test_mean_log import kernels, shares


def programs(gamma, p=2, n=200, m=40, n_folds=5):
    A, w = kernels(n, m, gamma, p), shares(n)
    rng = np.random.RandomState(0)
    kept = w * (rng.permutation(n) % n_folds != np.arange(n_folds)[:, None])
    kept /= kept.sum(axis=1, keepdims=True)
    return A, kept, np.exp(0.3 * rng.normal(size=(n_folds, m)))


def solve(A, kept, scales, tol, dtype=np.float32):
    arrays = (Z.astype(dtype) for Z in (np.ascontiguousarray(A.T), kept, scales))
    found = LeftOutPrograms(*arrays)
    for n_steps in range(1000):
        if found.gaps.max() <= tol:
            return found, n_steps
        found.step()
    raise AssertionError("not solved")


@pytest.mark.parametrize("gamma", [0.05, 0.5, 5.0, 50.0])
@pytest.mark.parametrize("p", [1, 3, 20])
def test_each_is_the_programme_by_itself(gamma, p):
    A, kept, scales = programs(gamma, p)
    found, _ = solve(A, kept, scales, 1e-3)
    for k in range(5):
        rows, b = kept[k] > 0, found.b[k].astype(np.float64)
        best = maximize_mean_log(A[rows] * scales[k], kept[k][rows])
        value = kept[k] @ np.log(A @ (scales[k] * b))
        assert best.objective - 1e-3 - 1e-5 <= value <= best.objective + 1e-5
        assert best.objective - value <= found.gaps[k] + 1e-5
        assert_allclose(found.mixtures[k], A @ (scales[k] * b), rtol=1e-4)
    assert found.b.min() > 0
    assert_allclose(found.b.sum(axis=1), 1, rtol=1e-5)


def test_double_precision_goes_as_far_as_one_likes():
    A, kept, scales = programs(0.5)
    found, _ = solve(A, kept, scales, 1e-7, np.float64)
    best = [
        maximize_mean_log(A[w > 0] * s, w[w > 0]).objective
        for w, s in zip(kept, scales, strict=True)
    ]
    value = [w @ np.log(M) for w, M in zip(kept, found.mixtures, strict=True)]
    assert_allclose(value, best, atol=2e-7)


def test_takes_fewer_steps_than_em():
    A, kept, scales = programs(0.5, p=3)
    _, n_steps = solve(A, kept, scales, 3e-3)
    b = np.full((5, 40), 1 / 40)
    for _ in range(5 * n_steps):
        gradient = scales * ((kept / ((scales * b) @ A.T)) @ A)
        b *= gradient
    assert np.log(gradient.max()) > 3e-3


def test_one_column():
    one = np.ones((1, 2), np.float32)
    found = LeftOutPrograms(
        one, np.full((3, 2), 0.5, np.float32), np.ones((3, 1), np.float32)
    )
    found.step()
    assert_allclose(found.b, 1)
    assert_allclose(found.gaps, 0)
