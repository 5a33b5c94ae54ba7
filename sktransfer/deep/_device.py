"""Where the network lives, with which precision and random numbers it computes."""

from contextlib import contextmanager, nullcontext
from threading import RLock

import torch

__all__ = ["autocast", "resolve_device", "seeded"]

_DEVICES = ("cpu", "cuda", "mps")
# Threads share the generators of torch: they draw one after another.
_drawing = RLock()


def resolve_device(device):
    """Return a torch device: "auto" is CUDA, else Apple's MPS, else the CPU."""
    if isinstance(device, str) and device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise _no_device(device) from error
    if found.type not in _DEVICES:
        raise _no_device(device)
    backend = {"cuda": torch.cuda, "mps": torch.backends.mps}.get(found.type)
    absent = backend is not None and not backend.is_available()
    if absent or (found.index or 0) >= _count(found.type):
        raise ValueError(
            f"`device` is {device!r}, which torch does not find on this machine. Use "
            "'auto' or 'cpu'."
        )
    return found


def _count(kind):
    return torch.cuda.device_count() if kind == "cuda" else 1


def _no_device(device):
    return ValueError(
        "`device` must be 'auto', 'cpu', 'mps', 'cuda' or one of several, 'cuda:1', "
        f"got {device!r}."
    )


@contextmanager
def seeded(seed, device):
    """Draw from generators seeded with `seed`, and leave the global ones as they were.

    `torch.manual_seed` would also seed the generators of devices that are not used
    here, and nothing would set those back. Fits in several threads wait for each other;
    worker processes do not.
    """
    is_cuda, is_mps = device.type == "cuda", device.type == "mps"
    with _drawing, torch.random.fork_rng(devices=[device] if is_cuda else []):
        mps_state = torch.mps.get_rng_state() if is_mps else None
        torch.default_generator.manual_seed(seed)
        if is_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        if is_mps:
            torch.mps.manual_seed(seed)
        try:
            yield
        finally:
            if is_mps:
                torch.mps.set_rng_state(mps_state)


def autocast(device, mixed_precision):
    """Context in which the forward pass is computed.

    bfloat16 needs no loss scaling, so only it is used, and only where CUDA has it.
    """
    wanted = mixed_precision and device.type == "cuda"
    if wanted and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
