"""Backbones of torchvision by name: "torchvision:resnet18"."""

import re
from pathlib import Path
from urllib.parse import urlparse

import torch

from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.backbones._matching_weights import matching_weights
from sktransfer.deep.backbones._optional_package import import_package
from sktransfer.deep.backbones._suggestions import did_you_mean
from sktransfer.deep.backbones._torchvision_trunk import trunk_of
from sktransfer.deep.backbones._weights_file import read_weights
from sktransfer.deep.preprocessing._image_preprocessor import ImagePreprocessor

__all__ = ["load_torchvision_backbone"]

_OTHER_KINDS = ("detection", "segmentation", "video", "quantization", "optical_flow")
# The file may hold these; they only help training from scratch.
_AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
_OLD_DENSE_LAYER = re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\..*)")


def load_torchvision_backbone(name, *, pretrained=True):
    """Make a backbone of a classification network of torchvision.

    Parameters
    ----------
    name : str
        "resnet18", with the weights "resnet50/IMAGENET1K_V2" (default: the best that
        torchvision names), with a local file of weights "resnet18@weights.pth", or
        both.
    pretrained : bool, default=True
        Whether weights are loaded, by torch's hub: they are downloaded once. False:
        random weights.

    Returns
    -------
    Backbone
        Its preprocessor is set to what these weights were trained with.
    """
    wanted, _, file = name.partition("@")
    name, _, member = wanted.partition("/")
    models = import_package(
        "torchvision", f"torchvision:{name}", "sktransfer[vision]"
    ).models
    _check_name(models, name)
    weights = _weights_of(models, name, member)
    if pretrained:
        state = read_weights(file or _downloaded(weights, name))
        # On meta no time is lost on random weights; RegNet computes with tensors there.
        with torch.device("cpu" if name.startswith("regnet") else "meta"):
            model = _architecture(models, name, weights)
        trunk, n_features = trunk_of(model)
        source = file or f"the file of {name}/{weights.name}"
        trunk.load_state_dict(_renamed(state, model, trunk, source), assign=True)
    else:
        trunk, n_features = trunk_of(_architecture(models, name, weights))
    image = _image_settings(weights.transforms())
    recipe = {"name": f"{name}/{weights.name}", "image": image}
    return Backbone(trunk.eval(), ImagePreprocessor(**image), n_features, recipe)


def _check_name(models, name):
    names = models.list_models(module=models)
    if name in names:
        return
    for kind in _OTHER_KINDS:
        if name in models.list_models(module=getattr(models, kind)):
            raise ValueError(
                f"torchvision:{name} is a network for {kind.replace('_', ' ')}. A "
                "backbone must be a network for image classification, such as "
                "'torchvision:resnet50'."
            )
    raise ValueError(
        f"torchvision has no classification network {name!r}."
        f"{did_you_mean(name, names)} torchvision.models.list_models(module="
        "torchvision.models) lists all."
    )


def _weights_of(models, name, member):
    choices = models.get_model_weights(name)
    if member in ("", "DEFAULT"):
        return choices.DEFAULT
    if member not in choices.__members__:
        raise ValueError(
            f"torchvision:{name} has no weights {member!r}; there are "
            f"{', '.join(each.name for each in choices)}."
        )
    return choices[member]


def _architecture(models, name, weights):
    settings = {}
    size = weights.meta.get("min_size")
    if name.startswith("vit_"):
        settings = {"image_size": size[0]}
    elif name.startswith("maxvit"):
        settings = {"input_size": size}
    elif name in ("googlenet", "inception_v3"):
        settings = {"aux_logits": False, "init_weights": True}
    return models.get_model(name, weights=None, **settings)


def _image_settings(transforms):
    return {
        "size": transforms.crop_size[0],
        "resize": transforms.resize_size[0],
        "mean": list(transforms.mean),
        "std": list(transforms.std),
        "interpolation": transforms.interpolation.value,
    }


def _downloaded(weights, name):
    """Return the file in the cache of torch's hub, after downloading where need be."""
    file = Path(urlparse(weights.url).path).name
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    start = re.search(r"-([a-f0-9]{6,})\.", file)
    try:
        torch.hub.download_url_to_file(
            weights.url, path, start and start[1], progress=False
        )
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"The weights of torchvision:{name} are not on this machine, and "
            f"{weights.url} could not be downloaded: {error} Download it elsewhere, "
            f"and copy it to {path}, or name the file: "
            f"'torchvision:{name}@path/to/{file}'."
        ) from error
    return path


def _renamed(state, model, trunk, source):
    """Return the weights under the names that the trunk has for them."""
    # Old files have names with dots where modules may no longer have them.
    state = {_OLD_DENSE_LAYER.sub(r"\1\2", name): state[name] for name in state}
    names = {id(t): name for name, t in trunk.state_dict(keep_vars=True).items()}
    wanted = model.state_dict(keep_vars=True)
    kept = {name: t for name, t in wanted.items() if id(t) in names}
    heads = {name.split(".")[0] + "." for name in wanted.keys() - kept.keys()}
    found = matching_weights(state, kept, (*heads, *_AUXILIARY), source)
    return {names[id(kept[name])]: value for name, value in found.items()}
