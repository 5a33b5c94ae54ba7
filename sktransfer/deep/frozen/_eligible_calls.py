"""Which calls of frozen parts can be skipped, told from several runs of a backbone."""

import torch

from sktransfer.deep.frozen._call_shapes import PassedOn, Tried, is_plain
from sktransfer.deep.frozen._frozen_calls import frozen_calls
from sktransfer.deep.frozen._row_shapes import RowShape, Shape, row_shape

__all__ = ["are_same", "eligible_calls"]


def eligible_calls(twin, training, frozen, pair, refused):
    """Return the outermost calls that can be kept, in order.

    Parameters
    ----------
    twin : nn.Module
        In evaluation mode.
    training : nn.Module or None
        A copy in training mode, for a network in that mode.
    frozen : collection of str
        Frozen parts.
    pair : torch.Tensor
        A few rows.
    refused : set of tuple of str and int
        Calls that are not to be kept.

    Returns
    -------
    list of Call
        As they were with these rows.
    dict of tuple to Tried
        What is known of them for other numbers of rows.
    """
    refused, twice = set(refused), _Twice(twin, frozen, pair)
    says_lengths = hasattr(twin, "longest_row")
    while True:
        lists = _seen(twin, training, frozen, pair, refused)
        by_key = [
            {call.key: call for call in calls if call.can_be_kept} for calls in lists
        ]
        common = set(by_key[0]).intersection(*by_key[1:]) - refused
        tried = {
            key: _tried(
                [calls[key] for calls in by_key],
                len(pair),
                twice,
                says_lengths=says_lengths,
            )
            for key in common
        }
        common = {key for key in common if tried[key] is not None}
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
            if not all(are_same(call, calls[call.key]) for calls in others)
        }
        if around:
            refused |= around  # see what is inside of them
        elif changed:
            refused |= changed
        else:
            return chosen, {call.key: tried[call.key] for call in chosen}


class _Twice:
    """A run of one row, two times: what grows with rows, and not with their lengths."""

    def __init__(self, *args):
        self.args, self.calls = args, None

    def get(self, key):
        """Return a call; None if it is not seen."""
        if self.calls is None:
            twin, frozen, pair = self.args
            same = torch.cat([pair[:1], pair[:1]])
            calls = frozen_calls(twin, frozen, same, to_the_end=False)
            self.calls = {call.key: call for call in calls}
        return self.calls.get(key)


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


def _tried(calls, n_rows, twice, *, says_lengths):
    """Return what the runs have in common; None if that is not enough."""
    many, one, *others = calls
    found = _in_common(many, one, n_rows, says_lengths=says_lengths)
    if found is None:
        return None
    if says_lengths or found.is_ambiguous:
        again = twice.get(many.key)
        if again is None:
            return None
        found = _in_common(many, one, n_rows, again, says_lengths=says_lengths)
        if found is None:
            return None
    if not all(_were_alike(many, other, says_lengths) for other in others):
        return None
    by_rows = [found.axis_of(place) is not None for place in many.places]
    if not any(by_rows) or (many.has_parts and not all(by_rows)):
        return None
    return found


def _in_common(many, one, n_rows, twice=None, *, says_lengths):
    runs = [many, one] if twice is None else [many, one, twice]
    gave = _joined([run.gave for run in runs], n_rows)
    inputs = [], None
    if not says_lengths:
        inputs = _joined([run.inputs for run in runs], n_rows)
    if gave is None or inputs is None:
        return None
    # How it is packed must be known without the call.
    packed = frozenset() if says_lengths else many.packed
    known = {i for i, leaf in enumerate(gave[0]) if not isinstance(leaf, RowShape)}
    packed = {place for place in packed if known >= {place + 1, place + 2, place + 3}}
    return Tried(inputs, gave, frozenset(packed))


def _joined(runs, n_rows):
    """Join what was given in several runs; None if it was not the same."""
    lists, forms = zip(*runs, strict=True)
    if any(form != forms[0] for form in forms):
        return None
    found = []
    for many, one, *twice in zip(*lists, strict=True):
        if isinstance(many, Shape) and isinstance(one, Shape):
            shape = row_shape(one, many, n_rows, *twice)
            if shape is None:
                return None
            found.append(shape)
        else:
            is_same = _are_alike([many], [one]) and _are_alike([many], twice or [many])
            if not is_same:
                return None
            found.append(many)
    return found, forms[0]


def _were_alike(many, other, says_lengths):
    pairs = [(many.gave, other.gave)]
    pairs += [] if says_lengths else [(many.inputs, other.inputs)]
    return all(
        form == other_form and _are_alike(leaves, other_leaves)
        for (leaves, form), (other_leaves, other_form) in pairs
    )


def _are_alike(leaves, others):
    return (
        len(leaves) == len(others)
        and all(isinstance(x, Shape | PassedOn) or is_plain(x) for x in leaves)
        and all(
            type(x) is type(y) and x == y for x, y in zip(leaves, others, strict=True)
        )
    )


def are_same(one, other):
    """Whether two runs of a call gave the same numbers."""
    return (
        one.outputs is not None
        and other.outputs is not None
        and one.outputs.keys() == other.outputs.keys()
        and all(torch.equal(x, other.outputs[i]) for i, x in one.outputs.items())
    )
