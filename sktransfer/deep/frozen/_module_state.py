"""What a module remembers between calls: attributes, buffers, written parameters."""

from collections import OrderedDict, defaultdict, deque

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree

from sktransfer.deep.frozen._fingerprint import is_installed
from sktransfer.deep.frozen._missing import Missing

__all__ = ["ModuleState", "numbers_held", "version_of"]

# What every module has, and what stands in for its forward pass for a while.
_OF_TORCH = frozenset([*vars(nn.Module()), "forward"])
_SEQUENCES, _MAPPINGS = (list, deque), (dict, OrderedDict, defaultdict)
_LARGE = 256  # a vocabulary, for example, which holds no outputs


class ModuleState:
    """Attributes and buffers of modules, as they are now; also what is in containers.

    Parameters
    ----------
    modules : iterable of nn.Module
        Left as they are; their parts are looked at if they are among them.
    copies : bool, default=False
        Whether the values of buffers of parts in training mode are copied: `restore`
        sets them back.
    """

    def __init__(self, modules, *, copies=False):
        self.parts, self.contents, self.versions, self.values = [], [], [], []
        for part in modules:
            own = _own(part)
            buffers = dict(part._buffers)
            self.parts.append((part, own, buffers))
            # Some modules keep moving averages as parameters that do not learn.
            kept = (*own.values(), *buffers.values(), *part._parameters.values())
            for value in kept:
                if isinstance(value, torch.Tensor):
                    self.versions.append((value, version_of(value)))
                elif _is_container(value) and len(value) <= _LARGE:
                    then = list(value if type(value) in _SEQUENCES else value.items())
                    inside = _pytree.tree_leaves(value)
                    self.contents.append((value, then, inside))
            if copies and part.training:
                kept = [b for b in buffers.values() if b is not None]
                self.values += [(buffer, buffer.clone()) for buffer in kept]

    def is_same(self):
        """Whether no call has changed anything since."""
        return (
            all(
                _are_same(own, _own(part)) and _are_same(buffers, part._buffers)
                for part, own, buffers in self.parts
            )
            and all(version_of(value) == version for value, version in self.versions)
            and all(
                list(map(id, _pytree.tree_leaves(value))) == list(map(id, inside))
                for value, _, inside in self.contents
            )
        )

    def has_moved(self):
        """Whether a number or what is in a tensor is another one since."""
        return any(
            version_of(value) != version for value, version in self.versions
        ) or any(
            not _are_same(buffers, part._buffers)
            or _numbers(own) != _numbers(_own(part))
            for part, own, buffers in self.parts
        )

    def restore(self):
        """Set everything back."""
        for part, own, buffers in self.parts:
            for held, before in ((vars(part), own), (part._buffers, buffers)):
                known = before.keys() | _OF_TORCH
                for name in [name for name in held if name not in known]:
                    del held[name]
                held.update(before)
        for now, then, _ in self.contents:
            now.clear()
            now.extend(then) if type(now) in _SEQUENCES else now.update(then)
        with torch.no_grad():
            for buffer, value in self.values:
                buffer.copy_(value)

    def missing_now(self):
        """Return the tensors without values that the parts hold by now."""
        found = []
        for part, own, _ in self.parts:
            for name, value in _own(part).items():
                if own.get(name) is not value:
                    found += _missing_in(value)
            found += [b for b in part._buffers.values() if isinstance(b, Missing)]
        for value, *_ in self.contents:
            found += _missing_in(value)
        return found


def _own(part):
    held = vars(part)
    return {name: held[name] for name in held.keys() - _OF_TORCH}


def numbers_held(modules):
    """Return numbers that modules hold in containers, plain objects and their classes.

    Parameters
    ----------
    modules : iterable of nn.Module
        Their parts are looked at if they are among them.

    Returns
    -------
    list
    """
    found, seen = [], set()
    for part in modules:
        _add_numbers(_own(part), found, seen)
        for kind in type(part).__mro__:
            if not is_installed(kind.__module__):
                found.append(_numbers(vars(kind)))
    return found


def _add_numbers(value, found, seen):
    if isinstance(value, int | float | np.number):
        found.append(value)
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        found.append(value.tobytes())
    elif isinstance(value, nn.Module | torch.Tensor | type) or id(value) in seen:
        return
    elif type(value) in _SEQUENCES + _MAPPINGS and len(value) <= _LARGE:
        seen.add(id(value))
        for each in value.values() if type(value) in _MAPPINGS else value:
            _add_numbers(each, found, seen)
    elif type(getattr(value, "__dict__", None)) is dict and not callable(value):
        seen.add(id(value))
        _add_numbers(vars(value), found, seen)


def version_of(tensor):
    """Return how often a tensor was written; None if nobody counts."""
    return None if tensor.is_inference() else tensor._version


def _is_container(value):
    return type(value) in _SEQUENCES + _MAPPINGS


def _are_same(one, other):
    return one.keys() == other.keys() and all(one[k] is other[k] for k in one)


def _numbers(own):
    return {k: value for k, value in own.items() if isinstance(value, int | float)}


def _missing_in(value):
    return [leaf for leaf in _pytree.tree_leaves(value) if isinstance(leaf, Missing)]
