"""The part of a network whose outputs no training step changes, and the rest."""

import hashlib
from dataclasses import dataclass
from types import FunctionType

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sktransfer.deep._backbones import flat_features

__all__ = ["Cut", "by_row", "cut_network", "fingerprint"]


@dataclass(frozen=True)
class Cut:
    """A network as what is frozen, and what learns on top of it.

    Attributes
    ----------
    frozen : nn.Module
        Maps a batch to one tensor.
    live : nn.Module
        Maps that tensor to the scores; it shares its parameters with the network.
    """

    frozen: nn.Module
    live: nn.Module


class _Features(nn.Module):
    """A whole backbone, as one row of features a row."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, X):
        """Return flat features."""
        return flat_features(self.backbone(X))


class _Live(nn.Module):
    """What learns: the head, and the rest of the backbone, if some of it does."""

    def __init__(self, network, rest=None):
        super().__init__()
        self.rest, self.head = rest, network.head
        # Not a submodule: it only sets the mode of what is frozen.
        object.__setattr__(self, "network", network)

    @property
    def backbone(self):
        """What is frozen."""
        return self.network.backbone

    def forward(self, X):
        """Return the scores of the head."""
        return self.head(X if self.rest is None else flat_features(self.rest(X)))

    def freeze(self, trainable):
        """Freeze as the network does; what was cut off never learns."""
        self.network.freeze(trainable)

    def train(self, mode=True):
        """Set the mode of the network, so that what is frozen in it stays as it is."""
        self.training = mode
        self.network.train(mode)
        return self


def cut_network(network):
    """Cut a network between what is frozen and what learns.

    A backbone of which all is frozen is cut before its head. One that is a
    `torch.nn.Sequential`, or nothing but a wrapper of one, is cut before the first
    part that learns: what comes after a part sees nothing but its output. Other
    backbones are not cut inside, for nothing says in which order their parts are used.

    Parameters
    ----------
    network : Network
        After `freeze`, in the mode in which it is used.

    Returns
    -------
    Cut or None
        None if some of the backbone learns, or is in training mode, or if its outputs
        for a row depend on the other rows of the batch.
    """
    backbone = network.backbone
    if not any(p.requires_grad for p in backbone.parameters()):
        if not by_row(backbone):
            return None
        return Cut(_Features(backbone), _Live(network))
    if type(backbone) is not nn.Sequential or _hooks(backbone):
        return None
    parts = list(backbone)
    first = next(i for i, part in enumerate(parts) if _learns(part))
    frozen = nn.Sequential(*parts[:first])
    if not any(True for _ in frozen.parameters()) or not by_row(frozen, itself=False):
        return None
    return Cut(frozen, _Live(network, nn.Sequential(*parts[first:])))


def _learns(part):
    return any(p.requires_grad for p in part.parameters())


def by_row(module, *, itself=True):
    """Whether a module treats each row alike, whatever batch it is in.

    `itself` says whether its own mode counts, besides those of its parts.
    """
    return not any(
        part.training or (isinstance(part, _BatchNorm) and part.running_mean is None)
        for part in module.modules()
        if itself or part is not module
    )


def fingerprint(module, *settings):
    """Return a digest of what decides a module's outputs.

    Weights, buffers, structure, the attributes of each part and the code of its forward
    pass, and hooks.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode.
    settings : object
        What else decides them: the device, the precision.

    Returns
    -------
    str
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((module, settings)).encode())
    for name, part in module.named_modules():
        digest.update(repr((name, _code(part), sorted(_hooks(part)))).encode())
        for key, value in sorted(vars(part).items()):
            if key not in _OF_TORCH:
                _add(digest, key, value)
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        _add(digest, name, value)
    return digest.hexdigest()


# What every module has; parameters, buffers and parts come by name.
_OF_TORCH = frozenset(vars(nn.Module()))


def _add(digest, name, value):
    """Add an attribute; arrays by their bytes, for a printed one is abridged."""
    if isinstance(value, torch.Tensor):
        digest.update(repr((name, value.dtype, tuple(value.shape))).encode())
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(flat.numpy()))
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        digest.update(repr((name, value.dtype.str, value.shape)).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, set | frozenset):  # printed in an order of the process
        digest.update(repr((name, sorted(map(repr, value)))).encode())
    else:
        digest.update(repr((name, _printed(value))).encode())


def _code(part):
    """Return what a part is and computes: a class of the same name may do more."""
    kind, forward = type(part), type(part).forward
    code = getattr(forward, "__code__", None)
    compiled = code and (code.co_code, code.co_names, _plain(code.co_consts))
    cells = getattr(forward, "__closure__", None) or ()
    cells = [_printed(cell.cell_contents) for cell in cells]
    own = {}
    if not kind.__module__.startswith("torch."):  # helpers of the forward pass
        own = {k: _printed(v) for k, v in vars(kind).items()}
    helpers = sorted(
        v for v in own.items() if isinstance(vars(kind)[v[0]], FunctionType)
    )
    return kind.__module__, kind.__qualname__, compiled, cells, helpers


def _printed(value):
    """Print a value; a function by its code, not by where it lies in this process."""
    if not isinstance(value, FunctionType):
        return repr(value)
    code = value.__code__
    cells = [repr(cell.cell_contents) for cell in value.__closure__ or ()]
    known = code.co_code, code.co_names, _plain(code.co_consts), value.__defaults__
    return repr((value.__module__, value.__qualname__, known, cells))


def _plain(constants):
    return [c for c in constants if isinstance(c, str | int | float | None)]


def _hooks(part):
    return [repr(h) for h in (part._forward_hooks, part._forward_pre_hooks) if h]
