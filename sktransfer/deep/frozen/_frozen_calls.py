"""What a backbone calls before anything that learns, seen while it runs."""

from dataclasses import dataclass

import torch
from torch.utils import _pytree

from sktransfer.deep.frozen._call_shapes import (
    PassedOn,
    is_plain,
    numbers_in,
    without_values,
)
from sktransfer.deep.frozen._frozen_part import by_row
from sktransfer.deep.frozen._missing import NeedsValues
from sktransfer.deep.frozen._module_state import ModuleState, version_of
from sktransfer.deep.frozen._packed_rows import padded_rows
from sktransfer.deep.frozen._random_states import RandomStates
from sktransfer.deep.frozen._row_shapes import Shape

__all__ = ["Call", "frozen_calls", "is_frozen"]


@dataclass
class Call:
    """A call of a frozen part.

    Attributes
    ----------
    key : tuple of str and int
        The part as `named_modules` calls it, and how often it was called before.
    inside : tuple of tuple
        Keys of the calls that it is part of.
    inputs : tuple of list and TreeSpec
        What it was given, with shapes in place of tensors.
    gave : tuple of list and TreeSpec
        What it gave, with shapes in place of tensors, and `PassedOn` for its inputs.
    outputs : dict of int to torch.Tensor, or None
        Copies of the tensors that it gave, by their places in the list; None if they
        cannot be kept, or if those of a call that it is part of can.
    can_be_kept : bool
        Whether nothing else comes of the call than these tensors.
    has_parts : bool
        Whether the call is made of others.
    packed : frozenset of int
        Places in what it gave where there is data of a packed sequence; in `outputs`
        this is padded.
    """

    key: tuple
    inside: tuple
    inputs: tuple
    gave: tuple
    outputs: dict | None
    can_be_kept: bool
    has_parts: bool
    packed: frozenset

    @property
    def places(self):
        """Where there are tensors in what it gave."""
        return [i for i, leaf in enumerate(self.gave[0]) if isinstance(leaf, Shape)]


def is_frozen(part):
    """Whether the outputs of a part are always the same, row by row.

    A part that somebody watches or has changed is none.
    """
    return (
        not any(p.requires_grad for p in part.parameters())
        and by_row(part)
        and not isinstance(part, torch.jit.ScriptModule)
        and not any(
            inner._forward_hooks or inner._forward_pre_hooks or "forward" in vars(inner)
            for inner in part.modules()
        )
    )


class _Over(BaseException):
    """Something learns from here on; no part may take it for an error of its own."""


def frozen_calls(backbone, frozen, X, *, refused=frozenset(), to_the_end):
    """Run a backbone, and return what its frozen parts gave before anything learns.

    Parameters
    ----------
    backbone : nn.Module
        In the mode of interest.
    frozen : collection of str
        Its frozen parts.
    X : torch.Tensor of shape (n, ...)
        Rows.
    refused : collection of tuple of str and int
        Calls that are not to be kept.
    to_the_end : bool
        Whether what learns runs, too: then its buffers may change in training mode.

    Returns
    -------
    list of Call
        Calls before anything learns or draws random numbers.
    """
    watch = _Watch(backbone, frozen, len(X), refused, stops=not to_the_end)
    try:
        backbone(X)
    except _Over:
        pass
    finally:
        watch.end()
    return watch.calls


class _Running:
    """A call that has begun."""

    def __init__(self, key, part, given):
        self.key, self.part, self.given = key, part, given
        self.state = ModuleState(part.modules())
        self.leaves, form = _pytree.tree_flatten(given)
        self.tensors = [leaf for leaf in self.leaves if isinstance(leaf, torch.Tensor)]
        self.versions = [version_of(tensor) for tensor in self.tensors]
        self.inputs = list(map(Shape.of_tensor, self.leaves)), form

    def described(self, leaf):
        """Return what stands for an output."""
        if not isinstance(leaf, torch.Tensor) or leaf.is_floating_point():
            return Shape.of_tensor(leaf)
        same = [place for place, given in enumerate(self.leaves) if given is leaf]
        return PassedOn(same[0]) if same else Shape.of_tensor(leaf)

    def has_changed_something(self):
        """Whether anything but its output tells of the call."""
        leaves = _pytree.tree_leaves(self.given)
        return (
            list(map(id, leaves)) != list(map(id, self.leaves))
            or [version_of(tensor) for tensor in self.tensors] != self.versions
            or not self.state.is_same()
        )


class _Watch:
    """Hooks on all parts of a backbone."""

    def __init__(self, backbone, frozen, n_rows, refused, *, stops):
        self.calls, self.n_rows = [], n_rows
        self._start, self._refused, self._stops = RandomStates(), refused, stops
        self._counts, self._open, self._views = {}, [], []
        self._is_over = self._pauses = False
        self._handles = []
        for name, part in backbone.named_modules():
            if name in frozen:
                before, after = self._entering(name), self._leave
                handle = part.register_forward_hook(after, with_kwargs=True)
                self._handles.append(handle)
            else:
                before = self._learning(part)
            handle = part.register_forward_pre_hook(before, with_kwargs=True)
            self._handles.append(handle)

    def end(self):
        """Take the hooks off, and give up calls whose outputs changed with others."""
        while self._handles:
            self._handles.pop().remove()
        for call, leaf, version in self._views:
            if version_of(leaf) != version:
                call.outputs, call.can_be_kept = None, False

    def _entering(self, name):
        def enter(part, args, kwargs):
            if self._pauses:
                return
            number = self._counts.get(name, 0)
            self._counts[name] = number + 1
            self._open.append(_Running((name, number), part, (args, kwargs)))

        return enter

    def _leave(self, part, args, kwargs, output):
        if self._pauses:
            return
        running = self._open.pop()
        while running.part is not part:  # that one ended by an error
            running = self._open.pop()
        leaves, form = _pytree.tree_flatten(output)
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if self._is_over or any(tensor.requires_grad for tensor in tensors):
            return
        if RandomStates() != self._start:
            self._is_over = True  # nothing kept may depend on draws
            return
        packed = padded_rows(output)
        kept = _by_rows(leaves, self.n_rows) | packed
        # Of a call that is made of others all is kept, or what is inside is looked at.
        is_whole = not any(True for _ in part.children()) or len(kept) == len(tensors)
        can_be_kept = (
            len(kept) > 0
            and is_whole
            and all(isinstance(x, torch.Tensor) or is_plain(x) for x in leaves)
            and not running.has_changed_something()
            and self._has_own_numbers(running, output)
        )
        kept = kept if can_be_kept else None
        self._add(running, (leaves, form), kept, frozenset(packed))

    def _has_own_numbers(self, running, output):
        """Whether numbers beside the tensors do not depend on values."""
        numbers = numbers_in(output)
        if not numbers:
            return True
        self._pauses = True
        try:
            output = without_values(running.part, *running.given)
        except NeedsValues:
            return False
        finally:
            self._pauses = False
        return numbers_in(output) == numbers

    def _add(self, running, gave, kept, packed):
        key = running.key
        outputs = None
        if kept is not None and key not in self._refused:
            outputs = {place: leaf.detach().clone() for place, leaf in kept.items()}
            for call in self.calls:
                if key in call.inside:
                    call.outputs = None  # one is enough
        self.calls.append(
            Call(
                key,
                tuple(outer.key for outer in self._open),
                running.inputs,
                ([running.described(leaf) for leaf in gave[0]], gave[1]),
                outputs,
                can_be_kept=kept is not None,
                has_parts=any(True for _ in running.part.children()),
                packed=packed,
            )
        )
        if kept is not None and _are_views(kept.values(), running.tensors):
            views = [(self.calls[-1], x, version_of(x)) for x in kept.values()]
            self._views += views

    def _learning(self, part):
        def stop(part, args, kwargs):
            self._is_over = True
            if self._stops:
                raise _Over

        def go_on(part, args, kwargs):
            pass

        own = part.parameters(recurse=False)
        return stop if any(p.requires_grad for p in own) else go_on


def _by_rows(leaves, n_rows):
    """Return the tensors that may have a place for each row, by their places."""
    return {
        place: leaf
        for place, leaf in enumerate(leaves)
        if isinstance(leaf, torch.Tensor)
        and leaf.is_floating_point()
        and not leaf.is_nested
        and n_rows in leaf.shape
    }


def _are_views(leaves, others):
    """Whether a tensor shares its memory with others, or with another one of these."""
    places = [leaf.untyped_storage().data_ptr() for leaf in leaves]
    others = {tensor.untyped_storage().data_ptr() for tensor in others}
    return len({*places}) < len(places) or not others.isdisjoint(places)
