"""The part of a network whose outputs no training step changes, and the rest."""

import hashlib
import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import fx, nn
from torch.fx.passes.split_module import split_module

from sktransfer.deep._backbones import flat_features

__all__ = ["Cut", "cut_network", "fingerprint"]

# Parts of the names of functions whose outputs differ from call to call.
_RANDOM = ("dropout", "rand", "bernoulli", "normal_", "stochastic")


@dataclass(frozen=True)
class Cut:
    """A network as what is frozen, and what learns on top of it.

    Attributes
    ----------
    frozen : nn.Module
        Maps a batch to one tensor.
    live : nn.Module
        Maps that tensor to the scores; it shares its parameters with the network, and
        has `backbone` and `head`.
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
    """What learns: the open end of the backbone, if there is one, and the head."""

    def __init__(self, network, backbone):
        super().__init__()
        self.backbone, self.head = backbone, network.head
        # Not a submodule: it only sets the mode of what is frozen.
        object.__setattr__(self, "network", network)

    def forward(self, X):
        """Return the scores of the head."""
        return self.head(X if self.backbone is None else self._open(X))

    def _open(self, X):
        return flat_features(self.backbone(X))

    def train(self, mode=True):
        """Set the mode of the network, so that what is frozen in it stays as it is."""
        self.training = mode
        self.network.train(mode)
        return self

    def freezable(self):
        """Parameters of the backbone that learn."""
        return self.network.freezable()


def cut_network(network):
    """Cut a network where its frozen part ends.

    Parameters
    ----------
    network : Network
        After `freeze`.

    Returns
    -------
    Cut or None
        None if everything learns, or if the backbone cannot be cut: its forward pass
        cannot be traced, or more than one tensor crosses the cut.
    """
    learns = [p.requires_grad for p in network.backbone.parameters()]
    if not any(learns):
        return Cut(_Features(network.backbone), _Live(network, None))
    if all(learns):
        return None
    halves = _halves(network.backbone)
    return halves and Cut(halves[0], _Live(network, halves[1]))


def _halves(backbone):
    """Return the frozen beginning and the open end of a backbone, or None."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            graph = fx.Tracer().trace(backbone)
            traced = fx.GraphModule(backbone, graph)
            live = _live_nodes(traced)
            frozen = [n for n in graph.nodes if n.op == "call_module" and n not in live]
            crossing = {
                node
                for node in graph.nodes
                if node not in live and any(user in live for user in node.users)
            }
            inputs = [node for node in graph.nodes if node.op == "placeholder"]
            if not frozen or len(crossing) != 1 or len(inputs) != 1:
                return None
            whole = split_module(traced, backbone, lambda n: "b" if n in live else "a")
    except (TypeError, ValueError, RuntimeError, AttributeError, fx.proxy.TraceError):
        return None
    halves = [half for _, half in sorted(whole.named_children())]
    # Weights that a backbone uses outside its modules would be further arguments.
    takes = [sum(n.op == "placeholder" for n in half.graph.nodes) for half in halves]
    return tuple(halves) if takes == [1, 1] else None


def _live_nodes(traced):
    """Return the nodes that learn, are random, or follow one that does or is."""
    modules, live = dict(traced.named_modules()), set()
    for node in traced.graph.nodes:
        learns = False
        if node.op == "call_module":
            module = modules[node.target]
            learns = module.training or any(
                p.requires_grad for p in module.parameters()
            )
        elif node.op == "get_attr":
            value = _attribute(traced, node.target)
            learns = isinstance(value, torch.Tensor) and value.requires_grad
        elif node.op in ("call_function", "call_method"):
            learns = any(word in str(node.target) for word in _RANDOM)
        elif node.op == "output":
            learns = True
        if learns or any(before in live for before in node.all_input_nodes):
            live.add(node)
    return live


def _attribute(module, name):
    for part in name.split("."):
        module = getattr(module, part)
    return module


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
_OF_TORCH = frozenset(vars(nn.Module())) - {"training"} | {"_code", "_graph"}


def _add(digest, name, value):
    """Add an attribute; arrays by their bytes, for a printed one is abridged."""
    if isinstance(value, torch.Tensor):
        digest.update(repr((name, value.dtype, tuple(value.shape))).encode())
        flat = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(memoryview(flat.numpy()))
    elif isinstance(value, np.ndarray) and value.dtype.kind != "O":
        digest.update(repr((name, value.dtype.str, value.shape)).encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    else:
        digest.update(repr((name, value)).encode())


def _code(part):
    """Return what a part is and computes: a class of the same name may do more."""
    code = getattr(type(part).forward, "__code__", None)
    compiled = code and (code.co_code, code.co_names, _plain(code.co_consts))
    name = type(part).__module__, type(part).__qualname__
    return name, compiled, getattr(part, "code", "")


def _plain(constants):
    return [c for c in constants if isinstance(c, str | int | float | None)]


def _hooks(part):
    return [repr(h) for h in (part._forward_hooks, part._forward_pre_hooks) if h]
