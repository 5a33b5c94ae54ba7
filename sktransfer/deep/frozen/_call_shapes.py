"""Shapes of what a skipped call would have given."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.utils import _pytree

from sktransfer.deep.frozen._missing import Missing, NeedsValues, missing
from sktransfer.deep.frozen._module_state import ModuleState
from sktransfer.deep.frozen._row_shapes import RowShape, Shape

__all__ = [
    "FoundShapes",
    "PassedOn",
    "Tried",
    "TriedShapes",
    "is_plain",
    "numbers_in",
    "without_values",
]

_PLAIN = (str, int, float, bool, type(None), torch.dtype, torch.device)
_NOWHERE = frozenset()
_RECURRENT = nn.LSTM.forward, nn.GRU.forward, nn.RNN.forward
_MOST_KNOWN = 2**14


def is_plain(value):
    """Whether a value is what it looks like, a number for example."""
    return isinstance(value, _PLAIN)


@dataclass(frozen=True)
class PassedOn:
    """Stands for an output that is one of the inputs itself.

    Attributes
    ----------
    place : int
        Which one.
    """

    place: int


@dataclass(frozen=True)
class Tried:
    """What a call was given on trial, and what it gave.

    Attributes
    ----------
    inputs : tuple of list and TreeSpec
        A `RowShape` for each tensor.
    outputs : tuple of list and TreeSpec
        A `RowShape` for each tensor, or `PassedOn`.
    packed : frozenset of int
        Outputs that are the data of packed sequences.
    """

    inputs: tuple
    outputs: tuple
    packed: frozenset = frozenset()

    @property
    def has_lengths(self):
        """Whether shapes depend on the lengths of rows."""
        return any(shape.has_lengths for shape in self._shapes())

    @property
    def is_ambiguous(self):
        """Whether it may be lengths that shapes follow, and not the number of rows."""
        return any(x.has_lengths or len(x.grows) > 1 for x in self._shapes())

    def axis_of(self, place):
        """Return the axis of an output of which each place is a row, or None.

        Of packed sequences padded rows are kept.
        """
        if place in self.packed:
            return 0
        shape = self.outputs[0][place]
        is_shape = isinstance(shape, RowShape) and shape.dtype.is_floating_point
        return shape.axis if is_shape else None

    def _shapes(self):
        leaves = self.inputs[0] + self.outputs[0]
        return [leaf for leaf in leaves if isinstance(leaf, RowShape)]


class TriedShapes:
    """Each call gives what it gave on trial, for any number of rows.

    It must be asked for the same: tensors of these shapes, and the same numbers. Where
    rows of several lengths gave several shapes, these follow those of the input.

    Parameters
    ----------
    tried : dict of tuple to Tried
        The calls.
    """

    def __init__(self, tried):
        self.tried, self.found = tried, FoundShapes(tries_zeros=False)

    def of(self, key, part, args, kwargs, n_rows):
        """Return the leaves of what a call would give, and how they are put together.

        Parameters
        ----------
        key : tuple of str and int
            The call.
        part : nn.Module
            What is called.
        args, kwargs : tuple, dict
            With what.
        n_rows : int
            Rows of the batch.

        Returns
        -------
        leaves : list
            A `Shape` for each tensor, or the tensor if it is one of the inputs.
        form : TreeSpec
            Nested containers.
        """
        tried = self.tried[key]
        known, form_of_known = tried.inputs
        leaves, form = _pytree.tree_flatten((args, kwargs))
        if form != form_of_known or not all(
            then.fits(now, n_rows)
            if isinstance(then, RowShape)
            else type(now) is type(then) and now == then
            for now, then in zip(leaves, known, strict=True)
        ):
            raise NeedsValues([(*key, None)])
        outputs, form = tried.outputs
        outputs = [
            Shape(None, shape.dtype) if place in tried.packed else shape
            for place, shape in enumerate(outputs)
        ]
        if any(isinstance(x, RowShape) and x.has_lengths and x.axis is not None
               for x in outputs):  # fmt: skip
            if type(part).forward not in _RECURRENT:
                return self.found.of(key, part, args, kwargs, n_rows)
            # Quicker than moment by moment: the states are as long as what is given.
            states = *leaves[0].shape[:-1], outputs[0].sizes[-1]
            outputs[0] = Shape(states, outputs[0].dtype)
        return [_output(x, leaves, n_rows) for x in outputs], form


def _output(leaf, inputs, n_rows):
    if isinstance(leaf, RowShape):
        return leaf.of_rows(n_rows)
    return inputs[leaf.place] if isinstance(leaf, PassedOn) else leaf


class FoundShapes:
    """Shapes follow those of the input: texts and sounds come in several lengths.

    A part runs on tensors without values, or else on zeros, once for all inputs of the
    same shapes.

    Parameters
    ----------
    tries_zeros : bool, default=True
        Whether zeros will do: they will not where shapes may depend on values.
    """

    def __init__(self, *, tries_zeros=True):
        self.known, self.tries_zeros = {}, tries_zeros

    def of(self, key, part, args, kwargs, n_rows):
        """Return the leaves of what a call would give, and how they are put together.

        See `TriedShapes.of`.
        """
        leaves, form = _pytree.tree_flatten((args, kwargs))
        if not all(isinstance(x, torch.Tensor) or is_plain(x) for x in leaves):
            return self._found(key, part, leaves, form)
        signature = key, str(form), tuple(map(_described, leaves))
        found = self.known.get(signature)
        if found is None:
            found = self._found(key, part, leaves, form)
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known[signature] = found
        return found

    def _found(self, key, part, leaves, form):
        args, kwargs = _pytree.tree_unflatten(leaves, form)
        try:
            output = without_values(part, args, kwargs)
        except NeedsValues as error:
            output = _of_zeros(part, leaves, form) if self.tries_zeros else None
            # Numbers that were computed from zeros are wrong.
            if output is None or numbers_in(output):
                raise NeedsValues([(*key, None)]) from error
        found, form_of_output = _pytree.tree_flatten(output)
        if not all(isinstance(x, torch.Tensor) or is_plain(x) for x in found):
            raise NeedsValues([(*key, None)])
        return [Shape.of_tensor(leaf) for leaf in found], form_of_output


def without_values(part, args, kwargs):
    """Return what a part gives for tensors without values, or raise `NeedsValues`.

    The part remembers nothing of it.
    """
    leaves, form = _pytree.tree_flatten((args, kwargs))
    try:
        return _tried(part, map(_emptied, leaves), form)
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # whatever it says of such tensors
        raise NeedsValues(_NOWHERE) from error


def _of_zeros(part, leaves, form):
    try:
        return _tried(part, map(_zeros, leaves), form)
    except torch.OutOfMemoryError:
        raise
    except (NeedsValues, Exception):
        return None


def _tried(part, leaves, form):
    args, kwargs = _pytree.tree_unflatten(leaves, form)
    before = ModuleState(part.modules())
    try:
        with torch.no_grad():
            return type(part).forward(part, *args, **kwargs)
    finally:
        before.restore()


def numbers_in(output):
    """List what is neither a tensor nor None."""
    leaves = _pytree.tree_leaves(output)
    return [x for x in leaves if not isinstance(x, torch.Tensor) and x is not None]


def _described(leaf):
    if isinstance(leaf, torch.Tensor):
        return tuple(leaf.shape), leaf.dtype
    return type(leaf), leaf


def _emptied(leaf):
    if isinstance(leaf, torch.Tensor):
        return missing(leaf.shape, leaf.dtype, leaf.device, _NOWHERE)
    return leaf


def _zeros(leaf):
    if isinstance(leaf, Missing):
        return torch.zeros(leaf.shape, dtype=leaf.dtype, device=leaf.device)
    return leaf
