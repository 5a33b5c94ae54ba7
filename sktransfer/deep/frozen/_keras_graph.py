"""The graph of a Keras network, cut between what is frozen and what learns."""

from dataclasses import dataclass, field

import torch
from torch.utils import _pytree

__all__ = ["KerasGraph", "cut_graph", "has_graph"]


def has_graph(model):
    """Whether a network of Keras is a graph of layers, with no code of its own."""
    kind = type(model)
    if not kind.__module__.startswith("keras."):
        return False
    if kind.__name__ == "Sequential":
        return getattr(model, "_functional", None) is not None
    return kind.__name__ == "Functional"


@dataclass
class KerasGraph:
    """Steps from some tensors to others.

    Attributes
    ----------
    steps : list of Node
        Calls of layers, in order.
    inputs, outputs : list of KerasTensor
        What the steps are given, and what they give.
    names : dict of int to list of int
        Other names of tensors, by `id`: a model inside of a model has its own.
    """

    steps: list
    inputs: list
    outputs: list
    names: dict = field(default_factory=dict)

    @classmethod
    def of_model(cls, model):
        """Return the graph of a model, with those of the models inside of it."""
        inner = getattr(model, "_functional", None) or model
        graph = cls([], list(inner.inputs), list(inner.outputs))
        graph._add(inner)
        return graph

    def _add(self, model):
        depths = sorted(model._nodes_by_depth, reverse=True)
        nodes = [node for depth in depths for node in model._nodes_by_depth[depth]]
        called = [id(node.operation) for node in nodes]
        for node in nodes:
            inner = node.operation
            if not inner or node.is_input:
                continue
            # The tensors of a model that is called several times have several values.
            is_once = called.count(id(inner)) == 1
            is_told = any(x is not None for x in node.arguments.kwargs.values())
            if not has_graph(inner) or not is_once or is_told:
                self.steps.append(node)
                continue
            inner = getattr(inner, "_functional", None) or inner
            self._name(node.input_tensors, inner.inputs)
            self._add(inner)
            self._name(inner.outputs, node.outputs)

    def _name(self, tensors, others):
        for tensor, other in zip(tensors, others, strict=True):
            if tensor is not other:
                self.names.setdefault(id(tensor), []).append(id(other))

    def run(self, tensors):
        """Return what the steps give.

        Parameters
        ----------
        tensors : sequence of torch.Tensor
            In the order of `inputs`.

        Returns
        -------
        list of torch.Tensor
        """
        known = {}
        for given, tensor in zip(self.inputs, tensors, strict=True):
            self._keep(known, id(given), tensor)
        for node in self.steps:
            args, kwargs = node.arguments.fill_in(known)
            found = _pytree.tree_leaves(node.operation(*args, **kwargs))
            for given, tensor in zip(node.outputs, found, strict=True):
                self._keep(known, id(given), tensor)
        return [known[id(tensor)] for tensor in self.outputs]

    def _keep(self, known, name, tensor):
        known[name] = tensor
        for other in self.names.get(name, ()):
            self._keep(known, other, tensor)


def cut_graph(graph):
    """Cut a graph before what learns.

    Parameters
    ----------
    graph : KerasGraph
        The whole.

    Returns
    -------
    frozen, live : KerasGraph
        The outputs of the first are the inputs of the second.
    """
    learned, made = {}, {}  # by name: whether it depends on what learns, and a tensor
    frozen, live = [], []

    def keep(tensor, is_live):
        graph._keep(learned, id(tensor), is_live)
        graph._keep(made, id(tensor), tensor)

    for tensor in graph.inputs:
        keep(tensor, False)
    for node in graph.steps:
        is_live = _learns(node.operation) or any(
            learned[id(tensor)] for tensor in node.input_tensors
        )
        (live if is_live else frozen).append(node)
        for tensor in node.outputs:
            keep(tensor, is_live)
    asked = [id(tensor) for node in live for tensor in node.input_tensors]
    asked += [id(tensor) for tensor in graph.outputs]
    between = {id(made[name]): made[name] for name in asked if not learned[name]}
    between = list(between.values())
    return (
        KerasGraph(frozen, graph.inputs, between, graph.names),
        KerasGraph(live, between, graph.outputs, graph.names),
    )


def _learns(operation):
    return isinstance(operation, torch.nn.Module) and any(
        parameter.requires_grad for parameter in operation.parameters()
    )
