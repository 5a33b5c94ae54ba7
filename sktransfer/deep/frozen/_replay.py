"""A backbone that runs without its frozen parts: what they gave is given again."""

import copy
import sys
import threading
from contextlib import contextmanager, nullcontext

import torch
from torch import nn
from torch.utils import _pytree

from sktransfer.deep.frozen._call_path import CallPath
from sktransfer.deep.frozen._missing import Missing, NeedsValues, missing
from sktransfer.deep.frozen._packed_rows import packed_rows
from sktransfer.deep.frozen._row_shapes import Shape

__all__ = ["replaying", "unreplaced_copy", "with_other_weights"]

_running, _lock = threading.local(), threading.Lock()
_top_hooks = getattr(torch._C._autograd, "_top_saved_tensors_default_hooks", None)


@contextmanager
def replaying(backbone, calls, kept, shapes, n_rows, *, watched=(), watches_torch=True):
    """Skip frozen parts of a backbone in this thread, inside of the block.

    Parts that are called return what is kept of the call, or tensors without values.
    `NeedsValues` is raised where the values matter.

    Parameters
    ----------
    backbone : nn.Module
        Its frozen parts are skipped, until the block ends.
    calls : sequence of tuple of str and int
        The calls to skip: part, and how often it was called before.
    kept : dict of tuple to torch.Tensor
        What some of the calls gave, by the call and the place among its outputs.
        Tensors may be longer than they were in the call: they are cut to the shape that
        the call would give.
    shapes : TriedShapes or FoundShapes
        Tells the shapes of what the calls would give.
    n_rows : int
        Rows that the backbone is given.
    watched : collection of str, default=()
        Other parts whose calls are noted.
    watches_torch : bool, default=True
        Whether calls of torch are noted, too.

    Yields
    ------
    CallPath
        What was done until all that is kept was given.
    """
    replay = _Replay(calls, kept, shapes, n_rows)
    before = getattr(_running, "replay", None)
    entered = []
    try:
        for name in {name for name, _ in calls}.union(watched):
            part = backbone.get_submodule(name)
            with _lock:
                _StandIn.enter(part, name)
                entered.append(part)
        _running.replay = replay
        with replay.path if watches_torch else nullcontext():
            yield replay.path
    finally:
        _running.replay = before
        with _lock:
            for part in entered:
                _StandIn.leave(part)


def unreplaced_copy(module, *, own_buffers=False, others=None):
    """Copy a module and share its tensors, also while other threads skip its parts.

    What its last forward pass left in attributes is shared without its gradients.

    Parameters
    ----------
    module : nn.Module
        Left as it is.
    own_buffers : bool, default=False
        Whether the buffers are copied, too, and parameters that a part in training
        mode may move by itself: those that do not learn.
    others : dict of int to torch.Tensor, default=None
        What takes the place of some tensors, by their `id`.

    Returns
    -------
    nn.Module
    """
    shared = [*module.parameters(), *(() if own_buffers else module.buffers())]
    if own_buffers:
        kept = {
            id(p) for part in module.modules() if part.training for p in _kept(part)
        }
        shared = [tensor for tensor in shared if id(tensor) not in kept]
    left = _pytree.tree_leaves([list(vars(part).values()) for part in module.modules()])
    left = [x for x in left if isinstance(x, torch.Tensor) and not x.is_leaf]
    memo = {id(x): x.detach() for x in left} | {id(x): x for x in shared}
    memo |= others or {}
    with _lock:
        copied = copy.deepcopy(module, memo)
    for part in copied.modules():
        if isinstance(vars(part).get("forward"), _StandIn):
            del part.forward
    return copied


def _kept(part):
    weights = part._parameters.values()
    return [w for w in weights if w is not None and not w.requires_grad]


def with_other_weights(module):
    """Copy a module as training might leave it: weights that learn are other ones.

    A weight that starts at zero hides what comes before it.

    Parameters
    ----------
    module : nn.Module
        Left as it is; what does not learn is shared, but for buffers.

    Returns
    -------
    nn.Module
    """
    draws = torch.Generator().manual_seed(0)
    learns = [p for p in module.parameters() if p.requires_grad]
    others = {id(weight): _moved(weight, draws) for weight in learns}
    return unreplaced_copy(module, own_buffers=True, others=others)


def _moved(weight, draws):
    step = torch.randn(weight.shape, generator=draws)
    # Scales stay positive, and sums as large as they are.
    step = (
        0.1 * step.abs() if weight.ndim < 2 else 0.2 * step / weight[0].numel() ** 0.5
    )
    return nn.Parameter(weight.detach() + step.to(weight))


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
            return type(self.part).forward(self.part, *args, **kwargs)
        key = replay.path.enter(self.name)
        try:
            if key in replay.path.calls:
                return replay.answer(self.part, key, args, kwargs)
            return type(self.part).forward(self.part, *args, **kwargs)
        finally:
            replay.path.leave(key)

    def skips_next(self):
        """Whether the next call in this thread is skipped."""
        replay = getattr(_running, "replay", None)
        return (
            replay is not None and replay.path.next_of(self.name) in replay.path.calls
        )


class _Replay:
    def __init__(self, calls, kept, shapes, n_rows):
        self.kept, self.shapes, self.n_rows = kept, shapes, n_rows
        self.path = CallPath(frozenset(calls), {origin[:2] for origin in kept})

    def answer(self, part, key, args, kwargs):
        """Return what is kept of a call, or tensors without values."""
        leaves = _pytree.tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        # What is missing was made of frozen parts.
        present = [tensor for tensor in tensors if not isinstance(tensor, Missing)]
        if any(tensor.requires_grad for tensor in present) or _is_run_again():
            raise NeedsValues([(*key, None)])
        _running.replay = None  # a trial of the part is none of its calls
        try:
            found, form = self.shapes.of(key, part, args, kwargs, self.n_rows)
        finally:
            _running.replay = self
        device = tensors[0].device if tensors else torch.device("cpu")
        outputs = []
        for place, leaf in enumerate(found):
            origin = (*key, place)
            if not isinstance(leaf, Shape):
                outputs.append(leaf)
            elif origin in self.kept and leaf.sizes is None:
                batch_sizes, order, _ = found[place + 1 : place + 4]
                rows = packed_rows(self.kept[origin], batch_sizes, order)
                outputs.append(rows.to(leaf.dtype))
            elif origin in self.kept:
                outputs.append(_cut_to(leaf, self.kept[origin]))
            else:
                origins = frozenset([origin])
                outputs.append(missing(leaf.sizes, leaf.dtype, device, origins))
        return _pytree.tree_unflatten(outputs, form)


def _is_run_again():
    """Whether the backward pass runs this again, when nothing is skipped any more.

    That is how checkpoints save memory: by hooks on what is saved for that pass.
    """
    if _top_hooks is not None:
        return _top_hooks(False) is not None
    frame = sys._getframe()  # older releases do not tell: whether a checkpoint calls
    while frame is not None:
        if frame.f_globals.get("__name__") == "torch.utils.checkpoint":
            return True
        frame = frame.f_back
    return False


def _cut_to(shape, tensor):
    """Copy what of a tensor has a shape: it may be changed in place."""
    sizes = shape.sizes
    if (
        sizes is None
        or tensor.ndim != len(sizes)
        or any(have < want for have, want in zip(tensor.shape, sizes, strict=True))
    ):
        raise NeedsValues(["a longer row"])
    cut = tensor[tuple(slice(0, size) for size in sizes)]
    made = torch.empty(sizes, dtype=shape.dtype, device=tensor.device)
    return made.copy_(cut)
