import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize

from sktransfer.feature._invariant_feature_selector import InvariantFeatureSelector
from sktransfer.feature._invariant_features import (
    ball_maximum,
    column_scale,
    moment_gaps,
    moment_p_values,
)
from sktransfer.metrics import mmd

DOMAIN = np.r_[np.ones(80), -np.ones(60)]


@pytest.fixture
def X():
    """The second column is moved, the fourth stretched, in the target."""
    X = np.random.RandomState(0).normal(size=(140, 5))
    X[80:, 1] += 3
    X[80:, 3] *= 4
    return X


def test_the_quadratic_form_is_the_mmd_of_the_polynomial_kernel(X):
    scale = column_scale(X[:80], X[80:])
    w = np.random.RandomState(1).uniform(size=5)
    standard = (X - scale.centre) / scale.unit * np.sqrt(w)
    for degree in (1, 2):
        Q, c = moment_gaps(X[:80], X[80:], scale, degree)
        form = 2 * c @ w + (0 if Q is None else w @ Q @ w)
        params = {"kernel": "poly", "gamma": 1.0, "coef0": 1.0, "degree": degree}
        assert_allclose(form, mmd(standard[:80], standard[80:], **params), atol=1e-10)


def test_no_other_weights_give_a_larger_mmd():
    rng = np.random.RandomState(0)
    for _ in range(5):
        Q, c = rng.uniform(size=(4, 4)) ** 3, rng.uniform(size=4) ** 3
        Q = Q + Q.T

        def negative(w, Q=Q, c=c):
            return -(w @ Q @ w + 2 * c @ w)

        best = ball_maximum(Q, c)
        assert_allclose(np.linalg.norm(best), 1)
        assert best.min() >= 0
        ball = {"type": "ineq", "fun": lambda w: 1 - w @ w}
        found = [
            minimize(negative, start, bounds=4 * [(0, 1)], constraints=ball).fun
            for start in rng.dirichlet(np.ones(4), size=10)
        ]
        assert_allclose(negative(best), min(found), atol=1e-6)
        others = np.abs(rng.normal(size=(20_000, 4)))
        others /= np.linalg.norm(others, axis=1, keepdims=True)
        values = np.einsum("ij,jk,ik->i", others, Q, others) + 2 * others @ c
        assert values.max() <= -negative(best) + 1e-12


def test_the_maximum_where_the_linear_part_is_blind_to_the_leading_direction():
    Q, c = np.diag([3.0, 1.0, 0.0]), np.array([0.0, 1.0, 0.0])
    # On the sphere 3 a^2 + b^2 + 2 b is largest at b = 1/2.
    assert_allclose(ball_maximum(Q, c), [np.sqrt(0.75), 0.5, 0], atol=1e-8)
    assert_allclose(ball_maximum(Q, 0 * c), [1, 0, 0], atol=1e-8)
    assert_allclose(ball_maximum(None, np.array([3.0, 4.0])), [0.6, 0.8])
    assert_allclose(ball_maximum(0 * Q, 0 * c), 0)


def test_shifted_columns_are_dropped(X):
    selector = InvariantFeatureSelector().fit(X, sample_domain=DOMAIN)
    assert_array_equal(selector.get_support(), [True, False, True, False, True])
    assert_array_equal(selector.get_support(indices=True), [0, 2, 4])
    assert_array_equal(selector.transform(X), X[:, [0, 2, 4]])
    # Means alone do not see that a column is stretched.
    selector.set_params(degree=1).fit(X, sample_domain=DOMAIN)
    assert_array_equal(selector.get_support(indices=True), [0, 2, 3, 4])


def test_without_shift_every_column_stays():
    kept = []
    for seed in range(40):
        X = np.random.RandomState(seed).normal(size=(140, 6))
        kept.append(InvariantFeatureSelector().fit(X, sample_domain=DOMAIN).support_)
    # One in twenty may lose a column by chance.
    assert np.mean(np.all(kept, axis=1)) >= 0.9


def test_a_given_number_or_threshold(X):
    selector = InvariantFeatureSelector(2).fit(X, sample_domain=DOMAIN)
    assert selector.support_.sum() == 2
    assert selector.weights_[selector.support_].max() <= min(
        selector.weights_[~selector.support_]
    )
    selector = InvariantFeatureSelector(threshold=0.9).fit(X, sample_domain=DOMAIN)
    assert_array_equal(selector.support_, selector.weights_ <= 0.9)


def test_units_and_origin_do_not_matter(X):
    selector = InvariantFeatureSelector().fit(X, sample_domain=DOMAIN)
    weights = selector.weights_
    other = X * [1e-3, 1, 1e3, 7, -2] + [5, -5, 100, 0, 1]
    selector.fit(other, sample_domain=DOMAIN)
    assert_allclose(selector.weights_, weights, atol=1e-8)


def test_columns_constant_in_both_domains(X):
    X[:, 0] = 0.1
    X[:, 2] = DOMAIN
    selector = InvariantFeatureSelector().fit(X, sample_domain=DOMAIN)
    assert selector.weights_[0] == 0
    assert selector.support_[0]
    assert not selector.support_[2]
    assert selector.p_values_[0] == 1


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("degree", [1, 2])
def test_sparse_equals_dense_and_stays_sparse(X, container, degree):
    X[np.abs(X) < 0.7] = 0
    selector = InvariantFeatureSelector(degree=degree)
    dense = selector.fit_transform(X, sample_domain=DOMAIN)
    weights, p_values = selector.weights_, selector.p_values_
    Z = selector.fit_transform(container(X), sample_domain=DOMAIN)
    assert sparse.issparse(Z)
    assert_allclose(Z.toarray(), dense)
    assert_allclose(selector.weights_, weights, atol=1e-8)
    assert_allclose(selector.p_values_, p_values, atol=1e-8)


def test_p_values_are_uniform_without_shift():
    X = np.random.RandomState(0).normal(size=(400, 2000))
    scale = column_scale(X[:200], X[200:])
    p_values = moment_p_values(X[:200], X[200:], scale)
    # The smaller of two tests, doubled: 1 - (1 - a / 2)^2 of them are below a.
    for level in (0.05, 0.2, 0.5):
        assert_allclose((p_values < level).mean(), level - level**2 / 4, atol=0.02)


def test_names_are_kept(X):
    frame = pd.DataFrame(X, columns=list("abcde"))
    selector = InvariantFeatureSelector().set_output(transform="pandas")
    Z = selector.fit_transform(frame, sample_domain=DOMAIN)
    assert list(Z.columns) == ["a", "c", "e"]
    assert list(selector.get_feature_names_out()) == ["a", "c", "e"]


def test_columns_that_are_all_shifted_alike_stay():
    rows = np.random.RandomState(0).normal(size=(50, 1))
    X = np.r_[rows, rows + 5] @ np.ones((1, 3))
    domain = np.r_[np.ones(50), -np.ones(50)]
    selector = InvariantFeatureSelector().fit(X, sample_domain=domain)
    assert_allclose(selector.weights_, np.sqrt(1 / 3))
    assert selector.support_.all()


def test_bad_input(X):
    for params, sentence in (
        ({"degree": 3}, "`degree` must be one of 1, 2"),
        ({"threshold": -1}, "`threshold` must be a finite number"),
        ({"alpha": 2}, "`alpha` must be a finite number"),
        ({"n_features_to_select": 6}, "is more than the 5 features"),
        ({"threshold": 0.0}, "leaves no column"),
    ):
        with pytest.raises(ValueError, match=sentence):
            InvariantFeatureSelector(**params).fit(X, sample_domain=DOMAIN)
