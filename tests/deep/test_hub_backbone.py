"""Models of transformers: which kind, their features, their files, their refusals."""

import copy
import functools
import json
import os
import pickle
import sys
from types import SimpleNamespace

import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from huggingface_hub import utils as hub
from numpy.testing import assert_allclose
from safetensors.torch import load_file, save_file

from sktransfer.deep.backbones._backbone_registry import load_backbone
from sktransfer.deep.backbones._hub_name import parse_hub_name
from sktransfer.deep.backbones._hub_preprocessing import image_settings
from sktransfer.deep.backbones._pooled_states import pooled_states
from tests.deep.pretrained import minilm_path

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
}
IMAGES = {**SMALL, "image_size": 32, "patch_size": 8}
SPEECH = {
    **SMALL,
    "conv_dim": (32, 32),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
SENTENCES = [
    "A pan that is worth its price.",
    "Broke after two weeks, and nobody answered my letters about it.",
    "Good.",
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give the Hugging Face hub an empty cache, and no network."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


@pytest.fixture(scope="module")
def tokenizer():
    return transformers.AutoTokenizer.from_pretrained(minilm_path())


def made(kind, seed=0, **settings):
    """Return a random model of transformers with the settings of its config."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = getattr(transformers, f"{kind}Config")
        return config, getattr(transformers, f"{kind}Model")(config(**settings)).eval()


def saved(path, model, *others):
    for each in (model, *others):
        each.save_pretrained(path)
    return path


def features_of(module, X):
    with torch.no_grad():
        return module(torch.as_tensor(X))


def images(size=32, n=2):
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(1))


# Text


def masked_mean(model, tokenizer, sentences):
    """Return features as the model's card computes them, with transformers alone."""
    batch = tokenizer(sentences, padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model(**batch).last_hidden_state
    mask = batch["attention_mask"][:, :, None]
    return (mask * states).sum(1) / mask.sum(1)


def test_sentences_have_the_masked_mean_of_the_last_layer(tokenizer):
    found = load_backbone(minilm_path())
    ids = found.preprocessor.fit_transform(SENTENCES)
    features = features_of(found.module, ids)
    assert features.shape == (3, found.n_features) == (3, 384)
    model = transformers.AutoModel.from_pretrained(minilm_path()).eval()
    expected = masked_mean(model, tokenizer, SENTENCES)
    assert_allclose(features, expected, atol=1e-5)
    alone = [masked_mean(model, tokenizer, [sentence]) for sentence in SENTENCES]
    assert_allclose(features, torch.cat(alone), atol=1e-5)
    by_row = [features_of(found.module, row[None]) for row in ids]
    assert_allclose(features, torch.cat(by_row), atol=1e-5)
    assert found.recipe["kind"] == "text"
    assert minilm_path() not in json.dumps(found.recipe)


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("Bert", SMALL),
        ("Roberta", {**SMALL, "max_position_embeddings": 66}),
        ("DistilBert", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}),
        ("MPNet", SMALL),
        ("ModernBert", {**SMALL, "vocab_size": 30522, "pad_token_id": 0}),
        ("Albert", {**SMALL, "embedding_size": 16}),
        (
            "T5",
            {"d_model": 32, "d_kv": 16, "d_ff": 48, "num_layers": 2, "num_heads": 2},
        ),
        ("GPT2", {"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 30522}),
    ],
)
def test_padding_of_a_text_changes_nothing(tmp_path, tokenizer, kind, settings):
    _, model = made(kind, **settings)
    found = load_backbone(saved(tmp_path / "model", model, tokenizer))
    ids = found.preprocessor.fit_transform(SENTENCES)
    features = features_of(found.module, ids)
    for row, feature in zip(ids, features, strict=True):
        n_tokens = int((row != 0).sum())
        alone = features_of(found.module, row[None, :n_tokens])[0]
        assert_allclose(feature, alone, atol=1e-5)
    part = model.get_encoder() if kind == "T5" else model
    with torch.no_grad():
        states = part(input_ids=torch.as_tensor(ids[2:, :4])).last_hidden_state
    assert_allclose(features[2], states[0].mean(0), atol=1e-5)


def test_cost_follows_the_longest_text_of_a_batch(tmp_path, tokenizer):
    _, model = made("Bert", **SMALL)
    module = load_backbone(saved(tmp_path / "model", model, tokenizer)).module
    ids = torch.zeros(2, 128, dtype=torch.int64)
    ids[0, :3] = torch.tensor([101, 2204, 102])
    ids[1, :5] = torch.tensor([101, 2204, 2204, 2204, 102])
    widths = []
    module.model.embeddings.register_forward_pre_hook(
        lambda part, args, kwargs: widths.append(kwargs["input_ids"].shape),
        with_kwargs=True,
    )
    features = features_of(module, ids)
    with torch.no_grad():
        states = model(input_ids=ids, attention_mask=(ids != 0).long())
    mask = (ids != 0)[:, :, None]
    expected = (mask * states.last_hidden_state).sum(1) / mask.sum(1)
    assert widths == [(2, 5)]
    assert_allclose(features, expected, atol=1e-6)


def test_padding_is_what_ends_a_row(tmp_path, tokenizer):
    _, model = made("Bert", **SMALL)
    module = load_backbone(saved(tmp_path / "model", model, tokenizer)).module
    # The word [PAD] in a text is a token of it.
    ids = torch.tensor([[101, 0, 2204, 102, 0, 0]])
    with torch.no_grad():
        states = model(input_ids=ids[:, :4]).last_hidden_state
    assert_allclose(features_of(module, ids), states.mean(1), atol=1e-6)
    nothing = torch.cat([ids, torch.zeros_like(ids)])
    features = module(nothing)
    features.sum().backward()
    assert not features[1].any()
    assert all(
        p.grad is None or torch.isfinite(p.grad).all() for p in module.parameters()
    )


def test_poolings_and_lengths_of_texts(tmp_path, tokenizer):
    _, model = made("Bert", **SMALL)
    path = saved(tmp_path / "model", model, tokenizer)
    ids = torch.tensor([[101, 2204, 102, 0]])
    with torch.no_grad():
        plain = model(input_ids=ids[:, :3])
    for name, expected in (
        (f"hf:{path}", plain.last_hidden_state.mean(1)),
        (f"{path}#mean", plain.last_hidden_state.mean(1)),
        (f"hf:{path}#cls", plain.last_hidden_state[:, 0]),
        (f"{path}#pooler", plain.pooler_output),
    ):
        assert_allclose(
            features_of(load_backbone(name).module, ids), expected, atol=1e-6
        )
    assert load_backbone(path).preprocessor.max_length == 128
    found = load_backbone(f"hf:{path}#cls,max_length=7")
    assert found.preprocessor.fit_transform(["good"]).shape == (1, 7)
    # A pooling layer that nothing goes through would be a block, and a false promise.
    assert found.module.model.pooler is None
    _, model = made("DistilBert", dim=32, n_layers=1, n_heads=2, hidden_dim=48)
    path = saved(tmp_path / "other", model, tokenizer)
    with pytest.raises(ValueError, match="no pooled output of its own"):
        load_backbone(f"hf:{path}#pooler")


def test_mean_in_single_precision():
    states = torch.ones(1, 600, 1, dtype=torch.bfloat16)
    states[:, 301:] = 0
    is_token = torch.arange(600)[None] < 303
    found = SimpleNamespace(last_hidden_state=states)
    assert_allclose(pooled_states(found, "mean", is_token), [[301 / 303]], rtol=1e-6)
    assert_allclose(pooled_states(found, "mean"), [[301 / 600]], rtol=1e-6)


def test_options(tmp_path):
    assert parse_hub_name("a/b#cls,max_length=64").max_length == 64
    for option in ("max", "max_length=0", "max_length=x", "max_seconds=-1", "cls=1"):
        with pytest.raises(ValueError, match=r"after # there may be mean, cls, pooler"):
            parse_hub_name(f"a/b#{option}")
    (tmp_path / "with#mark").mkdir()
    assert parse_hub_name(str(tmp_path / "with#mark")).is_folder
    _, model = made("ViT", **IMAGES)
    path = saved(tmp_path / "model", model)
    with pytest.raises(ValueError, match="model for images, to which #max_length does"):
        load_backbone(f"hf:{path}#max_length=3")


def test_text_model_without_tokenizer(tmp_path):
    _, model = made("Bert", **SMALL)
    with pytest.raises(ValueError, match=r"has no tokenizer. Save it beside"):
        load_backbone(saved(tmp_path / "model", model))


# Images


@pytest.mark.parametrize(
    ("kind", "settings", "pooling"),
    [
        ("ViT", IMAGES, "cls"),
        ("DeiT", IMAGES, "cls"),
        (
            "ResNet",
            {
                "embedding_size": 8,
                "hidden_sizes": [8, 16],
                "depths": [1, 1],
                "layer_type": "basic",
            },
            "pooler",
        ),
        ("ConvNext", {"hidden_sizes": [8, 16, 16, 24], "depths": [1] * 4}, "pooler"),
        (
            "Swin",
            {
                "image_size": 32,
                "patch_size": 2,
                "embed_dim": 8,
                "depths": [1, 1],
                "num_heads": [1, 2],
                "window_size": 4,
            },
            "pooler",
        ),
    ],
)
def test_classifier_on_the_features_is_the_classification_model(
    tmp_path, kind, settings, pooling
):
    config, _ = made(kind, **settings)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        whole = getattr(transformers, f"{kind}ForImageClassification")
        model = whole(config(**settings, num_labels=5)).eval()
    found = load_backbone(saved(tmp_path / "model", model))
    features = features_of(found.module, images())
    assert features.shape == (2, found.n_features)
    assert found.recipe["pooling"] == pooling
    assert found.preprocessor is None  # the folder does not say how images are made
    with torch.no_grad():
        scores = model.classifier(features)
        assert_allclose(scores, model(images()).logits, atol=1e-5)
    blocks = found.module.trainable_blocks()
    parameters = [id(p) for block in blocks for p in block.parameters()]
    assert len(parameters) == len(set(parameters))
    assert set(parameters) == {id(p) for p in found.module.parameters()}


def test_poolings_of_images(tmp_path):
    _, model = made("ViT", **IMAGES)
    path = saved(tmp_path / "model", model)
    with torch.no_grad():
        plain = model(images())
    for option, expected in (
        ("cls", plain.last_hidden_state[:, 0]),
        ("mean", plain.last_hidden_state.mean(1)),
        ("pooler", plain.pooler_output),
    ):
        module = load_backbone(f"hf:{path}#{option}").module
        assert_allclose(features_of(module, images()), expected, atol=1e-6)
    _, model = made("ResNet", embedding_size=8, hidden_sizes=[8], depths=[1])
    path = saved(tmp_path / "maps", model)
    with pytest.raises(ValueError, match=r"gives maps, not tokens; use #mean"):
        load_backbone(f"hf:{path}#cls")


@pytest.mark.parametrize(
    ("processor", "settings", "tolerance"),
    [
        ("ViT", {"size": {"height": 32, "width": 32}}, 0.02),
        ("ConvNext", {"size": {"shortest_edge": 32}, "crop_pct": 0.8}, 0.02),
        ("ConvNext", {"size": {"shortest_edge": 384}, "crop_pct": 0.8}, 0.02),
        (
            "CLIP",
            {
                "size": {"shortest_edge": 40},
                "crop_size": {"height": 32, "width": 32},
                "image_mean": [0.4, 0.5, 0.6],
                "image_std": [0.2, 0.3, 0.4],
            },
            0.05,
        ),
        ("ViT", {"size": {"height": 32, "width": 32}, "do_normalize": False}, 0.01),
    ],
)
def test_images_are_prepared_as_transformers_does(
    tmp_path, processor, settings, tolerance
):
    theirs = getattr(transformers, f"{processor}ImageProcessor")(**settings)
    _, model = made("ResNet", embedding_size=8, hidden_sizes=[8], depths=[1])
    found = load_backbone(saved(tmp_path / "model", model, theirs))
    # A smooth image: resizing by 8 bits and by floats differs by a rounding only.
    rows, columns = np.mgrid[:60, :80] / 80
    image = np.stack([rows, columns, rows * columns], axis=2)
    image = (255 * image).astype(np.uint8)
    expected = theirs(image, return_tensors="np")["pixel_values"]
    ours = found.preprocessor.fit_transform([image])
    assert ours.shape == expected.shape
    assert_allclose(ours, expected, atol=tolerance)


def test_only_square_images(tmp_path):
    processor = transformers.ViTImageProcessor(size={"height": 32, "width": 48})
    saved(tmp_path, processor)
    with pytest.raises(ValueError, match="only square ones can be prepared"):
        image_settings(transformers, parse_hub_name(str(tmp_path)))


def test_parts_of_a_model_for_texts_and_images(tmp_path, tokenizer):
    config = transformers.CLIPConfig(text_config=SMALL, vision_config=IMAGES)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.CLIPModel(config).eval()
    path = saved(tmp_path / "model", model, tokenizer)
    with pytest.raises(ValueError, match=r"for text and vision. Say which part: 'hf:"):
        load_backbone(path)
    found = load_backbone(f"hf:{path}#vision")
    with torch.no_grad():
        expected = model.vision_model(images()).pooler_output
    assert_allclose(features_of(found.module, images()), expected, atol=1e-6)
    found = load_backbone(f"hf:{path}#text,cls")
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        expected = model.text_model(input_ids=ids).last_hidden_state[:, 0]
    assert_allclose(features_of(found.module, ids), expected, atol=1e-6)


def test_random_masks_are_refused(tmp_path):
    _, model = made("ViTMAE", **IMAGES)
    path = saved(tmp_path / "model", model)
    with pytest.raises(
        ValueError, match="gives the same rows other features each time"
    ):
        load_backbone(path)


def test_draws_that_change_nothing_are_no_obstacle(tmp_path, tokenizer, monkeypatch):
    # Speech models of transformers 4 draw which layers training leaves out.
    _, model = made("Bert", **SMALL)
    path = saved(tmp_path / "model", model, tokenizer)
    forward = transformers.BertModel.forward

    @functools.wraps(forward)
    def draws(self, *args, **kwargs):
        torch.rand([])
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(transformers.BertModel, "forward", draws)
    assert load_backbone(path).n_features == 32


def test_reading_weights_shows_no_bar(tmp_path, tokenizer, capfd):
    _, model = made("Bert", **SMALL)
    path = saved(tmp_path / "model", model, tokenizer)
    logging = transformers.utils.logging
    before = logging.is_progress_bar_enabled()
    capfd.readouterr()
    for shows_downloads in (True, False):
        (hub.enable_progress_bars if shows_downloads else hub.disable_progress_bars)()
        try:
            load_backbone(path)
            assert hub.are_progress_bars_disabled() != shows_downloads
        finally:
            hub.enable_progress_bars()
    assert capfd.readouterr().err == ""
    assert logging.is_progress_bar_enabled() == before


def test_texts_without_a_mask_are_refused(tmp_path, tokenizer):
    sizes = {k: SMALL[k] for k in ("hidden_size", "num_hidden_layers")}
    _, model = made("FNet", **sizes, intermediate_size=48)
    path = saved(tmp_path / "model", model, tokenizer)
    with pytest.raises(ValueError, match="takes no attention mask"):
        load_backbone(path)


# Sound


def test_no_layer_is_left_out_at_random(tmp_path):
    _, model = made("Wav2Vec2", **SPEECH, layerdrop=0.5)
    extractor = transformers.Wav2Vec2FeatureExtractor()
    module = load_backbone(saved(tmp_path / "model", model, extractor)).module
    assert module.model.config.layerdrop == 0.0


@pytest.mark.parametrize("norm", ["group", "layer"])
@pytest.mark.parametrize("kind", ["Wav2Vec2", "Hubert", "WavLM"])
def test_padding_of_a_clip_changes_nothing(tmp_path, kind, norm):
    _, model = made(kind, **SPEECH, feat_extract_norm=norm)
    extractor = transformers.Wav2Vec2FeatureExtractor()
    found = load_backbone(saved(tmp_path / "model", model, extractor))
    rng = np.random.RandomState(0)
    clips = [rng.normal(1, 0.3, size=n) for n in (900, 400, 900, 650)]
    rows = found.preprocessor.fit_transform(clips)
    assert rows.shape == (4, 900)
    features = features_of(found.module, rows)
    assert features.shape == (4, found.n_features)
    wider = features_of(found.module, np.pad(rows, ((0, 0), (0, 300))))
    assert_allclose(wider, features, atol=1e-5)
    for clip, feature in zip(clips, features, strict=True):
        # transformers alone, one clip at a time.
        values = extractor(clip, sampling_rate=16000, return_tensors="pt").input_values
        with torch.no_grad():
            states = model(values.float()).last_hidden_state
        assert_allclose(feature, states[0].mean(0), atol=1e-5)


def test_clips_that_are_too_short_or_silent(tmp_path):
    _, model = made("Wav2Vec2", **SPEECH)
    extractor = transformers.Wav2Vec2FeatureExtractor()
    module = load_backbone(saved(tmp_path / "model", model, extractor)).module
    assert module.shortest == 10 + 2 * 5  # three frames of ten samples, five apart
    rows = torch.zeros(3, 5)
    rows[0, :2] = torch.tensor([0.5, -0.5])
    features = features_of(module, rows)
    assert torch.isfinite(features).all()
    longer = torch.nn.functional.pad(rows, (0, 100))
    assert_allclose(features_of(module, longer), features, atol=1e-6)


def test_training_on_sound_leaves_global_generators_alone(tmp_path):
    # SpecAugment of transformers draws from numpy's.
    _, model = made("Wav2Vec2", **SPEECH, mask_time_prob=0.5, mask_time_length=2)
    extractor = transformers.Wav2Vec2FeatureExtractor()
    module = load_backbone(saved(tmp_path / "model", model, extractor)).module.train()
    generator = np.random.mtrand._rand  # the global one
    before = generator.get_state()[1].copy()
    module(torch.randn(2, 800)).sum().backward()
    assert np.array_equal(generator.get_state()[1], before)


def test_folded_weight_norm_is_the_same_function_and_can_be_pickled(tmp_path):
    _, model = made("Wav2Vec2", **SPEECH)
    with pytest.raises(RuntimeError, match="parametrized"):
        pickle.dumps(model)
    extractor = transformers.Wav2Vec2FeatureExtractor(do_normalize=False)
    module = load_backbone(saved(tmp_path / "model", model, extractor)).module
    again = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    X = torch.randn(1, 800)
    with torch.no_grad():
        expected = model(X).last_hidden_state.mean(1)
    assert_allclose(features_of(again, X), expected, atol=1e-6)


def test_spectrograms_are_looked_at_as_images(tmp_path):
    settings = {"max_length": 128, "num_mel_bins": 32}
    _, model = made("AST", **SMALL, **settings)
    extractor = transformers.ASTFeatureExtractor(**settings)
    found = load_backbone(saved(tmp_path / "model", model, extractor))
    clip = np.random.RandomState(0).normal(size=4000).astype(np.float32)
    rows = found.preprocessor.fit_transform([clip, np.pad(clip, (0, 500)), clip[:100]])
    assert rows.shape == (3, 128, 32)
    assert np.array_equal(rows[0], rows[1])
    values = extractor(clip, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        expected = model(values).pooler_output
    assert_allclose(features_of(found.module, rows)[:1], expected, atol=1e-5)
    assert found.n_features == 32


def test_sound_without_settings(tmp_path):
    _, model = made("Wav2Vec2", **SPEECH)
    with pytest.raises(
        ValueError, match=r"lacks the preprocessor_config.json of its s"
    ):
        load_backbone(saved(tmp_path / "model", model))


def test_kinds_that_are_not_taken(tmp_path):
    _, model = made("PatchTST", d_model=32)
    with pytest.raises(
        ValueError, match=r"takes past_values. A backbone must be a mod"
    ):
        load_backbone(saved(tmp_path / "series", model))
    _, model = made("Wav2Vec2", **SPEECH, add_adapter=True)
    with pytest.raises(ValueError, match="has an adapter after its layers"):
        load_backbone(saved(tmp_path / "speech", model))


# Files


def test_blocks_are_the_embeddings_and_the_layers(tmp_path, tokenizer):
    _, model = made("Bert", **SMALL)
    module = load_backbone(saved(tmp_path / "model", model, tokenizer)).module
    blocks = module.trainable_blocks()
    inner = module.model
    for block, part in zip(
        blocks, (inner.embeddings, *inner.encoder.layer), strict=True
    ):
        assert {id(p) for p in block.parameters()} == {id(p) for p in part.parameters()}
        inside = {id(m) for m in block.modules()}
        assert {id(m) for m in part.modules()} <= inside
    again = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    ids = torch.tensor([[101, 2204, 102]])
    assert torch.equal(features_of(again, ids), features_of(module, ids))


def test_weights_become_single_precision(tmp_path):
    _, model = made("ViT", **IMAGES)
    path = saved(tmp_path / "model", model.half())
    module = load_backbone(path).module
    assert {p.dtype for p in module.parameters()} == {torch.float32}


def test_weights_of_another_architecture(tmp_path):
    _, model = made("ViT", **IMAGES)
    path = saved(tmp_path / "model", model)
    weights = path / "model.safetensors"
    # Copied: the file under them is written anew.
    state = {k: v.clone() for k, v in load_file(weights).items()}
    _, other = made("ViT", **{**IMAGES, "hidden_size": 16})
    save_file(other.state_dict(), weights, metadata={"format": "pt"})
    match = r"not those of its architecture .*: \S+ has the shape .* 16\) in place of"
    with pytest.raises(ValueError, match=match):
        load_backbone(path)
    # transformers would only tell of random weights in their place.
    state.pop("layernorm.weight")
    save_file(state, weights, metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"they lack 1 of \d+, layernorm.weight for"):
        load_backbone(path)


def test_damaged_files(tmp_path):
    _, model = made("ViT", **IMAGES)
    path = saved(tmp_path / "model", model)
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(
        ValueError, match=r"are damaged: .* Delete and download or save"
    ):
        load_backbone(path)
    weights.unlink()
    with pytest.raises(
        ValueError, match=r"must have config.json and model.safetensors"
    ):
        load_backbone(path)
    (path / "config.json").write_text("{")
    with pytest.raises(
        ValueError, match="holds no model of transformers that can be r"
    ):
        load_backbone(path)


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_of_a_folder_is_run(tmp_path):
    _, model = made("ViT", **IMAGES)
    path = saved(tmp_path / "model", model)
    (path / "model.safetensors").unlink()
    torch.save({"a": Attack(tmp_path / "ran")}, path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="can run code when it is read, so it is not"):
        load_backbone(path)
    (path / "evil.py").write_text(f"import os; os.mkdir({str(tmp_path / 'ran')!r})")
    code = {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}
    config = json.dumps({"model_type": "evil", "auto_map": code})
    (path / "config.json").write_text(config)
    with pytest.raises(ValueError, match="holds no model of transformers"):
        load_backbone(path)
    assert not (tmp_path / "ran").exists()


def test_model_from_the_cache_of_the_hub(cache, tmp_path, tokenizer):
    _, model = made("Bert", **SMALL)
    folder = cache / "models--someone--small-bert"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    saved(folder / "snapshots" / ("0" * 40), model, tokenizer)
    before = torch.get_rng_state()
    found = load_backbone("hf:someone/small-bert#cls")
    assert torch.equal(torch.get_rng_state(), before)
    ids = torch.tensor([[101, 2204, 102]])
    with torch.no_grad():
        expected = model(input_ids=ids).last_hidden_state[:, 0]
    assert_allclose(features_of(found.module, ids), expected, atol=1e-6)
    match = (
        r"hf:someone/smal-bert is not on this machine and could not be downloaded: .* "
        r"Did you mean 'someone/small-bert'\? Check the name.*hf download someone/smal"
    )
    with pytest.raises(OSError, match=match):
        load_backbone("hf:someone/smal-bert")


def test_no_network_and_nothing_cached():
    with pytest.raises(OSError, match=r"or pass the path of its folder\."):
        load_backbone("hf:bert-base-uncased")
    with pytest.raises(FileNotFoundError, match=r"There is no folder \./nowhere"):
        load_backbone("hf:./nowhere")


def test_missing_transformers(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    match = r'hf:bert.* needs transformers.* `pip install "sktransfer\[text\]"`'
    with pytest.raises(ImportError, match=match):
        load_backbone("hf:bert-base-uncased")
