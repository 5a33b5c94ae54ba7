"""A backbone that runs without its frozen parts: what they gave is given again."""

import copy
import threading
from contextlib import contextmanager

import torch
from torch.utils import _pytree

from sktransfer.deep._missing import Missing, NeedsValues, missing

__all__ = ["replaying", "unreplaced_copy"]

_PLAIN = (torch.Tensor, str, int, float, bool, type(None), torch.dtype, torch.device)
_NOWHERE = frozenset()
_running, _lock = threading.local(), threading.Lock()


@contextmanager
def replaying(backbone, calls, kept, shapes):
    """Skip frozen parts of a backbone in this thread, inside of the block.

    Parts that are called return what is kept of the call, or tensors without values.
    `NeedsValues` is raised where the values matter.

    Parameters
    ----------
    backbone : nn.Module
        Its frozen parts are skipped, until the block ends.
    calls : sequence of tuple of str and int
        The calls to skip: part, and how often it was called before.
    kept : dict of tuple to list of torch.Tensor
        What some of the calls gave. Tensors may be longer than they were in the call:
        they are cut to the shape that the call would give.
    shapes : dict
        Gets the shapes of calls, which are found once for all inputs of the same
        shapes.
    """
    replay = _Replay(calls, kept, shapes)
    parts = [(name, backbone.get_submodule(name)) for name in {n for n, _ in calls}]
    with _lock:
        for name, part in parts:
            _StandIn.enter(part, name)
    before = getattr(_running, "replay", None)
    _running.replay = replay
    try:
        yield
    finally:
        _running.replay = before
        with _lock:
            for _, part in parts:
                _StandIn.leave(part)


def unreplaced_copy(module):
    """Copy a module and share its tensors, also while other threads skip its parts.

    Parameters
    ----------
    module : nn.Module
        Left as it is.

    Returns
    -------
    nn.Module
    """
    memo = {id(t): t for t in [*module.parameters(), *module.buffers()]}
    with _lock:
        copied = copy.deepcopy(module, memo)
    for part in copied.modules():
        if isinstance(vars(part).get("forward"), _StandIn):
            del part.forward
    return copied


class _StandIn:
    """In the place of the forward pass of a part; other threads do not notice."""

    def __init__(self, part, name):
        self.part, self.name, self.n_users = part, name, 0

    @staticmethod
    def enter(part, name):
        """Take the place."""
        if "forward" not in vars(part):
            part.forward = _StandIn(part, name)
        part.forward.n_users += 1

    @staticmethod
    def leave(part):
        """Give the place back, once nobody uses it."""
        part.forward.n_users -= 1
        if part.forward.n_users == 0:
            del part.forward

    def __call__(self, *args, **kwargs):
        """Answer for the part, or let it run."""
        replay = getattr(_running, "replay", None)
        if replay is None:
            return self._run(*args, **kwargs)
        return replay.answer(self.name, self._run, args, kwargs)

    def _run(self, *args, **kwargs):
        return type(self.part).forward(self.part, *args, **kwargs)


class _Replay:
    def __init__(self, calls, kept, shapes):
        self.calls, self.kept, self.shapes = frozenset(calls), kept, shapes
        self.counts = {}

    def answer(self, name, run, args, kwargs):
        """Return what is kept of a call, or tensors without values."""
        key = name, self.counts.get(name, 0)
        self.counts[name] = key[1] + 1
        if key not in self.calls:
            return run(*args, **kwargs)
        leaves, form = _pytree.tree_flatten((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        if any(t.requires_grad for t in tensors):
            raise NeedsValues([key])  # it was not before what learns
        found, form_of_output = self._shapes_of(key, run, leaves, form)
        device = tensors[0].device if tensors else torch.device("cpu")
        given = iter(self.kept.get(key, ()))
        outputs = []
        for leaf in found:
            if isinstance(leaf, _Shape) and key in self.kept:
                outputs.append(leaf.of(next(given)))
            elif isinstance(leaf, _Shape):
                absent = missing(leaf.shape, leaf.dtype, device, frozenset([key]))
                outputs.append(absent)
            else:
                outputs.append(leaf)
        return _pytree.tree_unflatten(outputs, form_of_output)

    def _shapes_of(self, key, run, leaves, form):
        if not all(isinstance(leaf, _PLAIN) for leaf in leaves):
            return self._new_shapes(key, run, leaves, form)
        signature = key, str(form), tuple(map(_described, leaves))
        if signature not in self.shapes:
            self.shapes[signature] = self._new_shapes(key, run, leaves, form)
        return self.shapes[signature]

    def _new_shapes(self, key, run, leaves, form):
        """Let the part run on tensors without values, or else on zeros."""
        for prepared in (_emptied, _zeros):
            args, kwargs = _pytree.tree_unflatten(map(prepared, leaves), form)
            try:
                with torch.no_grad():
                    found, form_of_output = _pytree.tree_flatten(run(*args, **kwargs))
                break
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # whatever the part says of such tensors
                reason = error
        else:
            raise NeedsValues([key]) from reason
        if not all(isinstance(leaf, _PLAIN) for leaf in found):
            raise NeedsValues([key])
        return [_Shape.of_tensor(leaf) for leaf in found], form_of_output


class _Shape:
    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype

    @classmethod
    def of_tensor(cls, leaf):
        """Return the shape of a tensor; what is none stays as it is."""
        if not isinstance(leaf, torch.Tensor):
            return leaf
        return cls(tuple(leaf.shape), leaf.dtype)

    def of(self, tensor):
        """Copy what of a tensor has this shape: it may be changed in place."""
        if tensor.ndim != len(self.shape) or any(
            have < want for have, want in zip(tensor.shape, self.shape, strict=True)
        ):
            raise NeedsValues(["a longer row"])
        cut = tensor[tuple(slice(0, size) for size in self.shape)]
        return cut.to(self.dtype, copy=True)


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
