"""A digest of what decides the outputs of a module."""

import hashlib
import itertools
import sys
from functools import partial
from types import CodeType, FunctionType, MappingProxyType, MethodType, ModuleType

import numpy as np
import torch
from torch import nn
from torch.utils.weak import WeakIdKeyDictionary

from sktransfer.deep.backbones._keras_parts import is_keras
from sktransfer.deep.frozen._identity import HasIdentity
from sktransfer.deep.frozen._keras_identity import keras_identity, keras_seeds

__all__ = ["fingerprint", "is_installed", "names_in"]

# What every module has; parameters, buffers and parts come by name.
_OF_TORCH = frozenset(vars(nn.Module()))
_PLAIN = (str, bytes, int, float, complex, type(None), torch.dtype, torch.device, slice)
_known, _numbers = WeakIdKeyDictionary(), itertools.count()


def fingerprint(module, *settings):
    """Return a digest of what decides a module's outputs.

    Weights, buffers, structure, the attributes of each part, hooks, and the code of its
    forward pass, with what that refers to. What cannot be told apart, an object of a
    foreign type without attributes for example, makes a digest that no other call gets.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode.
    settings : object
        What else decides them: the device, the precision.

    Returns
    -------
    str
    """
    digest = _Digest()
    digest.add("module", settings)
    for name, part in module.named_modules():
        digest.add(name, type(part))
        digest.add([*part._forward_hooks.values(), *part._forward_pre_hooks.values()])
        digest.add(_own(part))
    drawing = {id(x) for part in module.modules() for x in keras_seeds(part)}
    for name, value in [*module.named_parameters(), *module.named_buffers()]:
        if id(value) not in drawing:
            digest.add(name, value)
    return digest.bytes.hexdigest()


def _own(part):
    """Return what a part is besides its class, its weights and its parts."""
    if isinstance(part, HasIdentity):
        return part.identity
    if isinstance(part, nn.ParameterDict):
        return None  # names, which come with the parameters
    own = keras_identity(part) if is_keras(part) else None
    if own is None:
        held = {k: v for k, v in vars(part).items() if k not in _OF_TORCH}
        own = [sorted(held), [held[key] for key in sorted(held)]]
    return own


class _Digest:
    """Grows by values of any kind."""

    def __init__(self):
        self.bytes = hashlib.blake2b(digest_size=16)
        self.seen = {}  # digests of objects by their ids, None while one is made

    def add(self, *values):
        """Add values."""
        for value in values:
            self._add(value)

    def _write(self, *plain):
        self.bytes.update(repr(plain).encode())

    def _add(self, value):
        if isinstance(value, _PLAIN):
            self._write(type(value).__name__, value)
        elif isinstance(value, torch.Tensor):
            self._write("tensor", value.dtype, tuple(value.shape), _tensor(value))
        else:
            self._write(self._part(value))

    def _part(self, value):
        """Return the digest of an object by itself, made once."""
        if id(value) not in self.seen:
            # Kept alive: another object must not get its address meanwhile.
            self.seen[id(value)] = None, value
            outer, self.bytes = self.bytes, hashlib.blake2b(digest_size=16)
            self._add_new(value)
            self.seen[id(value)] = self.bytes.hexdigest(), value
            self.bytes = outer
        return self.seen[id(value)][0]

    def _add_new(self, value):
        if isinstance(value, np.ndarray | np.generic):
            self._array(np.asarray(value))
        elif isinstance(value, dict | MappingProxyType):
            self._write("dict", len(value))
            self.add(*itertools.chain.from_iterable(value.items()))
        elif isinstance(value, list | tuple):
            self._write(type(value).__name__, len(value))
            self.add(*value)
        elif isinstance(value, set | frozenset):  # in an order of the process
            self._write("set", sorted(map(repr, value)))
        elif isinstance(value, type):
            self._class(value)
        elif isinstance(value, CodeType):
            n_named = value.co_argcount + value.co_kwonlyargcount
            self._write("code", value.co_code, value.co_names)
            self._write(value.co_varnames[:n_named])  # callers may name them
            self.add(value.co_consts)
        elif isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, MethodType):
            self.add("method", value.__func__, value.__self__)
        elif isinstance(value, partial):
            self.add("partial", value.func, value.args, value.keywords)
        elif isinstance(value, property):
            self.add("property", value.fget)
        elif isinstance(value, staticmethod | classmethod):
            self.add(type(value).__name__, value.__func__)
        else:
            self._object(value)

    def _array(self, array):
        self._write("array", array.dtype.str, array.shape)
        if array.dtype.kind == "O":
            self.add(array.ravel().tolist())
        else:
            self.bytes.update(np.ascontiguousarray(array).tobytes())

    def _class(self, kind):
        """Add a class; one of the user's own may be defined anew, so by its code."""
        self._write("class", kind.__module__, kind.__qualname__)
        for base in kind.__mro__:
            if is_installed(base.__module__):
                self.add(getattr(vars(base).get("forward"), "__code__", None))
            else:
                own = {k: v for k, v in vars(base).items() if k not in _OF_CLASSES}
                self.add(own)

    def _function(self, function):
        self._write("function", function.__module__, function.__qualname__)
        self.add(function.__code__, function.__defaults__, function.__kwdefaults__)
        for cell in function.__closure__ or ():
            self.add(_content(cell))
        if not is_installed(function.__module__):
            named = _named_by(function)
            self.add(sorted(named), [named[name] for name in sorted(named)])

    def _object(self, value):
        kind = type(value)
        self._write("object", kind.__module__, kind.__qualname__)
        if isinstance(value, ModuleType):
            self._write(value.__name__)
        elif kind.__module__ in ("_thread", "weakref", "logging"):
            pass  # no part of what is computed
        elif isinstance(getattr(value, "__dict__", None), dict):
            if not is_installed(kind.__module__):
                self.add(kind)
            self.add(vars(value), _in_slots(value))
        elif _in_slots(value):
            self.add(_in_slots(value))
        elif callable(value) and hasattr(value, "__qualname__"):  # written in C
            self._write(value.__qualname__)
        elif kind.__repr__ is object.__repr__ or " at 0x" in repr(value):
            self._write("unknown", next(_numbers))
        else:
            self._write(repr(value))


_OF_CLASSES = ("__dict__", "__weakref__", "__doc__", "__module__", "__annotations__")
_OF_CLASSES += ("__firstlineno__", "__static_attributes__", "_abc_impl")


def _tensor(value):
    """Return the digest of a tensor's bytes, computed anew if it may have changed.

    Its version counts the changes that torch sees; sums see most of the others.
    """
    flat = value.detach()
    state = None
    if flat.is_floating_point() and flat.ndim > 1 and flat.numel() > 0:
        state = flat.device, flat.data_ptr(), value._version, _sums(flat)
        known, found = _known.get(value, (None, None))
        if known == state:
            return found
    flat = flat.cpu().contiguous().reshape(-1).view(torch.uint8)
    found = hashlib.blake2b(memoryview(flat.numpy()), digest_size=16).hexdigest()
    if state is not None:
        _known[value] = state, found
    return found


def _sums(tensor):
    """Return sums over rows and over columns: weights in another order have others."""
    table = tensor.reshape(len(tensor), -1)
    sums = [table.sum(dim=axis, dtype=torch.float64) for axis in (0, 1)]
    return torch.cat(sums).cpu().numpy().tobytes()


def _in_slots(value):
    names = [getattr(kind, "__slots__", ()) for kind in type(value).__mro__]
    names = [(each,) if isinstance(each, str) else tuple(each) for each in names]
    return {
        name: getattr(value, name)
        for name in sum(names, ())
        if name not in _OF_CLASSES and hasattr(value, name)
    }


def names_in(code):
    """Return the names that code and the functions inside of it refer to."""
    inner = [c for c in code.co_consts if isinstance(c, CodeType)]
    return set(code.co_names).union(*map(names_in, inner))


def _named_by(function):
    """Return what a function may refer to by its names, also in the user's files."""
    names, known = names_in(function.__code__), function.__globals__
    found = {name: known[name] for name in names & known.keys()}
    package = known.get("__package__")
    for name in names - known.keys():  # it may be imported by the function itself
        for module in (name, f"{package}.{name}"):
            if _is_own(sys.modules.get(module)):
                found[module] = sys.modules[module]
    modules = [(k, value) for k, value in found.items() if _is_own(value)]
    for prefix, module in modules:  # grows
        for name in names & vars(module).keys():
            key = f"{prefix}.{name}"
            value = vars(module)[name]
            if _is_own(value) and any(value is known for _, known in modules):
                continue
            found[key] = value
            if _is_own(value):
                modules.append((key, value))
    return found


def _is_own(value):
    """Whether it is a file, or a folder, of the user's own code."""
    if not isinstance(value, ModuleType):
        return False
    is_folder = getattr(value, "__file__", None) is None and hasattr(value, "__path__")
    return is_folder or not is_installed(value.__name__)


def _content(cell):
    try:
        return cell.cell_contents
    except ValueError:  # empty
        return "empty"


def is_installed(module):
    """Whether a module is part of an installed package, which does not change."""
    if module == "__main__":
        return False
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is None or "site-packages" in file or file.startswith(sys.base_prefix)
