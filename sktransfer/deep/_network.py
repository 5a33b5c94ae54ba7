"""Backbones, heads, and the network that joins them."""

import copy
import inspect
from fnmatch import fnmatchcase
from numbers import Integral

import torch
from torch import nn

from sktransfer.deep._adapters import (
    adapter_parameters,
    add_adapters,
    check_adapters,
)
from sktransfer.deep._out_of_memory import explain_out_of_memory
from sktransfer.deep._rows_in import seems_channels_last
from sktransfer.deep.backbones._keras_parts import is_keras, keras_blocks, keras_state

__all__ = ["Network", "blocks_of", "build_backbone", "build_network"]


def default_mlp(n_features):
    """Two hidden layers of 64 units."""
    return nn.Sequential(
        nn.Linear(n_features, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()
    )


def default_cnn(n_channels):
    """Two small convolutions; the network averages over what is left of the image."""
    return nn.Sequential(
        nn.Conv2d(n_channels, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
    )


def build_backbone(backbone, sample):
    """Return a backbone of our own: new, made by the factory, or a deep copy."""
    if backbone is None:
        shape = tuple(sample.shape[1:])
        if seems_channels_last(shape):
            raise ValueError(
                "The default backbone takes images with their channels first, got rows "
                f"of shape {shape}, which seem to have them last. Pass X.transpose(0, "
                "3, 1, 2), or a backbone of your own if the first axis is right."
            )
        make = default_mlp if sample.ndim == 2 else default_cnn
        return make(sample.shape[1])
    if isinstance(backbone, nn.Module):
        return copy.deepcopy(backbone)
    if not callable(backbone):
        raise TypeError(
            "`backbone` must be None, a name, a torch.nn.Module, or a function or "
            f"class that makes one, got {backbone!r}."
        )
    takes = inspect.signature(backbone).parameters
    made = backbone(n_features=sample.shape[1]) if "n_features" in takes else backbone()
    if not isinstance(made, nn.Module):
        raise TypeError(
            f"`backbone` was called and returned {type(made).__name__}; it must return "
            "a torch.nn.Module."
        )
    return made


def flat_features(output):
    """One row of features for each row: images are averaged over their pixels."""
    if not isinstance(output, torch.Tensor):
        raise TypeError(
            "The backbone must return one tensor of features, got "
            f"{type(output).__name__}. Wrap it in a module that picks the tensor."
        )
    return output.mean(dim=(2, 3)) if output.ndim == 4 else output.flatten(1)


class Network(nn.Module):
    """A backbone and a head; what is frozen stays in evaluation mode.

    Frozen batch normalisation must neither learn its scale nor move its running
    statistics, so `train` leaves frozen modules in evaluation mode.
    """

    def __init__(self, backbone, head):
        super().__init__()
        self.backbone, self.head = backbone, head
        self.frozen = []
        # A term of the loss may look at what lies below the head.
        self.keeps, self.kept, self.batch = False, None, None

    def forward(self, X):
        """Return the scores of the head."""
        maps = self.backbone(X)
        features = flat_features(maps)
        if self.keeps:
            self.kept = maps, features
        return self.head(features)

    def train(self, mode=True):
        """Set the mode of what is not frozen."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def unfreeze(self):
        """Let everything learn; of a backbone with adapters, these alone."""
        self.frozen = []
        # Keras keeps moving averages and seeds as parameters.
        state = {id(p) for p in keras_state(self.backbone)}
        for parameter in self.parameters():
            parameter.requires_grad_(id(parameter) not in state)
        adapters = {id(p) for p in adapter_parameters(self.backbone)}
        if not adapters:
            return
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(id(parameter) in adapters)
        open_blocks = [
            block
            for block in blocks_of(self.backbone)
            if any(p.requires_grad for p in block.parameters())
        ]
        alive = self._holders({id(m) for block in open_blocks for m in block.modules()})
        self.frozen = [
            m
            for m in self.backbone.modules()
            if id(m) not in alive
            or (
                getattr(m, "running_mean", None) is not None
                and not any(p.requires_grad for p in m.parameters())
            )
        ]

    def freeze(self, trainable):
        """Let the head alone learn, or some of the backbone too.

        Parameters
        ----------
        trainable : "head", "all", int or sequence of str
            "all": everything; k: the last k blocks; patterns of names: the parameters
            of the backbone that match one of them.
        """
        self.unfreeze()
        if isinstance(trainable, str) and trainable == "all":
            return
        kept = {id(p) for p in self._chosen(trainable) if p.requires_grad}
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(id(parameter) in kept)
        # What holds nothing that learns is frozen; its mode stays as it is. So is what
        # has no parameters, dropout for example, unless it is part of an open block.
        alive = self._open_modules(trainable)
        self.frozen += [m for m in self.backbone.modules() if id(m) not in alive]

    def _chosen(self, trainable):
        """Return the parameters of the backbone that learn."""
        if isinstance(trainable, Integral) or isinstance(trainable, str):
            return [p for block in self._open(trainable) for p in block.parameters()]
        named = list(self.backbone.named_parameters())
        for pattern in trainable:
            if not any(fnmatchcase(name, pattern) for name, _ in named):
                raise ValueError(
                    f"trainable: no parameter of the backbone matches {pattern!r}. "
                    f"There are {', '.join(_abridged([name for name, _ in named]))}."
                )
        return [p for n, p in named if any(fnmatchcase(n, each) for each in trainable)]

    def _open(self, trainable):
        """Return the last k blocks."""
        blocks = blocks_of(self.backbone)
        n_open = 0 if isinstance(trainable, str) else trainable
        if n_open > len(blocks):
            raise ValueError(
                f"trainable={n_open} asks for more blocks than the backbone has: "
                f"{len(blocks)}. Use 'all' to train all of it."
            )
        return blocks[len(blocks) - n_open :]

    def _open_modules(self, trainable):
        """Return the ids of modules that follow the mode: open ones and their holders.

        A container of an open block must stay as it is; its frozen parts are listed.
        """
        if isinstance(trainable, Integral) or isinstance(trainable, str):
            inner = {id(m) for block in self._open(trainable) for m in block.modules()}
        else:
            inner = {
                id(m)
                for m in self.backbone.modules()
                if any(p.requires_grad for p in m.parameters(recurse=False))
            }
        return self._holders(inner)

    def _holders(self, inner):
        """Return the ids of modules that hold one of these, or are one."""
        return {
            id(m)
            for m in self.backbone.modules()
            if any(id(part) in inner for part in m.modules())
        }


def _abridged(names, most=8):
    return names if len(names) <= most else [*names[:most], f"… ({len(names)} in all)"]


def blocks_of(backbone):
    """List the parts of a backbone with parameters, in order; a wrapper is opened."""
    if hasattr(backbone, "trainable_blocks"):
        return backbone.trainable_blocks()
    if is_keras(backbone):
        return keras_blocks(backbone)
    children = [
        child for child in backbone.children() if any(True for _ in child.parameters())
    ]
    if len(children) == 1 and _is_wrapper(children[0]):
        return blocks_of(children[0])
    return children or [backbone]


def _is_wrapper(module):
    """Whether a module has parts; a layer with an adapter is one part."""
    has_parts = any(True for _ in module.children())
    return has_parts and not hasattr(module, "base_layer")


def takes_whole_numbers(backbone, sample):
    """Whether a backbone looks up whole numbers, such as the ids of tokens.

    A layer that multiplies raises an error on them, in torch.
    """
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            backbone(torch.as_tensor(sample))
    except (RuntimeError, ValueError):
        return False
    finally:
        backbone.train(was_training)
    return True


def build_network(backbone, head, n_outputs, sample, *, peft=None, is_loaded=False):
    """Join backbone and head; the number of features is found by a dry run.

    Parameters
    ----------
    backbone : None, nn.Module or callable
        See `build_backbone`.
    head : "linear" or tuple of int
        Sizes of hidden layers.
    n_outputs : int
        Outputs of the head.
    sample : torch.Tensor
        A few rows.
    peft : str, object or None, default=None
        Adapters, as `add_adapters` takes them.
    is_loaded : bool, default=False
        Whether the function gives a pretrained backbone, whose type is kept.

    Returns
    -------
    Network
    """
    made = build_backbone(backbone, sample)
    whole = not sample.is_floating_point()
    dtype = next((p.dtype for p in made.parameters() if p.is_floating_point()), None)
    if dtype is None or not (whole or is_loaded or isinstance(backbone, nn.Module)):
        dtype = torch.float32 if whole else sample.dtype
        made = made.to(dtype)
    n_features = _count_features(made, sample if whole else sample.to(dtype))
    if peft is not None:
        made = add_adapters(made.eval(), peft)
        check_adapters(made, sample if whole else sample.to(dtype))
    return Network(made, build_head(head, n_features, n_outputs).to(dtype))


def _count_features(backbone, sample):
    """Return the number of features by a dry run that changes nothing."""
    was_training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad(), explain_out_of_memory(1, sample.device):
            return flat_features(backbone(sample)).shape[1]
    except (RuntimeError, ValueError) as error:
        shape = tuple(sample.shape[1:])
        way_out = ""
        if seems_channels_last(shape):
            way_out = ". Put the channels first: X.transpose(0, 3, 1, 2)."
        raise ValueError(
            f"The backbone cannot take rows of shape {shape}: {error}{way_out}"
        ) from error
    finally:
        backbone.train(was_training)


def build_head(head, n_features, n_outputs):
    """Return a linear layer, or hidden layers and a linear one."""
    sizes = () if isinstance(head, str) and head == "linear" else head
    valid = isinstance(sizes, tuple | list) and all(
        isinstance(s, Integral) and s > 0 for s in sizes
    )
    if not valid:
        raise ValueError(
            "`head` must be 'linear' or a tuple of sizes of hidden layers, got "
            f"{head!r}."
        )
    layers = []
    for size in sizes:
        layers += [nn.Linear(n_features, size), nn.ReLU()]
        n_features = size
    layers.append(nn.Linear(n_features, n_outputs))
    return nn.Sequential(*layers) if len(layers) > 1 else layers[0]
