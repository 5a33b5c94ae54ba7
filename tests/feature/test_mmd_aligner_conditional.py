"""The conditional forms of MMDAligner, and sparse rows."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sktransfer import MMDAligner, TransferClassifier, TransferRegressor

FORMS = {
    "JDA": {"conditional": True},
    "BDA": {"conditional": True, "balance": "auto"},
    "W-BDA": {"conditional": "weighted", "balance": 0.8},
    "DJP": {"conditional": "discriminative"},
    "TJM": {"conditional": True, "instance_sparsity": True, "kernel": "linear"},
    "rbf": {"conditional": True, "kernel": "rbf", "gamma": 0.02},
    "rbf DJP": {"conditional": "discriminative", "kernel": "rbf", "gamma": 0.02},
    "rbf TJM": {"instance_sparsity": True, "kernel": "rbf", "gamma": 0.02},
}


@pytest.fixture
def data():
    """Three classes; the target's lie elsewhere and have other shares."""
    rng = np.random.RandomState(0)
    y = np.r_[rng.randint(3, size=60), rng.choice(3, 45, p=[0.6, 0.2, 0.2])]
    domain = np.where(np.arange(105) < 60, 1, -1)
    X = 4 * np.eye(3, 6)[y] + rng.normal(size=(105, 6))
    X[domain < 0] += [1, 0, 2, 0, 1, 0]
    return X, y, domain


def masked(y, domain):
    return np.where(domain < 0, -1, y)


def fitted(form, X, y, domain, **kwargs):
    aligner = MMDAligner(3, mu=0.1, **{**FORMS[form], **kwargs})
    return aligner, aligner.fit_transform(X, y, sample_domain=domain)


@pytest.mark.parametrize("form", FORMS)
def test_order_of_rows_and_names_of_classes_and_domains(form, data):
    X, y, domain = data
    # Equal rows of different classes, and one with and without a label.
    X[3], X[4], X[101] = X[2], X[2], X[100]
    y[2:5] = [0, 1, 2]
    labels = masked(y, domain)
    labels[100] = y[100]
    expected, Z = fitted(form, X, labels, domain)
    for seed in range(3):
        order = np.random.RandomState(seed).permutation(105)
        names = np.array(["", "zebra", "ant", "cat"])[labels[order] + 1]
        strings = np.where(domain < 0, "target", "source")[order]
        again, permuted = fitted(form, X[order], names, strings)
        assert_allclose(permuted, Z[order], atol=1e-6)
        assert_array_equal(again.label_changes_, expected.label_changes_)
        assert_allclose(again.balances_, expected.balances_)
    assert_allclose(fitted(form, X, labels, -7 * (domain < 0) + 2)[1], Z, atol=1e-10)


@pytest.mark.parametrize("form", FORMS)
def test_new_rows_and_attributes(form, data):
    X, y, domain = data
    aligner, Z = fitted(form, X, masked(y, domain), domain)
    assert_allclose(aligner.transform(X), Z, atol=1e-6)
    assert_allclose(Z.var(axis=0).mean(), 1)
    assert 2 <= aligner.n_iter_ <= 10
    assert aligner.n_components_ == len(aligner.eigenvalues_) == 3
    if aligner.conditional:
        assert aligner.label_changes_[0] == 45
        assert aligner.label_changes_.dtype.kind == "i"
    else:
        assert len(aligner.label_changes_) == 0
    has_balance = aligner.conditional in (True, "weighted")
    assert len(aligner.balances_) > 0 if has_balance else len(aligner.balances_) == 0


@pytest.mark.parametrize("form", [name for name in FORMS if name != "rbf TJM"])
def test_given_target_labels_are_used(form, data):
    X, y, domain = data
    target = np.flatnonzero(domain < 0)
    _, without = fitted(form, X, masked(y, domain), domain)
    wrong = masked(y, domain)
    wrong[target[:20]] = (y[target[:20]] + 1) % 3
    _, misled = fitted(form, X, wrong, domain)
    assert np.abs(misled - without).max() > 0.1
    aligner, _ = fitted(form, X, y, domain, n_iter=5, instance_sparsity=False)
    assert_array_equal(aligner.label_changes_, [45, 0])


@pytest.mark.parametrize("sparsity", [False, True])
def test_unconditional_forms_read_no_label(data, sparsity):
    X, y, domain = data
    aligner = MMDAligner(3, kernel="linear", instance_sparsity=sparsity)
    expected = aligner.fit_transform(X, sample_domain=domain)
    # Scrambled labels, values of a regression, several of them.
    for labels in (y[::-1], y + 0.5, np.c_[y, y] * 1.0):
        got = aligner.fit_transform(X, labels, sample_domain=domain)
        assert_array_equal(got, expected)


@pytest.mark.parametrize("form", ["JDA", "BDA", "W-BDA"])
def test_limits(form, data):
    X, y, domain = data
    labels = masked(y, domain)
    tca = MMDAligner(3, mu=0.1).fit_transform(X, sample_domain=domain)
    assert_allclose(fitted(form, X, labels, domain, n_iter=1)[1], tca, atol=1e-8)
    assert_allclose(fitted(form, X, labels, domain, balance=0.0)[1], tca, atol=1e-6)


def test_discriminative_without_discrimination_and_with_one_class(data):
    X, y, domain = data
    labels = np.where(domain < 0, -1, 0)
    tca = MMDAligner(3, mu=0.1).fit_transform(X, sample_domain=domain)
    # Of a single class, the joint distribution is the marginal one.
    assert_allclose(fitted("DJP", X, labels, domain)[1], tca, atol=1e-6)
    labels = masked(y, domain)
    without, Z = fitted("DJP", X, labels, domain, discrimination=0.0)
    assert np.all(without.eigenvalues_ > 0)
    little = fitted("DJP", X, labels, domain, discrimination=1e-9)[0]
    # The components have another scale each, but the same eigenvalues.
    assert_allclose(little.eigenvalues_, without.eigenvalues_, rtol=1e-5)
    cosines = np.sum(little.projection_ * without.projection_, axis=0)
    norms = np.linalg.norm(little.projection_, axis=0)
    norms = norms * np.linalg.norm(without.projection_, axis=0)
    assert_allclose(cosines, norms, rtol=1e-5)
    assert len(Z) == 105


@pytest.mark.parametrize("kernel", ["rbf", "poly", "linear"])
@pytest.mark.parametrize(
    "params",
    [
        {"conditional": True},
        {"conditional": "weighted"},
        {"conditional": "discriminative"},
        {"conditional": True, "instance_sparsity": True},
        {"conditional": "discriminative", "instance_sparsity": True},
    ],
)
def test_nystroem_with_all_rows_is_exact(kernel, params, data):
    X, y, domain = data
    exact = MMDAligner(3, kernel=kernel, gamma=0.02, mu=0.1, n_iter=4, **params)
    nystroem = clone(exact).set_params(kernel_approx="nystroem", n_landmarks=105)
    labels = masked(y, domain)
    assert_allclose(
        nystroem.fit_transform(X, labels, sample_domain=domain),
        exact.fit_transform(X, labels, sample_domain=domain),
        atol=1e-4,
    )
    assert_array_equal(nystroem.label_changes_, exact.label_changes_)


@pytest.mark.parametrize("kernel", ["primal", "linear", "cosine"])
@pytest.mark.parametrize("form", ["JDA", "BDA", "W-BDA", "DJP", "TJM"])
def test_sparse_rows(kernel, form):
    rng = np.random.RandomState(0)
    y = np.arange(80) % 2
    X = rng.poisson(0.05 + 0.3 * (np.arange(300) % 2 == y[:, None]), (80, 300)) * 1.0
    domain = np.where(np.arange(80) < 40, 1, -1)
    X[domain < 0, :20] += 1
    params = {"kernel": kernel}
    if kernel == "primal" and form == "TJM":
        params["instance_sparsity"] = False
    labels = masked(y, domain)
    _, dense = fitted(form, X, labels, domain, **params)
    _, thin = fitted(form, sparse.csr_array(X), labels, domain, **params)
    assert_allclose(thin, dense, atol=1e-6)


@pytest.mark.parametrize("form", FORMS)
def test_float32(form, data):
    X, y, domain = data
    labels = masked(y, domain)
    _, Z = fitted(form, X, labels, domain)
    _, single = fitted(form, X.astype(np.float32), labels, domain)
    assert single.dtype == np.float32
    assert_allclose(single, Z, atol=2e-2)


@pytest.mark.parametrize("form", ["JDA", "BDA", "W-BDA", "DJP"])
def test_classes_that_move_opposite_ways_are_brought_together(form):
    # The domains' means agree, so that their alignment leaves all as it is.
    rng = np.random.RandomState(0)
    y = np.arange(600) % 2
    sign = 2.0 * y - 1
    X = np.c_[2.5 * sign, 2.0 * sign, np.zeros((600, 2))] + rng.normal(size=(600, 4))
    domain = np.where(np.arange(600) < 300, 1, -1)
    X[domain < 0, 1] -= 2.0 * sign[domain < 0]

    def class_gap(Z):
        source, target = domain > 0, domain < 0
        gaps = [
            Z[source & (y == c)].mean(axis=0) - Z[target & (y == c)].mean(axis=0)
            for c in (0, 1)
        ]
        return np.square(gaps).sum()

    labels = masked(y, domain)
    aligned = MMDAligner(2, mu=1.0, **FORMS[form])
    aligned = class_gap(aligned.fit_transform(X, labels, sample_domain=domain))
    plain = class_gap(MMDAligner(2, mu=1.0).fit_transform(X, sample_domain=domain))
    assert plain > 0.3
    assert aligned < 0.02 * plain


def test_balance_of_what_differs():
    rng = np.random.RandomState(0)
    y = np.arange(400) % 2
    domain = np.where(np.arange(400) < 200, 1, -1)
    X = np.c_[12.0 * y, np.zeros(400)] + rng.normal(size=(400, 2))
    labels, target = masked(y, domain), domain < 0
    # The classes move opposite ways, which leaves the domains' means where they are.
    classes = X.copy()
    classes[target, 1] += 4.0 * (2 * y[target] - 1)
    aligner = MMDAligner(2, conditional=True, balance="auto")
    aligner.fit(classes, labels, sample_domain=domain)
    assert aligner.balances_.min() > 0.8
    # The classes stay, and most of the target is of one of them.
    most = y == (np.arange(400) % 20 < 18)
    marginal = np.flatnonzero((domain > 0) | most)
    aligner.fit(X[marginal], labels[marginal], sample_domain=domain[marginal])
    assert aligner.balances_.max() < 0.2


def test_inside_a_transfer_classifier(data):
    X, y, domain = data
    aligner = MMDAligner(3, mu=10.0, conditional=True)
    labels = np.where((domain < 0) & (np.arange(105) % 3 > 0), -1, y)
    scores = {}
    for choice in ("use", "ignore"):
        model = TransferClassifier(LogisticRegression(), aligner, target_labels=choice)
        model.fit(X, labels, sample_domain=domain)
        scores[choice] = model.score(X[domain < 0], y[domain < 0])
        scrambled = np.where((domain < 0) & (labels >= 0), (labels + 1) % 3, labels)
        again = clone(model).fit(X, scrambled, sample_domain=domain)
        same = np.array_equal(again.decision_function(X), model.decision_function(X))
        assert same == (choice == "ignore")
    assert min(scores.values()) > 0.85


def test_errors(data):
    X, y, domain = data
    with pytest.raises(ValueError, match="needs labelled source rows, got none"):
        MMDAligner(conditional=True).fit(X, sample_domain=domain)
    hidden = np.where(domain > 0, -1, y)
    with pytest.raises(ValueError, match="needs labelled source rows, got none"):
        MMDAligner(conditional=True).fit(X, hidden, sample_domain=domain)
    for labels in (y + 0.5, np.c_[y, y] * 1.0, -0.5 - y):
        with pytest.raises(ValueError, match="needs one class label a row, and y is"):
            MMDAligner(conditional=True).fit(X, labels, sample_domain=domain)
    model = TransferRegressor(adapter=MMDAligner(conditional="weighted"))
    with pytest.raises(ValueError, match="Set conditional=False"):
        model.fit(X, np.where(domain < 0, np.nan, y + 0.5))


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"conditional": "joint"}, "`conditional` must be one of False, True, 'weig"),
        ({"balance": 1.5}, r"`balance` must be a finite number in \[0, 1\] or 'auto'"),
        ({"discrimination": -1}, "`discrimination` must be a finite number"),
        ({"instance_sparsity": "yes"}, "`instance_sparsity` must be one of False"),
        ({"instance_sparsity": True}, "kernel='primal' does not have. Take kernel="),
        ({"n_iter": 0}, "`n_iter` must be an integer"),
    ],
)
def test_bad_parameters(params, sentence, data):
    X, y, domain = data
    with pytest.raises(ValueError, match=sentence):
        MMDAligner(**params).fit(X, y, sample_domain=domain)
