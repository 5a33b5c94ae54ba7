"""Backbones by name in the estimators: rows as users have them, to the saved file."""

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy import sparse
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from torch import nn

from sktransfer.deep import (
    Backbone,
    FineTunedClassifier,
    FineTunedRegressor,
    ImagePreprocessor,
    PretrainedFeatures,
    register_backbone,
)
from sktransfer.deep import _base as base
from sktransfer.deep.backbones._backbone_registry import _LOADERS
from tests.deep.pretrained import minilm_path


def load_small(name, *, pretrained=True):
    """Four channels of colours that are told apart; weights known if pretrained."""
    network = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 4, 3))
    if pretrained:
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data = 0.3 * noise
    return Backbone(network, ImagePreprocessor(16, resize="stretch"), 4, {})


@pytest.fixture(autouse=True)
def _tinted(monkeypatch):
    """Register the loader, and forget it afterwards."""
    loaders = "sktransfer.deep.backbones._backbone_registry._LOADERS"
    monkeypatch.setattr(loaders, dict(_LOADERS))
    register_backbone("tinted", load_small)


def pictures(n=24, seed=0):
    """Red or blue pictures of mixed sizes, half of them files' worth of PIL."""
    rng = np.random.RandomState(seed)
    found, labels = [], []
    for number in range(n):
        height, width = rng.randint(12, 40, size=2)
        image = rng.randint(0, 80, size=(height, width, 3)).astype(np.uint8)
        image[..., 2 * (number % 2)] += 150
        found.append(Image.fromarray(image) if number % 3 else image)
        labels.append(["red", "blue"][number % 2])
    return found, np.array(labels)


SHORT = {"max_epochs": 30, "lr": 0.02, "random_state": 0}


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_pictures_of_mixed_sizes(trainable, tmp_path):
    images, y = pictures()
    model = FineTunedClassifier("tinted:one", trainable=trainable, **SHORT)
    model.fit(images, y)
    assert model.input_shape_ == (3, 16, 16)
    assert model.score(*pictures(seed=1)) > 0.9
    # A name comes with weights: there is no first phase.
    assert {epoch["phase"] for epoch in model.history_} == {"fine-tune"}
    model.save(tmp_path / "model")
    again = FineTunedClassifier.load(tmp_path / "model")
    assert_allclose(again.predict_proba(images), model.predict_proba(images), atol=1e-6)
    assert again.get_params() == model.get_params()
    order = np.random.RandomState(2).permutation(len(y))
    model.fit([images[i] for i in order], y[order])
    # Sums in another order differ in the last digits of single precision.
    assert_allclose(model.predict_proba(images), again.predict_proba(images), atol=1e-5)


def test_frozen_name_equals_features_and_the_same_module():
    images, y = pictures()
    found = load_small("one")
    prepared = found.preprocessor.fit_transform(images)
    by_name = FineTunedClassifier("tinted:one", trainable="head", **SHORT)
    by_module = FineTunedClassifier(found.module, trainable="head", **SHORT)
    expected = by_module.fit(prepared, y).predict_proba(prepared)
    assert_array_equal(by_name.fit(images, y).predict_proba(images), expected)
    features = PretrainedFeatures("tinted:one").fit_transform(images)
    assert_array_equal(
        features, PretrainedFeatures(found.module).fit_transform(prepared)
    )


def test_paths_unlabelled_rows_and_targets(tmp_path):
    images, y = pictures(18)
    paths = []
    for number, image in enumerate(images):
        path = tmp_path / f"{number}.png"
        picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
        picture.save(path)
        paths.append(str(path))
    y = y.astype(object)
    y[12:15] = ""
    paths[12] = "unlabelled rows are not read.png"
    domain = np.where(np.arange(18) < 9, 1, -1)
    frame = pd.Series(paths)
    model = FineTunedClassifier("tinted:one", source_weight=0.5, **SHORT)
    proba = model.fit(frame, y, sample_domain=domain).predict_proba(images)
    kept = np.flatnonzero(y != "")
    model.fit([images[i] for i in kept], y[kept], sample_domain=domain[kept])
    assert_allclose(model.predict_proba(images), proba, atol=1e-6)


def test_weights_are_loaded_once_for_each_fit_and_search(monkeypatch):
    images, y = pictures()
    calls = []
    original = base.load_backbone
    monkeypatch.setattr(
        base, "load_backbone", lambda name: calls.append(name) or original(name)
    )
    model = FineTunedClassifier("tinted:one", trainable="head", **SHORT)
    search = GridSearchCV(model, {"lr": [0.02, 1e-6]}, cv=3, scoring="f1_macro")
    search.fit(images, y)
    assert search.best_params_ == {"lr": 0.02}
    assert len(calls) == 7
    model.fit(images, y).predict(images)
    assert len(calls) == 8


def test_partial_fit_and_warm_start_go_on():
    images, y = pictures()
    model = FineTunedClassifier("tinted:one", lr=0.02, random_state=0)
    for _ in range(15):
        model.partial_fit(images, y)
    assert model.score(images, y) > 0.9
    warm = FineTunedClassifier("tinted:one", warm_start=True, **SHORT).fit(images, y)
    before = warm.history_[-1]["train_loss"]
    assert warm.fit(images, y).history_[0]["train_loss"] <= 1.5 * before + 1e-9


def test_regression_from_pictures():
    images, y = pictures()
    values = np.where(y == "red", 10.0, -10.0)
    model = FineTunedRegressor("tinted:one", **SHORT).fit(images, values)
    assert model.score(images, values) > 0.8


def test_single_things_are_refused():
    images, y = pictures(4)
    with pytest.raises(ValueError, match="Wrap a single one in a list"):
        FineTunedClassifier("tinted:one").fit("a picture.png", y)
    with pytest.raises(ValueError, match="one entry for each sample, got none"):
        FineTunedClassifier("tinted:one").fit([], [])
    with pytest.raises(TypeError, match=r"got a sparse csr_array. Pass those"):
        FineTunedClassifier("tinted:one").fit(sparse.csr_array(np.eye(4)), y)
    with pytest.raises(ValueError, match="No backbones are registered for 'tinte'"):
        FineTunedClassifier("tinte:one").fit(images, y)
    model = FineTunedClassifier("tinted:one", max_epochs=1).fit(images, y)
    with pytest.raises(ValueError, match="NaN"):
        model.predict([np.full((5, 5, 3), np.nan)])


SENTENCES = [
    "the soup was wonderful and warm",
    "what a lovely, generous meal",
    "best bread that I have ever had",
    "delicious, and served with a smile",
    "the soup was cold and awful",
    "what a nasty, stingy meal",
    "worst bread that I have ever had",
    "tasteless, and served with a scowl",
]
MOODS = np.repeat(["good", "bad"], 4)


@pytest.mark.slow
@pytest.mark.parametrize("peft", [None, "lora"])
def test_sentences(peft, tmp_path):
    model = FineTunedClassifier(
        minilm_path(), peft=peft, lr=3e-3, backbone_lr=5e-4, max_epochs=12,
        batch_size=8, random_state=0,
    )  # fmt: skip
    model.fit(SENTENCES, MOODS)
    assert model.input_dtype_ == "int64"
    assert model.score(SENTENCES, MOODS) == 1.0
    assert model.history_[-1]["train_loss"] < 0.5 * model.history_[0]["train_loss"]
    plain = FineTunedClassifier(minilm_path(), trainable="head", max_epochs=1)
    start = plain.fit(SENTENCES, MOODS).network_.backbone.state_dict()
    if peft is not None:
        after = model.network_.backbone.state_dict()
        own = {k.replace(".base_layer", ""): v for k, v in after.items()}
        assert all(torch.equal(start[k], own[k]) for k in start)
    model.save(tmp_path / "model")
    again = FineTunedClassifier.load(tmp_path / "model")
    proba = model.predict_proba(SENTENCES)
    assert_allclose(again.predict_proba(SENTENCES), proba, atol=1e-5)
    # A sentence alone and among longer ones is read alike.
    alone = np.vstack([model.predict_proba([text]) for text in SENTENCES])
    assert_allclose(alone, proba, atol=1e-5)


@pytest.mark.slow
def test_sentences_in_a_pipeline():
    model = make_pipeline(PretrainedFeatures(minilm_path()), LogisticRegression())
    model = clone(model).fit(pd.Series(SENTENCES), MOODS)
    assert model.score(SENTENCES, MOODS) == 1.0
    with pytest.raises(ValueError, match="empty"):
        model.predict(["fine", ""])


@pytest.mark.slow
def test_onnx_of_a_named_backbone(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    images, y = pictures()
    model = FineTunedClassifier("tinted:one", **SHORT).fit(images, y)
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    rows = model.preprocessor_.transform(images)
    (found,) = session.run(None, {"rows": rows})
    assert_allclose(found, model.predict_proba(images), atol=1e-5)
