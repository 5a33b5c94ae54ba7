"""Which parts are called one after another: rows that go another way are told by it."""

__all__ = ["CallPath"]


class CallPath:
    """Calls of frozen parts, up to the last one that is kept.

    Those inside of a call that can be skipped are none: they are not seen without it.

    Parameters
    ----------
    calls : collection of tuple of str and int
        Calls that can be skipped: the part, and how often it was called before.
    kept : collection of tuple of str and int
        Those of whose outputs something is kept.
    """

    def __init__(self, calls, kept):
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
