import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge

from sktransfer.exceptions import NoTargetWarning
from sktransfer.joint._joint_transport import SquaredDistances, transport_plan
from sktransfer.joint._joint_transport_regressor import JointTransportRegressor


def sinusoid(n=200, seed=1985):
    """The published example: a sinusoid, moved by two, sampled elsewhere."""
    rng = np.random.RandomState(seed)
    x_source = rng.normal(size=n) + np.where(np.arange(n) < n // 2, -2, 2)
    x_target = rng.normal(size=n) + 2
    x_target[: n // 2] = x_target[: n // 2] / 2 - 3
    y_source, y_target = (
        np.sin(x / 2) + 0.05 * rng.normal(size=n) for x in (x_source, x_target)
    )
    X = np.r_[x_source, x_target + 2][:, None]
    return X, np.r_[y_source, np.full(n, np.nan)], y_target


def test_published_sinusoid_is_solved():
    X, y, y_target = sinusoid()
    inner = KernelRidge(kernel="rbf", gamma=0.1, alpha=10.0)
    model = JointTransportRegressor(inner).fit(X, y)
    source_only = inner.fit(X[:200], y[:200])
    plain = np.mean((source_only.predict(X[200:]) - y_target) ** 2)
    adapted = np.mean((model.predict(X[200:]) - y_target) ** 2)
    assert adapted < 0.1 * plain
    assert np.all(np.diff(model.objective_) < 0)


def test_objective_is_the_cost_of_the_plan():
    X, y, _ = sinusoid(50)
    model = JointTransportRegressor(alpha=0.3, n_iter=4).fit(X, y)
    gaps = (X[:50] - X[50:].T) ** 2
    errors = (y[:50, None] - model.predict(X[50:])) ** 2 / np.var(y[:50])
    costs = 0.3 * gaps / gaps.max() + errors
    assert_allclose((model.plan_ * costs).sum(), model.objective_[-1])
    assert_allclose(model.plan_.sum(axis=1), 1 / 50)
    assert_allclose(model.plan_.sum(axis=0), 1 / 50)


def test_heavy_features_give_plain_transport_and_its_values():
    X, y, _ = sinusoid(60)
    X = np.c_[X, np.random.RandomState(0).normal(size=(120, 1))]
    model = JointTransportRegressor(alpha=1e6).fit(X, y)
    distances = SquaredDistances(X[:60], X[60:])
    plan, _ = transport_plan(distances, distances.shape)
    assert_allclose(model.plan_.toarray(), plan.toarray(), atol=1e-12)
    expected = Ridge().fit(X[60:], 60 * (plan.T @ y[:60]))
    assert_allclose(model.estimator_.coef_, expected.coef_)


def test_units_change_nothing():
    X, y, _ = sinusoid(60)
    inner = KernelRidge(kernel="rbf", gamma=0.1)
    predicted = JointTransportRegressor(inner).fit(X, y).predict(X)
    large = JointTransportRegressor(inner).fit(X, 1000 * y).predict(X)
    assert_allclose(large, 1000 * predicted, rtol=1e-6)


def test_labelled_target_rows_keep_their_value():
    X, y, y_target = sinusoid(100)
    y[100:150] = y_target[:50] + 3
    domain = np.r_[np.ones(100), -np.ones(100)]
    inner = KernelRidge(kernel="rbf", gamma=0.1, alpha=0.1)
    model = JointTransportRegressor(inner).fit(X, y, sample_domain=domain)
    assert np.mean((model.predict(X[100:150]) - y_target[:50] - 3) ** 2) < 0.1


def test_without_target_it_is_the_estimator():
    X, y, _ = sinusoid(60)
    with pytest.warns(NoTargetWarning):
        model = JointTransportRegressor().fit(X[:60], y[:60])
    assert_allclose(model.predict(X), Ridge().fit(X[:60], y[:60]).predict(X))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"alpha": -1}, "`alpha` must be"),
        ({"method": "exact"}, "`method` must be one of"),
        ({"regularization": 0}, "`regularization` must be"),
        ({"n_iter": 0}, "`n_iter` must be"),
        ({"tol": -1}, "`tol` must be"),
    ],
)
def test_bad_parameters(settings, sentence):
    X, y, _ = sinusoid(20)
    with pytest.raises(ValueError, match=sentence):
        JointTransportRegressor(**settings).fit(X, y)


def test_all_source_unlabelled_is_an_error():
    X, y, _ = sinusoid(20)
    domain = np.r_[-np.ones(20), np.ones(20)]
    with pytest.raises(ValueError, match="fit an ordinary regressor"):
        JointTransportRegressor().fit(X, y, sample_domain=domain)


def test_no_labelled_row_is_said():
    X, y, _ = sinusoid(20)
    with pytest.raises(ValueError, match="needs labelled source rows, got none"):
        JointTransportRegressor().fit(
            X, np.full(len(y), np.nan), sample_domain=np.repeat([1, -1], 20)
        )
