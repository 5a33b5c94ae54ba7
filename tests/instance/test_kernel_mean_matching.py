import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse, stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import pairwise_kernels, rbf_kernel

from sktransfer import KernelMeanMatchingWeighter
from sktransfer.exceptions import WeightCollapseWarning
from sktransfer.metrics import mmd

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)


def draw(n_source=120, n_target=90, p=2, seed=0, shift=0.5, scale=0.7):
    rng = np.random.RandomState(seed)
    X = np.r_[
        rng.normal(size=(n_source, p)), scale * rng.normal(size=(n_target, p)) + shift
    ]
    return X, np.r_[np.ones(n_source), -np.ones(n_target)]


def fit(X, domain, **params):
    return KernelMeanMatchingWeighter(**params).fit(X, sample_domain=domain)


def test_optimum_of_an_interior_point_solver():
    # cvxopt 1.3.3, solvers.qp with abstol = reltol = feastol = 1e-12 on the programme
    # of the docstring: rng = np.random.RandomState(7); X = rng.normal(size=(60, 3));
    # Y = 0.7 * rng.normal(size=(50, 3)) + 0.5; gamma = 1 / 3, B = 4, eps = 0.2.
    rng = np.random.RandomState(7)
    X = np.r_[rng.normal(size=(60, 3)), 0.7 * rng.normal(size=(50, 3)) + 0.5]
    domain = np.r_[np.ones(60), -np.ones(50)]
    weighter = fit(X, domain, gamma=1 / 3, upper_bound=4.0, eps=0.2, tol=1e-9)
    assert_allclose(weighter.objective_, -906.0896762920695, rtol=1e-7)
    assert_allclose(weighter.coefficients_.sum(), 60.4092604870113, rtol=1e-5)
    assert weighter.converged_


@pytest.mark.parametrize("kernel", ["linear", "rbf", "laplacian", "poly", "cosine"])
@pytest.mark.parametrize("upper_bound", [1.5, 1000.0])
def test_bounds_and_objective(kernel, upper_bound):
    X, domain = draw()
    weighter = fit(
        X, domain, kernel=kernel, gamma=0.3, upper_bound=upper_bound, eps=0.1
    )
    w = weighter.coefficients_
    assert w.min() >= 0
    assert w.max() <= upper_bound
    assert 0.9 * (1 - 1e-9) <= w.mean() <= 1.1 * (1 + 1e-9)
    width = {} if kernel in ("linear", "cosine") else {"gamma": 0.3}
    K = pairwise_kernels(X, metric=kernel, **width)
    K_source, cross = K[:120, :120], K[:120, 120:]
    linear = 120 / 90 * cross.sum(axis=1)
    assert_allclose(weighter.objective_, 0.5 * w @ K_source @ w - linear @ w, rtol=1e-8)
    uniform = np.ones(120)
    assert weighter.objective_ <= 0.5 * uniform @ K_source @ uniform - linear.sum()
    v = w / w.sum()
    after = v @ K_source @ v - 2 * (v @ cross).mean() + K[120:, 120:].mean()
    assert_allclose(weighter.mmd_after_, after, atol=1e-9 * K.max())
    before = mmd(X[:120], X[120:], kernel=kernel, gamma=0.3)
    assert_allclose(weighter.mmd_before_, before, atol=1e-9 * K.max())
    assert_allclose(weighter.sample_weight_[:120], w / w.mean())
    assert_array_equal(weighter.sample_weight_[120:], 1)


def test_limits():
    X, domain = draw()
    # B = 1 with eps = 0 leaves a single point.
    assert_allclose(fit(X, domain, upper_bound=1.0, eps=0.0).coefficients_, 1)
    # eps = 0: the sum is n exactly.
    weighter = fit(X, domain, eps=0.0, upper_bound=5.0)
    assert_allclose(weighter.coefficients_.sum(), 120, rtol=1e-12)
    # Source and target the same rows: equal weights are optimal, at zero discrepancy.
    X_same = np.r_[X[:120], X[:120]]
    same = fit(X_same, np.r_[np.ones(120), -np.ones(120)], eps=0.0, upper_bound=2.0)
    assert same.mmd_before_ < 1e-12
    assert same.mmd_after_ < 1e-9
    assert same.effective_sample_size_ > 100


@pytest.mark.parametrize("p", [3, 5])
def test_follows_the_true_density_ratio(p):
    X, domain = draw(1500, 1500, p=p)
    weights = fit(X, domain, upper_bound=10.0).sample_weight_[:1500]
    source = stats.multivariate_normal(np.zeros(p))
    target = stats.multivariate_normal(np.full(p, 0.5), 0.49 * np.eye(p))
    ratio = target.pdf(X[:1500]) / source.pdf(X[:1500])
    # Single weights are spiky; averaged over rows of like ratio they follow it.
    groups = np.array_split(np.argsort(ratio), 10)
    by_group = np.array([[weights[g].mean(), ratio[g].mean()] for g in groups])
    assert np.corrcoef(by_group.T)[0, 1] > 0.9
    # Averages under the weights are averages of the target.
    mean = np.average(X[:1500], axis=0, weights=weights)
    assert_allclose(mean, X[1500:].mean(axis=0), atol=0.05)
    second = np.average(X[:1500] ** 2, axis=0, weights=weights)
    assert_allclose(second, (X[1500:] ** 2).mean(axis=0), atol=0.1)


def test_every_row_takes_part():
    # The peers' batches left rows over; here each row can have weight.
    X, domain = draw(1001, 200)
    weighter = fit(X, domain, upper_bound=1.2, eps=0.0)
    assert np.mean(weighter.coefficients_ > 0) > 0.8
    order = np.random.RandomState(0).permutation(1201)
    again = fit(X[order], domain[order], upper_bound=1.2, eps=0.0)
    assert_allclose(again.sample_weight_, weighter.sample_weight_[order], atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(
    seed=st.integers(0, 10**6),
    p=st.integers(1, 6),
    n_source=st.integers(2, 60),
    n_target=st.integers(1, 40),
    upper_bound=st.sampled_from([1.5, 20.0, 1000.0]),
)
def test_weights_for_any_rows(seed, p, n_source, n_target, upper_bound):
    X, domain = draw(n_source, n_target, p, seed)
    weights = fit(X, domain, upper_bound=upper_bound).sample_weight_
    assert weights.min() >= 0
    assert_allclose(weights[:n_source].mean(), 1)
    assert_array_equal(weights[n_source:], 1)
    order = np.random.RandomState(seed).permutation(len(domain))
    again = fit(X[order], domain[order], upper_bound=upper_bound).sample_weight_
    assert_allclose(again, weights[order], atol=1e-5 * weights.max())


@pytest.mark.parametrize("p", [1, 2, 3, 10])
def test_even_weights_where_rows_are_nearly_alike(p):
    X, domain = draw(600, 600, p)
    weighter = fit(X, domain)
    assert weighter.projected_gradient_norm_ < 1e-10
    assert weighter.mmd_after_ < 0.1 * weighter.mmd_before_
    if p < 4:
        assert weighter.effective_sample_size_ > 50


def test_a_doubled_target_changes_nothing():
    X, domain = draw(p=8)
    for gamma in ("median", 0.5):
        once = fit(X, domain, gamma=gamma)
        twice = fit(np.r_[X, X[120:]], np.r_[domain, domain[120:]], gamma=gamma)
        assert_array_equal(twice.coefficients_, once.coefficients_)
        assert twice.gamma_ == once.gamma_
        assert twice.objective_ == once.objective_


def test_a_doubled_source_changes_nothing():
    X, domain = draw(p=8)
    once = fit(X, domain)
    twice = fit(np.r_[X, X[:120]], np.r_[domain, domain[:120]])
    assert_array_equal(twice.coefficients_, np.tile(once.coefficients_, 2))
    assert twice.mmd_after_ == once.mmd_after_


def test_scale_of_the_columns():
    X, domain = draw(p=8)
    weights = fit(X, domain).sample_weight_
    assert_allclose(fit(1000 * X, domain).sample_weight_, weights, atol=1e-4)


@pytest.mark.parametrize("kernel", ["rbf", "laplacian"])
def test_nystroem_with_all_rows_is_exact(kernel):
    X, domain = draw(60, 50, p=6)
    exact = fit(X, domain, kernel=kernel)
    approximate = fit(X, domain, kernel=kernel, solver="nystroem", n_landmarks=110)
    assert_allclose(approximate.coefficients_, exact.coefficients_, atol=1e-3)
    assert_allclose(approximate.objective_, exact.objective_, rtol=1e-6)


def test_nystroem_comes_close_with_some_rows():
    X, domain = draw(800, 800, p=3)
    exact = fit(X, domain, upper_bound=10.0)
    approximate = fit(X, domain, upper_bound=10.0, solver="nystroem", n_landmarks=200)
    K = rbf_kernel(X[:800], gamma=exact.gamma_)
    linear = rbf_kernel(X[:800], X[800:], gamma=exact.gamma_).sum(axis=1)
    w = approximate.coefficients_
    objective = 0.5 * w @ K @ w - linear @ w
    assert_allclose(objective, exact.objective_, rtol=1e-4)


def test_working_set_equals_the_whole_matrix(monkeypatch):
    from sktransfer.instance import _mean_matching as module

    X, domain = draw(600, 300, p=5)
    parts = fit(X, domain)
    monkeypatch.setattr(module, "solve_by_columns", lambda *args, **kwargs: None)
    whole = fit(X, domain)
    assert_allclose(parts.objective_, whole.objective_, rtol=1e-7)
    assert_allclose(parts.coefficients_, whole.coefficients_, atol=1e-2)


def test_many_columns_and_tiny_data():
    X, domain = draw(30, 20, p=1000)
    assert np.isfinite(fit(X, domain).sample_weight_).all()
    two = fit(np.array([[0.0], [1.0]]), np.array([1, -1]))
    assert_array_equal(two.sample_weight_, [1, 1])


def test_sparse_equals_dense():
    X, domain = draw(p=8)
    X[np.abs(X) < 0.6] = 0
    for kernel in ("rbf", "linear", "cosine", "poly"):
        dense = fit(X, domain, kernel=kernel)
        thin = fit(sparse.csr_array(X), domain, kernel=kernel)
        assert_allclose(thin.sample_weight_, dense.sample_weight_, atol=1e-5)


@pytest.mark.filterwarnings("default::sktransfer.exceptions.WeightCollapseWarning")
def test_collapse_is_said():
    X, domain = draw(400, 200, p=2, shift=6.0)
    with pytest.warns(WeightCollapseWarning, match=r"effective sample size is \d+\.\d"):
        fit(X, domain)


def test_stopping_early_is_said():
    X, domain = draw()
    with pytest.warns(ConvergenceWarning, match="projected-gradient norm of"):
        weighter = fit(X, domain, kernel="poly", max_iter=2)
    assert not weighter.converged_
    assert weighter.projected_gradient_norm_ > weighter.tol


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"upper_bound": 0.5, "eps": 0.1}, "upper_bound=0.5 and eps=0.1 leave no"),
        ({"upper_bound": 0.0}, "`upper_bound` must be a finite number in"),
        ({"upper_bound": np.inf}, "`upper_bound` must be a finite number in"),
        ({"eps": -0.1}, "`eps` must be a finite number in"),
        ({"solver": "cvx"}, "`solver` must be one of 'exact', 'nystroem'"),
        ({"kernel": "gauss"}, "`kernel` must be one of"),
        ({"gamma": -1.0}, "`gamma` must be a finite number .* or 'median'"),
        ({"n_landmarks": 0}, "`n_landmarks` must be an integer"),
        ({"tol": 0}, "`tol` must be a finite number"),
        ({"max_iter": 0}, "`max_iter` must be an integer"),
    ],
)
def test_bad_parameters(params, sentence):
    X, domain = draw()
    with pytest.raises(ValueError, match=sentence):
        fit(X, domain, **params)


def test_bad_rows():
    X, domain = draw()
    X[0, 0] = np.inf
    with pytest.raises(ValueError, match="Input X contains infinity"):
        fit(X, domain)
