"""Which frozen parts of a backbone are skipped, and what is kept of them."""

from dataclasses import dataclass
from itertools import groupby

import torch
from torch import nn
from torch.utils import _pytree

from sktransfer.deep.frozen._call_shapes import FoundShapes, TriedShapes
from sktransfer.deep.frozen._eligible_calls import are_same, eligible_calls
from sktransfer.deep.frozen._frozen_calls import frozen_calls, is_frozen
from sktransfer.deep.frozen._missing import Missing, NeedsValues
from sktransfer.deep.frozen._module_state import ModuleState, numbers_held
from sktransfer.deep.frozen._packed_rows import padded_rows
from sktransfer.deep.frozen._random_states import own_generators
from sktransfer.deep.frozen._replay import replaying, unreplaced_copy

__all__ = ["NotCut", "Plan", "longest_row", "make_plan"]


class NotCut(BaseException):
    """Says that a backbone cannot be cut; no part may take it for its own error."""


@dataclass(frozen=True)
class Kept:
    """What is kept of an output of a call.

    Attributes
    ----------
    place : int
        Which of the outputs.
    axis : int
        The axis of which each place is a row.
    sizes : tuple of int
        Its shape for the longest row, without that axis.
    is_packed : bool
        Whether it is the data of a packed sequence, which is kept padded.
    """

    place: int
    axis: int
    sizes: tuple
    is_packed: bool = False


@dataclass(frozen=True)
class Plan:
    """Which calls of frozen parts are skipped, and what is kept of them.

    Attributes
    ----------
    calls : tuple of tuple of str and int
        Calls that are skipped: the part, and how often it was called before.
    kept : tuple of tuple of str and int
        Those of whose outputs something is kept, in the order of use.
    outputs : tuple of tuple of Kept
        What is kept of each.
    has_lengths : bool
        Whether there are shorter rows.
    watched : frozenset of str
        Parts whose calls tell of rows that go another way.
    has_lengths : bool
        Whether there are shorter rows.
    fills_up : bool
        Whether rows are computed at the length of the longest row.
    """

    calls: tuple
    kept: tuple
    outputs: tuple
    watched: frozenset
    has_lengths: bool = False
    fills_up: bool = False

    def rows_of(self, key, output, n_rows):
        """Return what is to be kept of the output of a call, rows first."""
        leaves, packed, found = _pytree.tree_leaves(output), padded_rows(output), []
        for part in self.outputs[self.kept.index(key)]:
            leaf = leaves[part.place] if part.place < len(leaves) else None
            leaf = packed.get(part.place) if part.is_packed else leaf
            fits = isinstance(leaf, torch.Tensor) and leaf.is_floating_point()
            if not fits or leaf.is_nested or leaf.ndim != 1 + len(part.sizes):
                raise NotCut
            if leaf.shape[part.axis] != n_rows:
                raise NotCut
            found.append(leaf.movedim(part.axis, 0))
        return found

    def join(self, outputs):
        """Return one row of numbers for each row of what is kept of the calls.

        Outputs of shorter rows are filled up.
        """
        columns = []
        for call, parts in zip(self.kept, self.outputs, strict=True):
            for found, part in zip(outputs[call], parts, strict=True):
                shape = tuple(found.shape[1:])
                if shape != part.sizes:
                    found = self._filled(found, shape, part.sizes)
                columns.append(found.reshape(len(found), -1))
        return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)

    def _filled(self, found, shape, size):
        if not self.has_lengths or len(shape) != len(size):
            raise NotCut
        if any(have > most for have, most in zip(shape, size, strict=True)):
            raise NotCut
        filled = found.new_zeros((len(found), *size))
        filled[tuple(slice(0, n) for n in found.shape)] = found
        return filled

    def split(self, rows):
        """Return the outputs by the call and their place in it: the way back."""
        outputs, start = {}, 0
        for call, parts in zip(self.kept, self.outputs, strict=True):
            for part in parts:
                stop = start + torch.Size(part.sizes).numel()
                found = rows[:, start:stop].reshape(len(rows), *part.sizes)
                outputs[*call, part.place] = found.movedim(0, part.axis)
                start = stop
        return outputs


def make_plan(network, twin, sample):
    """Yield plans to try, the cheapest first; raise `NotCut` if there is none.

    Parameters
    ----------
    network : Network
        In the mode in which it is used.
    twin : nn.Module
        A copy of its backbone that shares the weights, in evaluation mode.
    sample : torch.Tensor
        A few rows.

    Yields
    ------
    plan : Plan
        What to skip and to keep.
    shapes : TriedShapes or FoundShapes
        Tells the shapes of what is skipped.
    """
    lists = {id(part) for part in network.frozen}
    frozen = {
        name
        for name, part in network.backbone.named_modules()
        if id(part) in lists and is_frozen(twin.get_submodule(name))
    }
    if not _compute(twin, frozen):
        raise NotCut
    pair, says_lengths = sample, hasattr(twin, "longest_row")
    if says_lengths and len(twin.groups_of(sample)) > 1:
        pair = torch.cat([sample[:1], sample[:1]])
    training = _in_training(network, twin) if network.training else None
    refused, opened = set(), None
    while opened is None or opened - refused:
        refused |= opened or set()
        found, tried = eligible_calls(twin, training, frozen, pair, refused)
        shapes = FoundShapes() if says_lengths else TriedShapes(tried)
        calls, kept = _what_is_needed(twin, found, tried, pair, shapes)
        # Of what must run, as its shapes depend on values, the parts may be skipped.
        running = [call for call in found if call.key not in calls and call.has_parts]
        opened = {call.key for call in running if tried[call.key].has_lengths}
    if not kept or not _compute(twin, {name for name, _ in calls}):
        raise NotCut
    if training is not None and (
        _moves(training, calls, pair)
        or not _gives_the_same_again(training, frozen, found, pair, refused)
    ):
        raise NotCut
    has_lengths = says_lengths or any(tried[key].has_lengths for key in calls)
    row_shapes = {origin: tried[origin[:2]].outputs[0][origin[2]] for origin in kept}
    sizes = {origin: shape.sizes for origin, shape in row_shapes.items()}
    fills = says_lengths or any(shape.has_lengths for shape in row_shapes.values())
    if fills:
        sizes = _longest_sizes(twin, frozen, sample, kept)
    outputs = {key: [] for key, _ in groupby(kept, key=lambda origin: origin[:2])}
    for origin in kept:
        key, place = origin[:2], origin[2]
        axis, size = tried[key].axis_of(place), sizes[origin]
        is_packed = place in tried[key].packed  # data of one row has no axis of rows
        size = size if is_packed else size[:axis] + size[axis + 1 :]
        outputs[key].append(Kept(place, axis, size, is_packed))
    parts = tuple(map(tuple, outputs.values()))
    watched = {name for name, _ in calls} | _with_weights(twin, frozen)
    for fills_up in (False, True) if fills else (False,):
        plan = Plan(
            tuple(calls),
            tuple(outputs),
            parts,
            frozenset(watched),
            has_lengths=has_lengths,
            fills_up=fills_up,
        )
        yield plan, shapes


def longest_row(backbone, X):
    """Return one row without padding at its end."""
    if hasattr(backbone, "longest_row"):
        return backbone.longest_row(X)
    # Whole numbers stand for words, and the first of a text is seldom padding.
    first = 0 if X.is_floating_point() else X.flatten()[0].item()
    return torch.full_like(X[:1], first or X.max().item() or X.min().item() or 1)


def _longest_sizes(twin, frozen, sample, kept):
    with torch.no_grad():
        given = longest_row(twin, sample)
        calls = frozen_calls(twin, frozen, given, to_the_end=False)
    gave = {call.key: call.gave[0] for call in calls if call.can_be_kept}
    if not gave.keys() >= {origin[:2] for origin in kept}:
        raise NotCut
    return {origin: gave[origin[:2]][origin[2]].sizes for origin in kept}


def _with_weights(twin, names):
    parts = {name: twin.get_submodule(name) for name in names}
    return {
        name for name, part in parts.items() if any(True for _ in part.parameters())
    }


def _compute(backbone, names):
    """Whether parts do more than look up vectors and scale them."""
    return any(
        parameter.ndim > 1
        for name in names
        for inner in backbone.get_submodule(name).modules()
        if not isinstance(inner, nn.Embedding)
        for parameter in inner.parameters(recurse=False)
    )


def _in_training(network, twin):
    """Copy the twin, in the mode of the network."""
    copied = unreplaced_copy(twin, own_buffers=True)
    modes = zip(network.backbone.modules(), copied.modules(), strict=True)
    for original, part in modes:
        part.training = original.training
    return copied


def _moves(training, calls, pair):
    """Whether what calls the parts may call them otherwise, as training goes on."""
    paths = [name.split(".") for name, _ in calls]
    names = {".".join(path[:n]) for path in paths for n in range(len(path))}
    holders = [training.get_submodule(name) for name in names]
    before, generators = ModuleState(holders), own_generators(holders)
    numbers = numbers_held(holders)
    with torch.no_grad():
        training(pair)
    return (
        before.has_moved()
        or own_generators(holders) != generators
        or numbers_held(holders) != numbers
    )


def _gives_the_same_again(training, frozen, found, pair, refused):
    """Whether calls give the same after a batch that went through the whole network."""
    refused = refused.union(*(call.inside for call in found))
    settings = {"refused": refused, "to_the_end": False}
    after = {c.key: c for c in frozen_calls(training, frozen, pair, **settings)}
    return all(c.key in after and are_same(c, after[c.key]) for c in found)


def _what_is_needed(twin, found, tried, pair, shapes):
    """Return the calls to skip, and which of their outputs the rest needs."""
    outputs = {(*call.key, i): x for call in found for i, x in call.outputs.items()}
    outputs = {
        o: x for o, x in outputs.items() if tried[o[:2]].axis_of(o[2]) is not None
    }
    calls, kept = [call.key for call in found], set()
    for _ in range(len(calls) + 2 * len(outputs) + 1):
        before = ModuleState(twin.modules())
        try:
            given = {origin: outputs[origin] for origin in kept}
            with torch.no_grad(), replaying(twin, calls, given, shapes, len(pair)):
                output = twin(pair)
            absent = [output, *before.missing_now()]
            origins = [x.origins for x in absent if isinstance(x, Missing)]
            if origins:
                raise NeedsValues(frozenset().union(*origins))
        except NeedsValues as error:
            needed = error.origins
            if not needed or not {origin[:2] for origin in needed} <= set(calls):
                raise NotCut from error
            # No shapes without values, or nothing to be kept by rows: they must run.
            run = {o[:2] for o in needed if o in kept or o not in outputs}
            calls = [key for key in calls if key not in run]
            kept = {o for o in kept | needed if o[:2] in calls}
            before.restore()
            continue
        return calls, [origin for origin in outputs if origin in kept]
    raise NotCut
