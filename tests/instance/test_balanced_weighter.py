import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.linear_model import LogisticRegression, Ridge

from sktransfer import (
    BalancedWeighter,
    GaussianWeighter,
    InstanceSelector,
    TransferClassifier,
    TransferRegressor,
)
from sktransfer.exceptions import NoTargetWarning
from sktransfer.instance._domain_shares import factors_of_share


def draw(n_source=60, n_labeled=12, n_unlabeled=20, seed=0):
    rng = np.random.RandomState(seed)
    n_target = n_labeled + n_unlabeled
    X = rng.normal(size=(n_source + n_target, 2))
    y = (X[:, 0] + 0.7 * rng.normal(size=len(X)) > 0).astype(int)
    X[n_source:, 0] += 1.0
    y[n_source + n_labeled :] = -1
    return X, y, np.repeat([1, -1], [n_source, n_target])


def explicit(X, y, domain, source, target):
    known = y != -1
    weights = np.where(domain > 0, source, target)[known]
    rows = weights > 0
    return LogisticRegression().fit(
        X[known][rows], y[known][rows], sample_weight=weights[rows]
    )


def fitted(X, y, domain, adapter):
    return TransferClassifier(LogisticRegression(), adapter).fit(
        X, y, sample_domain=domain
    )


def same(model, expected):
    assert_allclose(model.estimator_.coef_, expected.coef_, rtol=1e-6)
    assert_allclose(model.estimator_.intercept_, expected.intercept_, atol=1e-6)


def test_equals_explicit_weights():
    X, y, domain = draw()
    # Half of the weight on 12 target rows: a fifth for each of 60 source rows.
    same(fitted(X, y, domain, BalancedWeighter(0.5)), explicit(X, y, domain, 0.2, 1.0))
    # A tenth of the weight on the target, which is less than its rows: they fade.
    fading = 0.1 / 12 / (0.9 / 60)
    same(
        fitted(X, y, domain, BalancedWeighter(0.1)),
        explicit(X, y, domain, 1.0, fading),
    )


def test_minimises_the_shared_loss():
    X, y, domain = draw()
    model = fitted(X, y, domain, BalancedWeighter(0.7)).estimator_
    known, labels = y != -1, np.where(y == 1, 1, -1)
    slope = labels / (1 + np.exp(labels * model.decision_function(X)))
    means = [
        (slope[known & mask, None] * X[known & mask]).mean(axis=0)
        for mask in (domain < 0, domain > 0)
    ]
    # 12 target rows of weight one: the penalty 1/2 |w|^2 beside 12 / 0.7 mean losses.
    gradient = model.coef_[0] - 12 / 0.7 * (0.7 * means[0] + 0.3 * means[1])
    assert_allclose(gradient, 0, atol=5e-3)


def test_limits():
    X, y, domain = draw()
    known, target = y != -1, domain < 0
    alone = LogisticRegression().fit(X[known & target], y[known & target])
    same(fitted(X, y, domain, BalancedWeighter(1.0)), alone)
    near = fitted(X, y, domain, BalancedWeighter(1 - 1e-9)).estimator_
    assert_allclose(near.coef_, alone.coef_, rtol=1e-3)
    source = LogisticRegression().fit(X[~target], y[~target])
    same(fitted(X, y, domain, BalancedWeighter(0.0)), source)
    pooled = LogisticRegression().fit(X[known], y[known])
    same(fitted(X, y, domain, BalancedWeighter(12 / 72)), pooled)


@settings(deadline=None, max_examples=50)
@given(
    n_source=st.integers(1, 10**6),
    n_target=st.integers(1, 10**6),
    share=st.floats(0.0, 1.0),
)
def test_share(n_source, n_target, share):
    source, target = factors_of_share(n_source, n_target, share)
    assert max(source, target) == 1
    assert min(source, target) >= 0
    total = source * n_source + target * n_target
    assert_allclose(target * n_target / total, share, atol=1e-12)


def test_weights():
    X, y, domain = draw()
    weighter = BalancedWeighter(0.5).fit(X, y, sample_domain=domain)
    assert_allclose(weighter.sample_weight_[:60], 0.2)
    assert_array_equal(weighter.sample_weight_[60:], 1)
    assert weighter.effective_sample_size_ == 60
    light = BalancedWeighter(0.1).fit(X, y, sample_domain=domain)
    assert_array_equal(light.sample_weight_[:60], 1)
    assert_allclose(light.sample_weight_[60:72], 0.1 / 12 * 60 / 0.9)
    assert_array_equal(light.sample_weight_[72:], 1)
    thin = BalancedWeighter(0.5).fit(sparse.csr_array(X), y, sample_domain=domain)
    assert_array_equal(thin.sample_weight_, weighter.sample_weight_)
    # Unlabelled source rows are no part of the loss.
    y = np.r_[np.full(30, -1), y[30:]]
    fewer = BalancedWeighter(0.5).fit(X, y, sample_domain=domain)
    assert_allclose(fewer.sample_weight_[:60], 12 / 30)


def test_beside_other_adapters():
    X, y, domain = draw()
    both = [GaussianWeighter(clip=5), BalancedWeighter(0.5)]
    ratio = both[0].fit(X, y, sample_domain=domain).sample_weight_[:60]
    expected = explicit(X, y, domain, np.r_[0.2 * ratio, np.ones(32)], 1.0)
    same(fitted(X, y, domain, both), expected)
    same(fitted(X, y, domain, both[::-1]), expected)
    adapters = [InstanceSelector(), BalancedWeighter(0.5)]
    model = fitted(X, y, domain, adapters)
    weights = model.adapters_[1].sample_weight_
    kept = int(model.adapters_[0].support_[:60].sum())
    assert_allclose(weights[:kept].sum(), 12)


def test_regression():
    X, y, domain = draw()
    values = np.where(y == -1, np.nan, X[:, 0] ** 2)
    model = TransferRegressor(Ridge(), BalancedWeighter(0.5))
    model.fit(X, values, sample_domain=domain)
    known = y != -1
    weights = np.where(domain > 0, 0.2, 1.0)[known]
    expected = Ridge().fit(X[known], values[known], sample_weight=weights)
    assert_allclose(model.estimator_.coef_, expected.coef_)


def test_without_labelled_target_rows():
    X, y, domain = draw(n_labeled=0)
    with pytest.warns(NoTargetWarning, match="no labelled target row") as caught:
        weighter = BalancedWeighter(1.0).fit(X, y, sample_domain=domain)
    assert caught[0].filename == __file__
    assert_array_equal(weighter.sample_weight_, 1)
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = fitted(X, y, domain, BalancedWeighter(0.9))
    same(model, LogisticRegression().fit(X[:60], y[:60]))
    X, y, domain = draw()
    ignoring = TransferClassifier(adapter=BalancedWeighter(), target_labels="ignore")
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        ignoring.fit(X, y, sample_domain=domain)


def test_without_labelled_source_rows():
    X, y, domain = draw()
    y[:60] = -1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        weighter = BalancedWeighter(0.3).fit(X, y, sample_domain=domain)
    assert_array_equal(weighter.sample_weight_, 1)


@pytest.mark.parametrize("share", [-0.1, 1.1, np.nan, "half", None, True])
def test_bad_share(share):
    X, y, domain = draw()
    with pytest.raises(ValueError, match="`target_share` must be a finite number"):
        BalancedWeighter(share).fit(X, y, sample_domain=domain)
