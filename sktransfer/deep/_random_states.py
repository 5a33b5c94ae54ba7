"""What the generators of torch, numpy and Python would draw next."""

import pickle
import random

import numpy as np
import torch

__all__ = ["RandomStates"]


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
