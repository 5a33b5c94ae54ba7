"""What to do when a batch does not fit into memory."""

from contextlib import contextmanager

import torch

__all__ = ["explain_out_of_memory"]

# Allocators of other devices than CUDA raise a RuntimeError with these in it.
_SENTENCES = ("DefaultCPUAllocator", "MPS backend out of memory")


@contextmanager
def explain_out_of_memory(batch_size, device, *, learns=False):
    """Turn an allocator's error into a MemoryError that says which size to try.

    Parameters
    ----------
    batch_size : int
        Rows that are computed at once.
    device : torch.device or str
        Where.
    learns : bool, default=False
        Whether the backbone has gradients.
    """
    try:
        yield
    except RuntimeError as error:
        is_cuda = isinstance(error, torch.OutOfMemoryError)
        if not is_cuda and not any(part in str(error) for part in _SENTENCES):
            raise
        what, way_out = "A row", "Take smaller rows or a smaller backbone"
        if batch_size > 1:
            what = f"A batch of {batch_size} rows"
            way_out = f"Try batch_size={batch_size // 2}"
        more = "; trainable='head' needs no gradients of the backbone" if learns else ""
        raise MemoryError(
            f"{what} does not fit into the memory of {device}. {way_out}{more}."
        ) from error
