"""Backbones, heads, and the network that joins them."""

import copy
import inspect
from numbers import Integral

import torch
from torch import nn

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
        make = default_mlp if sample.ndim == 2 else default_cnn
        return make(sample.shape[1])
    if isinstance(backbone, nn.Module):
        return copy.deepcopy(backbone)
    if not callable(backbone):
        raise TypeError(
            "`backbone` must be None, a torch.nn.Module, or a function or class that "
            f"makes one, got {backbone!r}."
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

    def forward(self, X):
        """Return the scores of the head."""
        return self.head(flat_features(self.backbone(X)))

    def train(self, mode=True):
        """Set the mode of what is not frozen."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def unfreeze(self):
        """Let everything learn."""
        self.frozen = []
        for parameter in self.parameters():
            parameter.requires_grad_(True)

    def freeze(self, trainable):
        """Let the head ("head"), the last k blocks too, or everything ("all") learn."""
        self.unfreeze()
        if trainable == "all":
            return
        blocks = blocks_of(self.backbone)
        n_open = 0 if trainable == "head" else trainable
        if n_open > len(blocks):
            raise ValueError(
                f"trainable={n_open} asks for more blocks than the backbone has: "
                f"{len(blocks)}. Use 'all' to train all of it."
            )
        open_blocks = blocks[len(blocks) - n_open :]
        kept = {id(p) for block in open_blocks for p in block.parameters()}
        open_modules = {id(m) for block in open_blocks for m in block.modules()}
        for parameter in self.backbone.parameters():
            parameter.requires_grad_(id(parameter) in kept)
        # A container of an open block must stay as it is; its frozen parts are listed.
        holders = {
            id(m)
            for m in self.backbone.modules()
            if any(id(part) in open_modules for part in m.modules())
        }
        self.frozen = [m for m in self.backbone.modules() if id(m) not in holders]

    def freezable(self):
        """Parameters of the backbone that learn."""
        return [p for p in self.backbone.parameters() if p.requires_grad]


def blocks_of(backbone):
    """List the parts of a backbone with parameters, in order; a wrapper is opened."""
    children = [
        child for child in backbone.children() if any(True for _ in child.parameters())
    ]
    if len(children) == 1 and any(True for _ in children[0].children()):
        return blocks_of(children[0])
    return children or [backbone]


def build_network(backbone, head, n_outputs, sample):
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

    Returns
    -------
    Network
    """
    made = build_backbone(backbone, sample)
    dtype = next((p.dtype for p in made.parameters() if p.is_floating_point()), None)
    if dtype is None or not isinstance(backbone, nn.Module):
        dtype = sample.dtype
        made = made.to(dtype)
    was_training = made.training
    made.eval()
    try:
        with torch.no_grad():
            n_features = flat_features(made(sample.to(dtype))).shape[1]
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"The backbone cannot take rows of shape {tuple(sample.shape[1:])}: {error}"
        ) from error
    made.train(was_training)
    return Network(made, build_head(head, n_features, n_outputs).to(dtype))


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
