"""The two halves of a backbone that is cut inside."""

import torch
from torch import nn

from sktransfer.deep._network import flat_features
from sktransfer.deep.frozen._call_path import CallPath
from sktransfer.deep.frozen._cut_plan import NotCut, longest_row
from sktransfer.deep.frozen._identity import HasIdentity
from sktransfer.deep.frozen._missing import NeedsValues
from sktransfer.deep.frozen._module_state import ModuleState
from sktransfer.deep.frozen._random_states import RandomStates
from sktransfer.deep.frozen._replay import replaying, unreplaced_copy

__all__ = ["FrozenHalf", "LiveHalf"]

# Batches one after another that go another way: from then on nothing is skipped.
_MISSES = 4
_HOLDERS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


class _AllSeen(BaseException):
    """What is to be kept was computed; no part may take it for an error of its own."""


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


class FrozenHalf(HasIdentity, nn.Module):
    """From rows to what is kept of them.

    Parameters
    ----------
    backbone : nn.Module
        Copied; tensors are shared.
    plan : Plan
        What is kept.
    ways : Ways, default=None
        What may be done on the way there; None: anything.
    """

    def __init__(self, backbone, plan, ways=None):
        super().__init__()
        self.backbone, self.plan = unreplaced_copy(backbone), plan
        self.ways = ways
        _drop_what_learns(self.backbone, {name for name, _ in plan.calls})

    @property
    def identity(self):
        """What tells it apart; ways of another trial were not tried with these."""
        return [self.plan, self.ways and sorted(map(repr, self.ways.known))]

    def forward(self, X):
        """Return one row of numbers for each row."""
        joined = None
        for rows in groups_of(self.backbone, X):
            try:
                outputs = self._outputs(X[rows])
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # of a part that is not there, for example
                raise NotCut from error
            found = self.plan.join(outputs)
            if joined is None:
                joined = found.new_empty((len(X), found.shape[1]))
            joined[rows] = found
        return joined

    def _outputs(self, X):
        plan, n_rows, outputs, handles = self.plan, len(X), {}, []
        if plan.fills_up:
            X = torch.cat([X, longest_row(self.backbone, X)])
        path, open_ = CallPath(frozenset(plan.calls), plan.kept), []

        def enter(name):
            return lambda part, args: open_.append((part, path.enter(name)))

        def leave(part, args, output):
            running, key = open_.pop()
            while running is not part:  # that one ended by an error
                running, key = open_.pop()
            if key in plan.kept:
                found = plan.rows_of(key, output, len(X))
                outputs[key] = [rows[:n_rows].clone() for rows in found]
            path.leave(key)
            if not path.waiting:
                raise _AllSeen

        try:
            for name, part in self.backbone.named_modules():
                if name in plan.watched:
                    handles.append(part.register_forward_pre_hook(enter(name)))
                    handles.append(part.register_forward_hook(leave))
            with path:
                self.backbone(X)
        except _AllSeen:
            if self.ways is None or self.ways.allow(path):
                return outputs
        finally:
            for handle in handles:
                handle.remove()
        raise NotCut


class LiveHalf(nn.Module):
    """From what is kept of these rows to scores: the network, frozen parts skipped.

    Parameters
    ----------
    network : Network
        Shares its parts.
    plan : Plan
        What is skipped.
    shapes : TriedShapes or FoundShapes
        Tells the shapes of what is skipped.
    ways : Ways, default=None
        What may be done until all that is kept was given; None: anything.
    """

    takes_rows = True

    def __init__(self, network, plan, shapes, ways=None):
        super().__init__()
        self.backbone, self.head = network.backbone, network.head
        # Not a submodule: it sets the modes.
        object.__setattr__(self, "network", network)
        self.plan, self.shapes, self.n_misses = plan, shapes, 0
        self.ways = ways
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
            found = self._maps_of_group(backbone, X[group], rows[group])
            if isinstance(group, slice):
                return found
            if maps is None:
                maps = found.new_empty((len(X), *found.shape[1:]))
            maps[group] = found
        return maps

    def _maps_of_group(self, backbone, X, rows):
        if self.n_misses < _MISSES:
            found = self._skipping(backbone, X, rows)
            if found is not None:
                self.n_misses = 0
                return found
            # These rows go another way than those on trial.
            self.n_misses += 1
        return backbone(rows)

    def _skipping(self, backbone, X, rows):
        """Return the output; None, and all as it was, if values are missing."""
        kept, calls = self.plan.split(X), self.plan.calls
        running = _all_but(backbone, {name for name, _ in calls})
        before = [ModuleState(running, copies=True)]
        before += [RandomStates()] if self.training else []
        try:
            with replaying(
                backbone,
                calls,
                kept,
                self.shapes,
                len(rows),
                watched=self.plan.watched,
                watches_torch=self.ways is not None,
            ) as path:
                found = backbone(rows)
            is_known = self.ways is None or self.ways.allow(path)
            if is_known and not found.is_meta and not before[0].missing_now():
                return found
        except torch.OutOfMemoryError:
            raise
        except (NeedsValues, Exception):
            pass  # an error of the user's comes again without the cut
        for state in before:
            state.restore()
        return None

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


def _all_but(module, skipped, prefix=""):
    """Yield the parts of a module, without those of some names."""
    yield module
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if path not in skipped:
            yield from _all_but(child, skipped, f"{path}.")


def _drop_what_learns(module, used, prefix=""):
    for name, parameter in list(module.named_parameters(recurse=False)):
        if parameter.requires_grad:
            delattr(module, name)
    for name, child in list(module.named_children()):
        path = f"{prefix}{name}"
        if not any(p.requires_grad for p in child.parameters()):
            continue
        holds_used = any(key.startswith(f"{path}.") for key in used)
        if holds_used or isinstance(child, _HOLDERS):
            _drop_what_learns(child, used, f"{path}.")
        else:
            setattr(module, name, _Unreached(child))
