"""A backbone cut inside: its frozen parts are computed once, and then skipped."""

from weakref import WeakKeyDictionary

import torch

from sktransfer.deep.frozen._call_path import Ways
from sktransfer.deep.frozen._cut_halves import FrozenHalf, LiveHalf
from sktransfer.deep.frozen._cut_plan import NotCut, make_plan
from sktransfer.deep.frozen._frozen_part import Cut
from sktransfer.deep.frozen._known_plans import count_lengths, known_plans
from sktransfer.deep.frozen._missing import NeedsValues
from sktransfer.deep.frozen._random_states import RandomStates
from sktransfer.deep.frozen._replay import unreplaced_copy, with_other_weights

__all__ = ["cut_inside"]

# Batches of other sizes are summed in another order.
_CLOSE = 1e-4
# The plan of each network, what it rests on, whether it was tried in training, and on
# how many lengths of rows.
_tried = WeakKeyDictionary()


def cut_inside(network, sample):
    """Cut a network before what learns in its backbone, whatever its forward pass does.

    Parts that do not learn and are called before anything that does are skipped: they
    return what is kept of an earlier pass, or tensors that have a shape and no values.
    What is kept is found by trial, as what the rest asks values of; whoever asks for
    others later gets an error and not wrong values, and then the whole backbone runs.

    A part is skipped if nothing but its output tells that it was called: it writes
    neither into what it is given nor into attributes, and its output is no view of its
    input that changes with it. On trial, rows that were computed alone must give
    together what they give in the whole network; nothing that draws random numbers may
    come before what is kept, and in training mode it must be the same as in evaluation
    mode, also in the next batch. What calls such parts must neither count its steps nor
    move a buffer: it might call them otherwise later on. What is done on the way to
    them, calls of parts and of torch, is done as on trial, or else nothing is skipped.

    Each place of some axis of an output is a row, wherever that axis is; which one, is
    told by batches of other sizes. Rows may have lengths, and batches may be as long as
    the longest of them.

    A network like one that was tried before, in its weights, its code and in what
    learns, is cut by the same plan, without a trial.

    Parameters
    ----------
    network : Network
        After `freeze`, in the mode in which it is used, and on the device of the rows.
    sample : torch.Tensor
        A few rows, of texts and sounds short and long ones. From rows that are all
        alike nothing can be told.

    Returns
    -------
    Cut or None
        None if nothing is frozen before what learns, or if the trial fails.
    """
    if not network.frozen:
        return None
    state, n_lengths = _state_of(network, sample), count_lengths(sample)
    known, found, *tried = _tried.get(network, (None, None, False, 0))
    if known != state or network.training > tried[0] or n_lengths > tried[1]:
        if torch.equal(sample[:1], sample[-1:]) or torch.is_inference_mode_enabled():
            return None
        key = known_plans.key_of(network, sample, n_lengths)
        found = known_plans.find(key, lambda: _plan_of(network, sample))
        _tried[network] = state, found, network.training, n_lengths
    try:
        return None if found is None else _cut_by(network, *found)
    except Exception:  # what a part remembers by now cannot be copied
        return None


def _state_of(network, sample):
    """Return what a plan rests on; weights may change."""
    parts = [
        (id(part), type(part), *part._forward_hooks, *part._forward_pre_hooks)
        for part in network.backbone.modules()
    ]
    learns = [p.requires_grad for p in network.backbone.parameters()]
    frozen = [id(part) for part in network.frozen]
    return parts, learns, frozen, sample.shape[1:], sample.dtype


def _plan_of(network, sample):
    """Return a plan that holds on trial, and the shapes it skips; None without one."""
    if any(_is_compiled(part) for part in network.backbone.modules()):
        return None
    before = RandomStates()
    try:
        return _tried_plan(network, sample)
    except torch.OutOfMemoryError:
        raise
    except (NotCut, NeedsValues, Exception):
        # A part may say anything of what it has not been given before.
        return None
    finally:
        if RandomStates() != before:
            before.restore()


def _tried_plan(network, sample):
    twin = unreplaced_copy(network.backbone, own_buffers=True).eval()
    with torch.no_grad():
        twin(sample[:1])  # some parts prepare themselves in their first call
    trained = with_other_weights(twin)
    for plan, shapes in make_plan(network, twin, sample):
        ways = Ways(), Ways()
        if not _agree(_cut_by(network, plan, shapes, *ways), trained, sample):
            continue
        for each in ways:
            each.are_all = True
        # Who tells the longest row may have ways for all lengths.
        return plan, shapes, *((None, None) if hasattr(twin, "longest_row") else ways)
    raise NotCut


def _cut_by(network, plan, shapes, ways, ways_below):
    frozen = FrozenHalf(network.backbone, plan, ways_below).eval()
    return Cut(frozen, LiveHalf(network, plan, shapes, ways))


def _agree(cut, twin, sample):
    with torch.no_grad():
        alone = torch.cat([cut.frozen(row[None]) for row in sample])
        batches = [(kept, sample) for kept in (alone, cut.frozen(sample))]
        if cut.live.plan.has_lengths:  # a batch may be of short rows alone
            for kept, rows in list(batches):
                batches += zip(kept[:, None], rows[:, None], strict=True)
        for kept, rows in batches:
            # What a part remembers is of other rows: the halves must not need it.
            whole = twin(rows.roll(1, 0)).roll(-1, 0)
            near = _CLOSE * float(whole.abs().max())
            # In both orders: a network may sort its rows, and put them back later on.
            for order in (slice(None), torch.arange(len(rows)).flip(0)):
                halves = cut.live.maps(twin, kept[order], rows[order])
                if not torch.allclose(halves, whole[order], rtol=_CLOSE, atol=near):
                    return False
    return cut.live.n_misses == 0


def _is_compiled(part):
    """Whether torch.compile has seen a part: it would be seen again, without a part."""
    return part._compiled_call_impl is not None or "_orig_mod" in part._modules
