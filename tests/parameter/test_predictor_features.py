import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge, RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from sktransfer import PredictorFeatures, TransferClassifier
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._cross_fitting import content_folds
from sktransfer.utils.estimator_checks import yield_transfer_checks


@pytest.fixture
def labels():
    rng = np.random.RandomState(0)
    X = rng.normal(size=(150, 4))
    y = np.digitize(X[:, 0] + 0.3 * rng.normal(size=150), [-0.5, 0.5])
    domain = np.repeat([1, -1], [100, 50])
    return X, np.array(["a", "b", "c"])[y], domain


def test_target_rows_get_the_source_model(labels):
    X, y, domain = labels
    features = PredictorFeatures()
    Z = features.fit_transform(X, y, sample_domain=domain)
    assert_array_equal(Z[:, :4], X)
    source = LogisticRegression().fit(X[:100], y[:100])
    assert_allclose(Z[100:, 4:], source.predict_proba(X[100:]), atol=1e-6)
    assert_allclose(features.transform(X)[:, 4:], source.predict_proba(X), atol=1e-6)
    names = [f"x{i}" for i in range(4)] + [f"prediction{i}" for i in range(3)]
    assert list(features.get_feature_names_out()) == names


def test_source_rows_are_predicted_out_of_fold(labels):
    X, y, domain = labels
    Z = PredictorFeatures(n_folds=3).fit_transform(X, y, sample_domain=domain)
    folds = content_folds(X[:100], 3)
    for fold in range(3):
        model = LogisticRegression().fit(X[:100][folds != fold], y[:100][folds != fold])
        expected = model.predict_proba(X[:100][folds == fold])
        assert_allclose(Z[:100][folds == fold, 4:], expected, atol=1e-6)


def test_a_model_that_remembers_does_not_betray_its_labels(labels):
    # One neighbour knows every row of its own. Labels at random, so nothing is to know.
    X, _, domain = labels
    y = np.random.RandomState(1).randint(0, 2, len(X))
    X = np.r_[X, X[:100]]  # not even by the copy of a row
    y, domain = np.r_[y, y[:100]], np.r_[domain, domain[:100]]
    features = PredictorFeatures(estimator=KNeighborsClassifier(1), keep_input=False)
    Z = features.fit_transform(X, y, sample_domain=domain)
    source = domain > 0
    assert abs(np.mean(Z[source, 0] == y[source]) - 0.5) < 0.2
    assert np.mean(features.transform(X)[source, 0] == y[source]) == 1


def test_folds_are_a_function_of_the_row():
    X = np.random.RandomState(0).normal(size=(2000, 3)).astype(np.float32)
    X[X < -1] = 0
    folds = content_folds(X, 5)
    assert_allclose(np.bincount(folds) / 2000, 0.2, atol=0.04)
    order = np.random.RandomState(0).permutation(2000)
    assert_array_equal(content_folds(X[order], 5), folds[order])
    assert_array_equal(content_folds(X.astype(np.float64), 5), folds)
    assert_array_equal(content_folds(sparse.csr_array(X), 5), folds)
    assert_array_equal(content_folds(sparse.csc_array(X), 5), folds)
    explicit = sparse.csr_array(X)
    explicit.data[:5] = 0
    kept = explicit.copy()
    assert_array_equal(content_folds(explicit, 5), content_folds(explicit.toarray(), 5))
    assert explicit.nnz == kept.nnz


def test_given_model_and_methods(labels):
    X, y, domain = labels
    two = LogisticRegression().fit(X, y == "a")
    for method, expected in (
        ("auto", two.predict_proba(X)[:, 1]),
        ("decision_function", two.decision_function(X)),
        ("predict", two.predict(X)),
    ):
        features = PredictorFeatures(two, method=method, keep_input=False)
        Z = features.fit_transform(X)
        assert_allclose(Z, expected[:, None])
        # Whatever the domain: the model is not of these rows.
        assert_allclose(features.transform(X, sample_domain=domain), Z)
        again = features.fit_transform(X, y, sample_domain=np.ones(len(X)))
        assert_allclose(again, Z)
    ridge = RidgeClassifier().fit(X, y)
    Z = PredictorFeatures(ridge).fit_transform(X)
    assert_allclose(Z[:, 4:], ridge.decision_function(X))
    with pytest.raises(ValueError, match="features must be numbers"):
        PredictorFeatures(ridge, method="predict").fit(X)
    with pytest.raises(TypeError, match="has no predict_proba"):
        PredictorFeatures(ridge, method="predict_proba").fit(X)
    with pytest.raises(NotFittedError, match="FrozenEstimator"):
        PredictorFeatures(Ridge()).fit(X)
    with pytest.raises(ValueError, match="4 features, but X has 3"):
        PredictorFeatures(ridge).fit(X[:, :3])


def test_values(labels):
    X, _, domain = labels
    y = X @ [1.0, 2.0, 0.0, -1.0] + 0.1
    features = PredictorFeatures()
    Z = features.fit_transform(X, y, sample_domain=domain)
    assert_allclose(Z[100:, 4], Ridge().fit(X[:100], y[:100]).predict(X[100:]))
    with pytest.raises(TypeError, match="labels in y are values"):
        PredictorFeatures(estimator=LogisticRegression()).fit(
            X, y, sample_domain=domain
        )


def test_sparse_rows_and_frames(labels):
    pd = pytest.importorskip("pandas")
    X, y, domain = labels
    X = np.where(np.abs(X) < 0.5, 0, X)
    Z = PredictorFeatures().fit_transform(X, y, sample_domain=domain)
    thin = PredictorFeatures().fit_transform(
        sparse.csr_array(X), y, sample_domain=domain
    )
    assert sparse.issparse(thin)
    assert_allclose(thin.toarray(), Z, atol=1e-6)
    frame = pd.DataFrame(X, columns=list("abcd"))
    features = PredictorFeatures(keep_input=False).set_output(transform="pandas")
    out = features.fit_transform(frame, y, sample_domain=domain)
    assert list(out.columns) == ["prediction0", "prediction1", "prediction2"]
    assert_allclose(out, Z[:, 4:])


def test_few_source_rows_and_no_target(labels):
    X, y, domain = labels
    with pytest.warns(NoTargetWarning):
        assert_array_equal(PredictorFeatures().fit_transform(X, y), X)
    lonely = np.where(np.arange(150) == 0, "d", y)
    with pytest.raises(ValueError, match="in one of 5 folds"):
        PredictorFeatures().fit(X, lonely, sample_domain=domain)
    with pytest.raises(ValueError, match="needs labelled source rows"):
        PredictorFeatures().fit(X, sample_domain=domain)
    with pytest.raises(ValueError, match="in two folds"):
        PredictorFeatures().fit(
            X[98:],
            np.r_[0.5, np.full(51, np.nan)],
            sample_domain=np.r_[1, -np.ones(51)],
        )
    for params in ({"method": "score"}, {"keep_input": 2}, {"n_folds": 1}):
        with pytest.raises(ValueError, match=next(iter(params))):
            PredictorFeatures(**params).fit(X, y, sample_domain=domain)
    with pytest.raises(TypeError, match="`estimator` must be"):
        PredictorFeatures(estimator="ridge").fit(X, y, sample_domain=domain)


def test_an_inverted_source_is_turned_round(labels):
    X, y, domain = labels
    y = (y == "c").astype(int)
    y[domain < 0] = 1 - y[domain < 0]
    known = y.copy()
    known[110:] = -1
    model = make_pipeline(
        PredictorFeatures(LogisticRegression().fit(X[:100], y[:100]), keep_input=False),
        TransferClassifier(LogisticRegression(C=100)),
    )
    model.fit(X[100:], known[100:])
    source = model[0].source
    assert source.score(X[110:], y[110:]) < 0.3
    assert model.score(X[110:], y[110:]) > 0.7


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "params", [{"keep_input": False}, {"method": "decision_function"}]
)
def test_promises(params):
    for check in yield_transfer_checks(PredictorFeatures(**params)):
        check()
