import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from sktransfer import TransferRegressor
from tests.adapters import ByFirstColumn, Centerer


@pytest.fixture
def data():
    rng = np.random.RandomState(0)
    domain = np.where(np.arange(90) % 3 == 0, -1, 1)
    X = rng.normal(size=(90, 2))
    truth = X @ [1.0, -2.0] + 0.1 * rng.normal(size=90)
    X[domain < 0] += 3.0
    return X, truth, domain


def test_nan_marks_the_target(data):
    X, truth, domain = data
    y = np.where(domain < 0, np.nan, truth)
    model = TransferRegressor(adapter=Centerer()).fit(X, y)
    source, target = X[domain > 0], X[domain < 0]
    by_hand = Ridge().fit(source - source.mean(0), truth[domain > 0])
    predicted = by_hand.predict(target - target.mean(0))
    assert_allclose(model.predict(target), predicted)
    expected = r2_score(truth[domain < 0], predicted)
    assert_allclose(model.score(target, truth[domain < 0]), expected)


def test_minus_one_is_a_value(data):
    X, _, domain = data
    y = np.arange(90) % 4 - 1
    model = TransferRegressor(LinearRegression()).fit(X, y, sample_domain=domain)
    by_hand = LinearRegression().fit(X, y)
    assert_allclose(model.estimator_.coef_, by_hand.coef_)


def test_several_outputs(data):
    X, truth, domain = data
    Y = np.c_[truth, -truth]
    Y[domain < 0] = np.nan
    model = TransferRegressor(adapter=ByFirstColumn()).fit(X, Y)
    assert model.predict(X).shape == (90, 2)
    assert get_tags(model).target_tags.multi_output
    Y[0] = [1.0, np.nan]
    with pytest.raises(ValueError, match="only some outputs are marked"):
        model.fit(X, Y)


def test_weights_reach_a_transformed_target(data):
    X, truth, domain = data
    y = np.where(domain < 0, np.nan, truth)
    inner = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), Ridge()), transformer=StandardScaler()
    )
    model = TransferRegressor(inner, ByFirstColumn()).fit(X, y)
    plain = TransferRegressor(inner).fit(X, y)
    assert np.abs(model.predict(X) - plain.predict(X)).max() > 1e-3


def test_target_values_ignored(data):
    X, truth, domain = data
    half = np.where((domain < 0) & (np.arange(90) % 2 == 0), np.nan, truth)
    masked = np.where(domain < 0, np.nan, truth)
    models = [
        TransferRegressor(adapter=Centerer(), target_labels="ignore").fit(
            X, y, sample_domain=domain
        )
        for y in (truth, half, masked)
    ]
    for model in models[1:]:
        assert_array_equal(model.predict(X), models[0].predict(X))
