"""What to do when a batch does not fit into memory."""

from contextlib import contextmanager

import torch

__all__ = ["explain_out_of_memory"]

# The CPU's allocator raises a RuntimeError with this name in it.
_CPU_SENTENCE = "DefaultCPUAllocator"


@contextmanager
def explain_out_of_memory(batch_size, device):
    """Turn an allocator's error into a MemoryError that says which size to try."""
    try:
        yield
    except RuntimeError as error:
        is_cuda = isinstance(error, torch.OutOfMemoryError)
        if not is_cuda and _CPU_SENTENCE not in str(error):
            raise
        if batch_size > 1:
            way_out = f"Try batch_size={batch_size // 2}"
        else:
            way_out = "Take smaller rows or a smaller backbone"
        raise MemoryError(
            f"A batch of {batch_size} rows does not fit into the memory of {device}. "
            f"{way_out}; trainable='head' needs no gradients of the backbone."
        ) from error
