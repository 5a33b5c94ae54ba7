"""Where the network lives, and with which precision it computes."""

from contextlib import nullcontext

import torch

__all__ = ["autocast", "resolve_device"]


def resolve_device(device):
    """Return a torch device: "auto" is CUDA, else Apple's MPS, else the CPU."""
    if device == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        if torch.backends.mps.is_available():
            return torch.device("mps")
        return torch.device("cpu")
    try:
        return torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"`device` must be 'auto' or the name of a torch device, got {device!r}."
        ) from error


def autocast(device, mixed_precision):
    """Context in which the forward pass is computed.

    bfloat16 needs no loss scaling, so only it is used, and only where CUDA has it.
    """
    wanted = mixed_precision and device.type == "cuda"
    if wanted and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16)
    return nullcontext()
