import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import make_moons
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import SVC

from sktransfer.joint._domain_adaptive_svm import DomainAdaptiveSVM
from sktransfer.joint._progressive_svm import (
    _entering,
    _last_of_their_class,
    _leaving,
    _margins,
    progressive_svm,
)


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
    assert model.n_iter_ == 1
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
    assert len(model.estimators_) == 3
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


def test_the_surest_inside_enter_and_classes_are_filled_up():
    decisions = np.array([0.9, 0.1, 0.5, 3.0, 2.0, -4.0, -1.5, -1.2, 0.95])
    decisions = np.c_[-decisions, decisions]
    predicted, size = decisions.argmax(axis=1), _margins(decisions)
    assert_allclose(size, np.abs(decisions[:, 1]))
    labels = np.r_[np.full(8, -1), 1]
    assert_array_equal(_entering(predicted, size, labels, 2, 2), [0, 2, 7, 6])
    expected = [0, 2, 1, 4, 3, 7, 6, 5]
    assert_array_equal(_entering(predicted, size, labels, 2, 5), expected)


def test_the_farthest_leave_but_no_class_runs_empty():
    size = np.array([3.0, 1.0, 1.0, 2.0, 4.0])
    y, labels = np.array([0, 0, 1, 1, 1]), np.array([1, -1])
    leaving = _leaving(size, y, np.ones(5, dtype=bool), labels, 2, 1)
    assert_array_equal(leaving, [True, False, False, False, True])
    # No target row holds the first class: its last source row stays.
    leaving = _leaving(size, y, np.arange(5) > 0, labels, 2, 2)
    assert_array_equal(leaving, [False, False, False, True, True])


def test_the_last_row_of_a_class_stays_whatever_is_predicted():
    labels = np.array([0, 0, 1, -1])
    decisions = np.array([[-2.0, 2.0], [-1.0, 1.0], [-1.0, 1.0], [0.0, 0.1]])
    changed = np.array([True, True, False, False])
    last = _last_of_their_class(decisions, labels, changed, np.array([], dtype=int))
    assert_array_equal(last, [False, True, False, False])
    # A source row of the class is still there: all may go.
    assert not _last_of_their_class(decisions, labels, changed, np.array([0])).any()


def test_many_classes_are_followed_and_none_runs_empty():
    # Ten blobs on a ring, turned by a third of the way to the next.
    rng = np.random.RandomState(0)
    y = np.arange(400) % 10
    angle = 2 * np.pi * (y + np.repeat([0, 1 / 3], 200)) / 10
    X = 5 * np.c_[np.cos(angle), np.sin(angle)] + 0.3 * rng.normal(size=(400, 2))
    known = np.r_[y[:200], np.full(200, -1)]
    model = DomainAdaptiveSVM(C=10).fit(X, known)
    plain = SVC(C=10).fit(X[:200], y[:200])
    assert model.score(X[200:], y[200:]) >= plain.score(X[200:], y[200:])
    # A class the target lacks, and rows of noise where nothing is sure.
    lacking = np.r_[X[:200], rng.normal(size=(60, 2))]
    model = DomainAdaptiveSVM(max_iter=60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(lacking, np.r_[y[:200], np.full(60, -1)])
    assert np.isfinite(model.decision_function(lacking)).all()


def test_a_round_without_unlabelled_rows_is_the_source_machine():
    X, y, _ = moons(0)
    machines, n_trained, converged = progressive_svm(
        X[:200],
        y[:200],
        X[:1],
        y[:1],
        2,
        C=2.0,
        C_target=1e-9,
        n_per_round=1,
        n_ramp=10,
        beta=0.0,
        max_iter=5,
        svc_params={"kernel": "linear"},
    )
    expected = SVC(kernel="linear", C=2.0).fit(X[:200], y[:200])
    assert (n_trained, converged) == (1, True)
    assert_allclose(machines[0].coef_, expected.coef_, atol=1e-2)


def test_too_few_rounds_are_told():
    X, y, _ = moons(30)
    with pytest.warns(ConvergenceWarning, match="did not end within max_iter=3"):
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
