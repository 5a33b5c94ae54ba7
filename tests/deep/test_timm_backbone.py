"""Networks of timm without heads, their weights from files and the hub's cache."""

import copy
import pickle
import sys

import huggingface_hub
import pytest
import timm
import torch
from numpy.testing import assert_allclose
from safetensors.torch import save_file

from sktransfer.deep.backbones._backbone_registry import load_backbone
from sktransfer.deep.backbones._timm_backbone import _image_settings
from sktransfer.deep.frozen._fingerprint import fingerprint


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Give the Hugging Face hub an empty cache, and no network."""
    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return tmp_path / "hub"


def made(name, seed=0, **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(name, **settings).eval()


def outputs(module, size=64):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return module(images)


@pytest.mark.parametrize(
    ("name", "size", "n_features", "n_blocks"),
    [
        ("resnet10t", 64, 512, 5),
        ("convnext_atto", 64, 320, 5),
        ("mobilenetv3_small_050", 64, 1024, 8),
        ("efficientnet_lite0", 64, 1280, 8),
        ("vit_tiny_patch16_224", 224, 192, 13),
        ("poolformer_s12", 64, 512, 5),  # names no groups
    ],
)
def test_head_on_the_features_is_the_network(name, size, n_features, n_blocks):
    model = made(name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = load_backbone(f"timm:{name}", pretrained=False)
    inner = found.module.model
    inner.load_state_dict(
        {name: model.state_dict()[name] for name in inner.state_dict()}
    )
    features = outputs(found.module, size)
    assert features.shape == (2, found.n_features) == (2, n_features)
    with torch.no_grad():
        scores = model.get_classifier()(features)
    assert_allclose(scores, outputs(model, size), atol=1e-4)
    blocks = found.module.trainable_blocks()
    assert len(blocks) == n_blocks
    parameters = [id(p) for block in blocks for p in block.parameters()]
    assert len(parameters) == len(set(parameters))
    assert set(parameters) == {id(p) for p in found.module.parameters()}


def test_last_block_of_a_transformer_has_the_norm_after_it():
    module = load_backbone("timm:vit_tiny_patch16_224", pretrained=False).module
    last = {id(p) for p in module.trainable_blocks()[-1].parameters()}
    expected = [*module.model.blocks[-1].parameters(), *module.model.norm.parameters()]
    assert last == {id(p) for p in expected}
    first = {id(p) for p in module.trainable_blocks()[0].parameters()}
    assert id(module.model.cls_token) in first


def test_weights_from_the_cache_of_the_hub(cache):
    model = made("resnet10t")
    folder = cache / "models--timm--resnet10t.c3_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(
        model.state_dict(), folder / "snapshots" / ("0" * 40) / "model.safetensors"
    )
    before = torch.get_rng_state()
    found = load_backbone("timm:resnet10t.c3_in1k")
    assert torch.equal(torch.get_rng_state(), before)
    model.reset_classifier(0)
    assert torch.equal(outputs(found.module), outputs(model))
    assert not found.module.training
    # timm: 176 pixels for training, cut out of an image of 176 / 0.875.
    config = timm.data.resolve_model_data_config(model)
    image = found.recipe["image"]
    assert image["size"] == config["input_size"][1] == 176
    assert image["resize"] == int(176 / config["crop_pct"])
    assert image["mean"] == [0.485, 0.456, 0.406]
    assert image["interpolation"] == config["interpolation"] == "bicubic"
    assert found.preprocessor.size == 176


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_weights_from_a_local_file(tmp_path, suffix):
    model = made("convnext_atto", num_classes=7)
    path = tmp_path / f"weights{suffix}"
    state = model.state_dict()
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    found = load_backbone(f"timm:convnext_atto@{path}")
    model.reset_classifier(0)
    assert torch.equal(outputs(found.module), outputs(model))
    assert str(path) not in str(found.recipe)
    kept = [v for v in vars(found.module.model).values() if isinstance(v, dict)]
    assert not any("state_dict" in each for each in kept)


def test_file_that_is_not_taken(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(made("resnet10t").state_dict(), path)
    with pytest.raises(ValueError, match=r"another network than timm:convnext_atto"):
        load_backbone(f"timm:convnext_atto@{path}")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ValueError, match="is damaged"):
        load_backbone(f"timm:resnet10t@{path}")
    torch.save(made("resnet10t"), path)
    with pytest.raises(ValueError, match=r"so it is not opened"):
        load_backbone(f"timm:resnet10t@{path}")
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        load_backbone("timm:resnet10t@nowhere.pth")


def test_no_network_and_nothing_cached():
    match = (
        r"weights of timm:resnet10t are not on this machine and could not be downloaded"
        r".*Load it once where there is a connection, or name a local file"
    )
    with pytest.raises(OSError, match=match):
        load_backbone("timm:resnet10t")


def test_names():
    with pytest.raises(
        ValueError, match=r"no network 'resnet81'. Did you mean 'resnet"
    ):
        load_backbone("timm:resnet81")
    with pytest.raises(ValueError, match=r"cannot be made: Invalid pretrained tag"):
        load_backbone("timm:resnet18.nobody")


def test_missing_timm(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ImportError, match=r'needs timm.* `pip install "timm"`'):
        load_backbone("timm:resnet18")


def test_how_images_are_cut():
    config = {
        "input_size": (3, 224, 224),
        "interpolation": "bilinear",
        "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
        "crop_pct": 0.9,
        "crop_mode": "center",
    }
    assert _image_settings(config)["resize"] == 248
    assert _image_settings(config)["interpolation"] == "bilinear"
    assert _image_settings({**config, "crop_mode": "squash"})["resize"] == "stretch"
    with pytest.raises(ValueError, match=r"images of 224 x 288 pixels; only square"):
        _image_settings({**config, "input_size": (3, 224, 288)})


def test_module_can_be_copied_and_pickled():
    module = load_backbone("timm:convnext_atto", pretrained=False).module
    again = pickle.loads(pickle.dumps(copy.deepcopy(module)))
    assert fingerprint(again) == fingerprint(module)
    assert torch.equal(outputs(again), outputs(module))
