"""What is done one after another: batches that go another way are told by it."""

from torch.overrides import TorchFunctionMode

__all__ = ["CallPath", "Ways"]


_OPERATORS = ("add", "sub", "mul", "div", "truediv", "floordiv", "mod", "pow")
# Functions of which whole numbers are no sizes.
_OF_NUMBERS = {
    *(f"{side}{name}" for name in _OPERATORS for side in ("", "r", "i")),
    *("floor_divide", "remainder", "clamp", "clamp_min", "clamp_max", "masked_fill"),
    *("getitem", "select", "roll", "fill"),
}


class Ways:
    """The ways that batches take on trial; later on there are no others."""

    def __init__(self):
        self.known, self.are_all = set(), False

    def allow(self, path):
        """Whether a batch may take a way."""
        if not self.are_all:
            self.known.add(tuple(path.taken))
        return tuple(path.taken) in self.known


class CallPath(TorchFunctionMode):
    """Calls of frozen parts and of torch, up to the last one that is kept.

    Those inside of a call that can be skipped are none: they are not seen without it.
    Those of torch are seen inside of a ``with`` block.

    Parameters
    ----------
    calls : collection of tuple of str and int
        Calls that can be skipped: the part, and how often it was called before.
    kept : collection of tuple of str and int
        Those of whose outputs something is kept.
    """

    def __init__(self, calls, kept):
        super().__init__()
        self.calls, self.waiting = calls, set(kept)
        self.taken, self._counts, self._inside = [], {}, 0

    def next_of(self, name):
        """Return the key of the next call of a part."""
        return name, self._counts.get(name, 0)

    def enter(self, name):
        """Note that a part is called; return the key of the call."""
        key = self.next_of(name)
        self._counts[name] = key[1] + 1
        if self.waiting and not self._inside:
            self.taken.append(key)
        self._inside += key in self.calls
        return key

    def leave(self, key):
        """Note that a call has ended, or was skipped."""
        self._inside -= key in self.calls
        self.waiting.discard(key)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Note a function, and what it is told besides tensors and sizes."""
        kwargs = kwargs or {}
        if self.waiting and not self._inside:
            told = [x for x in args if _is_told(func, x)]
            named = [(k, v) for k, v in sorted(kwargs.items()) if _is_told(func, v)]
            self.taken.append((func.__name__, *told, *named))
        return func(*args, **kwargs)


def _is_told(func, value):
    """Whether a value says what is done; most whole numbers are sizes of a batch."""
    if isinstance(value, float | str | bool):
        return True
    return isinstance(value, int) and func.__name__.strip("_") in _OF_NUMBERS
