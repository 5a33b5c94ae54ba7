import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.svm import SVC, LinearSVC
from sklearn.utils.estimator_checks import check_estimator

from sktransfer import SourceRegularizedClassifier
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._linear_losses import LogisticLoss, SoftmaxLoss
from sktransfer.utils.estimator_checks import yield_transfer_checks
from tests.parameter.heart_disease import hospitals

# Log loss of the source, of scikit-learn on the target rows, and of both with a penalty
# of the number of rows and with a chosen one, in the last test when it was written.
HEART_LOSSES = {
    "hungarian": [0.420, 0.485, 0.422, 0.434],
    "va": [0.542, 0.653, 0.561, 0.565],
}


def draw(n_classes, seed=0, n_source=150, n_target=40):
    rng = np.random.RandomState(seed)
    centers = 1.5 * rng.normal(size=(n_classes, 4))
    parts = []
    for n, move in ((n_source, 0.0), (n_target, 1.0)):
        labels = np.arange(n) % n_classes
        rows = centers[labels] * (1 - 0.3 * move) + move + rng.normal(size=(n, 4))
        parts += [rows, np.array(["ant", "bee", "cat", "dog"])[labels]]
    return parts


@pytest.fixture(params=[2, 3])
def domains(request):
    return draw(request.param)


def exact(alpha):
    # C and tol are lower and upper ends of what lbfgs reaches.
    return LogisticRegression(C=1 / alpha, tol=1e-10, max_iter=10000)


def zero_model(X, y):
    model = LogisticRegression().fit(X, y)
    model.coef_, model.intercept_ = 0 * model.coef_, 0 * model.intercept_
    return model


def two_columns(scores):
    return np.c_[0 * scores, scores] if scores.ndim == 1 else scores


def stacked(X_source, y_source, X_target, y_target):
    domain = np.repeat([1, -1], [len(X_source), len(X_target)])
    return np.r_[X_source, X_target], np.r_[y_source, y_target], domain


@pytest.mark.parametrize("alpha", [0.01, 1.0, 100.0])
def test_zero_source_is_logistic_regression(domains, alpha):
    _, _, X, y = domains
    weight = np.random.RandomState(1).uniform(0.5, 2, len(y))
    model = SourceRegularizedClassifier(zero_model(X, y), alpha=alpha)
    model.fit(X, y, sample_weight=weight)
    plain = exact(alpha).fit(X, y, sample_weight=weight)
    assert_allclose(model.coef_, plain.coef_, atol=1e-5)
    assert_allclose(model.predict_proba(X), plain.predict_proba(X), atol=1e-5)
    assert_array_equal(model.predict(X), plain.predict(X))
    scores = plain.decision_function(X)
    if scores.ndim > 1:  # a common constant says nothing
        scores = scores - plain.intercept_.mean()
    assert_allclose(model.decision_function(X), scores, atol=1e-4)
    logs = log_softmax(two_columns(scores), axis=1)
    assert_allclose(model.predict_log_proba(X), logs, atol=1e-4)


def test_source_rows_are_fitted_alike(domains):
    X, y, domain = stacked(*domains)
    inside = SourceRegularizedClassifier(alpha=2.0, source_alpha=0.5)
    inside.fit(X, y, sample_domain=domain)
    source = exact(0.5).fit(*domains[:2])
    given = SourceRegularizedClassifier(source, alpha=2.0).fit(
        X, y, sample_domain=domain
    )
    assert_allclose(inside.source_coef_, source.coef_, atol=1e-6)
    assert_allclose(inside.coef_, given.coef_, atol=1e-6)
    only = SourceRegularizedClassifier(source, alpha=2.0).fit(*domains[2:])
    assert_array_equal(only.coef_, given.coef_)


def test_limits(domains):
    X_source, y_source, X, y = domains
    source = LogisticRegression().fit(X_source, y_source)
    far = SourceRegularizedClassifier(source, alpha=1e10).fit(X, y)
    assert_allclose(far.coef_, source.coef_, atol=1e-7)
    # The intercepts are the target's: the mean probabilities are the shares.
    shares = np.mean(y[:, None] == far.classes_, axis=0)
    assert_allclose(far.predict_proba(X).mean(axis=0), shares, atol=1e-8)
    # One feature, so that the classes overlap and the likelihood has a maximum.
    source = LogisticRegression().fit(X_source[:, :1], y_source)
    near = SourceRegularizedClassifier(source, alpha=0).fit(X[:, :1], y)
    free = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10000).fit(X[:, :1], y)
    assert_allclose(
        near.predict_proba(X[:, :1]), free.predict_proba(X[:, :1]), atol=1e-5
    )


def test_written_out_objective(domains):
    X_source, y_source, X, y = domains
    source = LogisticRegression().fit(X_source, y_source)
    weight = np.random.RandomState(1).uniform(0.5, 2, len(y))
    model = SourceRegularizedClassifier(source, alpha=0.3)
    model.fit(X, y, sample_weight=weight)
    n_rows, codes = len(model.coef_), np.searchsorted(model.classes_, y)

    def objective(point):
        W = point.reshape(n_rows, -1)
        scores = X @ W[:, :-1].T + W[:, -1]
        scores = two_columns(scores.ravel() if n_rows == 1 else scores)
        logs = log_softmax(scores, axis=1)[np.arange(len(y)), codes]
        return -weight @ logs + 0.15 * np.sum((W[:, :-1] - source.coef_) ** 2)

    solution = np.c_[model.coef_, model.intercept_]
    found = minimize(objective, 0 * solution.ravel(), method="BFGS", tol=1e-8)
    assert objective(solution.ravel()) <= found.fun + 1e-9
    coef = found.x.reshape(n_rows, -1)[:, :-1]
    assert_allclose(model.coef_, coef, atol=1e-3)
    shares = model.predict_proba(X)
    rows = weight[:, None] * (shares - (y[:, None] == model.classes_))
    rows = rows[:, 1:] if n_rows == 1 else rows
    gradient = rows.T @ X + 0.3 * (model.coef_ - source.coef_)
    assert_allclose(gradient, 0, atol=1e-6)
    assert_allclose(rows.sum(axis=0), 0, atol=1e-6)


def test_classes_that_the_target_lacks():
    X_source, y_source, X, y = draw(3)
    source = LogisticRegression().fit(X_source, y_source)
    kept = y != "bee"
    model = SourceRegularizedClassifier(source, alpha=2.0).fit(X[kept], y[kept])
    assert_array_equal(model.classes_, ["ant", "bee", "cat"])
    assert_allclose(model.coef_[1], source.coef_[1])
    assert_allclose(model.intercept_[1], source.intercept_[1])
    # The level of the others, beside the one that is kept, is the source's.
    others = [0, 2]
    assert_allclose(model.coef_[others].mean(axis=0), source.coef_[others].mean(axis=0))
    means = model.intercept_[others].mean(), source.intercept_[others].mean()
    assert_allclose(*means)
    # Between the two it is binary regression; half of squared differences is penalised
    # once on each side.
    half = LogisticRegression().fit(X[kept], y[kept])
    half.coef_ = source.coef_[2:] - source.coef_[:1]
    binary = SourceRegularizedClassifier(half, alpha=1.0).fit(X[kept], y[kept])
    scores = model.decision_function(X)
    odds = binary.decision_function(X)
    assert_allclose(scores[:, 2] - scores[:, 0], odds, atol=1e-6)


def test_classes_that_the_source_lacks():
    X_source, y_source, X, y = draw(3)
    known = y_source != "cat"
    source = LogisticRegression().fit(X_source[known], y_source[known])
    model = SourceRegularizedClassifier(source, alpha=1.0).fit(X, y)
    assert_array_equal(model.classes_, ["ant", "bee", "cat"])
    expected = np.vstack([-source.coef_ / 2, source.coef_ / 2, 0 * source.coef_])
    assert_allclose(model.source_coef_, expected)
    assert np.mean(model.predict(X[y == "cat"]) == "cat") > 0.5
    X_all, y_all, domain = stacked(X_source[known], y_source[known], X, y)
    inside = SourceRegularizedClassifier().fit(X_all, y_all, sample_domain=domain)
    assert_allclose(inside.source_coef_[2], 0, atol=1e-12)
    assert set(inside.predict(X)) == {"ant", "bee", "cat"}


def test_cross_validated_penalty(domains):
    X_source, y_source, X, y = domains
    source = LogisticRegression().fit(X_source, y_source)
    model = SourceRegularizedClassifier(
        source, alpha="cv", alphas=[0.1, 10.0], n_folds=len(y)
    ).fit(X, y)
    expected = []
    for alpha in (0.1, 10.0):
        shares = np.empty((len(y), len(source.classes_)))
        for train, test in KFold(len(y)).split(X):
            fold = SourceRegularizedClassifier(source, alpha=alpha)
            shares[test] = fold.fit(X[train], y[train]).predict_proba(X[test])
        # A held-out row is one of n, and the next one may be of another class.
        own = y[:, None] == source.classes_
        others = (1 - own) / (len(source.classes_) - 1)
        targets = (own * (len(y) + 1) + others) / (len(y) + 2)
        expected.append(-np.mean(np.sum(targets * np.log(shares), axis=1)))
    assert_allclose(model.alpha_scores_, expected)
    assert model.alpha_ == [0.1, 10.0][np.argmin(expected)]
    wrong = LogisticRegression().fit(X_source, np.roll(y_source, 1))
    alphas = [
        SourceRegularizedClassifier(given, alpha="cv").fit(X, y).alpha_
        for given in (source, wrong)
    ]
    assert alphas[0] >= alphas[1]


def test_few_separable_rows_do_not_choose_hardly_any_penalty():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(24, 6)), np.repeat(["no", "yes"], 12)
    X[:, 0] += 6 * (y == "yes")
    model = SourceRegularizedClassifier(zero_model(X, y), alpha="cv").fit(X, y)
    # By the plain loss the smallest penalty is the best: each held-out row is right.
    losses = []
    for alpha in (1e-3, 1.0):
        shares = cross_val_predict(
            exact(alpha), X, y, cv=KFold(24), method="predict_proba"
        )
        losses.append(log_loss(y, shares))
    assert losses[0] < 0.1 * losses[1]
    assert 0.1 <= model.alpha_ <= 1e2
    assert np.argmin(model.alpha_scores_) > 0
    assert model.score(X, y) == 1


def test_smoothed_labels_of_two_classes_agree():
    y = np.array([0, 0, 1])
    two, several = LogisticLoss(), SoftmaxLoss()
    one = two.doubted(two.targets(y, [0]))
    assert_allclose(one[:, 0], [0.2, 0.2, 0.8])
    both = several.doubted(several.targets(y, np.arange(2)))
    assert_allclose(both, np.c_[1 - one, one])
    three = several.doubted(several.targets(y, np.arange(3)))
    assert_allclose(three[[0, 2]], [[0.8, 0.1, 0.1], [0.1, 0.8, 0.1]])


def test_without_enough_labels_it_is_the_source(domains):
    X_source, y_source, X, y = domains
    source = LogisticRegression().fit(X_source, y_source)
    model = SourceRegularizedClassifier(source, alpha="cv")
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model.fit(X, np.full(len(y), ""))
    assert_allclose(model.predict_proba(X), source.predict_proba(X))
    with pytest.warns(NoTargetWarning, match="of one class only"):
        model.fit(X[y == "ant"], y[y == "ant"])
    assert_allclose(model.predict_proba(X), source.predict_proba(X))
    X_all, y_all, _ = stacked(*domains)
    y_all = np.where(np.arange(len(y_all)) < len(y_source), y_all, "")
    with pytest.warns(NoTargetWarning, match="no labelled target row"):
        model = SourceRegularizedClassifier().fit(X_all, y_all)
    assert_allclose(
        model.predict_proba(X),
        exact(1.0).fit(X_source, y_source).predict_proba(X),
        atol=1e-6,
    )


def test_weights_of_several_sources(domains):
    X_source, y_source, X, y = domains
    good = LogisticRegression().fit(X_source, y_source)
    wrong = LogisticRegression().fit(X_source, np.roll(y_source, 1))
    model = SourceRegularizedClassifier([wrong, good]).fit(X, y)
    beta = model.source_weights_
    assert beta[1] > 3 * beta[0]
    codes = y[:, None] == model.classes_

    def loss(weights):
        # The intercepts of this weighting, by a penalty that forbids all else.
        mixed = LogisticRegression().fit(X, y)
        mixed.coef_ = weights[0] * wrong.coef_ + weights[1] * good.coef_
        held = SourceRegularizedClassifier(mixed, alpha=1e12).fit(X, y)
        return -np.sum(held.predict_log_proba(X)[codes])

    least = loss(beta)
    for step in ([0.05, 0], [-0.05, 0], [0, 0.05], [0, -0.05], [0.05, -0.05]):
        near = beta + step
        if near.min() >= 0 and near.sum() <= 1:
            assert loss(near) >= least
    X_all, y_all, domain = stacked(*domains)
    domain[: len(y_source) // 2] = 2
    several = SourceRegularizedClassifier().fit(X_all, y_all, sample_domain=domain)
    assert several.source_weights_.shape == (2,)


def test_kinds_of_source_models(domains):
    X_source, y_source, X, y = domains
    for source in (LinearSVC(random_state=0), LogisticRegression()):
        source.fit(X_source, y_source)
        model = SourceRegularizedClassifier(source, alpha=1e10).fit(X, y)
        assert_allclose(model.coef_, source.coef_, atol=1e-6)
    expected = model.coef_
    source.sparsify()
    again = SourceRegularizedClassifier(source, alpha=1e10).fit(X, y)
    assert_allclose(again.coef_, expected)
    pairs = SVC(kernel="linear").fit(X_source, y_source)
    if len(pairs.classes_) == 2:
        SourceRegularizedClassifier(pairs).fit(X, y)
    else:
        with pytest.raises(ValueError, match="pair by pair"):
            SourceRegularizedClassifier(pairs).fit(X, y)
    with pytest.raises(TypeError, match="has no classes_"):
        SourceRegularizedClassifier(Ridge().fit(X, np.ones(len(X)))).fit(X, y)
    numbers = LogisticRegression().fit(X, np.arange(len(X)) % 2)
    with pytest.raises(ValueError, match="of one kind"):
        SourceRegularizedClassifier(numbers).fit(X, y)
    wide = LogisticRegression().fit(np.c_[X, X], y)
    with pytest.raises(ValueError, match="8 coefficients a row, but X has 4"):
        SourceRegularizedClassifier(wide).fit(X, y)


def test_bad_parameters(domains):
    X, y, domain = stacked(*domains)
    with pytest.raises(ValueError, match="`alpha` must be"):
        SourceRegularizedClassifier(alpha="gcv").fit(X, y)
    one = np.where(domain > 0, "ant", y)
    with pytest.raises(ValueError, match="source rows of at least two classes"):
        SourceRegularizedClassifier().fit(X, one, sample_domain=domain)
    with pytest.raises(ValueError, match="Negative values"):
        SourceRegularizedClassifier().fit(X, y, sample_weight=-np.ones(len(y)))


def test_sparse_rows_give_the_same(domains):
    X, y, domain = stacked(*domains)
    X = np.where(np.abs(X) < 0.5, 0, X)
    for params in ({}, {"alpha": "cv"}):
        dense = SourceRegularizedClassifier(**params).fit(X, y, sample_domain=domain)
        thin = SourceRegularizedClassifier(**params)
        thin.fit(sparse.csr_array(X), y, sample_domain=domain)
        assert_allclose(thin.coef_, dense.coef_, atol=1e-7)


def test_permuted_rows_and_left_out_rows(domains):
    X, y, domain = stacked(*domains)
    kept = X.copy(), y.copy(), domain.copy()
    model = SourceRegularizedClassifier(alpha="cv").fit(X, y, sample_domain=domain)
    for was, now in zip(kept, (X, y, domain), strict=True):
        assert_array_equal(was, now)
    order = np.random.RandomState(0).permutation(len(X))
    again = SourceRegularizedClassifier(alpha="cv")
    again.fit(X[order], y[order], sample_domain=domain[order])
    assert_allclose(again.coef_, model.coef_, atol=1e-7)
    # Unlabelled rows of both domains, and rows of weight 0, are as good as absent.
    y_less, weight = y.copy(), np.ones(len(y))
    y_less[[3, -3]], weight[[4, -4]] = "", 0
    less = SourceRegularizedClassifier(alpha="cv")
    less.fit(X, y_less, sample_domain=domain, sample_weight=weight)
    rest = np.setdiff1d(np.arange(len(y)), [3, len(y) - 3, 4, len(y) - 4])
    cut = SourceRegularizedClassifier(alpha="cv")
    cut.fit(X[rest], y[rest], sample_domain=domain[rest])
    assert_allclose(less.coef_, cut.coef_)


def test_saturated_source_and_unlike_scales(domains):
    X_source, y_source, X, y = domains
    scale = np.array([1e-3, 1.0, 1e2, 1e4])
    source = LogisticRegression().fit(X_source, y_source)
    source.coef_ = 1e3 * source.coef_ / scale  # every row is saturated
    model = SourceRegularizedClassifier(source, alpha=1e-3).fit(X * scale, y)
    rows = model.predict_proba(X * scale) - (y[:, None] == model.classes_)
    rows = rows[:, 1:] if len(model.coef_) == 1 else rows
    gradient = rows.T @ (X * scale) + 1e-3 * (model.coef_ - source.coef_)
    assert np.all(np.abs(gradient) < 1e-5 * scale * len(y))


@pytest.mark.filterwarnings("ignore")
def test_promises_of_a_cross_validated_penalty():
    model = SourceRegularizedClassifier(alpha="cv", alphas=[0.1, 1.0, 10.0])
    for check in yield_transfer_checks(model):
        check()
    done = check_estimator(model, on_skip=None)
    assert not [check for check in done if check["status"] == "failed"]


@pytest.mark.slow
@pytest.mark.parametrize("site", list(HEART_LOSSES))
def test_from_cleveland_to_another_hospital(site):
    (X_source, y_source), (X, y) = hospitals("cleveland", site)
    source = LogisticRegression().fit(X_source, y_source)
    losses = []
    for seed in range(10):
        rows = np.random.RandomState(seed).permutation(len(y))
        few, rest = rows[:30], rows[30:]
        models = [source, LogisticRegression().fit(X[few], y[few])]
        for alpha in (30.0, "cv"):
            held = SourceRegularizedClassifier(source, alpha=alpha)
            models.append(held.fit(X[few], y[few]))
        losses.append([log_loss(y[rest], m.predict_proba(X[rest])) for m in models])
    source, target, fixed, chosen = np.mean(losses, axis=0)
    # Better than the target alone, by a fixed penalty and by a chosen one, yet no
    # better than the source as it is: 30 rows do not pay for an intercept of their own.
    assert source < min(fixed, chosen)
    assert max(fixed, chosen) < target
    assert_allclose([source, target, fixed, chosen], HEART_LOSSES[site], atol=0.005)
