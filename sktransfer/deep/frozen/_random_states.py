"""What generators of torch, numpy and Python would draw next."""

import pickle
import random
from contextlib import suppress
from types import FunctionType

import numpy as np
import torch

from sktransfer.deep.frozen._fingerprint import is_installed, names_in

__all__ = ["RandomStates", "own_generators"]

_GENERATORS = (torch.Generator, np.random.Generator, np.random.RandomState)
_GENERATORS += (random.Random,)


class RandomStates:
    """The states of all global generators, as they are now."""

    def __init__(self):
        self.cpu = torch.get_rng_state()
        is_cuda = torch.cuda.is_initialized()
        self.gpus = torch.cuda.get_rng_state_all() if is_cuda else []
        self.python = random.getstate()
        self.numpy = np.random.get_state(legacy=False)  # noqa: NPY002

    def __eq__(self, other):
        """Whether both would draw the same."""
        own, others = [self.cpu, *self.gpus], [other.cpu, *other.gpus]
        return (
            len(own) == len(others)
            and all(map(torch.equal, own, others))
            and self.python == other.python
            and pickle.dumps(self.numpy) == pickle.dumps(other.numpy)
        )

    __hash__ = None

    def restore(self):
        """Let the generators draw as they would have."""
        torch.set_rng_state(self.cpu)
        if self.gpus:
            torch.cuda.set_rng_state_all(self.gpus)
        random.setstate(self.python)
        np.random.set_state(self.numpy)  # noqa: NPY002


def own_generators(modules):
    """Return the states of generators that modules have, or that their code names.

    Parameters
    ----------
    modules : iterable of nn.Module
        Their parts are looked at if they are among them.

    Returns
    -------
    list of bytes
    """
    found, seen = {}, set()
    for module in modules:
        for value in vars(module).values():
            _look_at(value, found, seen)
        for kind in type(module).__mro__:
            if not is_installed(kind.__module__):
                for value in vars(kind).values():
                    _look_at(value, found, seen)
    return [_state(generator) for generator in found.values()]


def _look_at(value, found, seen):
    """Note a generator, or those that a function of the user's own refers to."""
    if isinstance(value, _GENERATORS):
        found[id(value)] = value
    value = getattr(value, "__func__", value)
    if not isinstance(value, FunctionType) or is_installed(value.__module__):
        return
    if value in seen:
        return
    seen.add(value)
    known = value.__globals__
    named = [known[name] for name in names_in(value.__code__) if name in known]
    for cell in value.__closure__ or ():
        with suppress(ValueError):  # empty
            named.append(cell.cell_contents)
    for other in named:
        _look_at(other, found, seen)


def _state(generator):
    if isinstance(generator, torch.Generator):
        return generator.get_state().cpu().numpy().tobytes()
    return pickle.dumps(generator)
