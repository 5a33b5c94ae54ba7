"""Which frozen parts of a backbone are skipped, and what is kept of them."""

from dataclasses import dataclass

import torch
from torch import nn

from sktransfer.deep._call_shapes import FixedShapes, FoundShapes, Shape
from sktransfer.deep._frozen_calls import frozen_calls, is_frozen
from sktransfer.deep._missing import Missing, NeedsValues
from sktransfer.deep._module_state import ModuleState
from sktransfer.deep._random_states import own_generators
from sktransfer.deep._replay import replaying, unreplaced_copy

__all__ = ["NotCut", "Plan", "make_plan"]


class NotCut(BaseException):
    """Says that a backbone cannot be cut; no part may take it for its own error."""


@dataclass(frozen=True)
class Plan:
    """Which calls of frozen parts are skipped, and what is kept of them.

    Attributes
    ----------
    calls : tuple of tuple of str and int
        Calls that are skipped: the part, and how often it was called before.
    kept : tuple of tuple of str and int
        Those whose outputs are kept, in the order of use.
    sizes : tuple of tuple of tuple of int
        Shapes of these outputs for the longest row, without the number of rows.
    has_lengths : bool
        Whether there are shorter rows.
    fills_up : bool
        Whether rows are computed at the length of the longest row.
    """

    calls: tuple
    kept: tuple
    sizes: tuple
    has_lengths: bool = False
    fills_up: bool = False

    def join(self, outputs):
        """Return one row of numbers for each row of the outputs of the calls.

        Outputs of shorter rows are filled up.
        """
        columns = []
        for call, sizes in zip(self.kept, self.sizes, strict=True):
            if len(outputs[call]) != len(sizes):
                raise NotCut
            for found, size in zip(outputs[call], sizes, strict=True):
                shape = tuple(found.shape[1:])
                if shape != size:
                    found = self._filled(found, shape, size)
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
        """Return the outputs of the calls by call: the way back."""
        outputs, start = {}, 0
        for call, sizes in zip(self.kept, self.sizes, strict=True):
            outputs[call] = []
            for size in sizes:
                stop = start + torch.Size(size).numel()
                outputs[call].append(rows[:, start:stop].reshape(len(rows), *size))
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
    shapes : FixedShapes or FoundShapes
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
    has_lengths = hasattr(twin, "longest_row")
    pair = sample
    if has_lengths and len(twin.groups_of(sample)) > 1:
        pair = torch.cat([sample[:1], sample[:1]])
    training = _in_training(network, twin) if network.training else None
    found = _eligible(twin, training, frozen, pair, has_lengths)
    shapes = FoundShapes() if has_lengths else FixedShapes(found, len(pair))
    calls, kept = _what_is_needed(twin, found, pair, shapes)
    if not kept or not _compute(twin, {name for name, _ in calls}):
        raise NotCut
    if training is not None and _moves(training, calls, pair):
        raise NotCut
    longest, ways = found, (False,)
    if has_lengths:
        given = twin.longest_row(sample)
        with torch.no_grad():
            longest = frozen_calls(twin, frozen, given, to_the_end=False)
        ways = False, True
    tensors = {call.key: call.shapes for call in longest if call.can_be_kept}
    if not tensors.keys() >= set(kept):
        raise NotCut
    sizes = tuple(
        tuple(x.sizes[1:] for x in tensors[key] if isinstance(x, Shape)) for key in kept
    )
    for fills_up in ways:
        yield Plan(tuple(calls), tuple(kept), sizes, has_lengths, fills_up), shapes


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
    with torch.no_grad():
        training(pair)
    return before.has_moved() or own_generators(holders) != generators


def _eligible(twin, training, frozen, pair, has_lengths):
    """Return the outermost calls that can be kept, in order."""
    refused = set()
    while True:
        lists = _seen(twin, training, frozen, pair, refused)
        by_key = [
            {call.key: call for call in calls if call.can_be_kept} for calls in lists
        ]
        common = {
            key
            for key in set(by_key[0]).intersection(*by_key[1:]) - refused
            if has_lengths or _are_fixed([calls[key] for calls in by_key])
        }
        chosen = [
            call
            for call in lists[0]
            if call.key in common and not common.intersection(call.inside)
        ]
        around = {key for call in chosen for key in call.inside} - refused
        # The second of the lists is of one row, those after it are of training mode.
        others = [by_key[0], *by_key[2:]]
        changed = {
            call.key
            for call in chosen
            if not all(_are_same(call, calls[call.key]) for calls in others)
        }
        if around:
            refused |= around  # see what is inside of them
        elif changed:
            refused |= changed
        else:
            return chosen


def _seen(twin, training, frozen, pair, refused):
    """Return the calls of several runs, in the modes of interest."""
    settings = {"refused": refused, "to_the_end": False}
    seen = frozen_calls(twin, frozen, pair, refused=refused, to_the_end=True)
    lists = [seen, frozen_calls(twin, frozen, pair[:1], **settings)]
    if training is not None:
        # Twice: what a network remembers of the last batch may change the next one.
        for _ in range(2):
            lists.append(frozen_calls(training, frozen, pair, **settings))
    return lists


def _are_fixed(calls):
    """Whether calls were given what can be told apart, and gave the same shapes."""
    shapes = [
        [x.sizes[1:] for x in call.shapes if isinstance(x, Shape)] for call in calls
    ]
    forms = [call.form for call in calls]
    return (
        all(call.is_fixed() for call in calls)
        and all(each == shapes[0] for each in shapes)
        and all(form == forms[0] for form in forms)
    )


def _are_same(one, other):
    if one.outputs is None or other.outputs is None:
        return False
    return len(one.outputs) == len(other.outputs) and all(
        map(torch.equal, one.outputs, other.outputs)
    )


def _what_is_needed(twin, found, pair, shapes):
    """Return the calls to skip, and those whose values the rest needs."""
    outputs = {call.key: call.outputs for call in found}
    calls, kept = list(outputs), set()
    for _ in range(2 * len(calls) + 1):
        before = ModuleState(twin.modules())
        try:
            given = {key: outputs[key] for key in kept}
            with torch.no_grad(), replaying(twin, calls, given, shapes, len(pair)):
                output = twin(pair)
            absent = [output, *before.missing_now()]
            origins = [x.origins for x in absent if isinstance(x, Missing)]
            if origins:
                raise NeedsValues(frozenset().union(*origins))
        except NeedsValues as error:
            if not error.origins or not error.origins <= set(calls):
                raise NotCut from error
            if error.origins <= kept:  # no shapes without values: they must run
                calls = [key for key in calls if key not in error.origins]
            kept = (kept | error.origins) & set(calls)
            before.restore()
            continue
        return calls, [key for key in calls if key in kept]
    raise NotCut
