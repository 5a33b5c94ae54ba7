import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from sktransfer.joint._domain_adaptive_svm import DomainAdaptiveSVM
from sktransfer.joint._progressive_svm import _entering, _leaving, progressive_svm


def moons(degrees, seed=0, n=200):
    """Two moons, turned about their middle in the target."""
    X_source, y_source = make_moons(n, noise=0.05, random_state=seed)
    X_target, y_target = make_moons(n, noise=0.05, random_state=seed + 100)
    turn = np.deg2rad(degrees)
    turn = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    middle = np.array([0.5, 0.25])
    X = np.r_[X_source - middle, (X_target - middle) @ turn]
    return X, np.r_[y_source, np.full(n, -1)], y_target


def blobs(seed=0, shift=1.5):
    rng = np.random.RandomState(seed)
    labels = np.arange(240) % 3
    X = 4 * np.array([[0, 0], [1, 0], [0, 1]])[labels] + 0.6 * rng.normal(size=(240, 2))
    X[120:] += shift
    return X, np.where(np.arange(240) < 120, labels, -1), labels[120:]


@pytest.mark.parametrize("seed", range(3))
def test_turned_moons_are_followed(seed):
    X, y, y_target = moons(30, seed)
    plain = SVC(C=10, gamma=1.0).fit(X[:200], y[:200]).score(X[200:], y_target)
    model = DomainAdaptiveSVM(C=10, gamma=1.0).fit(X, y)
    assert plain < 0.97
    assert model.score(X[200:], y_target) > 0.99


def test_no_shift_is_about_the_plain_machine():
    X, y, y_target = moons(0)
    model = DomainAdaptiveSVM(C=10, gamma=1.0).fit(X, y)
    plain = SVC(C=10, gamma=1.0).fit(X[:200], y[:200])
    assert model.score(X[200:], y_target) >= plain.score(X[200:], y_target) - 0.01


def test_all_target_labelled_is_one_machine_on_all_rows():
    X, y, y_target = moons(30)
    domain = np.r_[np.ones(200), -np.ones(200)]
    y[200:] = y_target
    model = DomainAdaptiveSVM(gamma=1.0).fit(X, y, sample_domain=domain)
    plain = SVC(gamma=1.0).fit(X, y)
    assert_array_equal(model.n_iter_, [1])
    expected = plain.decision_function(X)
    assert_allclose(model.decision_function(X), expected, atol=0.02)


def test_in_the_end_only_target_rows_support_the_machine():
    X, y, _ = moons(30)
    model = DomainAdaptiveSVM(gamma=1.0).fit(X, y)
    supports = {tuple(row) for row in model.estimators_[0].support_vectors_}
    assert supports <= {tuple(row) for row in X[200:]}


def test_several_classes_with_names_in_any_order():
    X, y, y_target = blobs()
    model = DomainAdaptiveSVM().fit(X, y)
    plain = SVC().fit(X[:120], y[:120])
    assert len(model.estimators_) == len(model.n_iter_) == 3
    assert model.decision_function(X).shape == (240, 3)
    assert model.score(X[120:], y_target) > plain.score(X[120:], y_target)
    names = np.array(["", "c", "b", "a"])
    order = np.random.RandomState(1).permutation(len(X))
    named = DomainAdaptiveSVM().fit(X[order], names[y + 1][order])
    assert_array_equal(named.predict(X), names[1:][model.predict(X)])
    decisions = model.decision_function(X)[:, ::-1]
    assert_allclose(named.decision_function(X), decisions, atol=1e-9)


def test_labelled_target_rows_keep_their_label():
    X, y, y_target = moons(50)
    lost = DomainAdaptiveSVM(C=10, gamma=1.0).fit(X, y)
    assert lost.score(X[200:], y_target) < 0.6
    y[200:240] = y_target[:40]
    domain = np.r_[np.ones(200), -np.ones(200)]
    model = DomainAdaptiveSVM(C=10, gamma=1.0).fit(X, y, sample_domain=domain)
    assert model.score(X[200:], y_target) > 0.9


def test_the_surest_inside_enter_and_sides_are_filled_up():
    decisions = np.array([0.9, 0.1, 0.5, 3.0, 2.0, -4.0, -1.5, -1.2, 0.95])
    signs = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1])
    assert_array_equal(_entering(decisions, signs, 2), [0, 2, 7, 6])
    assert_array_equal(_entering(decisions, signs, 5), [0, 2, 1, 4, 3, 7, 6, 5])


def test_the_farthest_leave_but_no_side_runs_empty():
    X = np.array([[-3.0], [-1.0], [1.0], [2.0], [4.0]])
    sign = np.array([-1, -1, 1, 1, 1])
    machine = SVC(kernel="linear").fit(X, sign)
    kept, signs = np.ones(5, dtype=bool), np.array([1, 0])
    leaving = _leaving(machine, X, sign, kept, signs, 1)
    assert_array_equal(leaving, [True, False, False, False, True])
    # No target row holds the negative side: its last source row stays.
    leaving = _leaving(machine, X, sign, np.arange(5) > 0, signs, 2)
    assert_array_equal(leaving, [False, False, False, True, True])


def test_a_round_without_unlabelled_rows_is_the_source_machine():
    X, y, _ = moons(0)
    signs = 2 * y[:200] - 1
    machine, n_machines, converged = progressive_svm(
        X[:200],
        signs,
        X[:1],
        signs[:1],
        C=2.0,
        C_target=1e-9,
        n_per_round=1,
        n_ramp=10,
        beta=0.0,
        max_iter=5,
        svc_params={"kernel": "linear"},
    )
    expected = SVC(kernel="linear", C=2.0).fit(X[:200], signs)
    assert (n_machines, converged) == (1, True)
    assert_allclose(machine.coef_, expected.coef_, atol=1e-2)


def test_too_few_rounds_are_told():
    X, y, _ = moons(30)
    with pytest.warns(ConvergenceWarning, match="1 of 1 walks did not end"):
        DomainAdaptiveSVM(max_iter=3).fit(X, y)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"C": 0}, "`C` must be"),
        ({"C_target": 0}, "`C_target` must be"),
        ({"kernel": "cosine"}, "`kernel` must be one of"),
        ({"gamma": "wide"}, "`gamma` must be"),
        ({"n_per_round": 0}, "`n_per_round` must be"),
        ({"n_ramp": 0}, "`n_ramp` must be"),
        ({"beta": 2}, "`beta` must be"),
        ({"max_iter": 0}, "`max_iter` must be"),
    ],
)
def test_bad_parameters(settings, sentence):
    X, y, _ = moons(0, n=20)
    with pytest.raises(ValueError, match=sentence):
        DomainAdaptiveSVM(**settings).fit(X, y)
