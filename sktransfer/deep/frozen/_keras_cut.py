"""A Keras network cut before what learns in it: its graph says what depends on what."""

from weakref import WeakKeyDictionary

import torch
from torch import nn

from sktransfer.deep.frozen._frozen_part import Cut, Live
from sktransfer.deep.frozen._keras_graph import KerasGraph, cut_graph, has_graph
from sktransfer.deep.frozen._keras_identity import KerasPart
from sktransfer.deep.frozen._known_plans import known_plans

__all__ = ["cut_keras"]

# Batches of other sizes are summed in another order.
_CLOSE = 1e-4
# What was found on trial of each network, and what that rests on.
_tried = WeakKeyDictionary()


class _Frozen(KerasPart):
    """From rows to the tensors that what learns is given, joined."""

    def __init__(self, model, graph):
        layers = [node.operation for node in graph.steps]
        super().__init__(model, [layer.name for layer in layers])
        self.weights = nn.ParameterList(
            variable.value
            for layer in layers
            if isinstance(layer, nn.Module)
            for variable in layer.weights
        )
        self.graph = graph

    def forward(self, X):
        """Return one row of numbers for each row."""
        return torch.cat([x.flatten(1) for x in self.tensors(X)], dim=1)

    def tensors(self, X):
        """Return the tensors one by one."""
        return self.graph.run([X])


class _Rest(nn.Module):
    """From these to the outputs of the network."""

    def __init__(self, graph, shapes):
        super().__init__()
        self.layers = nn.ModuleList(
            node.operation
            for node in graph.steps
            if isinstance(node.operation, nn.Module)
        )
        self.graph, self.shapes = graph, shapes

    def forward(self, X):
        """Return what the network gives."""
        parts = X.split([shape.numel() for shape in self.shapes], dim=1)
        tensors = [
            part.reshape(len(X), *shape)
            for part, shape in zip(parts, self.shapes, strict=True)
        ]
        return self.graph.run(tensors)[0]


def cut_keras(network, sample):
    """Cut a network of Keras before what learns in its backbone.

    Its graph, also that of a model inside of a model, says what each layer is given. On
    trial, rows that are computed alone must give together what they give in the whole
    network.

    Parameters
    ----------
    network : Network
        After `freeze`, in the mode in which it is used, and on the device of the rows.
    sample : torch.Tensor
        A few rows that differ.

    Returns
    -------
    Cut or None
        None if nothing is frozen before what learns, or if the trial fails.
    """
    if not has_graph(network.backbone):
        return None
    try:
        return _cut(network, sample)
    except torch.OutOfMemoryError:
        raise
    except Exception:  # of a version of Keras that keeps its graph another way
        return None


def _cut(network, sample):
    backbone = network.backbone
    before, after = cut_graph(KerasGraph.of_model(backbone))
    frozen = _Frozen(backbone, before)
    if not any(weight.ndim > 1 for weight in frozen.weights):
        return None
    learns = [p.requires_grad for p in backbone.parameters()]
    state = learns, sample.shape[1:], sample.dtype
    known, shapes = _tried.get(network, (None, None))
    if known != state:
        if torch.equal(sample[:1], sample[-1:]):
            return None
        key = known_plans.key_of(network, sample, n_lengths=1)
        shapes = known_plans.find(key, lambda: _trial(backbone, frozen, after, sample))
        _tried[network] = state, shapes
    if shapes is None:
        return None
    return Cut(frozen, Live(network, _Rest(after, shapes)))


def _trial(backbone, frozen, after, sample):
    """Return the shapes between the two parts; None if they are not the whole."""
    if any(map(_is_of_its_own, frozen.graph.steps)) or len(frozen.graph.inputs) != 1:
        return None
    with torch.no_grad():
        between, whole = frozen.tensors(sample), backbone(sample)
        if not _are_plain(between, sample):
            return None
        shapes = [tensor.shape[1:] for tensor in between]
        alone = torch.cat([frozen(row[None]) for row in sample])
        # What learns may start at zero, and hide what comes before it.
        together = torch.cat([tensor.flatten(1) for tensor in between], dim=1)
        near = _CLOSE * float(together.abs().max())
        if not torch.allclose(alone, together, rtol=_CLOSE, atol=near):
            return None
        rest, near = _Rest(after, shapes), _CLOSE * float(whole.abs().max())
        # In both orders: a network may sort its rows, and put them back later on.
        for order in (slice(None), torch.arange(len(sample)).flip(0)):
            halves = rest(alone[order])
            if not torch.allclose(halves, whole[order], rtol=_CLOSE, atol=near):
                return None
    return shapes


def _is_of_its_own(node):
    """Whether a call remembers others, or is told to learn from its batch."""
    is_stateful = getattr(node.operation, "stateful", False)
    return is_stateful or bool(node.arguments.kwargs.get("training"))


def _are_plain(tensors, sample):
    """Whether there is a place for each row, and nothing more to the tensors."""
    return all(
        isinstance(tensor, torch.Tensor)
        and tensor is not sample
        and tensor.dtype == tensors[0].dtype
        and tensor.is_floating_point()
        and tensor.ndim > 1
        and len(tensor) == len(sample)
        and getattr(tensor, "_keras_mask", None) is None
        for tensor in tensors
    )
