import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, MultiTaskLasso, Ridge

from sktransfer import SharedMultiTaskRegressor
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._linear_losses import SquaredLoss
from sktransfer.parameter._mean_sharing import mean_newton, mean_ridge
from sktransfer.parameter._task_losses import Task, TaskLosses

DOMAINS = np.array([-2, -1, 1, 3])


@pytest.fixture
def rows():
    """Four domains of different sizes, levels and centres."""
    rng = np.random.RandomState(0)
    domain = np.repeat(DOMAINS, [7, 15, 60, 40])
    w = {number: np.arange(5) - 2 + 0.5 * rng.normal(size=5) for number in DOMAINS}
    X = rng.normal(size=(len(domain), 5)) + 0.5 * domain[:, None]
    signal = np.array([x @ w[number] for x, number in zip(X, domain, strict=True)])
    y = signal + 3 * domain + rng.normal(size=len(X))
    weight = rng.uniform(0.5, 2, len(X))
    order = rng.permutation(len(X))
    return X[order], y[order], domain[order], weight[order]


def centred(rows):
    """Each domain's rows and values minus their weighted means: no intercepts."""
    X, y, domain, weight = rows
    X, y = X.copy(), y.copy()
    for number in np.unique(domain):
        at = domain == number
        X[at] -= np.average(X[at], axis=0, weights=weight[at])
        y[at] -= np.average(y[at], weights=weight[at])
    return X, y


def fitted(rows, sharing="mean", **parameters):
    X, y, domain, weight = rows
    model = SharedMultiTaskRegressor(sharing, **parameters)
    return model.fit(X, y, sample_domain=domain, sample_weight=weight)


def smooth_gradient(rows, model):
    """Derivative of the losses for each coefficient, and for each intercept."""
    X, y, domain, weight = rows
    by_coef, by_intercept = [], []
    for number, w, b in zip(model.domains_, model.coef_, model.intercept_, strict=True):
        at = domain == number
        rest = weight[at] * (X[at] @ w + b - y[at])
        by_coef.append(rest @ X[at])
        by_intercept.append(rest.sum())
    return np.array(by_coef), np.array(by_intercept)


@pytest.mark.parametrize(("alpha", "task_alpha"), [(1.0, 1.0), (0.3, 7.0), (5.0, 0.2)])
def test_mean_is_ridge_on_augmented_features(rows, alpha, task_alpha):
    _, _, domain, weight = rows
    X, y = centred(rows)
    blocks = [X / np.sqrt(alpha)]
    blocks += [
        X * (domain == number)[:, None] / np.sqrt(task_alpha) for number in DOMAINS
    ]
    ridge = Ridge(1.0, fit_intercept=False, solver="svd")
    ridge.fit(np.hstack(blocks), y, sample_weight=weight)
    parts = ridge.coef_.reshape(5, 5)
    model = fitted(rows, alpha=alpha, task_alpha=task_alpha)
    shared = parts[0] / np.sqrt(alpha)
    assert_allclose(model.shared_coef_, shared)
    assert_allclose(model.coef_, shared + parts[1:] / np.sqrt(task_alpha))
    assert_array_equal(model.domains_, DOMAINS)
    assert_allclose(smooth_gradient(rows, model)[1], 0, atol=1e-9)


def test_mean_with_fewer_rows_than_features(rows):
    X, y, domain, weight = rows
    wide = np.random.RandomState(1).normal(size=(len(X), 300)) + X[:, :1]
    model = fitted((wide, y, domain, weight), alpha=2.0, task_alpha=3.0)
    by_coef, by_intercept = smooth_gradient((wide, y, domain, weight), model)
    own = model.coef_ - model.shared_coef_
    assert_allclose(by_coef, -3.0 * own, atol=1e-8)
    assert_allclose(3.0 * own.sum(axis=0), 2.0 * model.shared_coef_, atol=1e-8)
    assert_allclose(by_intercept, 0, atol=1e-8)


def test_limits_of_the_mean(rows):
    X, y, domain, weight = rows
    # One model for all, but for the intercepts.
    flat, values = centred(rows)
    pooled = Ridge(2.0, fit_intercept=False).fit(flat, values, sample_weight=weight)
    model = fitted(rows, alpha=2.0, task_alpha=1e9)
    assert_allclose(model.coef_, np.tile(pooled.coef_, (4, 1)), atol=1e-6)
    assert_allclose(model.shared_coef_, pooled.coef_, rtol=1e-6)
    # A model for each domain.
    model = fitted(rows, alpha=1e9, task_alpha=2.0)
    for number, w, b in zip(model.domains_, model.coef_, model.intercept_, strict=True):
        at = domain == number
        ridge = Ridge(2.0).fit(X[at], y[at], sample_weight=weight[at])
        assert_allclose(w, ridge.coef_, rtol=1e-6)
        assert_allclose(b, ridge.intercept_, rtol=1e-6)
    # No penalty: least squares of each domain.
    model = fitted(rows, alpha=1e-9, task_alpha=1e-9)
    for number, w in zip(model.domains_, model.coef_, strict=True):
        at = domain == number
        plain = LinearRegression().fit(X[at], y[at], sample_weight=weight[at])
        assert_allclose(w, plain.coef_, rtol=1e-6)


def test_newton_steps_find_the_closed_form(rows):
    X, y, domain, weight = rows
    tasks = [
        Task.of(X[domain == n], y[domain == n], weight[domain == n], SquaredLoss(), 1)
        for n in DOMAINS
    ]
    losses = TaskLosses(tasks, SquaredLoss(), 1)
    expected = mean_ridge(tasks, 0.7, 3.0)
    found = mean_newton(losses, 0.7, 3.0, tol=1e-10, max_iter=50)
    assert_allclose(found[0], expected[0], atol=1e-8)
    assert_allclose(found[1], expected[1], atol=1e-8)


def test_shared_part_is_the_model_of_a_domain_without_labels(rows):
    X, y, domain, weight = rows
    left = domain == -1
    y = np.where(left, np.nan, y)
    kept = domain != -2
    X, y, domain, weight = X[kept], y[kept], domain[kept], weight[kept]
    with pytest.warns(NoTargetWarning, match="no labelled row in the target"):
        model = fitted((X, y, domain, weight))
    assert_array_equal(model.domains_, [1, 3])
    expected = X @ model.shared_coef_ + model.shared_intercept_
    assert_allclose(model.predict(X), expected)
    assert_allclose(model.predict(X, sample_domain=np.full(len(X), 99)), expected)
    own = model.predict(X, sample_domain=np.full(len(X), 3))
    assert_allclose(own, X @ model.coef_[1] + model.intercept_[1])
    # The intercept: mean over the domains of what the shared part leaves there.
    rests = []
    for number in (1, 3):
        at = domain == number
        rest = y[at] - X[at] @ model.shared_coef_
        rests.append(np.average(rest, weights=weight[at]))
    assert_allclose(model.shared_intercept_, np.mean(rests))
    # Weighing down a domain is leaving it out.
    alone = domain != 3
    with pytest.warns(NoTargetWarning):
        less = fitted((X, y, domain, np.where(alone, weight, 0.0)))
    assert_array_equal(less.domains_, [1])


@pytest.mark.parametrize("sharing", ["low_rank", "group_sparse"])
@pytest.mark.parametrize("alpha", [0.5, 5.0, 40.0])
def test_subgradient_is_zero(rows, sharing, alpha):
    model = fitted(rows, sharing, alpha=alpha, tol=1e-10, max_iter=100000)
    by_coef, by_intercept = smooth_gradient(rows, model)
    assert_allclose(by_intercept, 0, atol=1e-6)
    pull, W = -by_coef / alpha, model.coef_
    if sharing == "low_rank":
        left, size, right = np.linalg.svd(W, full_matrices=False)
        kept = size > 1e-9
        left, right = left[:, kept], right[kept]
        # U'GV = I, and what is left of G is orthogonal to U and V, at most 1.
        assert_allclose(left.T @ pull, right, atol=1e-5)
        assert_allclose(pull @ right.T, left, atol=1e-5)
        assert np.linalg.norm(pull - left @ right, ord=2) <= 1 + 1e-5
    else:
        norms = np.linalg.norm(W, axis=0)
        zero = norms == 0
        assert_allclose(pull[:, ~zero], W[:, ~zero] / norms[~zero], atol=1e-5)
        assert np.all(np.linalg.norm(pull[:, zero], axis=0) <= 1 + 1e-5)


@pytest.mark.parametrize("sharing", ["low_rank", "group_sparse"])
def test_no_smaller_objective_is_found(rows, sharing):
    X, y, domain, weight = rows
    place = np.searchsorted(DOMAINS, domain)

    def objective(flat):
        W, b = flat[:20].reshape(4, 5), flat[20:]
        rest = y - np.sum(X * W[place], axis=1) - b[place]
        if sharing == "low_rank":
            # Smoothed a little, so that a general solver gets along.
            size = np.sqrt(np.linalg.eigvalsh(W @ W.T).clip(0) + 1e-12).sum()
        else:
            size = np.sqrt(np.sum(W**2, axis=0) + 1e-12).sum()
        return 0.5 * np.sum(weight * rest**2) + 3.0 * size

    model = fitted(rows, sharing, alpha=3.0)
    ours = objective(np.append(model.coef_.ravel(), model.intercept_))
    other = minimize(
        objective, np.zeros(24), method="L-BFGS-B", options={"maxfun": 10**5}
    )
    assert ours <= other.fun * (1 + 1e-6)
    assert_allclose(ours, other.fun, rtol=1e-4)


def test_group_sparse_on_the_same_rows_is_the_multi_task_lasso():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(50, 8))
    Y = X[:, :2] @ rng.normal(size=(2, 3)) + rng.normal(size=(50, 3)) + 5
    lasso = MultiTaskLasso(alpha=0.2, tol=1e-12, max_iter=10**5).fit(X, Y)
    domain = np.repeat([1, 2, -1], 50)
    model = SharedMultiTaskRegressor("group_sparse", alpha=0.2 * 50, tol=1e-11)
    model.fit(np.tile(X, (3, 1)), Y.T.ravel(), sample_domain=domain)
    order = [2, 0, 1]
    assert_allclose(model.coef_, lasso.coef_[order], atol=1e-7)
    assert_allclose(model.intercept_, lasso.intercept_[order], atol=1e-7)
    assert 0 < np.sum(np.any(model.coef_, axis=0)) < 8


def test_planted_features_and_directions_are_found():
    rng = np.random.RandomState(0)
    domain = np.repeat(np.r_[np.arange(1, 10), -1], 25)
    X = rng.normal(size=(250, 30))
    place = np.where(domain > 0, domain - 1, 9)
    directions, shares = rng.normal(size=(2, 30)), rng.normal(size=(10, 2))
    few = np.where(np.arange(30) < 4, rng.normal(size=(10, 30)), 0)
    for sharing, alpha, W in (
        ("low_rank", 16.0, shares @ directions),
        ("group_sparse", 4.0, few),
    ):
        y = np.sum(X * W[place], axis=1) + 0.1 * rng.normal(size=250)
        model = SharedMultiTaskRegressor(sharing, alpha=alpha)
        model.fit(X, y, sample_domain=domain)
        found = model.coef_[np.r_[1:10, 0]]
        errors = [np.linalg.norm(found - W)]
        for number in np.unique(domain):
            at = domain == number
            # Fewer rows than features: no domain can do it alone.
            errors.append(
                np.linalg.norm(Ridge(1.0).fit(X[at], y[at]).coef_ - W[place[at][0]])
            )
        assert errors[0] < 0.6 * np.linalg.norm(errors[1:])
        if sharing == "low_rank":
            assert np.linalg.matrix_rank(model.coef_) == 2
        else:
            assert np.all(np.any(found[:, :4], axis=0))
            assert np.linalg.norm(found[:, 4:]) < 0.2 * np.linalg.norm(found)


@pytest.mark.parametrize("sharing", ["mean", "low_rank", "group_sparse"])
def test_order_and_names_of_domains_do_not_matter(rows, sharing):
    X, y, domain, weight = rows
    model = fitted(rows, sharing)
    order = np.random.RandomState(3).permutation(len(X))
    shuffled = fitted((X[order], y[order], domain[order], weight[order]), sharing)
    assert_allclose(shuffled.coef_, model.coef_, atol=1e-6)
    renamed = np.select([domain == -2, domain == -1, domain == 1], [-1, -5, 9], 4)
    other = fitted((X, y, renamed, weight), sharing)
    expected = model.predict(X, sample_domain=domain)
    assert_allclose(other.predict(X, sample_domain=renamed), expected, atol=1e-5)
    # Shifting a domain's rows or values moves its intercept alone.
    moved = fitted((X + 7.0 * (domain == 3)[:, None], y - 4.0, domain, weight), sharing)
    assert_allclose(moved.coef_, model.coef_, atol=1e-5)


@pytest.mark.parametrize("sharing", ["mean", "low_rank", "group_sparse"])
def test_a_constant_value_needs_no_coefficients(rows, sharing):
    X, _, domain, weight = rows
    model = fitted((X, np.full(len(X), 4.0), domain, weight), sharing)
    assert_allclose(model.coef_, 0, atol=1e-12)
    assert_allclose(model.intercept_, 4)


def test_domains_in_predict(rows):
    X, y, domain, weight = rows
    model = fitted(rows, "low_rank")
    with pytest.raises(ValueError, match=r"several target domains \(-2, -1\)"):
        model.predict(X)
    with pytest.raises(ValueError, match="holds 2, but fit saw the domains -2, -1, 1"):
        model.predict(X, sample_domain=np.full(len(X), 2))
    one = domain != -2
    model = fitted((X[one], y[one], domain[one], weight[one]))
    expected = X @ model.coef_[0] + model.intercept_[0]
    assert_allclose(model.predict(X), expected)
    assert_allclose(model.predict(X, sample_domain=np.full(len(X), -1)), expected)
    scored = model.score(X[one], y[one], sample_domain=domain[one])
    assert scored > model.score(X[one], y[one])


def test_one_target_domain_without_labels_among_several(rows):
    X, y, domain, weight = rows
    with pytest.warns(NoTargetWarning, match="target domain -2"):
        model = fitted((X, np.where(domain == -2, np.nan, y), domain, weight))
    assert_array_equal(model.domains_, [-1, 1, 3])
    shared = X @ model.shared_coef_ + model.shared_intercept_
    assert_allclose(model.predict(X, sample_domain=np.full(len(X), -2)), shared)


def test_bad_parameters_and_slow_convergence(rows):
    for parameters, name in (
        ({"sharing": "median"}, "sharing"),
        ({"alpha": 0}, "alpha"),
        ({"task_alpha": -1.0}, "task_alpha"),
        ({"tol": 0.0}, "tol"),
        ({"max_iter": 0}, "max_iter"),
    ):
        with pytest.raises(ValueError, match=f"`{name}` must be"):
            fitted(rows, **parameters)
    with pytest.warns(ConvergenceWarning, match="max_iter=3"):
        fitted(rows, "low_rank", max_iter=3)
