import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from sktransfer import SharedMultiTaskClassifier
from sktransfer.exceptions import NoTargetWarning
from tests.parameter.heart_disease import hospitals

SHARINGS = ["mean", "low_rank", "group_sparse"]


def drawn(n_classes):
    """Two sources and a target, of different sizes, centres and shares of classes."""
    rng = np.random.RandomState(0)
    domain = np.repeat([1, 2, -1], [60, 50, 25])
    w = rng.normal(size=(n_classes, 4)) + 0.3 * rng.normal(size=(3, n_classes, 4))
    X = rng.normal(size=(len(domain), 4)) + 0.3 * domain[:, None]
    score = np.einsum("ij,ikj->ik", X, w[domain]) + 0.5 * domain[:, None] * np.arange(
        n_classes
    )
    y = np.argmax(score + rng.gumbel(size=score.shape), axis=1)
    weight = rng.uniform(0.5, 2, len(X))
    order = rng.permutation(len(X))
    return X[order], y[order], domain[order], weight[order]


def fitted(rows, sharing="mean", **parameters):
    X, y, domain, weight = rows
    model = SharedMultiTaskClassifier(sharing, **parameters)
    return model.fit(X, y, sample_domain=domain, sample_weight=weight)


def smooth_gradient(rows, model):
    """Derivative of the log losses for coefficients and intercepts of each domain."""
    X, y, domain, weight = rows
    by_coef, by_intercept = [], []
    for number in model.domains_:
        at = domain == number
        shares = model.predict_proba(X[at], sample_domain=domain[at])
        rest = shares - (y[at][:, None] == model.classes_)
        rest = (
            weight[at][:, None] * rest[:, 1:]
            if len(model.classes_) == 2
            else (weight[at][:, None] * rest)
        )
        by_coef.append(rest.T @ X[at])
        by_intercept.append(rest.sum(axis=0))
    return np.array(by_coef), np.array(by_intercept)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_gradient_of_the_mean_is_zero(n_classes):
    rows = drawn(n_classes)
    model = fitted(rows, alpha=0.7, task_alpha=4.0, tol=1e-10)
    by_coef, by_intercept = smooth_gradient(rows, model)
    own = model.coef_ - model.shared_coef_
    assert_allclose(by_coef, -4.0 * own, atol=1e-6)
    assert_allclose(4.0 * own.sum(axis=0), 0.7 * model.shared_coef_, atol=1e-9)
    assert_allclose(by_intercept, 0, atol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("sharing", ["low_rank", "group_sparse"])
@pytest.mark.parametrize("alpha", [0.5, 6.0])
def test_subgradient_is_zero(n_classes, sharing, alpha):
    rows = drawn(n_classes)
    model = fitted(rows, sharing, alpha=alpha, tol=1e-9)
    by_coef, by_intercept = smooth_gradient(rows, model)
    assert_allclose(by_intercept, 0, atol=1e-5)
    pull, W = -by_coef.reshape(-1, 4) / alpha, model.coef_.reshape(-1, 4)
    if sharing == "low_rank":
        left, size, right = np.linalg.svd(W, full_matrices=False)
        left, right = left[:, size > 1e-8], right[size > 1e-8]
        assert_allclose(left.T @ pull, right, atol=1e-5)
        assert_allclose(pull @ right.T, left, atol=1e-5)
        assert np.linalg.norm(pull - left @ right, ord=2) <= 1 + 1e-5
    else:
        norms = np.linalg.norm(W, axis=0)
        zero = norms == 0
        assert_allclose(pull[:, ~zero], W[:, ~zero] / norms[~zero], atol=1e-5)
        assert np.all(np.linalg.norm(pull[:, zero], axis=0) <= 1 + 1e-5)


def test_no_smaller_objective_is_found():
    X, y, domain, weight = rows = drawn(3)
    place = np.select([domain == -1, domain == 1], [0, 1], 2)

    def objective(flat):
        shared, own, b = flat[:12], flat[12:48], flat[48:].reshape(3, 3)
        W = shared.reshape(3, 4) + own.reshape(3, 3, 4)
        score = np.einsum("ij,ikj->ik", X, W[place]) + b[place]
        loss = -weight @ log_softmax(score, axis=1)[np.arange(len(y)), y]
        return loss + 0.5 * 4.0 * own @ own + 0.5 * 0.7 * shared @ shared

    model = fitted(rows, alpha=0.7, task_alpha=4.0)
    own = model.coef_ - model.shared_coef_
    parts = (model.shared_coef_, own, model.intercept_)
    ours = objective(np.concatenate([part.ravel() for part in parts]))
    other = minimize(objective, np.zeros(57), options={"gtol": 1e-6})
    assert_allclose(ours, other.fun, rtol=1e-8)
    assert_allclose(model.shared_coef_.ravel(), other.x[:12], atol=1e-4)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_limits_of_the_mean(n_classes):
    X, y, domain, weight = rows = drawn(n_classes)
    # A logistic regression of each domain.
    model = fitted(rows, alpha=1e9, task_alpha=2.0, tol=1e-10)
    for number, w, b in zip(model.domains_, model.coef_, model.intercept_, strict=True):
        at = domain == number
        alone = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000)
        alone.fit(X[at], y[at], sample_weight=weight[at])
        assert_allclose(w, alone.coef_, atol=1e-4)
        assert_allclose(b, alone.intercept_, atol=1e-4)
    # One model for all; here the domains are copies, so the intercepts agree, too.
    X, y, domain = np.tile(X, (2, 1)), np.tile(y, 2), np.repeat([1, -1], len(X))
    weight = np.tile(weight, 2)
    model = fitted((X, y, domain, weight), alpha=2.0, task_alpha=1e9, tol=1e-10)
    pooled = LogisticRegression(C=0.5, tol=1e-10, max_iter=1000)
    pooled.fit(X, y, sample_weight=weight)
    for w, b in zip(model.coef_, model.intercept_, strict=True):
        assert_allclose(w, pooled.coef_, atol=1e-4)
        assert_allclose(b, pooled.intercept_, atol=1e-4)
    assert_allclose(model.shared_intercept_, pooled.intercept_, atol=1e-4)


@pytest.mark.parametrize("sharing", SHARINGS)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_order_and_names_do_not_matter(sharing, n_classes):
    X, y, domain, weight = rows = drawn(n_classes)
    model = fitted(rows, sharing)
    expected = model.predict_proba(X, sample_domain=domain)
    order = np.random.RandomState(3).permutation(len(X))
    shuffled = fitted((X[order], y[order], domain[order], weight[order]), sharing)
    assert_allclose(
        shuffled.predict_proba(X, sample_domain=domain), expected, atol=1e-6
    )
    names = np.array(["one", "two", "xyz"])[y]
    renamed = np.select([domain == -1, domain == 1], [-7, 5], 3)
    other = fitted((X, names, renamed, weight), sharing)
    assert_allclose(other.predict_proba(X, sample_domain=renamed), expected, atol=1e-6)
    # Classes in another order give the columns in that order.
    turned = fitted((X, n_classes - 1 - y, domain, weight), sharing)
    assert_allclose(
        turned.predict_proba(X, sample_domain=domain), expected[:, ::-1], atol=1e-6
    )
    # Rows moved along with their domain change nothing.
    moved = X + 9.0 * (domain == 2)[:, None]
    away = fitted((moved, y, domain, weight), sharing)
    assert_allclose(
        away.predict_proba(moved, sample_domain=domain), expected, atol=1e-5
    )


def test_methods_agree():
    X, y, domain, weight = drawn(3)
    model = fitted((X, y, domain, weight))
    scores = model.decision_function(X)
    assert_allclose(scores, X @ model.coef_[0].T + model.intercept_[0])
    assert_allclose(model.predict_proba(X), softmax(scores, axis=1))
    assert_allclose(model.predict_log_proba(X), log_softmax(scores, axis=1))
    assert_array_equal(model.predict(X), np.argmax(scores, axis=1))
    assert model.score(X, y) == np.mean(model.predict(X) == y)
    binary = fitted((X, y > 0, domain, weight))
    score = binary.decision_function(X)
    assert_allclose(binary.predict_proba(X)[:, 1], 1 / (1 + np.exp(-score)))
    assert_allclose(np.exp(binary.predict_log_proba(X)), binary.predict_proba(X))
    assert_array_equal(binary.predict(X), score > 0)


def test_a_domain_of_one_class_gets_the_shared_part():
    X, y, domain, weight = drawn(2)
    kept = (domain > 0) | (y == 1)
    one_class = X[kept], y[kept], domain[kept], weight[kept]
    with pytest.warns(NoTargetWarning, match="one class only in the target"):
        model = fitted(one_class)
    assert_array_equal(model.domains_, [1, 2])
    expected = X @ model.shared_coef_[0] + model.shared_intercept_
    assert_allclose(model.decision_function(X), expected)
    source = domain > 0
    with pytest.warns(NoTargetWarning, match="no labelled row in the target"):
        without = fitted((X, np.where(source, y, -1), domain, weight))
    assert_allclose(without.coef_, model.coef_)
    # Nothing at all can be learnt of two domains with one class each.
    half = (domain == 1) & (y == 0) | (domain == -1) & (y == 1)
    half |= (domain == 2) & (y == 1)
    with pytest.raises(ValueError, match="a domain with labelled rows of at least two"):
        fitted((X[half], y[half], domain[half], weight[half]))


def test_a_class_that_the_target_lacks_is_still_predicted():
    rng = np.random.RandomState(0)
    centers = np.array([[4.0, 0.0], [0.0, 4.0], [-4.0, -4.0]])
    y = np.arange(300) % 3
    domain = np.repeat([1, 2, -1], [120, 120, 60])
    X = centers[y] + rng.normal(size=(300, 2)) + 0.5 * domain[:, None]
    seen = (domain > 0) | (y != 2)
    model = SharedMultiTaskClassifier().fit(
        X[seen], y[seen], sample_domain=domain[seen]
    )
    target = domain == -1
    assert model.score(X[target], y[target]) > 0.95
    assert_allclose(model.coef_[0][2], model.shared_coef_[2], atol=1e-6)
    # With all classes everywhere, nothing is filled in: the same levels come out.
    whole = SharedMultiTaskClassifier().fit(X, y, sample_domain=domain)
    shares = whole.predict_proba(X[target])
    assert np.abs(shares - model.predict_proba(X[target])).mean() < 0.05


def test_planted_features_are_found():
    rng = np.random.RandomState(0)
    domain = np.repeat(np.r_[np.arange(1, 8), -1], 60)
    X = rng.normal(size=(480, 20))
    W = np.where(np.arange(20) < 3, 2 * rng.normal(size=(8, 20)), 0)
    y = np.sum(X * W[domain], axis=1) + rng.logistic(size=480) > 0
    model = SharedMultiTaskClassifier("group_sparse", alpha=11.0)
    model.fit(X, y, sample_domain=domain)
    norms = np.linalg.norm(model.coef_[:, 0], axis=0)
    assert np.all(norms[:3] > 0.5)
    assert_allclose(norms[3:], 0, atol=0.05)


def test_bad_input():
    X, y, domain, _ = drawn(2)
    with pytest.raises(ValueError, match="`sharing` must be one of"):
        SharedMultiTaskClassifier("all").fit(X, y, sample_domain=domain)
    with pytest.raises(ValueError, match="at least two classes, got one"):
        SharedMultiTaskClassifier().fit(X, np.ones(len(X), int), sample_domain=domain)
    unlabelled = np.where(domain > 0, -1, y + 1)
    with pytest.raises(ValueError, match="needs labelled source rows"):
        SharedMultiTaskClassifier().fit(X, unlabelled, sample_domain=domain)


@pytest.mark.slow
@pytest.mark.parametrize("site", ["hungarian", "switzerland", "va"])
def test_hospitals_are_tasks(site):
    sites = ["cleveland", "hungarian", "switzerland", "va"]
    parts = hospitals(*sites)
    X, y = parts[sites.index(site)]
    others = [part for part, name in zip(parts, sites, strict=True) if name != site]
    numbers = np.repeat([1, 2, 3], [len(part[1]) for part in others])
    losses = {"mean": [], "alone": [], "pooled": []}
    for seed in range(10):
        rows = np.random.RandomState(seed).permutation(len(y))
        few, rest = rows[:30], rows[30:]
        while len(np.unique(y[few])) < 2:
            few, rest = rows[: len(few) + 5], rows[len(few) + 5 :]
        X_all = np.vstack([part[0] for part in others] + [X[few]])
        y_all = np.concatenate([part[1] for part in others] + [y[few]])
        domain = np.append(numbers, np.full(len(few), -1))
        model = SharedMultiTaskClassifier().fit(X_all, y_all, sample_domain=domain)
        for name, other in (
            ("mean", model),
            ("alone", LogisticRegression().fit(X[few], y[few])),
            ("pooled", LogisticRegression().fit(X_all, y_all)),
        ):
            shares = other.predict_proba(X[rest])
            losses[name].append(log_loss(y[rest], shares, labels=[0, 1]))
    means = {name: np.mean(values) for name, values in losses.items()}
    print(site, {name: round(float(value), 3) for name, value in means.items()})
    # Nearly all in Switzerland are ill: an intercept alone is hard to beat there. And
    # in the third hospital an intercept from thirty rows costs more than it brings.
    margin = 0.02 if site == "switzerland" else 0.0
    assert means["mean"] < means["alone"] + margin
    assert means["mean"] < max(means["alone"], means["pooled"])
    if site != "va":
        assert means["mean"] < means["pooled"]
