import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics.pairwise import rbf_kernel

from sktransfer import KLIEPWeighter
from tests.instance.known_ratios import draw_known, mean_error

pytestmark = pytest.mark.filterwarnings(
    "ignore::sktransfer.exceptions.WeightCollapseWarning"
)


def fit(X, domain, **params):
    return KLIEPWeighter(**params).fit(X, sample_domain=domain)


def draw(n_source=90, n_target=70, p=2, seed=0):
    rng = np.random.RandomState(seed)
    X = np.r_[
        rng.normal(size=(n_source, p)), 0.7 * rng.normal(size=(n_target, p)) + 0.5
    ]
    return X, np.repeat([1, -1], [n_source, n_target])


def best_by_slsqp(A, b, w):
    """Maximise w'log(A a) with b'a = 1 and a >= 0, by an independent solver."""
    m = len(b)
    found = minimize(
        lambda a: -w @ np.log(A @ a),
        1 / (m * b),
        jac=lambda a: -A.T @ (w / (A @ a)),
        bounds=[(0, None)] * m,
        constraints={"type": "eq", "fun": lambda a: b @ a - 1, "jac": lambda a: b},
        method="SLSQP",
        options={"ftol": 1e-13, "maxiter": 500},
    )
    return -found.fun


@pytest.mark.parametrize("gamma", [0.1, 1.0, 10.0])
def test_optimum_of_an_independent_solver(gamma):
    X, domain = draw(n_target=30)
    weighter = fit(X, domain, gamma=gamma)
    # Every target row is a centre.
    A, b = rbf_kernel(X[90:], gamma=gamma), rbf_kernel(X[:90], X[90:], gamma=gamma)
    best = best_by_slsqp(A, b.mean(axis=0), np.full(30, 1 / 30))
    assert_allclose(weighter.objective_, [best], atol=1e-7)
    assert weighter.gap_ <= 1e-8
    assert_array_equal(weighter.gamma_, [gamma])
    assert_array_equal(weighter.score_, [-np.inf])


def test_ratio_has_mean_one_and_the_objective():
    X, domain = draw()
    weighter = fit(X, domain, n_centers=20)
    ratio = weighter.ratios_[0]
    assert_allclose(np.exp(ratio(X[:90])).mean(), 1, rtol=1e-9)
    assert_allclose(ratio(X[90:]).mean(), ratio.objective, rtol=1e-9)
    assert_allclose(np.exp(ratio(X[:90])), weighter.sample_weight_[:90], rtol=1e-9)
    centres = ratio.centres.rows + ratio.centres.origin
    K = rbf_kernel(X, centres, gamma=ratio.gamma)
    assert_allclose(ratio(X), np.log(K @ np.exp(ratio.log_coefficients)), rtol=1e-8)
    assert len(centres) <= 20
    # Centres are target rows.
    assert np.abs(centres[:, None] - X[90:]).max(axis=2).min(axis=1).max() < 1e-12


def test_held_out_source_rows_keep_kernels_wide():
    # By target rows alone the narrowest width of the grid wins here.
    X, domain, ratio = draw_known("gaussians", 5, 200)
    chosen = fit(X, domain)
    widths = np.array([0.0625, 0.25, 1.0, 4.0, 16.0])
    median = fit(X, domain, gamma="median").gamma_[0]
    assert chosen.gamma_[0] < 10 * median
    by_width = [fit(X, domain, gamma=median * width) for width in widths]
    errors = [mean_error(weighter.sample_weight_, ratio) for weighter in by_width]
    error = mean_error(chosen.sample_weight_, ratio)
    assert error <= 1.1 * min(errors)
    assert error < 0.6 * errors[-1]


def test_score_is_the_divergence():
    # KL(N(0.5, 0.49) | N(0, 1)) in each of two columns.
    truth = 2 * (-np.log(0.7) + (0.49 + 0.25) / 2 - 0.5)
    X, domain, _ = draw_known("gaussians", 2, 4000)
    weighter = fit(X, domain)
    assert_allclose(weighter.score_, truth, atol=0.05)
    assert_allclose(weighter.objective_, truth, atol=0.05)


def test_stopping_early_is_said():
    X, domain = draw()
    weighter = KLIEPWeighter(gamma=1.0, tol=1e-13, max_iter=1)
    with pytest.warns(
        ConvergenceWarning, match="below the optimum, more than tol=1e-13"
    ) as said:
        weighter.fit(X, sample_domain=domain)
    assert said[0].filename == __file__
    assert weighter.n_iter_ == 1
    best = fit(X, domain, gamma=1.0).objective_
    assert best - weighter.objective_ <= weighter.gap_ + 1e-8


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"gamma": -1.0}, "`gamma` must be a finite number .* or 'cv' or 'median'"),
        ({"gamma": "scale"}, "`gamma` must be a finite number"),
        ({"gammas": ()}, "`gammas` must be a sequence"),
        ({"n_centers": 0}, "`n_centers` must be an integer"),
        ({"cv": 1}, "`cv` must be an integer"),
        ({"tol": 0.0}, "`tol` must be a finite number"),
        ({"max_iter": 0}, "`max_iter` must be an integer"),
        ({"clip": 0.0}, "`clip` must be a finite number"),
    ],
)
def test_bad_parameters(params, sentence):
    X, domain = draw()
    with pytest.raises(ValueError, match=sentence):
        fit(X, domain, **params)
