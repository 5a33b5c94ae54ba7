"""What a backbone calls before anything that learns, seen while it runs."""

import random
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils import _pytree

from sktransfer.deep._frozen_part import by_row

__all__ = ["Call", "frozen_calls", "is_frozen", "tensors_in"]

_PLAIN = (torch.Tensor, str, int, float, bool, type(None))


@dataclass(frozen=True)
class Call:
    """A call of a frozen part.

    Attributes
    ----------
    key : tuple of str and int
        The part as `named_modules` calls it, and how often it was called before.
    inside : tuple of tuple
        Keys of the calls that it is part of.
    outputs : list of torch.Tensor or None
        Copies of what it gave; None if that cannot be kept.
    """

    key: tuple
    inside: tuple
    outputs: list | None


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


class _Over(Exception):
    """Something learns from here on."""


def frozen_calls(backbone, frozen, X, *, to_the_end):
    """Run a backbone, and return what its frozen parts gave before anything learns.

    Random generators are left as they were.

    Parameters
    ----------
    backbone : nn.Module
        In the mode of interest.
    frozen : collection of str
        Its frozen parts.
    X : torch.Tensor of shape (n, ...)
        Rows.
    to_the_end : bool
        Whether what learns runs, too: then its buffers may change in training mode.

    Returns
    -------
    calls : list of Call
        Calls before anything learns or draws random numbers.
    output : object
        What the backbone returned; None if it was stopped.
    """
    start = _random_states()
    watch = _Watch(backbone, frozen, len(X), start, stops=not to_the_end)
    try:
        output = backbone(X)
    except _Over:
        output = None
    finally:
        watch.end()
        if _random_states() != start:
            _restore(start)
    return watch.calls, output


class _Watch:
    """Hooks on all parts of a backbone."""

    def __init__(self, backbone, frozen, n_rows, start, *, stops):
        self.calls, self.n_rows = [], n_rows
        self._start, self._stops = start, stops
        self._counts, self._open = {}, []
        self._is_over = False
        self._handles = []
        for name, part in backbone.named_modules():
            if name in frozen:
                before, after = self._entering(name), self._leaving(name)
                self._handles.append(part.register_forward_hook(after))
            else:
                before = self._learning(part)
            self._handles.append(part.register_forward_pre_hook(before))

    def end(self):
        """Take the hooks off."""
        while self._handles:
            self._handles.pop().remove()

    def _entering(self, name):
        def enter(part, args):
            number = self._counts.get(name, 0)
            self._counts[name] = number + 1
            self._open.append((name, number))

        return enter

    def _leaving(self, name):
        def leave(part, args, output):
            key = self._open.pop()
            leaves = tensors_in(output, self.n_rows)
            if self._is_over or any(p.requires_grad for p in leaves or ()):
                return
            if _random_states() != self._start:
                self._is_over = True  # nothing kept may depend on draws
                return
            outputs = leaves and [leaf.detach().clone() for leaf in leaves]
            self.calls.append(Call(key, tuple(self._open), outputs))

        return leave

    def _learning(self, part):
        def stop(part, args):
            self._is_over = True
            if self._stops:
                raise _Over

        def go_on(part, args):
            pass

        own = part.parameters(recurse=False)
        return stop if any(p.requires_grad for p in own) else go_on


def tensors_in(output, n_rows):
    """Return the tensors of an output; None if it cannot be kept row by row."""
    leaves = _pytree.tree_leaves(output)
    if not all(isinstance(leaf, _PLAIN) for leaf in leaves):
        return None
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    fit = all(
        t.is_floating_point() and t.ndim > 0 and len(t) == n_rows for t in tensors
    )
    return tensors if tensors and fit else None


def _random_states():
    """Return what the generators would draw next."""
    gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else []
    kind, keys, *rest = np.random.get_state()  # noqa: NPY002
    return (
        [state.tolist() for state in (torch.get_rng_state(), *gpus)],
        random.getstate(),
        [kind, keys.tolist(), *rest],
    )


def _restore(states):
    (cpu, *gpus), of_python, of_numpy = states
    torch.set_rng_state(torch.tensor(cpu, dtype=torch.uint8))
    if gpus:
        torch.cuda.set_rng_state_all([torch.tensor(g, dtype=torch.uint8) for g in gpus])
    random.setstate(of_python)
    np.random.set_state(tuple(of_numpy))  # noqa: NPY002
