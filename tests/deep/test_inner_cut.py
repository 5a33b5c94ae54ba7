"""A backbone is cut before what learns in it, whatever its forward pass does."""

import numpy as np
import pytest
import timm
import torch
import transformers
from numpy.testing import assert_allclose
from torch import nn
from transformers.models.bert.modeling_bert import BertLayer

from sktransfer.deep import FineTunedClassifier
from sktransfer.deep._network import build_network
from sktransfer.deep.backbones._image_encoder import ImageEncoder
from sktransfer.deep.backbones._speech_encoder import SpeechEncoder
from sktransfer.deep.backbones._text_encoder import TextEncoder
from sktransfer.deep.backbones._timm_backbone import _TimmNetwork
from sktransfer.deep.frozen._inner_cut import cut_inside
from tests.deep.counting import CountsRows

LAYERS = {
    "hidden_size": 16,
    "num_hidden_layers": 4,
    "num_attention_heads": 2,
    "intermediate_size": 24,
}
IMAGES = {**LAYERS, "image_size": 16, "patch_size": 8}
SPEECH = {
    **LAYERS,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}


def model(kind, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = getattr(transformers, f"{kind}Config")(**settings)
        return getattr(transformers, f"{kind}Model")(config).eval()


def text(kind="Bert", **settings):
    made = model(kind, **{**LAYERS, "vocab_size": 40, **settings})
    return TextEncoder(made, 0, "mean")


def image():
    return ImageEncoder(model("ViT", **IMAGES), "cls")


def vit(name="vit_tiny_patch16_224"):
    settings = {"img_size": 32, "depth": 4, "embed_dim": 24}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _TimmNetwork(timm.create_model(name, num_classes=0, **settings).eval())


def speech(norm):
    off = {"apply_spec_augment": False, "layerdrop": 0.0}
    made = model("Wav2Vec2", **SPEECH, **off, feat_extract_norm=norm)
    # Weight normalisation cannot be copied; loading by name folds it.
    nn.utils.parametrize.remove_parametrizations(
        made.encoder.pos_conv_embed.conv, "weight"
    )
    return SpeechEncoder(made, normalize=True)


def sentences(n):
    rng = np.random.RandomState(0)
    ids = rng.randint(1, 40, (n, 9))
    for row, length in enumerate(rng.randint(0, 10, n)):
        ids[row, length:] = 0
    return ids


def pictures(size):
    def rows(n):
        return np.random.RandomState(0).normal(size=(n, 3, size, size)).astype("f4")

    return rows


def clips(n):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(n, 200)).astype(np.float32)
    for row, length in enumerate(rng.choice([60, 130, 200], n)):
        X[row, length:] = 0
    return X


KINDS = {
    "text": (text, sentences),
    "image": (image, pictures(16)),
    "timm": (vit, pictures(32)),
    "masked-speech": (lambda: speech("layer"), clips),
    "speech": (lambda: speech("group"), clips),
}


def assert_agree(network, cut, rows):
    network.eval()
    with torch.no_grad():
        alone = [cut.frozen(rows[i : i + 1]) for i in range(len(rows))]
        found, expected = cut.live(torch.cat(alone), rows), network(rows)
    assert_allclose(found, expected, atol=1e-4 * float(expected.abs().max()))


def cut_of(backbone, trainable, rows):
    rows = torch.from_numpy(rows)
    network = build_network(backbone, "linear", 3, rows[:2])
    network.freeze(trainable)
    return network, cut_inside(network.train(), rows[:2])


@pytest.mark.parametrize("trainable", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_the_halves_are_the_whole(kind, trainable):
    make, rows = KINDS[kind]
    X = torch.from_numpy(rows(12))
    network, cut = cut_of(make(), trainable, X.numpy())
    for part in (slice(0, 12), slice(3, 5), slice(7, 8)):
        assert_agree(network, cut, X[part])


@pytest.mark.parametrize("kind", KINDS)
def test_training_is_the_same_as_through_the_whole_network(kind):
    make, rows = KINDS[kind]
    X, y = rows(20), np.arange(20) % 2
    params = {"trainable": 2, "max_epochs": 3, "batch_size": 8, "lr": 0.05}
    params |= {"optimizer": "sgd"}  # the other one follows the sign of rounding
    params |= {"l2_sp": 0.1, "layer_decay": 0.5, "random_state": 0, "device": "cpu"}
    backbone = make()
    for part in backbone.modules():  # its draws would differ: skipped layers draw none
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if hasattr(part, "attention_dropout"):
            part.attention_dropout = 0.0
    cut = FineTunedClassifier(backbone, **params).fit(X, y)
    # An augmentation that does nothing forbids the cut.
    whole = FineTunedClassifier(backbone, augment=lambda rows: rows, **params)
    whole.fit(X, y)
    expected, start = whole.network_.state_dict(), backbone.state_dict()
    for key, value in cut.network_.state_dict().items():
        assert_allclose(value, expected[key], atol=1e-4, err_msg=key)
    learned = [
        key
        for key, value in cut.network_.backbone.state_dict().items()
        if not torch.equal(value, start[key])
    ]
    assert any("3." in key for key in learned)
    assert not any(".0." in key or ".1." in key for key in learned)
    assert_allclose(cut.predict_proba(X), whole.predict_proba(X), atol=1e-4)


class Counted(BertLayer, metaclass=CountsRows):
    """Counts the rows that pass, in all copies."""


def test_frozen_layers_see_each_row_once():
    X, y = sentences(60) % 17, np.arange(60) % 3
    backbone = text()
    backbone.model.encoder.layer[1].__class__ = Counted
    Counted.n_rows = 0
    clf = FineTunedClassifier(backbone, trainable=1, max_epochs=10, device="cpu")
    clf.fit(X, y).predict(X)
    assert Counted.n_rows < 2 * 60  # and two rows now and then, on one trial
    Counted.n_rows = 0
    clf.set_params(trainable=1, augment=lambda rows: rows).fit(X, y)
    assert Counted.n_rows >= 10 * 60


def test_dropout_of_what_learns_stays():
    backbone = text(hidden_dropout_prob=0.5)
    network, cut = cut_of(backbone, 1, sentences(4))
    X = torch.from_numpy(sentences(4))
    states = cut.frozen(X)
    cut.live.train()
    assert not torch.equal(cut.live(states, X), cut.live(states, X))
    assert not network.backbone.model.encoder.layer[0].training
    cut.live.eval()
    assert torch.equal(cut.live(states, X), cut.live(states, X))


@pytest.mark.parametrize(
    "trainable",
    ["all", 4, 5, ["*embeddings*", "*layer.3*"], ["*layer.0.*"], ["*LayerNorm*"]],
)
def test_no_cut_where_something_learns_before_the_layers_end(trainable):
    assert cut_of(text(), trainable, sentences(4))[1] is None


def test_patterns_of_one_late_layer():
    network, cut = cut_of(text(), ["*layer.2.output*"], sentences(4))
    X = torch.from_numpy(sentences(4))
    assert_allclose(
        cut.live.eval()(cut.frozen(X), X).detach(),
        network.eval()(X).detach(),
        atol=1e-5,
    )


class LooksBack(nn.Module):
    """The last of its layers also sees what the first one gave."""

    def __init__(self, late=True):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
        self.late = late

    def forward(self, X):
        first = self.layers[0](X[:, None])
        last = self.layers[2](self.layers[1](first))
        return (last + first if self.late else last)[:, 0]


@pytest.mark.parametrize("late", [True, False])
def test_layers_that_are_no_chain(late):
    X = np.random.RandomState(0).normal(size=(6, 4)).astype(np.float32)
    network, cut = cut_of(LooksBack(late=late), ["layers.2.*"], X)
    layers = [("layers.0", 0), ("layers.1", 0)]
    assert cut.frozen.plan.calls == tuple(layers)
    assert cut.frozen.plan.kept == tuple(layers if late else layers[1:])
    assert_agree(network, cut, torch.from_numpy(X))


@pytest.mark.parametrize(
    ("name", "settings", "trainable", "kept"),
    [
        ("convnext_atto", {}, ["model.stages.3.*"], ["model.stages.2"]),
        ("convnext_atto", {}, 1, ["model.stages.2"]),
        ("swin_tiny_patch4_window7_224", {"img_size": 64, "window_size": 2}, 1, None),
        ("resnet18", {}, ["model.layer4.1.*"], ["model.layer4.0"]),
        ("resnet18", {}, 1, ["model.layer3"]),
        ("mobilenetv3_small_050", {}, ["model.blocks.5.*"], ["model.blocks.4"]),
        # Each layer sees the outputs of all those before it.
        ("densenet121", {}, ["model.features.denseblock4.denselayer16.*"], None),
        # Convolutions of which some learn: the other halves are kept.
        ("resnet18", {}, ["model.layer4.0.conv2.*"], None),
    ],
)
def test_networks_of_timm(name, settings, trainable, kept):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = timm.create_model(name, num_classes=0, **settings).eval()
    X = pictures(64)(4)
    network, cut = cut_of(_TimmNetwork(backbone), trainable, X)
    if kept is not None:
        assert [name for name, _ in cut.frozen.plan.kept] == kept
    assert_agree(network, cut, torch.from_numpy(X))


@pytest.mark.parametrize("kind", ["ConvNext", "Swin", "ResNet"])
def test_maps_of_transformers(kind):
    sizes = {
        "ConvNext": {"hidden_sizes": [8, 12, 16, 20], "depths": [1, 1, 2, 1]},
        "Swin": {"image_size": 32, "patch_size": 2, "embed_dim": 8, "window_size": 2}
        | {"depths": [1, 2, 1], "num_heads": [1, 2, 4]},
        "ResNet": {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
        | {"layer_type": "basic"},
    }
    backbone = ImageEncoder(model(kind, **sizes[kind]), "mean")
    X = pictures(32)(4)
    assert_agree(*cut_of(backbone, 1, X), torch.from_numpy(X))


TEXTS = {
    # The first layer makes a bias of positions that all layers take.
    "T5": {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 3, "num_heads": 2},
    "DebertaV2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]}
    | {"position_buckets": 4, "type_vocab_size": 0, "max_position_embeddings": 32},
    "Deberta": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "DistilBert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 24},
    # The layers share their weights: none is frozen while one learns.
    "Electra": {"embedding_size": 8},
    "ModernBert": {"pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1}
    | {"eos_token_id": 2, "sep_token_id": 2, "attn_implementation": "sdpa"},
    "Llama": {"pad_token_id": 0, "use_cache": False},
}


@pytest.mark.parametrize("kind", TEXTS)
def test_texts_of_transformers(kind):
    sizes = {} if "n_layers" in TEXTS[kind] or kind == "T5" else LAYERS
    made = model(kind, **{**sizes, "vocab_size": 40, **TEXTS[kind]})
    backbone = TextEncoder(made.encoder if kind == "T5" else made, 0, "mean")
    X = sentences(6)
    assert_agree(*cut_of(backbone, 1, X), torch.from_numpy(X))


def test_layers_left_out_at_random_are_not_kept():
    backbone = speech("layer")
    backbone.model.encoder.config.layerdrop = 0.5
    _, cut = cut_of(backbone, 1, clips(4))
    assert not any("layers" in name for name, _ in cut.frozen.plan.calls)


def test_other_rows_have_other_states():
    network, cut = cut_of(text(), 1, sentences(4))
    X = torch.from_numpy(sentences(6))
    assert cut.frozen(X).shape == (6, 9 * 16)  # filled up, whatever the batch
    assert cut.frozen(X[:1]).shape == (1, 9 * 16)
    assert not any(p.requires_grad for p in cut.frozen.parameters())
    known = {id(p) for p in network.parameters()}
    assert {id(p) for p in cut.live.parameters()} <= known
