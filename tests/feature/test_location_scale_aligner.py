import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.optimize import approx_fprime

from sktransfer.feature._location_scale import LocationScaleProblem, match_moments
from sktransfer.feature._location_scale_aligner import LocationScaleAligner
from sktransfer.feature._rbf_discrepancy import rbf_discrepancy
from sktransfer.metrics import mmd


@pytest.fixture
def domains():
    rng = np.random.RandomState(0)
    rows = rng.gamma(2.0, size=(600, 3)) * [1, 2, 3]
    scale, offset = np.array([0.5, 3.0, 1.0]), np.array([4.0, -2.0, 0.0])
    return rows[:300], rows[300:] * scale + offset, scale, offset


def fitted(X_source, X_target, **params):
    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(X_source)), -np.ones(len(X_target))]
    return LocationScaleAligner(**params).fit(X, sample_domain=domain)


def test_a_known_scale_and_offset_are_recovered(domains):
    X_source, _, scale, offset = domains
    X_target = X_source[::-1] * scale + offset
    aligner = fitted(X_source, X_target, regularization=0.0)
    assert_allclose(aligner.scale_, scale, atol=1e-3)
    assert_allclose(aligner.offset_, offset, atol=1e-2)
    assert aligner.mmd_after_ < 1e-6


@pytest.mark.parametrize(("regularization", "share"), [(1e-3, 0.01), (0.03, 0.15)])
def test_how_much_of_a_known_move_is_left(regularization, share):
    rows = np.random.RandomState(0).normal(size=(400, 1))
    aligner = fitted(rows, rows[::-1] * 2 + 3, regularization=regularization)
    assert_allclose(aligner.scale_, 2, rtol=share)
    assert_allclose(aligner.offset_, 3, rtol=share)


def test_other_rows_of_the_same_shift_give_nearly_the_same_map(domains):
    X_source, X_target, scale, offset = domains
    aligner = fitted(X_source, X_target, regularization=1e-3)
    assert_allclose(aligner.scale_, scale, rtol=0.15)
    assert_allclose(
        aligner.offset_ / aligner.spread_, offset / aligner.spread_, atol=0.2
    )


def test_outliers_move_the_moments_but_not_the_solution():
    rng = np.random.RandomState(0)
    X_source, X_target = rng.normal(size=(200, 1)), 2 * rng.normal(size=(200, 1)) + 1
    X_target[:10] = 200.0
    robust = fitted(X_source, X_target)
    moments = fitted(X_source, X_target, kernel="linear")
    assert 1.6 < robust.scale_[0] < 2.6
    assert moments.scale_[0] > 20


def test_gradient_equals_finite_differences(domains):
    X_source, X_target, *_ = domains
    problem = LocationScaleProblem.from_rows(X_source[:40], X_target[:30], 0.05, 0.3)
    point = np.random.RandomState(1).normal(size=6) / 3
    numeric = approx_fprime(point, lambda p: problem.objective(p)[0], 1e-7)
    assert_allclose(problem.objective(point)[1], numeric, atol=1e-6)


def test_gradients_in_the_rows_equal_finite_differences(domains):
    A, B = domains[0][:7], domains[1][:5]
    value, gradient_A, gradient_B = rbf_discrepancy(A, B, 0.1)
    assert_allclose(value, mmd(A, B, gamma=0.1), atol=1e-12)

    def change(a, b):
        return rbf_discrepancy(a.reshape(A.shape), b.reshape(B.shape), 0.1)[0]

    numeric = approx_fprime(A.ravel(), lambda a: change(a, B), 1e-7)
    assert_allclose(gradient_A.ravel(), numeric, atol=1e-6)
    numeric = approx_fprime(B.ravel(), lambda b: change(A, b), 1e-7)
    assert_allclose(gradient_B.ravel(), numeric, atol=1e-6)


@pytest.mark.parametrize("regularization", [0.0, 1e-3, 10.0])
def test_objective_is_not_above_the_start_nor_the_identity(domains, regularization):
    X_source, X_target, *_ = domains
    aligner = fitted(X_source, X_target, regularization=regularization)
    unit = aligner.spread_
    problem = LocationScaleProblem.from_rows(
        X_source / unit, X_target / unit, aligner.gamma_, regularization
    )
    centre = X_source.mean(axis=0) / unit

    def objective(scale, offset):
        return problem.objective(problem.parameters(scale, offset / unit, centre))[0]

    reached = objective(aligner.scale_, aligner.offset_)
    assert reached <= objective(*match_moments(X_source, X_target)) + 1e-12
    assert reached <= objective(np.ones(3), np.zeros(3)) + 1e-12


def test_the_discrepancy_reported_is_that_of_the_mapped_rows(domains):
    X_source, X_target, *_ = domains
    aligner = fitted(X_source, X_target)
    mapped = X_source * aligner.scale_ + aligner.offset_
    unit = aligner.spread_
    assert_allclose(unit, X_target.std(axis=0))
    expected = mmd(mapped / unit, X_target / unit, gamma=aligner.gamma_)
    assert_allclose(aligner.mmd_after_, expected, atol=1e-10)
    expected = mmd(X_source / unit, X_target / unit, gamma=aligner.gamma_)
    assert_allclose(aligner.mmd_before_, expected, atol=1e-10)
    domain = np.ones(len(X_source))
    assert_allclose(aligner.transform(X_source, sample_domain=domain), mapped)
    assert_allclose(aligner.transform(X_target), X_target)


def test_the_linear_kernel_matches_the_moments(domains):
    X_source, X_target, *_ = domains
    aligner = fitted(X_source, X_target, kernel="linear")
    mapped = X_source * aligner.scale_ + aligner.offset_
    assert_allclose(mapped.mean(axis=0), X_target.mean(axis=0))
    assert_allclose(mapped.std(axis=0), X_target.std(axis=0))
    assert aligner.gamma_ is None


def test_a_wide_kernel_matches_the_moments_of_one_column(domains):
    X_source, X_target = domains[0][:, :1], domains[1][:, :1]
    problem = LocationScaleProblem.from_rows(X_source, X_target, 1e-4, 0.0)
    scale, offset = match_moments(X_source, X_target)
    at = problem.parameters(scale, offset, X_source.mean(axis=0))
    slope = np.abs(problem.objective(at)[1]).max()
    aside = problem.parameters(scale * 1.1, offset, X_source.mean(axis=0))
    assert slope < 1e-2 * np.abs(problem.objective(aside)[1]).max()


def test_heavy_regularization_changes_nothing(domains):
    aligner = fitted(*domains[:2], regularization=1e6)
    assert_allclose(aligner.scale_, 1, atol=1e-4)
    assert_allclose(aligner.offset_, 0, atol=1e-4)


def test_units_and_origin_of_the_columns_do_not_matter(domains):
    X_source, X_target, *_ = domains
    plain, unit = fitted(X_source, X_target), np.array([1e-3, 1.0, 1e3])
    moved = fitted(X_source * unit + 1000 * unit, X_target * unit + 1000 * unit)
    assert_allclose(moved.scale_, plain.scale_, rtol=1e-3)
    # Equal in the limit; L-BFGS stops where the gradient is small.
    expected = unit * (plain.offset_ - (plain.scale_ - 1) * 1000)
    assert_allclose(moved.offset_, expected, rtol=1e-2, atol=1e-3)


def test_a_column_constant_in_one_domain_is_only_moved(domains):
    X_source, X_target = domains[0].copy(), domains[1].copy()
    X_source[:, 0], X_target[:, 1] = 5.0, 7.0
    aligner = fitted(X_source, X_target)
    assert_allclose(aligner.scale_[:2], 1)
    one = fitted(X_source, X_target[:1])
    assert_allclose(one.scale_, 1)


def test_a_draw_of_rows_is_near_all_rows(domains):
    X_source, X_target, *_ = domains
    some = fitted(X_source, X_target, max_samples=150)
    every = fitted(X_source, X_target, max_samples=None)
    assert_allclose(some.scale_, every.scale_, rtol=0.3)
    assert not np.array_equal(some.scale_, every.scale_)


def test_bad_parameters(domains):
    for params, sentence in (
        ({"kernel": "poly"}, "`kernel` must be one of 'rbf', 'linear'"),
        ({"gamma": 0}, "`gamma` must be a finite number"),
        ({"regularization": -1}, "`regularization` must be a finite number"),
        ({"max_samples": 0}, "`max_samples` must be an integer"),
    ):
        with pytest.raises(ValueError, match=sentence):
            fitted(*domains[:2], **params)
