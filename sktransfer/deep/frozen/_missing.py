"""Tensors whose shapes are known and whose values are not."""

import torch
from torch.utils import _pytree

__all__ = ["Missing", "NeedsValues", "missing"]

_OPERATORS = ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul")
_OPERATORS += ("and", "or", "xor", "lshift", "rshift")
_WRITING = {"__setitem__", "__set__", *(f"__i{name}__" for name in _OPERATORS)}


class NeedsValues(BaseException):
    """Something was computed from values that are missing.

    No `Exception`: a forward pass that tries something, and goes another way where it
    fails, must not take this for a failure.

    Parameters
    ----------
    origins : iterable
        Whose values they are.
    """

    def __init__(self, origins):
        super().__init__(f"The values of {sorted(map(str, origins))} are needed.")
        self.origins = frozenset(origins)


def missing(shape, dtype, device, origins):
    """Return a tensor without values.

    Parameters
    ----------
    shape : sequence of int or None
        Its shape; None if it is not known: whoever asks for it needs the values.
    dtype : torch.dtype
        Its type.
    device : torch.device
        Where it says it is.
    origins : frozenset
        What its values depend on.

    Returns
    -------
    Missing
    """
    made = torch.empty((0,) if shape is None else shape, dtype=dtype, device="meta")
    made = _named(made, device, origins)
    made.is_known = shape is not None
    return made


class Missing(torch.Tensor):
    """What is computed from it is missing, too, until values are asked for.

    Values are needed to branch on them, to write them into a tensor that has some, and
    for anything that learns.
    """

    is_known = True

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        """Compute shapes alone."""
        kwargs = kwargs or {}
        if func == torch.Tensor.device.__get__:
            return args[0].stands_for
        if func == torch.Tensor.to:
            args = (args[0], *map(_device_of_name, args[1:]))
        leaves, form = _pytree.tree_flatten((args, kwargs))
        absent = [leaf for leaf in leaves if isinstance(leaf, Missing)]
        if not absent:  # a method of the class itself
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        origins = frozenset().union(*(leaf.origins for leaf in absent))
        device = absent[0].stands_for
        if not all(leaf.is_known for leaf in absent):
            raise NeedsValues(origins)
        with torch._C.DisableTorchFunctionSubclass():
            if any(map(_learns, leaves)) or _writes_into_values(func, args, kwargs):
                raise NeedsValues(origins)
            device = next((x for x in leaves if isinstance(x, torch.device)), device)
            args, kwargs = _pytree.tree_unflatten(map(_without_values, leaves), form)
            if func in (torch.Tensor.cpu, torch.Tensor.cuda):
                func, args, kwargs = torch.Tensor.clone, args[:1], {}
            try:
                found = func(*args, **kwargs)
            except (NotImplementedError, RuntimeError, TypeError, ValueError) as error:
                raise NeedsValues(origins) from error
            if _writes(func, kwargs) and args and isinstance(args[0], Missing):
                args[0].origins = origins
            if not any(isinstance(x, torch.Tensor) for x in _pytree.tree_leaves(found)):
                return found  # sizes, a type
            return _pytree.tree_map(lambda x: _named(x, device, origins), found)

    def __deepcopy__(self, memo):
        """Return itself: a module that holds one can be copied."""
        return self

    def __reduce_ex__(self, protocol):
        """Be pickled without values."""
        shape = tuple(self.shape) if self.is_known else None
        return missing, (shape, self.dtype, self.stands_for, self.origins)


def _named(found, device, origins):
    if not isinstance(found, torch.Tensor) or isinstance(found, Missing):
        return found
    found = found.as_subclass(Missing)
    found.stands_for, found.origins = device, origins
    return found


def _learns(leaf):
    # What is missing was made of frozen parts.
    return (
        isinstance(leaf, torch.Tensor)
        and not isinstance(leaf, Missing)
        and leaf.requires_grad
    )


def _device_of_name(value):
    return torch.device(value) if isinstance(value, str) else value


def _without_values(leaf):
    if isinstance(leaf, torch.device):
        return torch.device("meta")
    if isinstance(leaf, torch.Tensor) and not isinstance(leaf, Missing):
        return torch.empty_like(leaf, device="meta")
    return leaf


def _writes(func, kwargs):
    name = getattr(func, "__name__", "")
    in_place = name.endswith("_") and not name.endswith("__")
    return in_place or name in _WRITING or kwargs.get("out") is not None


def _writes_into_values(func, args, kwargs):
    if not _writes(func, kwargs):
        return False
    changed = [kwargs.get("out"), *args[:1]]
    return any(
        isinstance(tensor, torch.Tensor) and not isinstance(tensor, Missing)
        for tensor in _pytree.tree_leaves(changed)
    )
