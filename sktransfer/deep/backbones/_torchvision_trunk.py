"""Networks of torchvision without their heads, as blocks in the order of use."""

from collections import OrderedDict

import torch
from torch import nn

__all__ = ["trunk_of"]


def trunk_of(model):
    """Cut the head off a classification network of torchvision.

    What gives the classes is left out, and so are the dropout before it and the
    pooling, for maps are averaged over their pixels anyway. What was trained between
    the pooling and the last layer (a normalisation, a hidden layer) stays. Only for
    VGG, AlexNet and SqueezeNet is the whole classifier left out: the usual recipe takes
    the convolutions of these.

    Parameters
    ----------
    model : nn.Module
        As torchvision makes it, without auxiliary heads. It shares its parameters with
        the trunk.

    Returns
    -------
    trunk : nn.Sequential
        Its children with parameters are the blocks.
    n_features : int
        Width of what it gives.
    """
    for kind in type(model).__mro__:
        if kind.__name__ in _CUTS:
            return _CUTS[kind.__name__](model)
    raise ValueError(
        f"sktransfer does not know the head of {type(model).__name__}. Pass the "
        "network without its head as `backbone`, or write a loader and register it "
        "(register_backbone)."
    )


def _named(*parts, **blocks):
    """Join parts under names: stem first, then block1, block2, ..."""
    names = ["stem", *(f"block{number}" for number in range(1, len(parts)))]
    named = OrderedDict(zip(names, parts, strict=True))
    return nn.Sequential(OrderedDict(named | blocks))


def _until(model, last):
    """Join the children of a model up to one of them, which is left out."""
    children = dict(model.named_children())
    names = list(children)[: list(children).index(last)]
    return nn.Sequential(OrderedDict((name, children[name]) for name in names))


def _before_average(model):
    return _until(model, "avgpool"), model.fc.in_features


def _before_linear(model):
    return _until(model, "fc"), model.fc.in_features


def _convolutions(model):
    channels = [m.out_channels for m in model.features if hasattr(m, "out_channels")]
    return model.features, channels[-1]


def _vgg(model):
    # A block is what lies between two poolings: block 5 is the last of the recipe.
    blocks, current = [], []
    for layer in model.features:
        current.append(layer)
        if isinstance(layer, nn.MaxPool2d):
            blocks.append(nn.Sequential(*current))
            current = []
    names = [f"block{number}" for number in range(1, len(blocks) + 1)]
    return nn.Sequential(OrderedDict(zip(names, blocks, strict=True))), 512


def _squeezenet(model):
    return model.features, model.classifier[1].in_channels


def _densenet(model):
    f = model.features
    parts = [nn.Sequential(f.conv0, f.norm0, f.relu0, f.pool0)]
    parts += [
        nn.Sequential(getattr(f, f"denseblock{k}"), getattr(f, f"transition{k}"))
        for k in (1, 2, 3)
    ]
    parts.append(nn.Sequential(f.denseblock4, f.norm5, nn.ReLU()))
    return _named(*parts), model.classifier.in_features


def _features(model):
    return model.features, model.classifier[-1].in_features


def _mobilenet_v3(model):
    hidden = nn.Sequential(
        model.avgpool, nn.Flatten(), model.classifier[0], model.classifier[1]
    )
    blocks = dict(model.features.named_children(), hidden=hidden)
    return nn.Sequential(OrderedDict(blocks)), model.classifier[-1].in_features


def _stages(features):
    """Return stem and stages; what halves the image belongs to the stage after it."""
    stem, first, *rest = features
    pairs = zip(rest[::2], rest[1::2], strict=True)
    return [stem, first, *(nn.Sequential(down, stage) for down, stage in pairs)]


def _convnext(model):
    *parts, last = _stages(model.features)
    norm, flatten, linear = model.classifier
    parts.append(nn.Sequential(*last, model.avgpool, norm, flatten))
    return _named(*parts), linear.in_features


def _swin(model):
    *parts, last = _stages(model.features)
    parts.append(nn.Sequential(*last, model.norm, model.permute))
    return _named(*parts), model.head.in_features


def _vision_transformer(model):
    *layers, last = model.encoder.layers
    last = nn.Sequential(last, model.encoder.ln, _ClassToken())
    return _named(_Tokens(model), *layers, last), model.hidden_dim


def _maxvit(model):
    *hidden, linear = model.classifier
    hidden = nn.Sequential(*hidden)
    return _named(model.stem, *model.blocks, hidden=hidden), linear.in_features


def _regnet(model):
    return _named(model.stem, *model.trunk_output), model.fc.in_features


def _mnasnet(model):
    stem, first, last = model.layers[:3], model.layers[3:8], model.layers[14:]
    trunk = _named(stem, first, *model.layers[8:14], last)
    return trunk, model.classifier[-1].in_features


def _inception(model):
    trunk, n_features = _before_average(model)
    blocks = OrderedDict([("rescale", _ToHalves()), *trunk.named_children()])
    return nn.Sequential(blocks), n_features


class _ToHalves(nn.Module):
    """From the scale of ImageNet's mean and deviation to that of 0.5 and 0.5.

    The weights of GoogLeNet and Inception were trained on the latter.
    """

    def forward(self, X):
        """Return the same images on the other scale."""
        mean = X.new_tensor([0.485, 0.456, 0.406])[:, None, None]
        std = X.new_tensor([0.229, 0.224, 0.225])[:, None, None]
        return X * (std / 0.5) + (mean - 0.5) / 0.5


class _Tokens(nn.Module):
    """Patches of an image and the class token, with their positions."""

    def __init__(self, model):
        super().__init__()
        self.conv_proj = model.conv_proj
        self.class_token = model.class_token
        self.pos_embedding = model.encoder.pos_embedding
        self.dropout = model.encoder.dropout
        self.size = model.image_size

    def forward(self, X):
        """Return tokens of shape (n, 1 + n_patches, width)."""
        if X.shape[-2:] != (self.size, self.size):
            raise ValueError(
                f"The network takes images of {self.size} x {self.size} pixels."
            )
        patches = self.conv_proj(X).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(len(X), -1, -1), patches], dim=1)
        return self.dropout(tokens + self.pos_embedding)


class _ClassToken(nn.Module):
    """The first token, from which the head reads the class."""

    def forward(self, tokens):
        """Return one row for each image."""
        return tokens[:, 0]


_CUTS = {
    "AlexNet": _convolutions,
    "ConvNeXt": _convnext,
    "DenseNet": _densenet,
    "EfficientNet": _features,
    "GoogLeNet": _inception,
    "Inception3": _inception,
    "MaxVit": _maxvit,
    "MNASNet": _mnasnet,
    "MobileNetV2": _features,
    "MobileNetV3": _mobilenet_v3,
    "RegNet": _regnet,
    "ResNet": _before_average,
    "ShuffleNetV2": _before_linear,
    "SqueezeNet": _squeezenet,
    "SwinTransformer": _swin,
    "VGG": _vgg,
    "VisionTransformer": _vision_transformer,
}
