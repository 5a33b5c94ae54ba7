"""A backbone cut inside: its frozen parts are computed once, and then skipped."""

from weakref import WeakKeyDictionary

import torch
from torch import nn

from sktransfer.deep._backbones import flat_features
from sktransfer.deep._cut_plan import NotCut, make_plan
from sktransfer.deep._frozen_calls import tensors_in
from sktransfer.deep._frozen_part import Cut
from sktransfer.deep._missing import Missing, NeedsValues
from sktransfer.deep._replay import replaying, unreplaced_copy

__all__ = ["cut_inside"]

# Batches of other sizes are summed in another order.
_CLOSE = 1e-4
# The plan of each network, what it rests on, and whether it was tried in training.
_tried = WeakKeyDictionary()


class _AllSeen(Exception):
    """What is to be kept was computed."""


class _Unreached(nn.Module):
    """In the place of what learns, in the frozen part, which must not know it."""

    def __init__(self, part):
        super().__init__()
        for name, value in vars(part).items():  # others may look at its settings
            if name not in vars(self) and isinstance(value, str | int | float):
                setattr(self, name, value)

    def forward(self, *args, **kwargs):
        """Say that it was used."""
        raise NotCut


class _Frozen(nn.Module):
    """From rows to what is kept of them."""

    def __init__(self, backbone, plan):
        super().__init__()
        self.backbone, self.plan = backbone, plan

    def forward(self, X):
        """Return one row of numbers for each row."""
        joined = None
        for rows in groups_of(self.backbone, X):
            found = self.plan.join(self._outputs(X[rows]))
            if joined is None:
                joined = found.new_empty((len(X), found.shape[1]))
            joined[rows] = found
        return joined

    def _outputs(self, X):
        n_rows, outputs, counts, handles = len(X), {}, {}, []
        if self.plan.fills_up:
            X = torch.cat([X, self.backbone.longest_row(X)])

        def watch(name):
            def keep(part, args, output):
                key = name, counts.get(name, 0)
                counts[name] = key[1] + 1
                if key not in self.plan.kept:
                    return
                tensors = tensors_in(output, len(X))
                if tensors is None:
                    raise NotCut
                outputs[key] = [tensor[:n_rows].clone() for tensor in tensors]
                if len(outputs) == len(self.plan.kept):
                    raise _AllSeen

            return keep

        try:
            for name in {name for name, _ in self.plan.kept}:
                part = self.backbone.get_submodule(name)
                handles.append(part.register_forward_hook(watch(name)))
            self.backbone(X)
        except _AllSeen:
            return outputs
        finally:
            for handle in handles:
                handle.remove()
        raise NotCut


class _Live(nn.Module):
    """From what is kept of these rows to scores: the network, frozen parts skipped."""

    takes_rows = True

    def __init__(self, network, plan):
        super().__init__()
        self.backbone, self.head = network.backbone, network.head
        # Not a submodule: it sets the modes.
        object.__setattr__(self, "network", network)
        self.plan, self.shapes = plan, {}
        # A term of the loss may look at what lies below the head.
        self.keeps, self.kept, self.batch = False, None, None

    @property
    def frozen(self):
        """Parts that stay in evaluation mode."""
        return self.network.frozen

    def forward(self, X, rows):
        """Return the scores of the head."""
        maps = self.maps(self.backbone, X, rows)
        features = flat_features(maps)
        if self.keeps:
            self.kept, self.batch = (maps, features), (X, rows)
        return self.head(features)

    def run_again(self, backbone):
        """Return what a backbone with the same frozen parts gives for the last rows."""
        return self.maps(backbone, *self.batch)

    def maps(self, backbone, X, rows):
        """Return what a backbone with the same frozen parts gives for rows."""
        maps = None
        for group in groups_of(backbone, rows):
            found = self._skipping(backbone, X[group], rows[group])
            if isinstance(group, slice):
                return found
            if maps is None:
                maps = found.new_empty((len(X), *found.shape[1:]))
            maps[group] = found
        return maps

    def _skipping(self, backbone, X, rows):
        kept = self.plan.split(X)
        try:
            with replaying(backbone, self.plan.calls, kept, self.shapes):
                found = backbone(rows)
            if isinstance(found, Missing):
                raise NeedsValues(found.origins)
        except NeedsValues:
            # These rows go another way than those on trial.
            found = backbone(rows)
        return found

    def freeze(self, trainable):
        """Freeze as the network does; what is skipped never learns."""
        self.network.freeze(trainable)

    def train(self, mode=True):
        """Set the mode of the network, so that what is frozen in it stays as it is."""
        self.training = mode
        self.network.train(mode)
        return self


def groups_of(backbone, X):
    """Return which rows go through a backbone together."""
    return backbone.groups_of(X) if hasattr(backbone, "groups_of") else [slice(None)]


def cut_inside(network, sample):
    """Cut a network before what learns in its backbone, whatever its forward pass does.

    Parts that do not learn and are called before anything that does are skipped: they
    return what is kept of an earlier pass, or tensors that have a shape and no values.
    What is kept is found by trial, as what the rest asks values of; whoever asks for
    others later gets an error and not wrong values, and then the whole backbone runs.

    On trial, rows that were computed alone must give together what they give in the
    whole network; nothing that draws random numbers may come before what is kept, and
    in training mode it must be the same as in evaluation mode.

    Parameters
    ----------
    network : Network
        After `freeze`, in the mode in which it is used, and on the device of the rows.
    sample : torch.Tensor
        A few rows, of texts and sounds short and long ones.

    Returns
    -------
    Cut or None
        None if nothing is frozen before what learns, or if the trial fails.
    """
    if not network.frozen:
        return None
    state = _state_of(network, sample)
    known, plan, in_training = _tried.get(network, (None, None, False))
    try:
        if known != state or network.training > in_training:
            _tried[network] = state, None, network.training
            plan = _tried_plan(network, sample)
            _tried[network] = state, plan, network.training
        return None if plan is None else _halves(network, plan)
    except NotCut:
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


def _tried_plan(network, sample):
    twin = unreplaced_copy(network.backbone).eval()
    for plan in make_plan(network, twin, sample):
        cut = _halves(network, plan)
        if _agree(cut, twin, sample):
            return plan
    raise NotCut


def _halves(network, plan):
    backbone = unreplaced_copy(network.backbone)
    _drop_what_learns(backbone, {name for name, _ in plan.calls})
    return Cut(_Frozen(backbone, plan).eval(), _Live(network, plan))


def _agree(cut, twin, sample):
    with torch.no_grad():
        whole = twin(sample)
        try:
            alone = [cut.frozen(sample[i : i + 1]) for i in range(len(sample))]
        except AttributeError as error:  # something looks at a part that learns
            raise NotCut from error
        halves = cut.live.maps(twin, torch.cat(alone), sample)
    scale = float(whole.abs().max())
    return torch.allclose(halves, whole, rtol=_CLOSE, atol=_CLOSE * scale)


def _drop_what_learns(module, used, prefix=""):
    for name, child in list(module.named_children()):
        path = f"{prefix}{name}"
        if not any(p.requires_grad for p in child.parameters()):
            continue
        if any(key.startswith(f"{path}.") for key in used):
            _drop_what_learns(child, used, f"{path}.")
        else:
            setattr(module, name, _Unreached(child))
