"""The estimators in users' hands: labels, frames, pipelines, searches, workers."""

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sklearn
import torch
from joblib import Parallel, delayed
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from sktransfer import TargetKFold, TransferClassifier
from sktransfer.deep import FineTunedClassifier, FineTunedRegressor
from sktransfer.deep._device import autocast, resolve_device, seeded


def draw(n=60, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 4))
    return X, (X[:, 0] > 0).astype(int), np.where(np.arange(n) % 3 == 0, -1, 1)


SHORT = {"pretrain_epochs": 2, "max_epochs": 2, "random_state": 0}


@pytest.mark.parametrize(
    ("names", "missing", "kind"),
    [
        (np.array([10, 20]), -1, "i"),
        (np.array(["cat", "dog"]), "", "U"),
        (np.array([0.0, 1.0]), np.nan, "f"),
        (np.array(["cat", "dog"], dtype=object), "", "O"),
        (np.array([0, 1], dtype=object), None, "i"),
        (np.array([False, True], dtype=object), None, "b"),
    ],
)
def test_labels_of_all_types(names, missing, kind):
    X, y, domain = draw()
    labels = names[y].copy()
    if kind == "U":
        labels = labels.astype("U8")
    labels[::4] = missing
    known = np.arange(60) % 4 != 0
    model = FineTunedClassifier(**SHORT).fit(X, labels, sample_domain=domain)
    assert_array_equal(model.classes_, names)
    assert model.classes_.dtype.kind == kind
    plain = FineTunedClassifier(**SHORT)
    plain.fit(X[known], y[known], sample_domain=domain[known])
    assert_array_equal(model.predict(X), names[plain.predict(X)])
    assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["a", "b", np.nan] + ["a"] * 9, ["a", "b"]),
        (pl.Series([0, 1, None] + [1] * 9), [0, 1]),
        (pl.Series(["a", "b", None] + ["a"] * 9), ["a", "b"]),
        (pd.Series([0, 1, pd.NA] + [1] * 9, dtype="Int64"), [0, 1]),
        (pd.Series([True, False, pd.NA] + [True] * 9, dtype="boolean"), [False, True]),
    ],
)
def test_missing_labels_are_no_class_and_change_no_type(labels, classes):
    model = FineTunedClassifier(**SHORT).fit(draw(12)[0], labels)
    assert model.classes_.tolist() == classes
    assert type(model.classes_.tolist()[0]) is type(classes[0])


def test_minus_one_among_float_labels_is_unclear():
    X, y, domain = draw()
    labels = np.where(np.arange(60) % 4 == 0, -1.0, y)
    with pytest.raises(ValueError, match=r"y holds floats with -1\.0"):
        FineTunedClassifier(**SHORT).fit(X, labels, sample_domain=domain)
    model = FineTunedClassifier(unlabeled=None, **SHORT)
    model.fit(X, labels, sample_domain=domain)
    assert_array_equal(model.classes_, [-1.0, 0.0, 1.0])


@pytest.mark.parametrize("estimator", [FineTunedClassifier, FineTunedRegressor])
def test_no_labelled_row(estimator):
    X, _, domain = draw()
    with pytest.raises(ValueError, match="no labelled row"):
        estimator().fit(X, np.full(60, np.nan), sample_domain=domain)


def test_one_class():
    X, _, _ = draw()
    model = FineTunedClassifier(**SHORT).fit(X, np.full(60, "only"))
    assert_array_equal(model.predict(X[:2]), ["only", "only"])
    assert_array_equal(model.predict_proba(X[:2]), [[1.0], [1.0]])


def test_sparse_is_refused_in_scikit_learns_words():
    X, y, _ = draw()
    with pytest.raises(TypeError, match="dense data is required"):
        FineTunedClassifier().fit(sparse.csr_array(X), y)


def test_frames_lists_and_read_only_arrays():
    X, y, domain = draw()
    expected = FineTunedClassifier(**SHORT).fit(X, y, sample_domain=domain)
    frame = pd.DataFrame(X, columns=list("abcd"))
    model = FineTunedClassifier(**SHORT)
    model.fit(frame, pd.Series(y), sample_domain=pd.Series(domain))
    assert_array_equal(model.predict_proba(frame), expected.predict_proba(X))
    assert_array_equal(model.feature_names_in_, list("abcd"))
    model.fit(X.tolist(), y.tolist(), sample_domain=domain.tolist())
    assert_array_equal(model.predict_proba(X.tolist()), expected.predict_proba(X))
    fortran = np.asfortranarray(X)
    for array in (fortran, y, domain):
        array.setflags(write=False)
    model.fit(fortran, y, sample_domain=domain)
    assert_allclose(model.predict_proba(fortran), expected.predict_proba(X), rtol=1e-6)


def test_tiny_features_do_not_tie_the_rows():
    X, y, _ = draw()
    order = np.random.RandomState(1).permutation(60)
    model = FineTunedClassifier(batch_size=16, **SHORT)
    expected = model.fit(1e-12 * X, y).predict_proba(X)
    assert_array_equal(model.fit(1e-12 * X[order], y[order]).predict_proba(X), expected)


def test_probabilities_and_their_logarithms():
    X, y, _ = draw()
    model = FineTunedClassifier(**SHORT).fit(1e3 * X, y)
    proba, logs = model.predict_proba(X), model.predict_log_proba(X)
    assert_allclose(proba.sum(axis=1), 1)
    assert_allclose(np.exp(logs), proba)
    assert_allclose(logs[:, 1] - logs[:, 0], model.decision_function(X), rtol=1e-6)
    assert np.isfinite(model.predict_log_proba(1e6 * X)).all()


@pytest.mark.parametrize("routing", [False, True])
def test_pipeline_and_search(routing):
    X, y, domain = draw()
    pipeline = make_pipeline(StandardScaler(), FineTunedClassifier(**SHORT))
    name = "finetunedclassifier"
    search = GridSearchCV(
        pipeline, {f"{name}__lr": [1e-9, 0.05]}, cv=TargetKFold(3), scoring="accuracy"
    )
    metadata = {"sample_domain": domain}
    with sklearn.config_context(enable_metadata_routing=routing):
        if not routing:
            metadata = {f"{name}__sample_domain": domain, "groups": domain}
        search.fit(X, y, **metadata)
        assert search.best_params_ == {f"{name}__lr": 0.05}
        if routing:
            fitted = search.best_estimator_
            assert fitted.score(X, y, sample_domain=domain) == fitted.score(X, y)
        step = search.best_estimator_[-1]
        assert {epoch["phase"] for epoch in step.history_} == {"pretrain", "fine-tune"}


def test_inside_a_transfer_classifier():
    X, y, domain = draw()
    inner = FineTunedClassifier(**SHORT)
    model = TransferClassifier(inner).fit(X, y, sample_domain=domain)
    assert_array_equal(model.predict_proba(X), inner.fit(X, y).predict_proba(X))


def test_workers_pickles_and_clones_agree():
    X, y, _ = draw()
    given = nn.Linear(4, 5).double()
    before = {key: value.clone() for key, value in given.state_dict().items()}
    search = GridSearchCV(
        FineTunedClassifier(given, **SHORT), {"lr": [0.01, 0.1]}, cv=3, n_jobs=2
    )
    scores = search.fit(X, y).cv_results_["mean_test_score"]
    search.set_params(n_jobs=None)
    assert_array_equal(search.fit(X, y).cv_results_["mean_test_score"], scores)
    fitted = search.best_estimator_
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict_proba(X), fitted.predict_proba(X))
    again.partial_fit(X, y)
    assert not hasattr(clone(fitted), "network_")
    expected = fitted.predict_proba(X)
    assert_array_equal(clone(fitted).fit(X, y).predict_proba(X), expected)
    for key, value in given.state_dict().items():
        assert torch.equal(value, before[key])
    assert given.training


def test_global_generators_are_left_alone():
    X, y, domain = draw()
    given = nn.Sequential(nn.Linear(4, 8), nn.Dropout()).double()
    numpy_state = np.random.get_state()[1].copy()  # noqa: NPY002
    torch_state = torch.random.get_rng_state()
    model = FineTunedClassifier(given, validation_fraction=0.3, batch_size=8, **SHORT)
    first = model.fit(X, y, sample_domain=domain).predict_proba(X)
    model.partial_fit(X, y)
    assert_array_equal(np.random.get_state()[1], numpy_state)  # noqa: NPY002
    assert torch.equal(torch.random.get_rng_state(), torch_state)
    assert_array_equal(model.fit(X, y, sample_domain=domain).predict_proba(X), first)
    other = model.set_params(random_state=1).fit(X, y, sample_domain=domain)
    assert np.abs(other.predict_proba(X) - first).max() > 1e-4


def test_seeded_leaves_the_generator_where_it_was_after_an_error():
    before = torch.random.get_rng_state()

    def draw_and_fail():
        with seeded(3, torch.device("cpu")):
            torch.rand(1)
            raise KeyError

    with pytest.raises(KeyError):
        draw_and_fail()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_devices():
    absent = {"cuda": torch.cuda, "mps": torch.backends.mps}
    for name, backend in absent.items():
        if not backend.is_available():
            with pytest.raises(ValueError, match="does not find on this machine"):
                resolve_device(name)
    for name in ("cuda:99", "mps:1", "cpu:1"):
        with pytest.raises(ValueError, match=f"'{name}', which torch does not find"):
            resolve_device(name)
    for name in ("xpu", "meta", "gpu", 3.5):
        with pytest.raises(ValueError, match="must be 'auto', 'cpu', 'mps', 'cuda'"):
            resolve_device(name)
    assert resolve_device(torch.device("cpu")) == torch.device("cpu")
    X, y, _ = draw()
    model = FineTunedClassifier(**SHORT).fit(X, y)
    assert model.device_ == resolve_device("auto").type


def test_mixed_precision_is_for_cuda_alone():
    with autocast(torch.device("cpu"), True):
        assert not torch.is_autocast_enabled("cpu")
    X, y, _ = draw()
    with pytest.raises(ValueError, match="`mixed_precision` must be one of 'auto'"):
        FineTunedClassifier(mixed_precision="fp16").fit(X, y)


def test_import_without_torch_says_what_to_install():
    code = (
        "import sys, importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *a: None if name == 'skorch' else find(name)\n"
        "import sktransfer\n"
        "try:\n    import sktransfer.deep\n"
        "except ImportError as error:\n    print(error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "needs skorch, which is not installed" in run.stdout
    assert 'pip install "sktransfer[deep]"' in run.stdout


OPTIONAL = ("accelerate", "keras", "onnx", "onnxscript", "peft", "PIL", "rich", "timm")
OPTIONAL += ("torchvision", "transformers")
WITHOUT_THEM = """
import sys
sys.modules.update(dict.fromkeys({names}))
import numpy as np
from torch import nn
from sktransfer.deep import FineTunedClassifier, FineTunedRegressor, PretrainedFeatures
X = np.random.RandomState(0).normal(size=(30, 4))
y, domain = (X[:, 0] > 0).astype(int), np.where(np.arange(30) < 20, 1, -1)
for kind in (FineTunedClassifier, FineTunedRegressor):
    model = kind(max_epochs=1, pretrain_epochs=1, verbose=1)
    model.fit(X, y, sample_domain=domain).partial_fit(X, y).save({folder!r})
    kind.load({folder!r}).predict(X)
given = nn.Linear(4, 3).double()
FineTunedClassifier(given, trainable="head", max_epochs=1).fit(X, y).predict(X)
print(PretrainedFeatures(given, verbose=1, batch_size=8).fit_transform(X).shape)
"""


def test_optional_packages_need_not_be_there(tmp_path):
    code = WITHOUT_THEM.format(names=OPTIONAL, folder=str(tmp_path))
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.endswith("(30, 3)\n")


def test_threads_draw_what_one_alone_draws():
    X = np.random.RandomState(0).normal(size=(40, 3))
    y = (X[:, 0] > 0).astype(int)
    state = torch.get_rng_state()
    model = FineTunedClassifier(max_epochs=3, pretrain_epochs=3, random_state=0)

    def probabilities():
        return clone(model).fit(X, y).predict_proba(X)

    alone = probabilities()
    found = Parallel(n_jobs=4, backend="threading")(
        delayed(probabilities)() for _ in range(4)
    )
    for each in found:
        assert_allclose(each, alone, atol=1e-6)
    assert torch.equal(state, torch.get_rng_state())
