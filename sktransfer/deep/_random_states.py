"""What generators of torch, numpy and Python would draw next."""

import pickle
import random

import numpy as np
import torch

__all__ = ["RandomStates", "own_generators"]

# NumPy's Generator and RandomState, and Python's.
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)


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
    """Return the states of generators that modules have as attributes.

    Parameters
    ----------
    modules : iterable of nn.Module
        Their parts are looked at if they are among them.

    Returns
    -------
    list of bytes
    """
    states = []
    for value in [value for module in modules for value in vars(module).values()]:
        if isinstance(value, torch.Generator):
            states.append(value.get_state().numpy().tobytes())
        elif isinstance(value, _GENERATORS):
            states.append(pickle.dumps(value))
    return states
