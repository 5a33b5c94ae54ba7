"""Backbones of timm by name: "timm:convnext_atto"."""

from torch import nn

from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.backbones._grouped_blocks import grouped_blocks, layer_groups
from sktransfer.deep.backbones._optional_package import import_package
from sktransfer.deep.backbones._suggestions import did_you_mean
from sktransfer.deep.backbones._weights_file import read_weights
from sktransfer.deep.preprocessing._image_preprocessor import ImagePreprocessor

__all__ = ["load_timm_backbone"]


def load_timm_backbone(name, *, pretrained=True):
    """Make a backbone of a network of timm.

    Parameters
    ----------
    name : str
        "resnet18", with the weights "resnet18.a1_in1k", or with a local file of weights
        "resnet18@weights.safetensors".
    pretrained : bool, default=True
        Whether weights are loaded, by timm: they are downloaded once. False: random
        weights.

    Returns
    -------
    Backbone
        Its preprocessor is set to what these weights were trained with.
    """
    name, _, file = name.partition("@")
    timm = import_package("timm", f"timm:{name}", "timm")
    if not timm.is_model(name.partition(".")[0]):
        raise ValueError(
            f"timm has no network {name!r}.{did_you_mean(name, timm.list_models())} "
            "timm.list_models() lists all."
        )
    overlay = {}
    if pretrained and file:
        overlay = {"state_dict": read_weights(file), "custom_load": False}
    model = _create(timm, name, pretrained, overlay, file)
    image = _image_settings(timm.data.resolve_model_data_config(model))
    module = _TimmNetwork(model).eval()
    n_features = getattr(model, "head_hidden_size", None) or model.num_features
    recipe = {"name": name, "image": image}
    return Backbone(module, ImagePreprocessor(**image), n_features, recipe)


def _create(timm, name, pretrained, overlay, file):
    try:
        model = timm.create_model(
            name, pretrained=pretrained, num_classes=0, pretrained_cfg_overlay=overlay
        )
    except OSError as error:  # the errors of the Hugging Face hub are OSErrors, too
        raise OSError(
            f"The weights of timm:{name} are not on this machine and could not be "
            f"downloaded: {error} Load it once where there is a connection, or name a "
            f"local file: 'timm:{name}@path/to/weights.safetensors'."
        ) from error
    except (RuntimeError, KeyError) as error:
        if not overlay:
            raise ValueError(f"timm:{name} cannot be made: {error}") from error
        raise ValueError(
            f"{file} holds weights of another network than timm:{name}. Name the "
            f"architecture that they were saved from: {error!r}"
        ) from error
    # It would keep the weights of the file a second time.
    getattr(model, "pretrained_cfg", {}).pop("state_dict", None)
    return model


def _image_settings(config):
    _, height, width = config["input_size"]
    if height != width:
        raise ValueError(
            f"The network takes images of {height} x {width} pixels; only square ones "
            "can be prepared. Pass the network itself as `backbone`."
        )
    # timm cuts the square out of an image that is larger by this factor.
    short = int(height / config["crop_pct"])
    stretched = config["crop_mode"] == "squash"
    bilinear = config["interpolation"] == "bilinear"
    return {
        "size": height,
        "resize": "stretch" if stretched else short,
        "mean": list(config["mean"]),
        "std": list(config["std"]),
        "interpolation": "bilinear" if bilinear else "bicubic",
    }


class _TimmNetwork(nn.Module):
    """A network of timm without classes, which knows its blocks."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, X):
        """Return features of shape (n, n_features)."""
        return self.model(X)

    def trainable_blocks(self):
        """Return the blocks as timm itself counts them for layer-wise rates."""
        if hasattr(self.model, "group_matcher"):
            from timm.models import group_parameters

            groups = group_parameters(self.model, self.model.group_matcher(coarse=True))
            group_of = {name: g for g, names in groups.items() for name in names}
        else:
            group_of = layer_groups(self.model, (nn.ModuleList, nn.Sequential))
        return grouped_blocks(self.model, group_of)
