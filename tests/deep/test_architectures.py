"""Architectures on disk: what comes back, without weights, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest
import torch
import transformers
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.preprocessing import StandardScaler
from torch import nn

from sktransfer.deep import Backbone, register_backbone
from sktransfer.deep.backbones import _backbone_registry
from sktransfer.deep.backbones._architectures import (
    load_architecture,
    save_architecture,
)
from sktransfer.deep.backbones._backbone_registry import _LOADERS, load_backbone
from sktransfer.deep.preprocessing._mel_spectrogram import MelSpectrogram
from sktransfer.exceptions import TruncationWarning
from tests.deep.pretrained import lite0_backbone, minilm_path, voice_backbone

SPEECH = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "conv_dim": (32, 32),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(_backbone_registry, "_LOADERS", dict(_LOADERS))


def speech(path, seed=0):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.Wav2Vec2Model(transformers.Wav2Vec2Config(**SPEECH))
    model.save_pretrained(path)
    transformers.Wav2Vec2FeatureExtractor(do_normalize=False).save_pretrained(path)
    return path


def restored(backbone, folder):
    """Save without the module, load, and put the weights in again."""
    save_architecture(dataclasses.replace(backbone, module=None), folder)
    before = torch.get_rng_state()
    again = load_architecture(folder)
    assert torch.equal(torch.get_rng_state(), before)
    again.module.load_state_dict(backbone.module.state_dict())
    assert not again.module.training
    assert again.n_features == backbone.n_features
    return again


def outputs(module, X):
    with torch.no_grad():
        return module(torch.as_tensor(X))


@pytest.mark.parametrize("name", ["torchvision:squeezenet1_1", "timm:convnext_atto"])
def test_networks_for_images(tmp_path, name):
    found = load_backbone(name, pretrained=False)
    again = restored(found, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["architecture.json"]
    assert again.recipe == found.recipe
    assert again.preprocessor.get_params() == found.preprocessor.get_params()
    X = np.random.RandomState(0).normal(size=(2, 3, 64, 64)).astype(np.float32)
    assert torch.equal(outputs(again.module, X), outputs(found.module, X))


def test_settings_of_images_are_those_of_the_day_of_saving(tmp_path):
    found = load_backbone("torchvision:squeezenet1_1", pretrained=False)
    recipe = {**found.recipe, "image": {**found.recipe["image"], "resize": 300}}
    save_architecture(dataclasses.replace(found, recipe=recipe), tmp_path)
    assert load_architecture(tmp_path).preprocessor.resize == 300


def test_text_model_with_its_tokenizer(tmp_path):
    found = load_backbone(f"hf:{minilm_path()}#cls,max_length=9")
    again = restored(found, tmp_path / "model")
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == ["architecture.json", "tokenizer"]
    files = {path.suffix for path in (tmp_path / "model" / "tokenizer").iterdir()}
    assert files == {".json"}
    texts = ["A good book.", "Bad"]
    ids = clone(found.preprocessor).fit_transform(texts)
    assert_array_equal(again.preprocessor.transform(texts), ids)  # ready to use
    assert torch.equal(outputs(again.module, ids), outputs(found.module, ids))
    assert minilm_path() not in (tmp_path / "model" / "architecture.json").read_text()


@pytest.mark.parametrize("is_fitted", [True, False])
def test_speech_model_with_the_width_of_its_rows(tmp_path, is_fitted):
    found = load_backbone(speech(tmp_path / "given"))
    if is_fitted:
        clips = [np.ones(700), np.ones(900)]
        fitted = clone(found.preprocessor).fit(clips)
        found = dataclasses.replace(found, preprocessor=fitted)
    again = restored(found, tmp_path / "saved")
    X = np.random.RandomState(0).normal(size=(2, 900)).astype(np.float32)
    assert_allclose(outputs(again.module, X), outputs(found.module, X), atol=1e-6)
    if is_fitted:
        with pytest.warns(TruncationWarning):
            assert again.preprocessor.transform([np.ones(1000)]).shape == (1, 900)
    else:
        assert again.preprocessor.get_params() == found.preprocessor.get_params()


@pytest.mark.parametrize(("n_fft", "hop_length"), [(400, 160), (401, 7), (64, 64)])
def test_spectrograms_have_as_many_frames_as_before(tmp_path, n_fft, hop_length):
    def load_mel(name, *, pretrained=True):
        mel = MelSpectrogram(n_fft=n_fft, hop_length=hop_length, n_mels=4)
        return Backbone(nn.Linear(4, 2), mel, 2, {})

    register_backbone("mel", load_mel)
    found = load_backbone("mel:any")
    for n_samples in (1, 159, 160, 3203):
        fitted = clone(found.preprocessor).fit([np.ones(n_samples)])
        again = restored(dataclasses.replace(found, preprocessor=fitted), tmp_path)
        assert again.preprocessor.n_frames_ == fitted.n_frames_


def test_what_a_preprocessor_of_ones_own_has_learned_is_not_lost(tmp_path):
    def load_scaled(name, *, pretrained=True):
        return Backbone(nn.Linear(3, 2), StandardScaler(), 2, {})

    register_backbone("scaled", load_scaled)
    found = load_backbone("scaled:any")
    restored(found, tmp_path)
    fitted = clone(found.preprocessor).fit(np.eye(3))
    with pytest.raises(
        ValueError, match="a StandardScaler, has learned from rows what"
    ):
        save_architecture(dataclasses.replace(found, preprocessor=fitted), tmp_path)


def test_model_that_looks_at_spectrograms(tmp_path):
    settings = {"max_length": 64, "num_mel_bins": 32}
    small = {k: SPEECH[k] for k in list(SPEECH)[:4]}
    model = transformers.ASTModel(transformers.ASTConfig(**small, **settings))
    model.save_pretrained(tmp_path / "given")
    transformers.ASTFeatureExtractor(**settings).save_pretrained(tmp_path / "given")
    found = load_backbone(tmp_path / "given")
    again = restored(found, tmp_path / "saved")
    clips = [np.random.RandomState(0).normal(size=4000)]
    rows = found.preprocessor.fit_transform(clips)
    assert_array_equal(again.preprocessor.transform(clips), rows)
    assert torch.equal(outputs(again.module, rows), outputs(found.module, rows))


def test_loaders_of_ones_own(tmp_path):
    register_backbone("lite", lite0_backbone)
    register_backbone("voice", voice_backbone)
    calls = []

    def small(name, *, pretrained=True):
        calls.append((name, pretrained))
        return Backbone(nn.Linear(3, int(name)), None, int(name), {})

    register_backbone("small", small)
    for spec in ("lite:lite0", "voice:resemblyzer", "small:4"):
        restored(load_backbone(spec), tmp_path / spec.replace(":", "-"))
    assert calls == [("4", True), ("4", False)]
    register_backbone(
        "small", lambda name, *, pretrained=True: small(5), overwrite=True
    )
    with pytest.raises(
        ValueError, match=r"with 4 features, but small:4 now has 5. Use"
    ):
        load_architecture(tmp_path / "small-4")


def test_prefix_must_be_registered_again(tmp_path, monkeypatch):
    register_backbone("lite", lite0_backbone)
    save_architecture(load_backbone("lite:lite0", pretrained=False), tmp_path)
    monkeypatch.setattr(_backbone_registry, "_LOADERS", dict(_LOADERS))
    with pytest.raises(
        ValueError, match=r"No backbones are registered for 'lite'.*regist"
    ):
        load_architecture(tmp_path)


def test_recipe_must_be_json(tmp_path):
    register_backbone(
        "odd",
        lambda name, *, pretrained=True: Backbone(
            nn.Linear(2, 2), None, 2, {"layers": {1, 2}}
        ),
    )
    with pytest.raises(
        ValueError, match=r"recipe of odd:one cannot be written as JSON"
    ):
        save_architecture(load_backbone("odd:one"), tmp_path)


def test_damaged_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"architecture.json is missing"):
        load_architecture(tmp_path)
    found = load_backbone("torchvision:squeezenet1_1", pretrained=False)
    save_architecture(found, tmp_path)
    file = tmp_path / "architecture.json"
    text = file.read_text()
    head = json.loads(text)
    for damaged, match in (
        (text[:100], "holds a damaged architecture.json: "),
        (json.dumps({**head, "format": 99}), "of another version: expected format 1"),
        (json.dumps([1]), "of another version: expected format 1"),
        (json.dumps({**head, "more": 1}), "damaged architecture.json: look at more"),
        (
            json.dumps({**head, "n_features": 7}),
            "damaged architecture.json. Save it ag",
        ),
        (text.replace("squeezenet1_1", "squeezenet1_0"), "damaged architecture.json"),
    ):
        file.write_text(damaged)
        with pytest.raises(ValueError, match=match):
            load_architecture(tmp_path)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"holds a damaged architecture.json"):
        load_architecture(tmp_path)


@pytest.mark.parametrize("change", ["edit", "remove", "add"])
def test_another_tokenizer_is_refused(tmp_path, change):
    save_architecture(load_backbone(minilm_path(), pretrained=False), tmp_path)
    file = tmp_path / "tokenizer" / "tokenizer.json"
    if change == "edit":
        file.write_text(file.read_text().replace("good", "bad!"))
    elif change == "remove":
        file.unlink()
    else:
        (tmp_path / "tokenizer" / "code.py").write_text("")
    with pytest.raises(ValueError, match=r"tokenizer in .* does not belong to archit"):
        load_architecture(tmp_path)
