"""Networks of torchvision without heads, their weights from files and torch's cache."""

import copy
import os
import pickle
import sys
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlparse

import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file
from torch import nn
from torchvision import models

from sktransfer.deep._network import Network, blocks_of, flat_features
from sktransfer.deep.backbones._backbone_registry import load_backbone
from sktransfer.deep.backbones._torchvision_trunk import trunk_of
from sktransfer.deep.frozen._fingerprint import fingerprint


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give torch's hub an empty cache, and no network."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "home"))

    def no_network(url, *args, **kwargs):
        raise URLError("no network in tests")

    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    return tmp_path / "home" / "hub" / "checkpoints"


def made(name, seed=0, **settings):
    """Return a network of torchvision with random weights, not those of its start."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = models.get_model(name, weights=None, **settings)
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, std=0.1)
                nn.init.uniform_(module.running_var, 0.5, 2.0)
    return model.eval()


def saved(model, cache, weights):
    """Save weights where torch's hub would keep those of torchvision."""
    cache.mkdir(parents=True, exist_ok=True)
    path = cache / Path(urlparse(weights.url).path).name
    torch.save(model.state_dict(), path)
    return path


def outputs(module, size=64, seed=1):
    images = torch.randn(
        2, 3, size, size, generator=torch.Generator().manual_seed(seed)
    )
    with torch.no_grad():
        return module(images)


@pytest.mark.parametrize(
    ("name", "size", "n_features", "n_blocks", "head"),
    [
        ("resnet18", 64, 512, 6, "fc"),
        ("resnext50_32x4d", 64, 2048, 6, "fc"),
        ("densenet121", 64, 1024, 5, "classifier"),
        ("mobilenet_v2", 64, 1280, 19, "classifier.1"),
        ("mobilenet_v3_small", 64, 1024, 14, "classifier.3"),
        ("efficientnet_b0", 64, 1280, 9, "classifier.1"),
        ("efficientnet_v2_s", 64, 1280, 8, "classifier.1"),
        ("convnext_tiny", 64, 768, 5, "classifier.2"),
        ("swin_t", 64, 768, 5, "head"),
        ("swin_v2_t", 64, 768, 5, "head"),
        ("vit_b_32", 224, 768, 13, "heads.head"),
        ("maxvit_t", 224, 512, 6, "classifier.5"),
        ("regnet_y_400mf", 64, 440, 5, "fc"),
        ("shufflenet_v2_x0_5", 64, 1024, 5, "fc"),
        ("mnasnet0_5", 64, 1280, 9, "classifier.1"),
        ("googlenet", 64, 1024, 12, "fc"),
        ("inception_v3", 96, 2048, 16, "fc"),
    ],
)
@pytest.mark.slow
def test_head_on_the_trunk_is_the_network(name, size, n_features, n_blocks, head):
    settings = {}
    if name in ("googlenet", "inception_v3"):
        settings = {"transform_input": True, "aux_logits": False, "init_weights": False}
    model = made(name, **settings)
    trunk, found = trunk_of(model)
    features = flat_features(outputs(trunk.eval(), size))
    assert features.shape == (2, n_features)
    assert found == n_features
    scores = outputs(model, size)
    by_head = model.get_submodule(head)(features).detach()
    assert_allclose(by_head, scores, atol=1e-4 * float(scores.abs().max()))
    blocks = blocks_of(trunk)
    assert len(blocks) == n_blocks
    in_blocks = {id(p) for block in blocks for p in block.parameters()}
    assert in_blocks == {id(p) for p in trunk.parameters()}


@pytest.mark.parametrize(
    ("name", "n_features", "n_blocks"),
    [("alexnet", 256, 5), ("vgg11", 512, 5), ("vgg13_bn", 512, 5)],
)
@pytest.mark.slow
def test_classic_recipe_takes_the_convolutions(name, n_features, n_blocks):
    model = made(name)
    trunk, found = trunk_of(model)
    maps = outputs(trunk.eval())
    assert torch.equal(maps, outputs(model.features))
    assert maps.ndim == 4
    assert found == maps.shape[1] == n_features
    assert len(blocks_of(trunk)) == n_blocks


def test_squeezenet_gives_maps_to_its_last_convolution():
    model = made("squeezenet1_1")
    trunk, found = trunk_of(model)
    maps = outputs(trunk.eval())
    assert found == maps.shape[1] == 512
    with torch.no_grad():
        scores = model.classifier(maps).flatten(1)
    assert torch.equal(scores, outputs(model))


def test_last_blocks_of_a_resnet():
    trunk = load_backbone("torchvision:resnet18", pretrained=False).module
    expected = ["conv1", "bn1", "layer1", "layer2", "layer3", "layer4"]
    assert blocks_of(trunk) == [trunk.get_submodule(name) for name in expected]
    network = Network(trunk, nn.Linear(512, 2))
    network.freeze(1)
    learning = {n.split(".")[0] for n, p in trunk.named_parameters() if p.requires_grad}
    assert learning == {"layer4"}


def test_last_block_of_vgg_is_that_of_the_recipe():
    with torch.device("meta"):
        trunk, _ = trunk_of(models.vgg16())
    blocks = blocks_of(trunk)
    convolutions = [sum(isinstance(m, nn.Conv2d) for m in block) for block in blocks]
    assert convolutions == [2, 2, 3, 3, 3]
    assert all(isinstance(block[-1], nn.MaxPool2d) for block in blocks)


def test_weights_from_the_cache_of_torch_hub(cache):
    model = made("resnet18")
    saved(model, cache, models.ResNet18_Weights.DEFAULT)
    before = torch.get_rng_state()
    found = load_backbone("torchvision:resnet18")
    assert torch.equal(torch.get_rng_state(), before)
    model.fc = nn.Identity()
    assert_allclose(flat_features(outputs(found.module)), outputs(model), rtol=1e-5)
    assert all(p.requires_grad for p in found.module.parameters())
    assert not any(t.is_meta for t in found.module.state_dict().values())
    assert not found.module.training
    image = {
        "size": 224,
        "resize": 256,
        "mean": [0.485, 0.456, 0.406],
        "std": [0.229, 0.224, 0.225],
        "interpolation": "bilinear",
    }
    settings = found.preprocessor.get_params()
    assert {name: settings[name] for name in image} == image
    assert found.recipe == {
        "source": "torchvision",
        "name": "resnet18/IMAGENET1K_V1",
        "image": image,
    }


def test_weights_by_their_name(cache):
    choices = models.MobileNet_V2_Weights
    for seed, weights in enumerate(choices):
        saved(made("mobilenet_v2", seed), cache, weights)
    for seed, weights, resize in ((0, "IMAGENET1K_V1", 256), (1, "IMAGENET1K_V2", 232)):
        found = load_backbone(f"torchvision:mobilenet_v2/{weights}")
        assert found.preprocessor.resize == resize
        start = made("mobilenet_v2", seed).features[0][0].weight
        assert torch.equal(found.module[0][0].weight, start)
    best = load_backbone("torchvision:mobilenet_v2")
    assert best.recipe["name"] == "mobilenet_v2/IMAGENET1K_V2"
    with pytest.raises(
        ValueError, match="no weights 'V3'; there are IMAGENET1K_V1, IM"
    ):
        load_backbone("torchvision:mobilenet_v2/V3")


@pytest.mark.slow
def test_network_of_another_size_for_other_weights():
    name = "torchvision:vit_b_16/IMAGENET1K_SWAG_E2E_V1"
    found = load_backbone(name, pretrained=False)
    assert found.preprocessor.size == 384
    assert found.module.stem.pos_embedding.shape == (1, 1 + 24 * 24, 768)
    with pytest.raises(ValueError, match="takes images of 384 x 384 pixels"):
        found.module(torch.zeros(1, 3, 224, 224))


@pytest.mark.slow
def test_weights_with_names_of_old(cache):
    # Files of DenseNet have norm.1 where the network has norm1.
    model = made("densenet121")
    path = saved(model, cache, models.DenseNet121_Weights.DEFAULT)
    old = {
        name.replace("norm1.", "norm.1.").replace("conv2.", "conv.2."): value
        for name, value in model.state_dict().items()
        if not name.endswith("num_batches_tracked")  # older still
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    torch.save(old, path)
    found = load_backbone("torchvision:densenet121")
    assert_allclose(outputs(found.module), outputs(trunk_of(model)[0].eval()))


def test_auxiliary_heads_of_a_file_are_left_out(cache):
    model = made("googlenet", aux_logits=True, init_weights=False, transform_input=True)
    saved(model, cache, models.GoogLeNet_Weights.DEFAULT)
    found = load_backbone("torchvision:googlenet")
    with torch.no_grad():
        scores = model.fc(flat_features(outputs(found.module)))
    assert_allclose(scores, outputs(model), atol=1e-4)


@pytest.mark.parametrize("kind", ["plain", "safetensors", "checkpoint", "parallel"])
def test_weights_from_a_local_file(tmp_path, kind):
    model = made("resnet18", num_classes=7)
    state = model.state_dict()
    path = tmp_path / "my@weights.pth"
    if kind == "safetensors":
        path = path.with_suffix(".safetensors")
        save_file(state, path)
    elif kind == "checkpoint":
        torch.save({"epoch": 3, "state_dict": state}, path)
    elif kind == "parallel":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    else:
        torch.save(state, path)
    found = load_backbone(f"torchvision:resnet18@{path}")
    assert torch.equal(found.module.conv1.weight, model.conv1.weight)
    assert str(path) not in str(found.recipe)
    half = {name: value.half() for name, value in state.items()}
    torch.save(half, tmp_path / "half.pt")
    found = load_backbone(f"torchvision:resnet18@{tmp_path / 'half.pt'}")
    assert found.module.conv1.weight.dtype == torch.float32


class Attack:
    """Runs a command when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_no_code_from_a_file_is_run(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save({"conv1.weight": Attack(tmp_path / "ran")}, path)
    match = r"can run code when it is read, so it is not opened.*state_dict\(\), path"
    with pytest.raises(ValueError, match=match):
        load_backbone(f"torchvision:resnet18@{path}")
    path.write_bytes(pickle.dumps(Attack(tmp_path / "ran"), protocol=2))
    with pytest.raises(ValueError, match=r"not opened|damaged"):
        load_backbone(f"torchvision:resnet18@{path}")
    torch.save(made("squeezenet1_1"), path)  # a whole network is code, too
    with pytest.raises(ValueError, match=r"is not opened. Save the weights alone"):
        load_backbone(f"torchvision:squeezenet1_1@{path}")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("content", ["half", "text", "word", "protocol", "nothing"])
def test_damaged_file(tmp_path, suffix, content):
    path = tmp_path / f"weights{suffix}"
    state = made("squeezenet1_1").state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    data = path.read_bytes()
    parts = {
        "half": data[: len(data) // 2],
        "text": b"<html>404</html>",
        "word": b"junk",
        "protocol": b"\x80\x8f" + data[2:],
        "nothing": b"",
    }
    path.write_bytes(parts[content])
    with pytest.raises(
        ValueError, match=r"damaged or no file of weights.* Delete it and"
    ):
        load_backbone(f"torchvision:squeezenet1_1@{path}")


def test_file_without_weights(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save([torch.zeros(3)], path)
    with pytest.raises(ValueError, match="holds no state dict"):
        load_backbone(f"torchvision:resnet18@{path}")
    with pytest.raises(FileNotFoundError, match="no file of weights at"):
        load_backbone(f"torchvision:resnet18@{tmp_path / 'nowhere.pth'}")


@pytest.mark.parametrize(
    ("other", "match"),
    [
        ("resnet34", r"also has layer1\.2\.bn1\.bias, .* …"),
        (
            "resnext50_32x4d",
            r"it has layer1\.0\.conv1\.weight \(128, 64, 1, 1\) instead",
        ),
        ("squeezenet1_1", r"it lacks bn1\.bias, .* …; it also has classifier\."),
    ],
)
def test_weights_of_another_network(tmp_path, other, match):
    path = tmp_path / "weights.pth"
    torch.save(made(other).state_dict(), path)
    with pytest.raises(ValueError, match=f"weights of another network: .*{match}"):
        load_backbone(f"torchvision:resnet18@{path}")


def test_no_network_and_nothing_cached(cache, monkeypatch):
    match = (
        r"weights of torchvision:resnet18 are not on this machine, and https://\S+ "
        r"could not be downloaded: .*no network in tests.*copy it to "
        r".*resnet18-f37072fd\.pth, or name the file: "
        r"'torchvision:resnet18@path/to/resnet18-f37072fd\.pth'"
    )
    with pytest.raises(OSError, match=match):
        load_backbone("torchvision:resnet18")

    def damaged(url, path, start, *, progress):
        assert start == "f37072fd"
        raise RuntimeError('invalid hash value (expected "f37072fd", got "00")')

    monkeypatch.setattr(torch.hub, "download_url_to_file", damaged)
    with pytest.raises(OSError, match="invalid hash value"):
        load_backbone("torchvision:resnet18")


def test_download_is_read_once(cache, monkeypatch):
    model, calls = made("squeezenet1_1"), []

    def download(url, path, start, *, progress):
        calls.append(url)
        torch.save(model.state_dict(), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        found = load_backbone("torchvision:squeezenet1_1")
    assert calls == [models.SqueezeNet1_1_Weights.DEFAULT.url]
    assert torch.equal(outputs(found.module), outputs(model.features))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("fasterrcnn_resnet50_fpn", "detection"),
        ("fcn_resnet50", "segmentation"),
        ("r3d_18", "video"),
        ("quantized_resnet18", "quantization"),
        ("raft_small", "optical flow"),
    ],
)
def test_network_of_another_kind(name, kind):
    match = f"{name} is a network for {kind}. .* for image classification, such as 'tor"
    with pytest.raises(ValueError, match=match):
        load_backbone(f"torchvision:{name}")


def test_unknown_name():
    match = r"no classification network 'resnet81'. Did you mean .*'resnet18'"
    with pytest.raises(ValueError, match=match):
        load_backbone("torchvision:resnet81")


def test_missing_torchvision(monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    match = r'needs torchvision.* `pip install "sktransfer\[vision\]"`'
    with pytest.raises(ImportError, match=match):
        load_backbone("torchvision:resnet18")


def test_head_that_is_not_known():
    with pytest.raises(ValueError, match="does not know the head of Linear"):
        trunk_of(nn.Linear(2, 2))


def test_random_weights_follow_the_generator():
    weights = []
    for seed in (0, 0, 1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            found = load_backbone("torchvision:squeezenet1_1", pretrained=False)
        weights.append(found.module[0].weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize("kind", ["transformer", "googlenet"])
def test_trunk_can_be_copied_and_pickled(kind):
    if kind == "transformer":
        model = models.VisionTransformer(
            image_size=64,
            patch_size=16,
            num_layers=2,
            num_heads=2,
            hidden_dim=8,
            mlp_dim=16,
        ).eval()
    else:
        model = made("googlenet", aux_logits=False, init_weights=False)
    trunk = trunk_of(model)[0].eval()
    again = pickle.loads(pickle.dumps(copy.deepcopy(trunk)))
    assert fingerprint(again) == fingerprint(trunk)
    assert torch.equal(outputs(again), outputs(trunk))
