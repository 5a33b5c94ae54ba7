"""The aligner: sums, images, maps of new rows, labels; solvers have their own tests."""

import sys
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import linear_sum_assignment
from sklearn.exceptions import ConvergenceWarning
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sktransfer import OptimalTransportAligner, TransferClassifier
from sktransfer.feature._transport_maps import fit_kernel_ridge, fit_ridge
from tests.feature.surf import aligned_score, surf_domains

METHODS = [
    "emd",
    "sinkhorn",
    "class_lpl1",
    "class_l1l2",
    "laplace",
    "unbalanced",
    "partial",
]


def draw(n_source=30, n_target=24, p=3, seed=0):
    rng = np.random.RandomState(seed)
    y_source = np.arange(n_source) % 2
    X_source = rng.normal(size=(n_source, p)) + 3 * y_source[:, None]
    y_target = np.arange(n_target) % 2
    X_target = 0.7 * (rng.normal(size=(n_target, p)) + 3 * y_target[:, None]) + 4
    return X_source, y_source, X_target, y_target


def fitted(aligner, X_source, y_source, X_target, y_target=None):
    if y_target is None:
        y_target = np.full(len(X_target), -1)
    X, y = np.r_[X_source, X_target], np.r_[y_source, y_target]
    domain = np.r_[np.ones(len(X_source)), -np.ones(len(X_target))]
    Z = aligner.fit_transform(X, y, sample_domain=domain)
    return Z[: len(X_source)], Z[len(X_source) :], y


def dense(plan):
    return plan.toarray() if sparse.issparse(plan) else plan


@pytest.mark.parametrize("method", METHODS)
def test_marginals(method):
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner(method)
    Z_source, Z_target, _ = fitted(aligner, X_source, y_source, X_target)
    assert_array_equal(Z_target, X_target)
    plan = dense(aligner.plan_)
    assert sparse.issparse(aligner.plan_) == (method in ("emd", "laplace", "partial"))
    assert plan.shape == (30, 24)
    assert plan.min() >= 0
    rows, columns = 30 * plan.sum(axis=1), 24 * plan.sum(axis=0)
    assert_allclose(aligner.source_mass_, rows)
    if method == "partial":
        assert_allclose(plan.sum(), 0.9)
        assert max(rows.max(), columns.max()) < 1 + 1e-9
    else:
        assert_allclose(plan.sum(), 1)
    if method not in ("partial", "unbalanced"):
        assert_allclose(rows, 1, rtol=1e-9)
        assert_allclose(columns, 1, rtol=1e-5)
    moved = rows > 1e-9
    expected = 30 * plan[moved] @ X_target / rows[moved, None]
    assert_allclose(Z_source[moved], expected, rtol=1e-9)


def test_exact_plan_of_as_many_rows_is_an_assignment():
    X_source, y_source, X_target, _ = draw(24, 24)
    Z_source, _, _ = fitted(OptimalTransportAligner(), X_source, y_source, X_target)
    costs = np.square(X_source[:, None] - X_target).sum(axis=2)
    assert_allclose(Z_source, X_target[linear_sum_assignment(costs)[1]])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("factor", [1e-120, 1e120])
def test_scale_of_the_rows_does_not_matter(method, factor):
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner(method)
    expected, _, _ = fitted(aligner, X_source, y_source, X_target)
    plan = dense(aligner.plan_)
    Z_source, _, _ = fitted(aligner, factor * X_source, y_source, factor * X_target)
    assert_allclose(dense(aligner.plan_), plan, atol=1e-9)
    assert_allclose(Z_source / factor, expected, rtol=1e-6)


@pytest.mark.parametrize("method", METHODS[:5])
def test_place_of_the_domains_does_not_matter_where_sums_are_fixed(method):
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner(method)
    expected, _, _ = fitted(aligner, X_source, y_source, X_target)
    Z_source, _, _ = fitted(aligner, X_source + 1e6, y_source, X_target)
    assert_allclose(Z_source, expected, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_float32(method):
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner(method)
    expected, _, _ = fitted(aligner, X_source, y_source, X_target)
    rows = X_source.astype(np.float32), y_source, X_target.astype(np.float32)
    Z_source, _, _ = fitted(aligner, *rows)
    assert Z_source.dtype == np.float32
    assert_allclose(Z_source, expected, atol=1e-3)
    new = aligner.transform(rows[0][:5], sample_domain=np.ones(5))
    assert new.dtype == np.float32


@pytest.mark.parametrize("method", METHODS)
def test_order_and_names_change_nothing_though_rows_are_equal(method):
    X_source, y_source, X_target, _ = draw()
    # Equal rows of one class, so that the best plan is not the only one.
    X_source[20:] = X_source[:10]
    y_source[20:] = y_source[:10]
    X_target[20:] = X_target[0]
    aligner = OptimalTransportAligner(method)
    Z_source, _, y = fitted(aligner, X_source, y_source, X_target)
    assert_allclose(Z_source[20:], Z_source[:10])
    shares = aligner.transport_labels(y)
    assert_allclose(shares[20:], shares[:1] + np.zeros((4, 1)))
    order = np.random.RandomState(1).permutation(30)
    back = np.random.RandomState(2).permutation(24)
    names = np.array(["horse", "bird", ""])[np.r_[y_source[order], np.full(24, 2)]]
    other, _, _ = fitted(
        aligner, X_source[order], names[:30], X_target[back], names[30:]
    )
    assert_allclose(other, Z_source[order], atol=1e-9)
    assert_allclose(aligner.transport_labels(names)[:, ::-1], shares[back], atol=1e-9)


def test_rows_of_other_classes_are_kept_apart():
    X_source, y_source, X_target, y_target = draw()
    # The labels say the contrary of the distances.
    y_target = 1 - y_target
    y_target[8:] = -1
    conflict = (y_source[:, None] != y_target) & (y_target >= 0)
    for method in METHODS:
        plain = OptimalTransportAligner(method)
        fitted(plain, X_source, y_source, X_target, y_target)
        assert dense(plain.plan_)[conflict].sum() > 0.2
        aligner = OptimalTransportAligner(method, semi_supervised=True, n_rounds=100)
        _, _, y = fitted(aligner, X_source, y_source, X_target, y_target)
        assert dense(aligner.plan_)[conflict].sum() < 1e-6
        shares = aligner.transport_labels(y)
        sent = dense(aligner.plan_)[:, :8].sum(axis=0) > 1e-3
        assert_allclose(shares[:8][sent].argmax(axis=1), y_target[:8][sent])


def test_they_meet_only_if_they_must():
    X_source, _, X_target, _ = draw()
    y_source, y_target = np.r_[np.zeros(27, int), 1, 1, 1], np.ones(24, int)
    y_target[12:] = -1
    # A tenth of the mass is of class 1, a half is wanted.
    conflict = (y_source[:, None] != y_target) & (y_target >= 0)
    for method in ("emd", "laplace"):
        aligner = OptimalTransportAligner(method, semi_supervised=True, n_rounds=100)
        fitted(aligner, X_source, y_source, X_target, y_target)
        assert_allclose(dense(aligner.plan_)[conflict].sum(), 0.4)


def test_labels_are_unread_unless_asked_for():
    X_source, y_source, X_target, y_target = draw()
    X, domain = np.r_[X_source, X_target], np.r_[np.ones(30), -np.ones(24)]
    for method in ("emd", "sinkhorn", "laplace", "unbalanced", "partial"):
        aligner = OptimalTransportAligner(method)
        expected = aligner.fit_transform(X, sample_domain=domain)
        Z_source, _, _ = fitted(aligner, X_source, y_source, X_target, y_target)
        assert_array_equal(Z_source, expected[:30])
        values = np.random.RandomState(0).normal(size=54)
        assert_array_equal(
            aligner.fit_transform(X, values, sample_domain=domain), expected
        )


@pytest.mark.parametrize("method", ["class_lpl1", "class_l1l2"])
def test_class_methods_need_classes(method):
    X_source, _, X_target, _ = draw()
    X, domain = np.r_[X_source, X_target], np.r_[np.ones(30), -np.ones(24)]
    aligner = OptimalTransportAligner(method)
    with pytest.raises(ValueError, match="needs labels of source rows, got none"):
        aligner.fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match="y holds values of a regression"):
        aligner.fit(X, X[:, 0], sample_domain=domain)
    with pytest.raises(ValueError, match="semi_supervised=True compares classes"):
        OptimalTransportAligner(semi_supervised=True).fit(
            X, X[:, 0], sample_domain=domain
        )


def test_transported_labels():
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner("sinkhorn")
    _, _, y = fitted(aligner, X_source, y_source, X_target)
    shares = aligner.transport_labels(y)
    assert_allclose(shares, 24 * aligner.plan_.T @ np.eye(2)[y_source], rtol=1e-5)
    assert_allclose(shares.sum(axis=1), 1)
    values = np.r_[X_source[:, 0], np.full(24, np.nan)]
    expected = 24 * aligner.plan_.T @ X_source[:, 0]
    assert_allclose(aligner.transport_labels(values), expected, rtol=1e-5)
    # Unlabelled source rows say nothing.
    some = y.copy()
    some[:10] = -1
    mass = aligner.plan_[10:]
    expected = mass.T @ np.eye(2)[y_source[10:]] / mass.sum(axis=0)[:, None]
    assert_allclose(aligner.transport_labels(some), expected)
    with pytest.raises(ValueError, match="labels of source rows, got none"):
        aligner.transport_labels(np.r_[np.full(30, -1), np.arange(24) % 2])


def test_target_rows_without_mass_have_the_mean_label():
    X = np.array([[0.0], [1.0], [2.0], [0.1], [1.1], [90.0]])
    y = np.array([0, 0, 1, -1, -1, -1])
    aligner = OptimalTransportAligner("partial", mass=2 / 3).fit(X, y)
    assert_allclose(aligner.transport_labels(y), [[1, 0], [1, 0], [2 / 3, 1 / 3]])
    assert_allclose(aligner.source_mass_, [1, 1, 0], atol=1e-12)
    # The row that is left out moves as its neighbour does.
    Z = aligner.fit_transform(X, y)
    assert_allclose(Z[:3].ravel(), [0.1, 1.1, 2.1])


def test_new_source_rows_move_as_the_nearest_one():
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner("emd")
    Z_source, _, _ = fitted(aligner, X_source, y_source, X_target)
    new = X_source + np.random.RandomState(3).normal(size=X_source.shape)
    mapped = aligner.transform(new, sample_domain=np.ones(30))
    nearest = np.square(new[:, None] - X_source).sum(axis=2).argmin(axis=1)
    assert_allclose(mapped, new + Z_source[nearest] - X_source[nearest])
    assert_array_equal(aligner.transform(new), new)


def test_sinkhorn_extends_to_new_rows():
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner("sinkhorn", tol=1e-12)
    Z_source, _, _ = fitted(aligner, X_source, y_source, X_target)
    mapped = aligner.transform(X_source, sample_domain=np.ones(30))
    assert_allclose(mapped, Z_source, rtol=1e-9)
    # A row far out in one direction is sent to the last target row on that side.
    far = X_source.mean(axis=0) + np.array([1e6, 0, 0])
    last = X_target[X_target[:, 0].argmax()]
    assert_allclose(aligner.transform([far], sample_domain=[1]), [last], rtol=1e-6)


def test_linear_mapping_finds_the_linear_map():
    rng = np.random.RandomState(0)
    X_source = rng.normal(size=(200, 3))
    matrix = np.array([[1.5, 0.3, 0.0], [0.3, 1.0, 0.2], [0.0, 0.2, 0.6]])
    # The gradient of a convex function: rows are sent to their own images.
    X_target = X_source @ matrix + [5, -3, 1]
    aligner = OptimalTransportAligner(mapping="linear", mapping_regularization=1e-10)
    Z_source, _, _ = fitted(aligner, X_source, np.zeros(200, int), X_target)
    assert_allclose(Z_source, X_target, atol=1e-6)
    new = rng.normal(size=(20, 3))
    mapped = aligner.transform(new, sample_domain=np.ones(20))
    assert_allclose(mapped, new @ matrix + [5, -3, 1], atol=1e-6)


@pytest.mark.parametrize("mapping", ["linear", "kernel"])
def test_much_regularisation_leaves_one_move_for_all(mapping):
    X_source, y_source, X_target, _ = draw()
    aligner = OptimalTransportAligner(mapping=mapping, mapping_regularization=1e9)
    Z_source, _, _ = fitted(aligner, X_source, y_source, X_target)
    move = X_target.mean(axis=0) - X_source.mean(axis=0)
    assert_allclose(Z_source, X_source + move, atol=1e-6)


def test_ridge_maps_against_other_solvers():
    X_source, _, X_target, _ = draw(30, 30)
    ridge = fit_ridge(X_source, X_target, 1e-12)
    expected = LinearRegression().fit(X_source, X_target).predict(X_source)
    assert_allclose(ridge(X_source), expected, atol=1e-8)
    kernel = fit_kernel_ridge(X_source, X_target, 1e-3, 0.5)
    moves = X_target - X_source
    # With the intercept as a kernel that is constant and very large.
    kernel_of = KernelRidge(alpha=0.03, kernel=_rbf_and_one).fit(X_source, moves)
    new = X_source + 0.1
    assert_allclose(kernel(new), new + kernel_of.predict(new), atol=1e-4)


def _rbf_and_one(x, z):
    return np.exp(-0.5 * np.square(x - z).sum()) + 1e6


@pytest.mark.parametrize(
    ("aligner", "limit"),
    [
        (OptimalTransportAligner("sinkhorn", regularization=1e-3, n_iter=3), "n_iter"),
        (
            OptimalTransportAligner("unbalanced", regularization=1e-3, n_iter=3),
            "n_iter",
        ),
        (
            OptimalTransportAligner("class_lpl1", regularization=1e-3, n_iter=3),
            "n_iter",
        ),
        (
            OptimalTransportAligner("class_l1l2", regularization=1e-3, n_iter=3),
            "n_iter",
        ),
        (OptimalTransportAligner("laplace", n_rounds=1), "n_rounds"),
    ],
)
def test_an_early_stop_is_said_and_finite(aligner, limit):
    rows = draw()[:3]
    with pytest.warns(ConvergenceWarning, match=f"stopped at {limit}="):
        Z_source, _, _ = fitted(aligner, *rows)
    assert np.isfinite(Z_source).all()


def test_far_rows_and_few_rows():
    X_source, y_source, X_target, _ = draw()
    X_source[0] += 1e4
    for method in METHODS:
        aligner = OptimalTransportAligner(method)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            Z_source, _, _ = fitted(aligner, X_source, y_source, X_target)
        assert np.isfinite(Z_source).all()
        one, _, _ = fitted(aligner, X_source[1:2], y_source[1:2], X_target)
        if method not in ("unbalanced", "partial"):
            assert_allclose(one, X_target.mean(axis=0)[None])


def test_several_sources_count_as_one():
    X_source, y_source, X_target, _ = draw()
    X, y = np.r_[X_source, X_target], np.r_[y_source, np.full(24, -1)]
    one = OptimalTransportAligner().fit_transform(X, y)
    domain = np.r_[np.arange(30) % 2 + 1, np.full(24, -1)]
    two = OptimalTransportAligner().fit_transform(X, y, sample_domain=domain)
    assert_array_equal(one, two)


def test_in_the_slot():
    X_source, y_source, X_target, y_target = draw(200, 160)
    X, y = np.r_[X_source, X_target], np.r_[y_source, np.full(160, -1)]
    model = TransferClassifier(LogisticRegression(), OptimalTransportAligner())
    assert model.fit(X, y).score(X_target, y_target) > 0.95


@pytest.mark.parametrize(
    ("parameters", "sentence"),
    [
        ({"method": "exact"}, "`method` must be one of 'emd'"),
        ({"regularization": 0}, "`regularization` must be a finite number"),
        ({"penalty": -1}, "`penalty` must be a finite number"),
        ({"mass": 0}, "`mass` must be a finite number"),
        ({"mass": 1.5}, "`mass` must be a finite number"),
        ({"marginal_relaxation": 0}, "`marginal_relaxation` must be"),
        ({"mapping": "spline"}, "`mapping` must be one of 'barycentric'"),
        ({"mapping_regularization": 0}, "`mapping_regularization` must be"),
        ({"semi_supervised": "yes"}, "`semi_supervised` must be one of True"),
        ({"n_neighbors": 0}, "`n_neighbors` must be an integer"),
        ({"n_rounds": 0}, "`n_rounds` must be an integer"),
    ],
)
def test_bad_parameters(parameters, sentence):
    with pytest.raises(ValueError, match=sentence):
        fitted(OptimalTransportAligner(**parameters), *draw()[:3])


def test_without_pot(monkeypatch):
    monkeypatch.setitem(sys.modules, "ot", None)
    with pytest.raises(ImportError, match=r"pip install 'sktransfer\[ot\]'"):
        fitted(OptimalTransportAligner(), *draw()[:3])


def test_without_target_rows():
    X_source, y_source, _, _ = draw()
    aligner = OptimalTransportAligner()
    with pytest.warns(UserWarning, match="found no target row"):
        aligner.fit(X_source, y_source)
    with pytest.raises(ValueError, match="needs target rows"):
        aligner.transport_labels(y_source)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "expected"), [("emd", 36.4), ("sinkhorn", 41.5)])
def test_surf(method, expected):
    """1-NN on the images; "emd" is ``ot.emd`` and its product with the target rows.

    "sinkhorn" is ``ot.sinkhorn(method="sinkhorn_log", reg=s)`` of the squared distances
    less their row and column means, s their standard deviation then.
    """
    score = aligned_score(
        OptimalTransportAligner(method), KNeighborsClassifier(1), surf_domains()
    )
    assert abs(score - expected) < 0.2
