"""Which frozen parts of a backbone are skipped, and what is kept of them."""

from dataclasses import dataclass

import torch
from torch import nn

from sktransfer.deep._frozen_calls import frozen_calls, is_frozen
from sktransfer.deep._missing import Missing, NeedsValues
from sktransfer.deep._replay import replaying

__all__ = ["NotCut", "Plan", "make_plan"]


class NotCut(Exception):
    """Says that a backbone cannot be cut."""


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
    fills_up : bool
        Whether rows are computed at the length of the longest row.
    """

    calls: tuple
    kept: tuple
    sizes: tuple
    fills_up: bool = False

    def join(self, outputs):
        """Return one row of numbers for each row of the outputs of the calls.

        Outputs of shorter rows are filled up.
        """
        columns = []
        for call, sizes in zip(self.kept, self.sizes, strict=True):
            for found, size in zip(outputs[call], sizes, strict=True):
                shape = tuple(found.shape[1:])
                if len(shape) != len(size) or any(
                    have > most for have, most in zip(shape, size, strict=True)
                ):
                    raise NotCut
                if shape != size:
                    filled = found.new_zeros((len(found), *size))
                    filled[tuple(slice(0, n) for n in found.shape)] = found
                    found = filled
                columns.append(found.reshape(len(found), -1))
        return columns[0] if len(columns) == 1 else torch.cat(columns, dim=1)

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
        A copy of its backbone that shares the tensors, in evaluation mode.
    sample : torch.Tensor
        A few rows.
    """
    lists = {id(part) for part in network.frozen}
    frozen = {
        name
        for name, part in network.backbone.named_modules()
        if id(part) in lists and is_frozen(twin.get_submodule(name))
    }
    if not _compute(twin, frozen):
        raise NotCut
    pair = sample
    if hasattr(twin, "groups_of") and len(twin.groups_of(sample)) > 1:
        pair = torch.cat([sample[:1], sample[:1]])
    found, whole = _eligible(network, twin, frozen, pair)
    calls, kept = _what_is_needed(twin, found, pair, whole)
    if not kept or not _compute(twin, {name for name, _ in calls}):
        raise NotCut
    longest, ways = found, (False,)
    if hasattr(twin, "longest_row"):
        given = twin.longest_row(sample)
        with torch.no_grad():
            seen, _ = frozen_calls(twin, frozen, given, to_the_end=False)
        longest, ways = {call.key: call.outputs for call in seen}, (False, True)
    if not all(longest.get(key) for key in kept):
        raise NotCut
    sizes = tuple(tuple(tuple(t.shape[1:]) for t in longest[key]) for key in kept)
    for fills_up in ways:
        yield Plan(tuple(calls), tuple(kept), sizes, fills_up)


def _compute(backbone, names):
    """Whether parts do more than look up vectors and scale them."""
    return any(
        parameter.ndim > 1
        for name in names
        for inner in backbone.get_submodule(name).modules()
        if not isinstance(inner, nn.Embedding)
        for parameter in inner.parameters(recurse=False)
    )


def _eligible(network, twin, frozen, pair):
    """Return the outermost calls that can be kept, in order, and the whole output."""
    seen, whole = frozen_calls(twin, frozen, pair, to_the_end=True)
    lists = [seen, frozen_calls(twin, frozen, pair[:1], to_the_end=False)[0]]
    if network.training:
        modes = zip(network.backbone.modules(), twin.modules(), strict=True)
        try:
            for original, copied in modes:
                copied.training = original.training
            in_training, _ = frozen_calls(twin, frozen, pair, to_the_end=False)
        finally:
            twin.eval()
        lists.append(in_training)
    by_key = [{call.key: call for call in calls if call.outputs} for calls in lists]
    common = set(by_key[0]).intersection(*by_key[1:])
    if network.training:
        common = {key for key in common if _same(by_key[0][key], by_key[-1][key])}
    return {
        call.key: call.outputs
        for call in seen
        if call.key in common and not common.intersection(call.inside)
    }, whole


def _same(one, other):
    pairs = zip(one.outputs, other.outputs, strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def _what_is_needed(twin, found, pair, whole):
    """Return the calls to skip, and those whose values the rest needs."""
    calls, kept, shapes = list(found), set(), {}
    for _ in range(2 * len(found) + 1):
        try:
            given = {key: found[key] for key in kept}
            with torch.no_grad(), replaying(twin, calls, given, shapes):
                output = twin(pair)
            if isinstance(output, Missing):
                raise NeedsValues(output.origins)
        except NeedsValues as error:
            if not error.origins or not error.origins <= set(calls):
                raise NotCut from error
            if error.origins <= kept:  # no shapes without values: they must run
                calls = [key for key in calls if key not in error.origins]
            kept = (kept | error.origins) & set(calls)
            continue
        return calls, [key for key in calls if key in kept]
    raise NotCut
