"""Shapes of what a skipped call would have given."""

from dataclasses import dataclass

import torch
from torch.utils import _pytree

from sktransfer.deep._missing import Missing, NeedsValues, missing
from sktransfer.deep._module_state import ModuleState

__all__ = [
    "FixedShapes",
    "FoundShapes",
    "Shape",
    "is_plain",
    "numbers_in",
    "without_values",
]

_PLAIN = (str, int, float, bool, type(None), torch.dtype, torch.device)
_NOWHERE = frozenset()
_MOST_KNOWN = 2**14


def is_plain(value):
    """Whether a value is what it looks like, a number for example."""
    return isinstance(value, _PLAIN)


@dataclass(frozen=True)
class Shape:
    """Shape and type of a tensor.

    Attributes
    ----------
    sizes : tuple of int
        The shape.
    dtype : torch.dtype
        The type.
    """

    sizes: tuple
    dtype: torch.dtype

    @classmethod
    def of_tensor(cls, leaf):
        """Return the shape of a tensor; what is none stays as it is."""
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return cls(tuple(leaf.shape), leaf.dtype)

    def fits(self, leaf, n_then, n_now):
        """Whether a tensor has this shape, but for the number of rows."""
        return (
            isinstance(leaf, torch.Tensor)
            and leaf.ndim == len(self.sizes)
            and all(
                now == then or now * n_then == then * n_now
                for now, then in zip(leaf.shape, self.sizes, strict=True)
            )
        )


class FixedShapes:
    """Each call gives what it gave on trial, for any number of rows.

    It must be asked for the same: tensors of these shapes, and the same numbers.

    Parameters
    ----------
    calls : sequence of Call
        As they were on trial.
    n_rows : int
        Rows on trial.
    """

    def __init__(self, calls, n_rows):
        self.calls = {call.key: (call.inputs, call.shapes, call.form) for call in calls}
        self.n_rows = n_rows

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
            A `Shape` for each tensor.
        form : TreeSpec
            Nested containers.
        """
        (known, form_of_known), shapes, form_of_output = self.calls[key]
        leaves, form = _pytree.tree_flatten((args, kwargs))
        if form != form_of_known or not all(
            then.fits(now, self.n_rows, n_rows)
            if isinstance(then, Shape)
            else type(now) is type(then) and now == then
            for now, then in zip(leaves, known, strict=True)
        ):
            raise NeedsValues([key])
        found = [
            Shape((n_rows, *leaf.sizes[1:]), leaf.dtype)
            if isinstance(leaf, Shape)
            else leaf
            for leaf in shapes
        ]
        return found, form_of_output


class FoundShapes:
    """Shapes follow those of the input: texts and sounds come in several lengths.

    A part runs on tensors without values, or else on zeros, once for all inputs of the
    same shapes.
    """

    def __init__(self):
        self.known = {}

    def of(self, key, part, args, kwargs, n_rows):
        """Return the leaves of what a call would give, and how they are put together.

        See `FixedShapes.of`.
        """
        leaves, form = _pytree.tree_flatten((args, kwargs))
        if not all(isinstance(x, torch.Tensor) or is_plain(x) for x in leaves):
            return self._found(key, part, leaves, form)
        signature = key, str(form), tuple(map(_described, leaves))
        if signature not in self.known:
            if len(self.known) >= _MOST_KNOWN:
                self.known.clear()
            self.known[signature] = self._found(key, part, leaves, form)
        return self.known[signature]

    def _found(self, key, part, leaves, form):
        args, kwargs = _pytree.tree_unflatten(leaves, form)
        try:
            output = without_values(part, args, kwargs)
        except NeedsValues as error:
            output = _of_zeros(part, leaves, form)
            # Numbers that were computed from zeros are wrong.
            if output is None or numbers_in(output):
                raise NeedsValues([key]) from error
        found, form_of_output = _pytree.tree_flatten(output)
        if not all(isinstance(x, torch.Tensor) or is_plain(x) for x in found):
            raise NeedsValues([key])
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
