import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier

from sktransfer.exceptions import NoTargetWarning
from sktransfer.joint._gradual_steps import steps_by_domain, steps_by_likeness
from sktransfer.joint._gradual_transfer_classifier import GradualTransferClassifier

NEIGHBORS = KNeighborsClassifier(15)


def turning_moons(seed=0, n=200, n_domains=10, end=90):
    """Two moons that turn by `end` degrees in all; the first is the source."""
    X, labels, domain = [], [], []
    for step in range(n_domains):
        rows, classes = make_moons(n, noise=0.1, random_state=100 * seed + step)
        turn = np.deg2rad(end * step / (n_domains - 1))
        matrix = [[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]
        X.append((rows - [0.5, 0.25]) @ matrix)
        labels.append(classes)
        domain.append(np.full(n, -step if step else 1))
    return np.concatenate(X), np.concatenate(labels), np.concatenate(domain)


def winding_road(seed=0, n=1500):
    """Two lanes of a road that winds; the source is its beginning."""
    rng = np.random.RandomState(seed)
    way, labels = rng.uniform(0, 9, size=n), rng.randint(0, 2, size=n)
    side = 1.5 * np.sin(way) + 1.4 * labels + 0.15 * rng.normal(size=n)
    return np.c_[way, side], labels, np.where(way < 1.5, 1, -1)


def hidden(truth, domain):
    return np.where(domain > 0, truth, -1)


@pytest.mark.parametrize("order", ["number", "distance"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_turning_moons_are_followed_step_by_step(order, seed):
    X, truth, domain = turning_moons(seed)
    last, y = domain == -9, hidden(truth, domain)
    gradual = GradualTransferClassifier(NEIGHBORS, order=order)
    gradual.fit(X, y, sample_domain=domain)
    ends = last | (domain > 0)
    direct = GradualTransferClassifier(NEIGHBORS)
    direct.fit(X[ends], y[ends], sample_domain=domain[ends])
    assert gradual.score(X[last], truth[last]) > 0.97
    assert direct.score(X[last], truth[last]) < 0.3
    assert_array_equal(gradual.domains_, np.arange(-1, -10, -1))
    assert np.mean(gradual.transduction_ == truth[domain < 0]) > 0.97


def test_a_single_target_is_split_into_steps():
    X, truth, domain = winding_road()
    y, target = hidden(truth, domain), domain < 0
    scores = [
        GradualTransferClassifier(NEIGHBORS, n_steps=n_steps, split="classifier")
        .fit(X, y)
        .score(X[target], truth[target])
        for n_steps in (1, 50)
    ]
    assert scores[1] > 0.97
    assert scores[0] < 0.75


def test_two_steps_by_hand():
    X, truth, domain = turning_moons(n_domains=3, end=30)
    domain[domain == -2], domain[domain == -1] = -7, -3
    y = hidden(truth, domain)
    gradual = GradualTransferClassifier(GaussianNB(), drop=0.2)
    gradual.fit(X, y, sample_domain=domain)
    model = GaussianNB().fit(X[domain > 0], truth[domain > 0])
    for number in (-3, -7):
        rows = X[domain == number]
        sure = model.predict_proba(rows).max(axis=1)
        kept = sure >= np.sort(sure)[-160]
        model = GaussianNB().fit(rows[kept], model.predict(rows[kept]))
    assert_allclose(gradual.predict_proba(X), model.predict_proba(X), atol=1e-9)
    assert gradual.n_selected_ == [160, 160]
    assert len(gradual.estimators_) == 3
    assert gradual.estimator_ is gradual.estimators_[-1]


def test_a_class_that_vanishes_keeps_its_rows():
    X, truth, domain = turning_moons(n_domains=4, end=30)
    kept = (domain != -2) | (truth == 0)
    X, truth, domain = X[kept], truth[kept], domain[kept]
    model = GradualTransferClassifier(NEIGHBORS)
    model.fit(X, hidden(truth, domain), sample_domain=domain)
    assert all(len(each.classes_) == 2 for each in model.estimators_)
    assert model.score(X[domain == -3], truth[domain == -3]) > 0.95


def test_labelled_target_rows_keep_their_labels():
    X, truth, domain = turning_moons(n_domains=3)
    y = hidden(truth, domain)
    y[200:205] = 1 - truth[200:205]
    model = GradualTransferClassifier(NEIGHBORS).fit(X, y, sample_domain=domain)
    assert_array_equal(model.transduction_[:5], y[200:205])
    assert model.n_selected_[0] <= 195


def test_without_target_rows_it_is_the_source_classifier():
    X, truth, _ = turning_moons(n_domains=2)
    with pytest.warns(NoTargetWarning):
        model = GradualTransferClassifier(n_steps=4).fit(X, truth)
    plain = LogisticRegression().fit(X, truth)
    assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert len(model.domains_) == len(model.steps_) == 0


def test_order_by_distance_ignores_the_numbers():
    X, _, domain = turning_moons(n_domains=5)
    renamed = np.select([domain == -1, domain == -4], [-4, -1], domain)
    for numbers, expected in ((domain, [-1, -2, -3, -4]), (renamed, [-4, -2, -3, -1])):
        steps, domains = steps_by_domain(
            X[domain > 0], X[domain < 0], numbers[domain < 0], "distance"
        )
        assert_array_equal(domains, expected)
        assert_array_equal(domains[steps], numbers[domain < 0])


@pytest.mark.parametrize("kind", ["classifier", "distance"])
def test_groups_go_away_from_the_source(kind):
    X_source = np.linspace(-1, 0, 20)[:, None]
    X_target = np.array([[5.0], [1.0], [3.0], [2.0], [4.0], [0.5]])
    for rows in (X_target, sparse.csr_array(X_target)):
        source = sparse.csr_array(X_source) if sparse.issparse(rows) else X_source
        groups = steps_by_likeness(source, rows, 3, kind)
        assert_array_equal(groups, [2, 0, 1, 1, 2, 0])
    # Equal rows share a group.
    assert set(steps_by_likeness(X_source, np.ones((5, 1)), 3, kind)) == {0}


def test_bad_parameters():
    X, truth, domain = turning_moons(n_domains=3)
    y = hidden(truth, domain)
    with pytest.raises(ValueError, match="n_steps=4 splits a single target domain"):
        GradualTransferClassifier(n_steps=4).fit(X, y, sample_domain=domain)
    with pytest.raises(ValueError, match="`drop` must be a finite number in"):
        GradualTransferClassifier(drop=1.0).fit(X, y, sample_domain=domain)
    with pytest.raises(ValueError, match="`order` must be one of 'number', 'distance'"):
        GradualTransferClassifier(order="name").fit(X, y, sample_domain=domain)


def test_a_source_of_one_class_is_said():
    X, truth, domain = turning_moons(n=20, n_domains=3)
    y = np.where((domain > 0) & (truth == 1), -1, truth)
    with pytest.raises(ValueError, match="sets out from a model of the source"):
        GradualTransferClassifier().fit(X, y, sample_domain=domain)
