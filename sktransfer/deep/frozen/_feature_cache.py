"""Rows of features, kept by the content of the row and of the network that made them.

Epochs, folds and candidates of a search ask for the same rows again; whatever array
they arrive in, a row that was computed is found.
"""

import hashlib
import os
import tempfile
from collections import OrderedDict
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from zipfile import BadZipFile

import numpy as np
from joblib import Memory

__all__ = ["FeatureCache", "shared_cache"]

_MAX_BYTES = 2**30
_FOLDER = "sktransfer-features"
_DAMAGED = (BadZipFile, EOFError, KeyError, OSError, ValueError)


class FeatureCache:
    """The rows used last, up to a number of bytes; on disk without bound.

    Parameters
    ----------
    max_bytes : int
        Most bytes kept in memory.
    """

    def __init__(self, max_bytes=_MAX_BYTES):
        self.max_bytes = max_bytes
        self.n_bytes = 0
        self._rows = OrderedDict()
        self._files, self._places = set(), {}
        self._lock, self._disk = Lock(), Lock()

    def compute(self, key, X, function, memory=None):
        """Return ``function(X)``, computed for rows that are not known yet alone.

        Parameters
        ----------
        key : str
            What tells the function apart from others.
        X : ndarray of shape (n_samples, ...)
            Rows.
        function : callable
            Maps rows to one row of features each; called once, or not at all.
        memory : str, path-like, joblib.Memory or None
            Folder that other processes and later sessions share.

        Returns
        -------
        ndarray of shape (n_samples, ...)
        """
        names = [key + _digest(row) for row in X]
        folder = _folder(memory, key)
        found = self._known(names)
        if folder is not None:
            with self._disk:
                wanted = [n for n in names if n not in found]
                found.update(self._read(folder, key, wanted))
        missing = list({n: i for i, n in enumerate(names) if n not in found}.values())
        if missing:
            new = np.asarray(function(X[missing]))
            fresh = {names[i]: row for i, row in zip(missing, new, strict=True)}
            found.update(fresh)
            self._keep(fresh)
        if folder is not None:
            with self._disk:
                new = {n: found[n] for n in names if n not in self._places}
                if new:
                    self._write(folder, new, key)
        return np.stack([found[name] for name in names])

    def clear(self):
        """Forget all rows in memory."""
        with self._lock:
            self._rows.clear()
            self.n_bytes = 0

    def _known(self, names):
        with self._lock:
            found = {name: self._rows[name] for name in names if name in self._rows}
            for name in found:
                self._rows.move_to_end(name)
        return found

    def _keep(self, rows):
        with self._lock:
            for name, row in rows.items():
                if row.nbytes <= self.max_bytes and name not in self._rows:
                    # A copy: a view would keep its whole batch alive.
                    self._rows[name] = row.copy()
                    self.n_bytes += row.nbytes
            while self.n_bytes > self.max_bytes:
                _, oldest = self._rows.popitem(last=False)
                self.n_bytes -= oldest.nbytes

    def _read(self, folder, key, wanted):
        """Return those of the wanted rows that are in the folder."""
        for path in set(folder.glob("*.npz")) - self._files:
            with suppress(*_DAMAGED), _opened(path) as file:
                self._places.update({key + name: path for name in file["names"]})
            self._files.add(path)
        found = {}
        for path in {self._places[name] for name in wanted if name in self._places}:
            if not path.exists():  # somebody emptied the folder
                self._files.discard(path)
                self._places = {n: p for n, p in self._places.items() if p != path}
                continue
            try:
                with _opened(path) as file:
                    rows = dict(zip(file["names"], file["rows"], strict=True))
            except _DAMAGED:  # its rows are computed again
                self._places = {n: p for n, p in self._places.items() if p != path}
                continue
            found.update({n: rows[n.removeprefix(key)] for n in wanted
                          if self._places.get(n) == path})  # fmt: skip
        self._keep(found)
        return found

    def _write(self, folder, rows, key):
        """Write a file of its own, complete or not at all."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [name.removeprefix(key) for name in rows]
        target = folder / f"{_digest(np.array(names))}.npz"
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
            np.savez(file, names=names, rows=np.stack(list(rows.values())))
        os.chmod(file.name, 0o644)  # for the other users of the folder
        os.replace(file.name, target)
        self._files.add(target)
        self._places.update(dict.fromkeys(rows, target))


@contextmanager
def _opened(path):
    # numpy leaves a file open that it cannot read.
    with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
        yield file


def _digest(row):
    row = np.ascontiguousarray(row)
    start = repr((row.dtype.str, row.shape)).encode()
    digest = hashlib.blake2b(start, digest_size=16)
    digest.update(row.view(np.uint8).data if row.ndim else row.tobytes())
    return digest.hexdigest()


def _folder(memory, key):
    if memory is None:
        return None
    if not isinstance(memory, str | os.PathLike | Memory):
        raise TypeError(
            "`memory` must be None, the path of a folder or a joblib.Memory, got "
            f"{memory!r}."
        )
    place = memory.location if isinstance(memory, Memory) else memory
    if place is None:  # joblib's way to say: no cache
        return None
    return Path(place) / _FOLDER / key


shared_cache = FeatureCache()
