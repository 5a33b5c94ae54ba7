import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, Ridge
from sklearn.metrics import log_loss

from sktransfer import TransferClassifier
from sktransfer.instance import InstanceSelector
from sktransfer.instance._influence import fit_influence, removal_scores


def rows(n, n_target=25, p=4, seed=0):
    rng = np.random.RandomState(seed)
    X, X_target = rng.normal(size=(n, p)) + 3, rng.normal(size=(n_target, p)) + 3.5
    coef = rng.normal(size=p)
    return X, X_target, (X - 3) @ coef, (X_target - 3) @ (coef + 0.3), rng


def half_squared(model, X, y):
    return 0.5 * np.mean((model.predict(X) - y) ** 2)


@settings(deadline=None, max_examples=10)
@given(
    st.integers(0, 1000), st.sampled_from([0.01, 1.0, 100.0]), st.sampled_from([2, 9])
)
def test_ridge_equals_refits_without_each_row(seed, alpha, p):
    X, X_target, y, y_target, rng = rows(12, p=p, seed=seed)
    y = y + rng.normal(size=12)
    model = fit_influence(X, y, X_target, y_target, alpha=alpha, logistic=False)
    _, scores = removal_scores(model, X, y)
    whole = half_squared(Ridge(alpha=alpha).fit(X, y), X_target, y_target)
    for i in range(12):
        rest = np.arange(12) != i
        without = Ridge(alpha=alpha).fit(X[rest], y[rest])
        rise = half_squared(without, X_target, y_target) - whole
        np.testing.assert_allclose(scores[i], rise, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_logistic_ranks_as_refits(n_classes, alpha):
    X, X_target, y, y_target, rng = rows(60)
    edges = np.quantile(y, np.arange(1, n_classes) / n_classes)
    y, y_target = np.digitize(y, edges), np.digitize(y_target, edges)
    flip = rng.permutation(60)[:8]
    y[flip] = (y[flip] + 1) % n_classes
    model = fit_influence(X, y, X_target, y_target, alpha=alpha, logistic=True)
    _, scores = removal_scores(model, X, y)

    def loss(kept):
        total = 0.0
        for c in range(1 if n_classes == 2 else 0, n_classes):
            plain = LogisticRegression(C=1 / alpha, tol=1e-9, max_iter=1000)
            plain.fit(X[kept], y[kept] == c)
            total += log_loss(y_target == c, plain.predict_proba(X_target)[:, 1])
        return total

    everything = np.ones(60, dtype=bool)
    whole = loss(everything)
    rises = [loss(np.arange(60) != i) - whole for i in range(60)]
    assert spearmanr(scores, rises)[0] > 0.97
    assert np.corrcoef(scores, rises)[0, 1] > 0.98


def test_several_outputs_add_up():
    X, X_target, y, y_target, _ = rows(15)
    options = {"alpha": 1.0, "logistic": False}

    def scores(y, y_target):
        model = fit_influence(X, y, X_target, y_target, **options)
        return removal_scores(model, X, y)[1]

    both = scores(np.c_[y, X[:, 0]], np.c_[y_target, -X_target[:, 1]])
    apart = scores(y, y_target) + scores(X[:, 0], -X_target[:, 1])
    np.testing.assert_allclose(both, apart, atol=1e-12)


def mislabelled(n=160, n_target=60, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n + n_target, 3))
    truth = (X[:, 0] + 0.5 * X[:, 1] + 0.3 * rng.normal(size=len(X)) > 0).astype(int)
    wrong = np.arange(len(X)) < n // 5
    y, domain = (
        np.where(wrong, 1 - truth, truth),
        np.where(np.arange(len(X)) < n, 1, -1),
    )
    return X, y, domain, wrong[:n]


def test_mislabelled_rows_are_dropped():
    X, y, domain, wrong = mislabelled()
    fitted = InstanceSelector("influence").fit(X, y, sample_domain=domain)
    kept = fitted.support_[domain > 0]
    assert kept[wrong].mean() < 0.2
    np.testing.assert_array_equal(kept, fitted.scores_[domain > 0] >= 0)
    X_new, y_new, *_ = mislabelled(5, 1000, seed=1)
    loss = {
        adapter: log_loss(
            y_new,
            TransferClassifier(LogisticRegression(), adapter)
            .fit(X, y, sample_domain=domain)
            .predict_proba(X_new),
        )
        for adapter in (None, fitted)
    }
    assert loss[fitted] < loss[None] - 0.1


def test_score_samples_is_the_first_order():
    X, y, domain, _ = mislabelled()
    source = domain > 0
    fitted = InstanceSelector("influence").fit(X, y, sample_domain=domain)
    scores = fitted.score_samples(X[source], y[source])
    assert np.corrcoef(scores, fitted.scores_[source])[0, 1] > 0.99
    neutral = fitted.score_samples(X[:2], [-1, 7])
    np.testing.assert_array_equal(neutral, 0)
    # With weights in the limit: the derivative of the loss by the weight of the row.
    step, target = 1e-4, ~source
    for i in (0, 50):
        losses = []
        for change in (-step, step):
            weight = np.ones(source.sum())
            weight[i] += change
            model = LogisticRegression(tol=1e-12, max_iter=5000)
            model.fit(X[source], y[source], weight)
            losses.append(log_loss(y[target], model.predict_proba(X[target])))
        slope = (losses[1] - losses[0]) / (2 * step)
        np.testing.assert_allclose(scores[i], -slope, rtol=1e-2)


def test_whole_values_are_values_with_a_ridge():
    X, X_target, y, y_target, _ = rows(40)
    quality = 3.0 * np.round(np.r_[y, y_target])
    X, domain = np.r_[X, X_target], np.repeat([1, -1], [40, 25])
    whole = InstanceSelector("influence", estimator=Ridge(alpha=2.0))
    whole.fit(X, quality, sample_domain=domain)
    moved = quality + 0.5
    values = InstanceSelector("influence", estimator=Ridge(alpha=2.0))
    values.fit(X, moved, sample_domain=domain)
    np.testing.assert_allclose(whole.scores_, values.scores_, atol=1e-10)
    classes = InstanceSelector("influence").fit(X, quality, sample_domain=domain)
    assert not np.allclose(classes.scores_[:40], whole.scores_[:40])


def test_one_class_and_one_row_are_neutral():
    X, y, domain, _ = mislabelled(20, 20)
    one_class = np.where(domain > 0, 0, y)
    fitted = InstanceSelector("influence").fit(X, one_class, sample_domain=domain)
    np.testing.assert_array_equal(fitted.scores_[:20], 0)
    assert fitted.support_.all()
    np.testing.assert_array_equal(fitted.score_samples(X, y), 0)
    one_row = InstanceSelector("influence", estimator=Ridge())
    one_row.fit(X[19:], X[19:, 0], sample_domain=domain[19:])
    np.testing.assert_array_equal(one_row.scores_[:1], 0)


def test_errors():
    X, y, domain, _ = mislabelled(20, 20)
    selector = InstanceSelector("influence")
    with pytest.raises(ValueError, match="needs labelled target rows, got none"):
        selector.fit(X, np.where(domain > 0, y, -1))
    with pytest.raises(ValueError, match="needs labelled source rows, got none"):
        selector.fit(X, np.where(domain < 0, y, -1), sample_domain=domain)
    for estimator in (LogisticRegressionCV(), Ridge):
        selector = InstanceSelector("influence", estimator=estimator)
        with pytest.raises(ValueError, match="must be a LogisticRegression, a Ridge"):
            selector.fit(X, y, sample_domain=domain)
    selector = InstanceSelector("influence", estimator=LogisticRegression(C=0.0))
    with pytest.raises(ValueError, match=r"`estimator.C` must be a finite number"):
        selector.fit(X, y, sample_domain=domain)
    selector = InstanceSelector("influence", estimator=LogisticRegression())
    with pytest.raises(ValueError, match="must be a Ridge or None for labels of reg"):
        selector.fit(X, X[:, 0], sample_domain=domain)
    selector = InstanceSelector("influence", estimator=Ridge())
    with pytest.raises(ValueError, match="only if the labels are numbers"):
        selector.fit(X, np.array(["a", "b"])[y], sample_domain=domain)


def test_no_row_is_left():
    # Another sign and a strong penalty: every row holds the target's loss up.
    X = np.tile([[-1.0], [1.0]], (31, 1))
    y = np.where(np.arange(62) < 60, 0.4, -0.5) * X[:, 0]
    domain = np.repeat([1, -1], [60, 2])
    selector = InstanceSelector("influence", estimator=Ridge(alpha=100.0))
    with pytest.raises(ValueError, match="'influence' left no source row"):
        selector.fit(X, y, sample_domain=domain)
    selector.set_params(n_select=2).fit(X, y, sample_domain=domain)
    assert selector.support_[:60].sum() == 2
