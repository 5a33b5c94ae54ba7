"""Weights of a network from a local file; nothing is unpickled."""

import pickle
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

__all__ = ["read_weights"]

_NESTED = ("state_dict", "model", "model_state_dict", "model_state")


def read_weights(path):
    """Read the tensors of a .safetensors file, or of a file that torch saved.

    Parameters
    ----------
    path : str or path-like
        The file. What `torch.save` wrote is read with ``weights_only=True``, which runs
        no code from the file.

    Returns
    -------
    dict of str to torch.Tensor
        On the CPU. The state dict inside a training checkpoint is found, and the prefix
        of `DataParallel` is taken off.
    """
    path = Path(path).expanduser()
    if not path.is_file():
        raise FileNotFoundError(f"There is no file of weights at {path}.")
    read = load_file if path.suffix == ".safetensors" else _read_torch
    try:
        found = read(path)
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ValueError(
            f"{path} is damaged or no file of weights: {error} Delete it and download "
            "or save it again."
        ) from error
    for key in _NESTED:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    if not _is_state_dict(found):
        raise ValueError(
            f"{path} holds no state dict (names and tensors). Save one with "
            "torch.save(model.state_dict(), path)."
        )
    if all(name.startswith("module.") for name in found):
        found = {name.removeprefix("module."): found[name] for name in found}
    return dict(found)


def _read_torch(path):
    try:
        with warnings.catch_warnings():
            # In a damaged file any byte may stand where the pickle protocol does.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            return torch.load(path, map_location="cpu", weights_only=True)
    except (MemoryError, RuntimeError, OSError):
        raise
    except Exception as error:
        # Damaged files make torch raise nearly anything, an IndexError for example; of
        # those with code in them it names the object.
        if not isinstance(error, pickle.UnpicklingError) or "GLOBAL" not in str(error):
            raise RuntimeError("it is not in a format of torch.save.") from error
        raise ValueError(
            f"{path} holds more than tensors, and such a file can run code when it is "
            "read, so it is not opened. Save the weights alone where you trust it: "
            "torch.save(model.state_dict(), path), or as safetensors."
        ) from error


def _is_state_dict(found):
    return (
        isinstance(found, dict)
        and bool(found)
        and all(isinstance(name, str) for name in found)
        and all(isinstance(value, torch.Tensor) for value in found.values())
    )
