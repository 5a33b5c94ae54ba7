import pickle

import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.utils import get_tags

from sktransfer import (
    InstanceSelector,
    KernelMeanMatchingWeighter,
    MMDAligner,
    TransferClassifier,
    TransferRegressor,
)
from sktransfer.exceptions import ClassLostWarning, NoTargetWarning
from tests.adapters import ByFirstColumn, Centerer, PositiveRows


class Data:
    """Two shifted domains; every fourth target row is labelled."""

    def __init__(self, seed=0, n=120):
        rng = np.random.RandomState(seed)
        self.domain = np.where(np.arange(n) % 3 == 0, -1, 1)
        self.target = self.domain < 0
        self.X = rng.normal(size=(n, 3))
        self.truth = (self.X[:, 0] + 0.3 * self.X[:, 1] > 0).astype(int)
        self.X[self.target] += 2.0
        self.y = self.truth.copy()
        self.y[self.target & (np.arange(n) % 4 != 0)] = -1
        self.unsupervised = np.where(self.target, -1, self.truth)


@pytest.fixture
def data():
    return Data()


def test_without_adapter_it_is_the_estimator_on_labelled_rows(data):
    model = TransferClassifier().fit(data.X, data.y, sample_domain=data.domain)
    labelled = data.y >= 0
    by_hand = LogisticRegression().fit(data.X[labelled], data.y[labelled])
    assert_allclose(model.predict_proba(data.X), by_hand.predict_proba(data.X))
    assert_array_equal(model.classes_, [0, 1])


def test_aligner_maps_what_is_fitted_and_what_is_predicted(data):
    model = TransferClassifier(adapter=Centerer()).fit(data.X, data.unsupervised)
    source, target = data.X[~data.target], data.X[data.target]
    by_hand = LogisticRegression().fit(
        source - source.mean(0), data.truth[~data.target]
    )
    centred = target - target.mean(0)
    assert_allclose(model.predict_proba(target), by_hand.predict_proba(centred))
    assert_allclose(model.decision_function(target), by_hand.decision_function(centred))
    assert_allclose(model.predict_log_proba(target), by_hand.predict_log_proba(centred))
    as_source = model.predict_proba(source, sample_domain=np.ones(len(source)))
    assert_allclose(as_source, by_hand.predict_proba(source - source.mean(0)))
    accuracy = np.mean(by_hand.predict(centred) == data.truth[data.target])
    assert model.score(target, data.truth[data.target]) == accuracy


def test_weighter_weighs_and_drops_rows(data):
    model = TransferClassifier(adapter=ByFirstColumn(cut=-0.5))
    model.fit(data.X, data.unsupervised)
    kept = ~data.target & (data.X[:, 0] >= -0.5)
    by_hand = LogisticRegression().fit(
        data.X[kept], data.truth[kept], model.adapters_[0].sample_weight_[kept]
    )
    assert_allclose(model.estimator_.coef_, by_hand.coef_)
    assert_allclose(model.adapters_[0].sample_weight_[~data.target].mean(), 1)


def test_selector_needs_no_weights(data):
    model = TransferClassifier(KNeighborsClassifier(), PositiveRows())
    model.fit(data.X, data.unsupervised)
    kept = ~data.target & (data.X[:, 1] > 0)
    assert model.estimator_.n_samples_fit_ == kept.sum()


def test_given_weights_are_multiplied(data):
    given = np.random.RandomState(1).uniform(size=len(data.X))
    model = TransferClassifier(adapter=ByFirstColumn())
    model.fit(data.X, data.unsupervised, sample_weight=given)
    weights = given * model.adapters_[0].sample_weight_
    source = ~data.target
    by_hand = LogisticRegression().fit(
        data.X[source], data.truth[source], weights[source]
    )
    assert_allclose(model.estimator_.coef_, by_hand.coef_)


def test_target_labels(data):
    used = TransferClassifier(adapter=Centerer())
    used.fit(data.X, data.y, sample_domain=data.domain)
    assert used.adapters_[0].n_target_labels_ == (data.target & (data.y >= 0)).sum()
    ignored = TransferClassifier(adapter=Centerer(), target_labels="ignore")
    ignored.fit(data.X, data.y, sample_domain=data.domain)
    assert ignored.adapters_[0].n_target_labels_ == 0
    unsupervised = TransferClassifier(adapter=Centerer()).fit(data.X, data.unsupervised)
    assert_allclose(ignored.estimator_.coef_, unsupervised.estimator_.coef_)
    assert np.abs(used.estimator_.coef_ - ignored.estimator_.coef_).max() > 1e-3


def test_estimators_without_weights(data):
    model = TransferClassifier(KNeighborsClassifier(), ByFirstColumn())
    with pytest.raises(TypeError, match=r"takes no sample_weight.*resample_if_needed"):
        model.fit(data.X, data.unsupervised)
    model.set_params(resample_if_needed=True, random_state=0)
    model.fit(data.X, data.unsupervised)
    source = data.X[~data.target]
    drawn = model.estimator_._fit_X[:, 0]
    weights = np.exp(source[:, 0])
    # Drawn by weight: the mean of the draw is the weighted mean, not the plain one.
    assert abs(drawn.mean() - np.average(source[:, 0], weights=weights)) < 0.3
    assert drawn.mean() - source[:, 0].mean() > 0.5


@pytest.mark.parametrize("routing", [False, True])
def test_in_a_pipeline_and_a_search(data, routing):
    pipeline = make_pipeline(
        StandardScaler(), TransferClassifier(LogisticRegression(), Centerer())
    )
    grid = {
        "transferclassifier__adapter": [None, Centerer(), ByFirstColumn()],
        "transferclassifier__estimator__C": [0.1, 1.0],
    }
    labelled = np.flatnonzero(data.target & (data.y >= 0))
    rest = np.setdiff1d(np.arange(len(data.X)), labelled)
    folds = [
        (np.r_[rest, np.delete(labelled, slice(i, None, 2))], labelled[i::2])
        for i in (0, 1)
    ]
    with sklearn.config_context(enable_metadata_routing=routing):
        search = GridSearchCV(pipeline, grid, cv=folds, scoring="accuracy")
        name = "sample_domain" if routing else "transferclassifier__sample_domain"
        search.fit(data.X, data.y, **{name: data.domain})
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
        assert isinstance(search.best_params_["transferclassifier__adapter"], Centerer)
        predicted = search.predict(data.X[data.target])
    assert np.mean(predicted == data.truth[data.target]) > 0.8


def test_routing_sends_the_domains_to_predict(data):
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            StandardScaler(), TransferClassifier(adapter=Centerer())
        )
        pipeline.fit(data.X, data.y, sample_domain=data.domain)
        score = pipeline.score(data.X, data.truth, sample_domain=data.domain)
        assert score > pipeline.score(data.X, data.truth)


def test_string_labels_and_marker(data):
    names = np.array(["", "no", "yes"])[data.y + 1]
    model = TransferClassifier(adapter=Centerer())
    model.fit(data.X, names, sample_domain=data.domain)
    numbers = TransferClassifier(adapter=Centerer())
    numbers.fit(data.X, data.y, sample_domain=data.domain)
    assert_array_equal(model.classes_, ["no", "yes"])
    assert_allclose(model.predict_proba(data.X), numbers.predict_proba(data.X))
    other = TransferClassifier(adapter=Centerer(), unlabeled=99)
    other.fit(data.X, np.where(data.y < 0, 99, data.y), sample_domain=data.domain)
    assert_allclose(other.predict_proba(data.X), numbers.predict_proba(data.X))


def test_minus_one_as_a_class(data):
    y = np.where(data.truth == 1, 1, -1)
    model = TransferClassifier().fit(data.X, y)
    assert_array_equal(model.classes_, [-1, 1])
    three = np.where(data.X[:, 2] > 1, 2, y)
    model = TransferClassifier(adapter=Centerer(), unlabeled=None)
    model.fit(data.X, three, sample_domain=data.domain)
    assert_array_equal(model.classes_, [-1, 1, 2])
    assert model.adapters_[0].n_target_labels_ == data.target.sum()


@pytest.mark.parametrize(
    "adapter",
    [
        None,
        MMDAligner(1),
        MMDAligner(1, conditional=True),
        KernelMeanMatchingWeighter(upper_bound=2.0),
        InstanceSelector(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("only", [7, "new"])
def test_a_target_of_one_class_that_the_source_lacks(data, adapter, only):
    names = np.array(["a", "b"]) if only == "new" else np.array([0, 1])
    y = np.where(data.target, only, names[data.truth])
    with pytest.raises(ValueError, match="set unlabeled=None where there is"):
        TransferClassifier(adapter=adapter).fit(data.X, y, sample_domain=data.domain)
    model = TransferClassifier(adapter=adapter, unlabeled=None)
    model.fit(data.X, y, sample_domain=data.domain)
    assert_array_equal(model.classes_, np.unique(y))
    if only == 7:  # the other way out that the sentence names
        TransferClassifier(adapter=adapter).fit(
            data.X, y.astype(float), sample_domain=data.domain
        )


def test_frames_with_strings_reach_the_estimator(data):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(data.X, columns=["a", "b", "c"])
    frame["colour"] = np.where(data.X[:, 2] > 0, "red", "blue")
    inner = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), ["colour"]), remainder=StandardScaler()
        ),
        LogisticRegression(),
    )
    model = TransferClassifier(inner).fit(frame, pd.Series(data.unsupervised))
    assert_array_equal(model.feature_names_in_, ["a", "b", "c", "colour"])
    assert model.predict(frame).shape == (len(frame),)
    with pytest.raises(ValueError, match="feature names"):
        model.predict(frame[["b", "a", "c", "colour"]])


def test_sentences_reach_the_estimator():
    texts = ["good film", "bad film", "good pan", "bad pan"] * 3
    y = [1, 0, -1, -1] * 3
    model = TransferClassifier(make_pipeline(TfidfVectorizer(), LogisticRegression()))
    model.fit(texts, y)
    assert_array_equal(model.predict(["a good one", "a bad one"]), [1, 0])
    assert_array_equal(model.fit(np.array(texts, object), y).predict(["good"]), [1])


def test_sparse_and_missing_values_follow_the_estimator(data):
    model = TransferClassifier().fit(sparse.csr_array(data.X), data.unsupervised)
    dense = TransferClassifier().fit(data.X, data.unsupervised)
    assert_allclose(model.estimator_.coef_, dense.estimator_.coef_, rtol=1e-3)
    assert get_tags(model).input_tags.sparse
    assert not get_tags(TransferClassifier(adapter=Centerer())).input_tags.sparse
    holes = data.X.copy()
    holes[::7, 1] = np.nan
    boosted = TransferClassifier(HistGradientBoostingClassifier(max_iter=5))
    assert get_tags(boosted).input_tags.allow_nan
    assert boosted.fit(holes, data.unsupervised).predict(holes).shape == (len(holes),)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        TransferClassifier(adapter=Centerer()).fit(holes, data.unsupervised)


def test_forwarded_methods_follow_the_estimator(data):
    model = TransferClassifier(LinearSVC()).fit(data.X, data.unsupervised)
    assert hasattr(model, "decision_function")
    assert not hasattr(model, "predict_proba")
    assert not hasattr(TransferClassifier(LinearSVC()), "predict_log_proba")


def test_ensembles_belong_inside(data):
    voting = VotingClassifier([("a", LogisticRegression()), ("b", LinearSVC())])
    inside = TransferClassifier(voting, Centerer()).fit(data.X, data.unsupervised)
    assert_array_equal(inside.classes_, [0, 1])
    without = TransferClassifier(voting).fit(data.X, data.unsupervised)
    target, truth = data.X[data.target], data.truth[data.target]
    assert inside.score(target, truth) > without.score(target, truth) + 0.1
    outside = VotingClassifier([("a", TransferClassifier(adapter=Centerer()))])
    with (
        sklearn.config_context(enable_metadata_routing=True),
        pytest.raises(ValueError, match=r"no source row has.*Put the ensemble inside"),
    ):
        outside.fit(data.X, data.unsupervised, sample_domain=data.domain)


def test_fit_parameters_are_cut_to_the_rows(data):
    inner = GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=GroupKFold(3))
    model = TransferClassifier(inner, PositiveRows())
    model.fit(data.X, data.unsupervised, groups=np.arange(120) % 5)
    assert model.estimator_.n_splits_ == 3


def test_pickle_and_clone(data):
    model = TransferClassifier(adapter=[Centerer(), ByFirstColumn()])
    model.fit(data.X, data.unsupervised)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict_proba(data.X), model.predict_proba(data.X))
    assert not hasattr(clone(model), "estimator_")


class Recorder:
    """A callback that notes which estimator began and ended which task."""

    max_propagation_depth = None

    def __init__(self):
        self.seen = []

    def setup(self, estimator, context):
        self.seen.append("setup")

    def teardown(self, estimator, context):
        self.seen.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.seen.append(f"begin {type(estimator).__name__}")

    def on_fit_task_end(self, estimator, context):
        self.seen.append(f"end {type(estimator).__name__}")


def test_callbacks_are_passed_on(data):
    recorder = Recorder()
    inner = make_pipeline(StandardScaler(), LogisticRegression())
    model = TransferClassifier(inner, Centerer()).set_callbacks(recorder)
    model.fit(data.X, data.unsupervised)
    assert recorder.seen[:2] == ["setup", "begin TransferClassifier"]
    assert recorder.seen[-2:] == ["end TransferClassifier", "teardown"]
    for name in ("Pipeline", "LogisticRegression"):
        assert recorder.seen.count(f"begin {name}") > 0
        assert recorder.seen.count(f"begin {name}") == recorder.seen.count(
            f"end {name}"
        )
    plain = TransferClassifier(inner, Centerer()).fit(data.X, data.unsupervised)
    assert_array_equal(model.predict(data.X), plain.predict(data.X))


def test_no_target_warns_only_with_an_adapter(data):
    with pytest.warns(NoTargetWarning, match="found no target row"):
        TransferClassifier(adapter=Centerer()).fit(data.X, data.truth)
    TransferClassifier().fit(data.X, data.truth)


BAD = {
    "no labelled row at all": (
        {"y": np.full(120, -1)},
        {},
        "no labelled row: all 120 rows are marked",
    ),
    "only target labels, ignored": (
        {"y": lambda d: np.where(d.target, d.truth, -1), "domain": True},
        {"target_labels": "ignore"},
        "set target_labels='use'",
    ),
    "unknown target_labels": (
        {},
        {"target_labels": "maybe"},
        "`target_labels` must be one of 'use', 'ignore', got 'maybe'",
    ),
    "floats with -1.0": (
        {"y": lambda d: np.where(d.target, -1.0, d.truth)},
        {},
        "floats with -1.0 among several labels.*convert y to integers",
    ),
    "short y": ({"y": np.zeros(3)}, {}, "X has 120 rows, y has shape"),
    "short domains": (
        {"domain": np.ones(50)},
        {},
        "one entry for each of the 120 rows of X, got shape",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name, data):
    fit, params, sentence = BAD[name]
    y = fit.get("y", data.unsupervised)
    y = y(data) if callable(y) else y
    domain = fit.get("domain")
    domain = data.domain if domain is True else domain
    model = TransferClassifier(**params)
    with pytest.raises(ValueError, match=sentence):
        model.fit(data.X, y, sample_domain=domain)


@pytest.mark.parametrize(
    ("model", "sentence"),
    [
        (TransferClassifier("svm"), "must be a classifier or None, got 'svm'. Pass an"),
        (TransferClassifier(LogisticRegression), "must be a classifier or None, got <"),
        (TransferClassifier(Ridge()), r"classifier, got Ridge\(\). Use TransferRegr"),
        (TransferClassifier(make_pipeline(Ridge())), r"Use TransferRegressor\."),
        (
            TransferRegressor(LogisticRegression()),
            "regressor, got Log.* Use TransferCl",
        ),
        (TransferRegressor(KNeighborsRegressor(), ByFirstColumn()), "no sample_weight"),
        (TransferRegressor(adapter=StandardScaler()), "must be an aligner, a weighter"),
        (
            TransferClassifier(adapter=StandardScaler()),
            "must be an aligner, a weighter",
        ),
        (TransferClassifier(adapter=Centerer), "must be an aligner, a weighter"),
    ],
)
def test_wrong_estimators_and_adapters(model, sentence, data):
    y = np.where(data.target, np.nan, data.truth + 0.0)
    with pytest.raises(TypeError, match=sentence):
        model.fit(data.X, y)


def test_wrong_columns_at_predict(data):
    model = TransferClassifier(adapter=Centerer()).fit(data.X, data.unsupervised)
    with pytest.raises(ValueError, match="X has 2 features, but TransferClassifier"):
        model.predict(data.X[:, :2])


@pytest.mark.parametrize(
    ("y", "lost"),
    [
        ([0, 1, 1, -1], "0"),
        ([2.0, 3.0, 3.0, np.nan], "2"),
        ([True, False, False, False], "True"),
        (["cat", "dog", "dog", ""], "'cat'"),
        (np.array(["cat", "dog", "dog", None], object), "'cat'"),
    ],
)
def test_a_lost_class_is_named(y, lost):
    X = np.array([[0.0, -1], [1, 1], [2, 1], [3, 1]])
    model = TransferClassifier(DummyClassifier(), PositiveRows())
    with pytest.warns(ClassLostWarning, match=f"every source row of class {lost}. K"):
        model.fit(X, y, sample_domain=[1, 1, 1, -1])
