import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import (
    LinearRegression,
    LogisticRegression,
    PoissonRegressor,
    Ridge,
)
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from sktransfer import SourceRegularizedRegressor
from sktransfer.exceptions import NoTargetWarning
from sktransfer.utils.estimator_checks import yield_transfer_checks


@pytest.fixture
def domains():
    rng = np.random.RandomState(0)
    w = np.array([1.0, -2.0, 0.5, 0.0])
    X_source, X_target = rng.normal(size=(80, 4)), rng.normal(size=(15, 4)) + 3
    y_source = X_source @ w + rng.normal(size=80)
    y_target = X_target @ (w + 0.2) + 5 + rng.normal(size=15)
    return X_source, y_source, X_target, y_target


@pytest.fixture
def counts():
    rng = np.random.RandomState(0)
    w = np.array([0.5, -0.3, 0.2])
    X_source, X_target = rng.normal(size=(200, 3)), rng.normal(size=(40, 3)) + 1
    y_source = rng.poisson(np.exp(X_source @ w)).astype(float)
    y_target = rng.poisson(np.exp(X_target @ (w + 0.1) + 1)).astype(float)
    return X_source, y_source, X_target, y_target


def stacked(X_source, y_source, X_target, y_target):
    domain = np.repeat([1, -1], [len(X_source), len(X_target)])
    return np.r_[X_source, X_target], np.r_[y_source, y_target], domain


def zero_model(n_features):
    model = LinearRegression()
    model.coef_, model.intercept_ = np.zeros(n_features), 0.0
    return model


def test_it_is_the_ridge_of_what_the_source_leaves(domains):
    X_source, y_source, X, y = domains
    source = Ridge(2.0).fit(X_source, y_source)
    weight = np.random.RandomState(1).uniform(0.5, 2, len(y))
    model = SourceRegularizedRegressor(source, alpha=3.0)
    model.fit(X, y, sample_weight=weight)
    rest = Ridge(3.0).fit(X, y - X @ source.coef_, sample_weight=weight)
    assert_allclose(model.coef_, source.coef_ + rest.coef_)
    assert_allclose(model.intercept_, rest.intercept_)
    inside = SourceRegularizedRegressor(alpha=3.0, source_alpha=2.0)
    X_all, y_all, domain = stacked(*domains)
    weight = np.r_[np.ones(len(X_source)), weight]
    inside.fit(X_all, y_all, sample_domain=domain, sample_weight=weight)
    assert_allclose(inside.coef_, model.coef_)
    assert_allclose(inside.source_coef_, source.coef_)
    assert_allclose(inside.source_intercept_, source.intercept_)


def test_zero_source_is_ridge(domains):
    _, _, X, y = domains
    model = SourceRegularizedRegressor(zero_model(4), alpha=0.7).fit(X, y)
    ridge = Ridge(0.7).fit(X, y)
    assert_allclose(model.coef_, ridge.coef_)
    assert_allclose(model.predict(X), ridge.predict(X))


def test_limits(domains):
    X_source, y_source, X, y = domains
    source = Ridge().fit(X_source, y_source)
    far = SourceRegularizedRegressor(source, alpha=1e12).fit(X, y)
    assert_allclose(far.coef_, source.coef_, atol=1e-9)
    # The intercept stays the target's.
    assert_allclose(far.intercept_, np.mean(y - X @ source.coef_), atol=1e-8)
    near = SourceRegularizedRegressor(source, alpha=0).fit(X, y)
    assert_allclose(near.coef_, LinearRegression().fit(X, y).coef_)
    # Fewer rows than columns: least squares, nearest to the source.
    few = SourceRegularizedRegressor(source, alpha=0).fit(X[:3], y[:3])
    assert_allclose(few.predict(X[:3]), y[:3])
    small = SourceRegularizedRegressor(source, alpha=1e-9).fit(X[:3], y[:3])
    assert_allclose(few.coef_, small.coef_, atol=1e-7)


def objective(point, X, y, weight, prior, alpha, loss):
    eta = X @ point[:-1] + point[-1]
    rows = 0.5 * (y - eta) ** 2 if loss == "squared" else np.exp(eta) - y * eta
    return weight @ rows + alpha / 2 * np.sum((point[:-1] - prior) ** 2)


@pytest.mark.parametrize("loss", ["squared", "poisson"])
@pytest.mark.parametrize("alpha", [0.1, 10.0])
def test_written_out_objective(counts, loss, alpha):
    X_source, y_source, X, y = counts
    weight = np.random.RandomState(1).uniform(0.5, 2, len(y))
    source = PoissonRegressor(alpha=0).fit(X_source, y_source)
    model = SourceRegularizedRegressor(source, loss=loss, alpha=alpha)
    model.fit(X, y, sample_weight=weight)
    args = X, y, weight, source.coef_, alpha, loss
    found = minimize(objective, np.zeros(4), args, method="BFGS", tol=1e-9)
    solution = np.append(model.coef_, model.intercept_)
    assert_allclose(solution, found.x, atol=1e-4)
    assert objective(solution, *args) <= found.fun + 1e-9
    eta = X @ model.coef_ + model.intercept_
    rows = weight * ((np.exp(eta) if loss == "poisson" else eta) - y)
    gradient = X.T @ rows + alpha * (model.coef_ - source.coef_)
    assert_allclose(gradient, 0, atol=1e-6)
    assert_allclose(rows.sum(), 0, atol=1e-6)


def test_poisson_equals_scikit_learn(counts):
    X_source, y_source, X, y = counts
    # Its loss is the mean and ours the sum.
    plain = PoissonRegressor(alpha=2.0 / len(y), tol=1e-10, max_iter=1000).fit(X, y)
    model = SourceRegularizedRegressor(zero_model(3), loss="poisson", alpha=2.0)
    model.fit(X, y)
    assert_allclose(model.coef_, plain.coef_, atol=1e-5)
    assert_allclose(model.predict(X), plain.predict(X), rtol=1e-5)
    free = SourceRegularizedRegressor(loss="poisson", alpha=0.0, source_alpha=0)
    X_all, y_all, domain = stacked(*counts)
    free.fit(X_all, y_all, sample_domain=domain)
    for coef, rows in ((free.coef_, (X, y)), (free.source_coef_, (X_source, y_source))):
        plain = PoissonRegressor(alpha=0, tol=1e-10, max_iter=1000).fit(*rows)
        assert_allclose(coef, plain.coef_, atol=1e-5)


def test_gcv_by_its_formula(domains):
    X_source, y_source, X, y = domains
    source = Ridge().fit(X_source, y_source)
    weight = np.random.RandomState(1).uniform(0.5, 2, len(y))
    grid = [0.1, 1.0, 10.0]
    model = SourceRegularizedRegressor(source, alpha="gcv", alphas=grid)
    model.fit(X, y, sample_weight=weight)
    root = np.sqrt(weight)
    Z = root[:, None] * np.c_[X, np.ones(len(X))]
    rest = root * (y - X @ source.coef_)
    expected = []
    for alpha in grid:
        hat = Z @ np.linalg.solve(Z.T @ Z + alpha * np.diag([1, 1, 1, 1, 0]), Z.T)
        left = np.eye(len(y)) - hat
        score = len(y) * np.sum((left @ rest) ** 2) / np.trace(left) ** 2
        expected.append(score)
    assert_allclose(model.alpha_scores_, expected)
    assert model.alpha_ == grid[np.argmin(expected)]


def test_cross_validated_penalty_follows_the_source(domains):
    X_source, y_source, X, y = domains
    good = Ridge().fit(X_source, y_source)
    bad = Ridge().fit(X_source, -5 * y_source)
    for alpha in ("gcv", "cv"):
        chosen = [
            SourceRegularizedRegressor(source, alpha=alpha).fit(X, y).alpha_
            for source in (good, bad)
        ]
        assert chosen[0] > chosen[1]


def test_folds_and_scores_by_hand(domains):
    _, _, X, y = domains
    model = SourceRegularizedRegressor(
        zero_model(4), alpha="cv", alphas=[0.5, 5.0], n_folds=len(y)
    ).fit(X, y)
    expected = []
    for alpha in (0.5, 5.0):
        errors = []
        for i in range(len(y)):
            rest = np.arange(len(y)) != i
            fitted = Ridge(alpha).fit(X[rest], y[rest])
            errors.append((fitted.predict(X[i : i + 1])[0] - y[i]) ** 2 / 2)
        expected.append(np.mean(errors))
    assert_allclose(model.alpha_scores_, expected)


def test_no_labelled_target_is_the_source(domains):
    X, y, domain = stacked(*domains)
    y = np.where(domain < 0, np.nan, y)
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = SourceRegularizedRegressor(alpha="gcv").fit(X, y)
    source = Ridge().fit(*domains[:2])
    assert_allclose(model.predict(X), source.predict(X))
    given = SourceRegularizedRegressor(source)
    with pytest.warns(NoTargetWarning):
        given.fit(domains[2], np.full(15, np.nan))
    assert_array_equal(given.coef_, source.coef_)


def test_weights_of_several_sources(domains):
    X_source, y_source, X, y = domains
    good = Ridge().fit(X_source, y_source)
    other = Ridge().fit(X_source, X_source @ [0.0, 0.0, 0.0, 1.0])
    opposite = Ridge().fit(X_source, -y_source)
    model = SourceRegularizedRegressor([opposite, good, other]).fit(X, y)
    beta = model.source_weights_
    scores = X @ np.c_[opposite.coef_, good.coef_, other.coef_]
    centered = scores - scores.mean(axis=0)
    # Optimal over {beta >= 0, sum <= 1}: no vertex lies below along the gradient.
    gradient = centered.T @ (centered @ beta - (y - y.mean()))
    vertices = np.vstack([np.eye(3), np.zeros(3)])
    assert np.min((vertices - beta) @ gradient) > -1e-4 * np.abs(gradient).max()
    assert beta.min() >= 0
    assert beta.sum() <= 1 + 1e-9
    assert np.argmax(beta) == 1
    expected = np.array([opposite.coef_, good.coef_, other.coef_]).T @ beta
    assert_allclose(model.source_coef_, expected)
    alone = SourceRegularizedRegressor([opposite, opposite]).fit(X, y)
    assert_allclose(alone.source_weights_, 0, atol=1e-6)
    assert_allclose(alone.coef_, Ridge().fit(X, y).coef_, atol=1e-5)


def test_source_domains_are_sources(domains):
    X, y, domain = stacked(*domains)
    domain[:30] = 7
    model = SourceRegularizedRegressor().fit(X, y, sample_domain=domain)
    models = [Ridge().fit(X[rows], y[rows]) for rows in (domain == 1, domain == 7)]
    given = SourceRegularizedRegressor(models).fit(X, y, sample_domain=domain)
    assert_allclose(model.coef_, given.coef_)
    assert_allclose(model.source_weights_, given.source_weights_, atol=1e-9)


def test_columns_are_matched_by_name(domains):
    pd = pytest.importorskip("pandas")
    X_source, y_source, X, y = domains
    names = list("abcd")
    source = Ridge().fit(pd.DataFrame(X_source, columns=names), y_source)
    frame = pd.DataFrame(X, columns=names)
    model = SourceRegularizedRegressor(source).fit(frame, y)
    turned = SourceRegularizedRegressor(source).fit(frame[names[::-1]], y)
    assert_allclose(turned.coef_, model.coef_[::-1])
    with pytest.raises(
        ValueError, match=r"X alone has \['e'\], the source model alone"
    ):
        SourceRegularizedRegressor(source).fit(frame.rename(columns={"a": "e"}), y)


def test_bad_sources(domains):
    X, y = domains[2:]
    with pytest.raises(ValueError, match="3 coefficients a row, but X has 4"):
        SourceRegularizedRegressor(Ridge().fit(X[:, :3], y)).fit(X, y)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        SourceRegularizedRegressor(Ridge()).fit(X, y)
    with pytest.raises(TypeError, match="`source` must be"):
        SourceRegularizedRegressor("ridge").fit(X, y)
    with pytest.raises(TypeError, match="`source` must be"):
        SourceRegularizedRegressor(Ridge).fit(X, y)
    with pytest.raises(ValueError, match="empty list"):
        SourceRegularizedRegressor([]).fit(X, y)
    with pytest.raises(ValueError, match="has 2 outputs"):
        SourceRegularizedRegressor(Ridge().fit(X, np.c_[y, y])).fit(X, y)
    many = LogisticRegression().fit(X, np.arange(15) % 3)
    with pytest.raises(ValueError, match="has 3 outputs"):
        SourceRegularizedRegressor(many).fit(X, y)


def test_bad_parameters(domains, counts):
    _, _, X, y = domains
    for params, sentence in (
        ({"loss": "huber"}, "`loss` must be one of"),
        ({"alpha": -1}, "`alpha` must be"),
        ({"alpha": "loo"}, "`alpha` must be"),
        ({"alpha": "gcv", "loss": "poisson"}, "loss='squared' only"),
        ({"alphas": []}, "`alphas` must be"),
        ({"alphas": [-1.0]}, "`alphas` must be"),
        ({"alphas": [np.inf]}, "`alphas` must be"),
        ({"n_folds": 1}, "`n_folds` must be"),
        ({"source_alpha": -1}, "`source_alpha` must be"),
        ({"loss": "poisson"}, "values >= 0"),
    ):
        with pytest.raises(ValueError, match=sentence):
            SourceRegularizedRegressor(**params).fit(X, -np.abs(y))
    X, y, domain = stacked(*counts)
    model = SourceRegularizedRegressor(loss="poisson")
    with pytest.raises(ValueError, match="are all 0"):
        model.fit(X, np.where(domain > 0, 0, y), sample_domain=domain)
    with pytest.warns(NoTargetWarning, match="all 0"):
        model.fit(X, np.where(domain < 0, 0, y), sample_domain=domain)
    assert_array_equal(model.coef_, model.source_coef_)


@pytest.mark.parametrize("params", [{"alpha": "cv"}, {"loss": "poisson"}])
def test_rows_are_permutable_and_left_alone(counts, params):
    X, y, domain = stacked(*counts)
    domain[:60] = 2
    kept = X.copy(), y.copy(), domain.copy()
    model = SourceRegularizedRegressor(**params)
    expected = clone(model).fit(X, y, sample_domain=domain).predict(X)
    for was, now in zip(kept, (X, y, domain), strict=True):
        assert_array_equal(was, now)
    order = np.random.RandomState(0).permutation(len(X))
    model.fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(model.predict(X), expected, rtol=1e-6)


def test_frozen_source_in_a_search(domains):
    X_source, y_source, X, y = domains
    source = FrozenEstimator(Ridge().fit(X_source, y_source))
    search = GridSearchCV(SourceRegularizedRegressor(source), {"alpha": [0.1, 1e9]})
    search.fit(X, y)
    assert search.best_score_ > -np.inf
    by_one = SourceRegularizedRegressor(source, **search.best_params_).fit(X, y)
    assert_array_equal(search.best_estimator_.coef_, by_one.coef_)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("params", [{"alpha": "gcv"}, {"alpha": "cv"}])
def test_promises(params):
    for check in yield_transfer_checks(SourceRegularizedRegressor(**params)):
        check()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("params", [{"loss": "poisson"}, {"alpha": "gcv"}])
def test_scikit_learn_checks(params):
    done = check_estimator(SourceRegularizedRegressor(**params), on_skip=None)
    assert not [check for check in done if check["status"] == "failed"]


def test_fitted_on_hard_counts():
    # Features of very unlike scale, large counts: the exponential must not overflow.
    rng = np.random.RandomState(0)
    X = rng.normal(size=(50, 3)) * [1e-3, 1.0, 1e3] + [0, 5, 1e4]
    y = rng.poisson(np.exp(2e-3 * (X[:, 2] - 1e4) + X[:, 1])).astype(float)
    model = SourceRegularizedRegressor(zero_model(3), loss="poisson", alpha=1e-3)
    model.fit(X, y)
    mean = model.predict(X)
    scale = np.abs(X - X.mean(axis=0)).T @ y
    gradient = (X - X.mean(axis=0)).T @ (mean - y) + 1e-3 * model.coef_
    assert np.all(np.abs(gradient) < 1e-6 * scale)
    assert_allclose(mean.sum(), y.sum())
