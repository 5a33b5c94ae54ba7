import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.frozen import FrozenEstimator

from sktransfer import TransferForestClassifier, TransferTreeClassifier
from sktransfer.exceptions import NoTargetWarning
from tests.parameter.heart_disease import hospitals


@pytest.fixture
def domains():
    rng = np.random.RandomState(0)
    X, X_target = rng.normal(size=(150, 4)), rng.normal(size=(30, 4)) + 1
    y = np.where(X[:, 0] + X[:, 1] > 0, "yes", "no")
    y_target = np.where(X_target[:, 0] + X_target[:, 1] > 2, "yes", "no")
    return X, y, X_target, y_target


def stacked(X, y, X_target, y_target):
    domain = np.repeat([1, -1], [len(X), len(X_target)])
    return np.r_[X, X_target], np.r_[y, y_target], domain


@pytest.mark.parametrize("forest", [RandomForestClassifier, ExtraTreesClassifier])
def test_unrefined_it_is_the_given_forest(domains, forest):
    X, y, X_target, _ = domains
    source = forest(20, random_state=0).fit(X, y)
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = TransferForestClassifier(source).fit(X_target, np.full(30, ""))
    assert_allclose(model.predict_proba(X_target), source.predict_proba(X_target))
    # A frozen forest outlives cloning.
    plain = TransferForestClassifier(source, random_state=0)
    plain.fit(X_target, domains[3])
    frozen = clone(TransferForestClassifier(FrozenEstimator(source), random_state=0))
    frozen.fit(X_target, domains[3])
    assert len(plain.trees_) == 2 * len(plain.source_trees_) == 40
    assert_allclose(frozen.predict_proba(X), plain.predict_proba(X))


def test_mix_is_the_union(domains):
    X, y, domain = stacked(*domains)
    shares = {}
    for method in ("ser", "strut", "mix"):
        model = TransferForestClassifier(
            method=method, n_estimators=8, random_state=3
        ).fit(X, y, sample_domain=domain)
        shares[method] = model.predict_proba(X)
    assert_allclose(shares["mix"], (shares["ser"] + shares["strut"]) / 2)


def test_a_forest_of_one_full_sample_is_the_tree(domains):
    X, y, domain = stacked(*domains)
    forest = TransferForestClassifier(
        method="strut", n_estimators=1, bootstrap=False, max_features=None, max_depth=3
    ).fit(X, y, sample_domain=domain)
    tree = TransferTreeClassifier(method="strut", max_depth=3)
    tree.fit(X, y, sample_domain=domain)
    assert_allclose(forest.predict_proba(X), tree.predict_proba(X))


def test_rows_jobs_and_weights(domains):
    X, y, domain = stacked(*domains)
    model = TransferForestClassifier(n_estimators=6, random_state=0)
    expected = clone(model).fit(X, y, sample_domain=domain).predict_proba(X)
    order = np.random.RandomState(1).permutation(len(X))
    other = clone(model).fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(other.predict_proba(X), expected)
    jobs = clone(model).set_params(n_jobs=2).fit(X, y, sample_domain=domain)
    assert_allclose(jobs.predict_proba(X), expected)
    times = 1 + np.arange(len(X)) % 3
    weighed = clone(model).fit(X, y, sample_domain=domain, sample_weight=times)
    again = np.repeat(np.arange(len(X)), times)
    repeated = clone(model).fit(X[again], y[again], sample_domain=domain[again])
    assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X))
    # Bagging makes the trees differ.
    roots = {tree.threshold[0] for tree in weighed.source_trees_}
    assert len(roots) > 1


def test_bad_input(domains):
    X, y, _, _ = domains
    with pytest.raises(ValueError, match="`n_estimators` must be an integer"):
        TransferForestClassifier(n_estimators=0).fit(X, y)
    boosted = GradientBoostingClassifier(n_estimators=2).fit(X, y)
    with pytest.raises(TypeError, match="made of regression trees"):
        TransferForestClassifier(boosted).fit(X, y)


@pytest.mark.slow
@pytest.mark.parametrize("site", ["hungarian", "switzerland", "va"])
def test_from_cleveland_to_another_hospital(site):
    (X_source, y_source), (X, y) = hospitals("cleveland", site)
    scores = {"source": [], "target": [], "mix": []}
    for seed in range(5):
        rows = np.random.RandomState(seed).permutation(len(y))
        few, rest = rows[:30], rows[30:]
        source = RandomForestClassifier(60, random_state=seed).fit(X_source, y_source)
        target = RandomForestClassifier(60, random_state=seed).fit(X[few], y[few])
        mix = TransferForestClassifier(source, random_state=seed).fit(X[few], y[few])
        for name, model in (("source", source), ("target", target), ("mix", mix)):
            scores[name].append(model.score(X[rest], y[rest]))
    means = {name: np.mean(values) for name, values in scores.items()}
    print(site, {name: round(float(value), 3) for name, value in means.items()})
    # It follows whichever is better: the source (va), or the target (Switzerland).
    assert means["mix"] > max(means["source"], means["target"]) - 0.02
