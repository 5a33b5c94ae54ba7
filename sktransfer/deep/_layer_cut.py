"""A named backbone cut before the first of its layers that learns."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from sktransfer.deep._backbones import flat_features
from sktransfer.deep._frozen_part import Cut, by_row
from sktransfer.deep._grouped_blocks import layer_list

__all__ = ["cut_layers"]

_LISTS = (nn.ModuleList, nn.Sequential)
# Batches of other sizes are summed in another order.
_CLOSE = 1e-4


class _NotAChain(Exception):
    """The layers are not used one after another, or something learns before them."""


class _Reached(Exception):
    """The first layer that learns was called."""

    def __init__(self, states):
        super().__init__()
        self.states = states


class _StandIn(nn.Module):
    """In the place of a layer; models may look at a layer's own settings."""

    def __init__(self, layer):
        super().__init__()
        for name, value in vars(layer).items():
            if name not in vars(self) and isinstance(value, str | int | float):
                setattr(self, name, value)


class _Unreached(_StandIn):
    """In the place of what learns, in the frozen part."""

    def forward(self, *args, **kwargs):
        """Say that it was used."""
        raise _NotAChain


class _End(_StandIn):
    """In the place of the first layer that learns, in the frozen part."""

    def forward(self, *args, **kwargs):
        """End the forward pass with the states that the layer would get."""
        raise _Reached(_states_in(args, kwargs))


class _Skipped(_StandIn):
    """In the place of a frozen layer, in the part that learns."""

    def __init__(self, layer, *, as_tuple):
        super().__init__(layer)
        self.as_tuple = as_tuple

    def forward(self, *args, **kwargs):
        """Return the states as they are."""
        states = _states_in(args, kwargs)
        return (states,) if self.as_tuple else states


class _Entry(_StandIn):
    """The first layer that learns, which is given the stored states."""

    def __init__(self, layer):
        super().__init__(layer)
        self.layer, self.states, self.crops = layer, None, False

    def forward(self, *args, **kwargs):
        """Apply the layer; the states are as long as those of this batch."""
        states = self.states
        if self.crops:
            states = states[:, : _states_in(args, kwargs).shape[1]]
        self.states = None
        if args:
            return self.layer(states, *args[1:], **kwargs)
        return self.layer(**{**kwargs, "hidden_states": states})


def _states_in(args, kwargs):
    states = args[0] if args else kwargs.get("hidden_states")
    if not isinstance(states, torch.Tensor):
        raise _NotAChain
    return states


class _Frozen(nn.Module):
    """From rows to the states before the first layer that learns."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, X):
        """Return states, filled up to one length for all batches."""
        states = None
        length = self.backbone.state_length(X)
        for rows in self.backbone.groups_of(X):
            found = self._states(X[rows])
            shape = (len(X), length or found.shape[1], *found.shape[2:])
            if states is None:
                states = found.new_zeros(shape)
            states[rows, : found.shape[1]] = found
        return states

    def _states(self, X):
        try:
            self.backbone(X)
        except _Reached as reached:
            return reached.states
        raise _NotAChain


class _Live(nn.Module):
    """From these states, and the rows that they are from, to scores.

    It is a copy of the backbone that shares its parameters. What comes before the
    layers is computed again, for masks depend on it; the frozen layers are skipped.
    """

    takes_rows = True

    def __init__(self, network, rest, entry, pairs):
        super().__init__()
        self.rest, self.head = rest, network.head
        # Not submodules: the parts that set the modes, and the place of the states.
        object.__setattr__(self, "network", network)
        object.__setattr__(self, "entry", entry)
        object.__setattr__(self, "pairs", pairs)

    @property
    def backbone(self):
        """The backbone, frozen layers included."""
        return self.network.backbone

    def forward(self, X, rows):
        """Return the scores of the head."""
        features = None
        self.entry.crops = self.rest.state_length(rows) is not None
        try:
            for group in self.rest.groups_of(rows):
                self.entry.states = X[group]
                found = flat_features(self.rest(rows[group]))
                if self.entry.states is not None:
                    raise RuntimeError("The first layer that learns was left out.")
                if features is None:
                    features = found.new_empty((len(X), found.shape[1]))
                features[group] = found
        finally:
            self.entry.states = None
        return self.head(features)

    def freeze(self, trainable):
        """Freeze as the network does; skipped layers never learn."""
        self.network.freeze(trainable)

    def train(self, mode=True):
        """Set the mode of the network, and of the copies as of their originals."""
        self.training = mode
        self.network.train(mode)
        for original, twin in self.pairs:
            twin.training = original.training
        return self


@dataclass(frozen=True)
class _Place:
    """Where a backbone is cut: the name of its layers, and the first that learns."""

    layers: str
    first: int


def cut_layers(network, sample):
    """Cut a named backbone before the first of its layers that learns.

    Such a backbone has ``groups_of`` and ``state_length``. Both halves are tried on a
    few rows: they must give what the whole gives, else the network is not cut.

    Parameters
    ----------
    network : Network
        After `freeze`, in the mode in which it is used.
    sample : torch.Tensor
        A few rows.

    Returns
    -------
    Cut or None
        None if there is nothing to cut, or if the layers are not a chain.
    """
    backbone = network.backbone
    place = _place(backbone) if hasattr(backbone, "groups_of") else None
    if place is None:
        return None
    training = network.training
    try:
        return _tried_halves(network.eval(), place, sample)
    except _NotAChain:
        return None
    finally:
        network.train(training)


def _place(backbone):
    """Find the first layer that learns; None if what comes before the layers does."""
    name, layers = layer_list(backbone, _LISTS)
    if layers is None:
        return None
    learns = [any(p.requires_grad for p in layer.parameters()) for layer in layers]
    if True not in learns or learns.index(True) == 0:
        return None
    for key, parameter in backbone.named_parameters():
        if key.startswith(f"{name}."):
            break
        if parameter.requires_grad:
            return None
    frozen = layers[: learns.index(True)]
    return _Place(name, learns.index(True)) if all(map(by_row, frozen)) else None


def _tried_halves(network, place, sample):
    with torch.no_grad():
        whole, kinds = _watched(network, place, sample)
        cut = _halves(network, place, kinds)
        if not by_row(cut.frozen):
            return None
        halves = _joined(cut, sample)
    scale = float(whole.abs().max())
    same = torch.allclose(halves, whole, rtol=_CLOSE, atol=_CLOSE * scale)
    return cut if same else None


def _joined(cut, sample):
    try:
        return cut.live.eval()(cut.frozen(sample), sample)
    except torch.OutOfMemoryError:
        raise
    except (AttributeError, RuntimeError, TypeError, ValueError) as error:
        # Something looks at a layer that is not there, or at its states.
        raise _NotAChain from error


def _watched(network, place, sample):
    """Return the scores, and whether each frozen layer gives a tuple."""
    layers = network.backbone.get_submodule(place.layers)
    kinds = {}

    def watch(layer, args, output):
        kinds[layer] = _gives_tuple(output)

    hooks = [layer.register_forward_hook(watch) for layer in layers[: place.first]]
    try:
        scores = network(sample)
    finally:
        for hook in hooks:
            hook.remove()
    if len(kinds) < place.first:
        raise _NotAChain
    return scores, [kinds[layer] for layer in layers[: place.first]]


def _gives_tuple(output):
    if isinstance(output, torch.Tensor):
        return False
    if type(output) is tuple and len(output) == 1:
        return True
    raise _NotAChain


def _halves(network, place, kinds):
    frozen, layers, _ = _twin(network.backbone, place)
    layers[place.first] = _End(layers[place.first])
    for later in range(place.first + 1, len(layers)):
        layers[later] = _Unreached(layers[later])
    _drop_what_learns(frozen, place.layers)
    rest, layers, pairs = _twin(network.backbone, place)
    if hasattr(rest, "skip_start"):
        rest.skip_start()
    for k, as_tuple in enumerate(kinds):
        layers[k] = _Skipped(layers[k], as_tuple=as_tuple)
    entry = layers[place.first] = _Entry(layers[place.first])
    return Cut(_Frozen(frozen).eval(), _Live(network, rest, entry, pairs))


def _twin(backbone, place):
    """Copy the structure, share the tensors; return pairs of originals and copies."""
    tensors = [*backbone.parameters(), *backbone.buffers()]
    memo = {id(tensor): tensor for tensor in tensors}
    twin = copy.deepcopy(backbone, memo)
    pairs = list(zip(backbone.modules(), twin.modules(), strict=True))
    return twin, twin.get_submodule(place.layers), pairs


def _drop_what_learns(module, path):
    """Leave out what learns besides the layers: the frozen part must not know it."""
    if any(p.requires_grad for p in module.parameters(recurse=False)):
        raise _NotAChain
    head, _, tail = path.partition(".")
    for name, child in list(module.named_children()):
        if name == head and tail:
            _drop_what_learns(child, tail)
        elif name != head and any(p.requires_grad for p in child.parameters()):
            setattr(module, name, _Unreached(child))
