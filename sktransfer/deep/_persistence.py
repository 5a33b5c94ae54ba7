"""Save and load fitted estimators as safetensors and JSON: nothing is unpickled."""

import copy
import dataclasses
import hashlib
import itertools
import json
import os
import warnings
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from sklearn.base import ClassifierMixin

from sktransfer.deep._device import seeded
from sktransfer.deep.backbones._architectures import (
    load_architecture,
    save_architecture,
)

__all__ = ["load_estimator", "save_estimator"]

_FORMAT = 2
_WEIGHTS, _HEAD = "weights.safetensors", "estimator.json"
_ARCHITECTURE = "architecture"
# Objects that only `fit` uses.
_FOR_FIT = ("augment", "accelerator", "peft", "regularizer", "memory")
_STATE = (
    "n_features_in_",
    "input_shape_",
    "input_dtype_",
    "multilabel_",
    "history_",
    "n_iter_",
    "y_mean_",
    "y_scale_",
    "classes_",
    "feature_names_in_",
)
_KEYS = {"format", "class", "backbone", "structure", "params", "state", "sha256"}
_ALWAYS = {"input_shape_", "input_dtype_", "history_", "n_iter_"}
_OF_CLASSES, _OF_VALUES = {"classes_", "multilabel_"}, {"y_mean_", "y_scale_"}


def _plain(value):
    """Return a value as JSON takes it, arrays with their type."""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "O" and all(isinstance(v, str) for v in value):
            return {"array": value.tolist(), "dtype": "O"}
        return {"array": value.tolist(), "dtype": value.dtype.str}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, dict):
        return {"items": [[_plain(k), _plain(v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _restored(value):
    if isinstance(value, dict) and "array" in value:
        return np.array(value["array"], dtype=value["dtype"])
    if isinstance(value, dict) and "items" in value:
        return {_restored(k): _restored(v) for k, v in value["items"]}
    if isinstance(value, list):
        return [_restored(item) for item in value]
    return value


def save_estimator(estimator, path):
    """Write the folder: weights.safetensors and estimator.json."""
    import sktransfer

    path = Path(path)
    params = estimator.get_params(deep=False)
    backbone = params.pop("backbone")
    kind = _kind_of(backbone, estimator)
    if isinstance(params["memory"], os.PathLike):
        params["memory"] = os.fspath(params["memory"])
    if not isinstance(params["random_state"], int | None):
        params["random_state"] = None  # a generator is not a setting
    left_out = [k for k in _FOR_FIT if not isinstance(params[k], str | None)]
    params.update(dict.fromkeys(left_out))
    state = {k: getattr(estimator, k) for k in _STATE if hasattr(estimator, k)}
    weights = _packed(plain_network(estimator.network_))
    head = {
        "format": _FORMAT,
        "class": type(estimator).__name__,
        "sktransfer": sktransfer.__version__,
        "sha256": hashlib.sha256(weights).hexdigest(),
        "backbone": kind,
        "name": os.fspath(backbone) if kind == "named" else None,
        "structure": _structure(estimator.network_) if kind == "given" else None,
        "params": _plain(params),
        "state": {key: _plain(value) for key, value in state.items()},
    }
    try:
        text = json.dumps(head, indent=1)
    except TypeError as error:
        raise ValueError(f"A parameter cannot be written as JSON: {error}.") from error
    path.mkdir(parents=True, exist_ok=True)
    if kind == "named":
        save_architecture(estimator._named, path / _ARCHITECTURE)
    (path / _WEIGHTS).write_bytes(weights)
    (path / _HEAD).write_text(text, encoding="utf-8")
    if left_out:
        warnings.warn(
            f"{', '.join(left_out)} cannot be written without pickle and is None after "
            "load. It does not change predictions; for another fit pass it by "
            "set_params.",
            UserWarning,
            stacklevel=3,
        )


def _kind_of(backbone, estimator):
    if backbone is None:
        return "default"
    return "named" if estimator._is_named else "given"


def plain_network(network):
    """Return the network, or a copy in which adapters are folded into the weights."""
    from sktransfer.deep._adapters import adapter_parameters, merge_adapters

    if not adapter_parameters(network.backbone):
        return network
    merged = copy.deepcopy(network)
    merged.backbone = merge_adapters(merged.backbone)
    return merged


def _structure(network):
    """Return the kinds of the parts of a backbone, and their settings as printed."""
    return [
        f"{name}: {type(part).__name__}({part.extra_repr()})"
        for name, part in plain_network(network).backbone.named_modules()
    ]


def _check_structure(network, expected, path):
    found = _structure(network)
    if found == expected:
        return
    pairs = itertools.zip_longest(expected, found, fillvalue="nothing")
    saved, given = next((a, b) for a, b in pairs if a != b)
    raise ValueError(
        f"{path} was saved with another backbone than the one given: it had {saved}, "
        f"now there is {given}. Pass the backbone of the fit."
    )


def _packed(network):
    """Return the weights as the bytes of a safetensors file."""
    # Each tensor its own copy: safetensors takes none that share memory.
    return save(
        {
            key: value.detach().cpu().contiguous().clone()
            for key, value in network.state_dict().items()
        }
    )


def _read(path):
    try:
        head = json.loads((path / _HEAD).read_text(encoding="utf-8"))
        weights = (path / _WEIGHTS).read_bytes()
        tensors = load(weights)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{path} holds no saved estimator: {error.filename or error} is missing."
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError) as error:
        raise ValueError(f"{path} holds a damaged file: {error}") from error
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise ValueError(
            f"{path} is of another version of `save`: expected format {_FORMAT}."
        )
    if not head.keys() >= _KEYS:
        missing = ", ".join(sorted(_KEYS - head.keys()))
        raise ValueError(f"{path} holds a damaged file: {_HEAD} lacks {missing}.")
    if head["sha256"] != hashlib.sha256(weights).hexdigest():
        raise ValueError(
            f"{_HEAD} and {_WEIGHTS} in {path} do not belong together. Copy both from "
            "the same folder, or save again."
        )
    return head, tensors


def load_estimator(cls, path, backbone):
    """Read the folder, refuse what does not match, rebuild the estimator."""
    path = Path(path)
    head, tensors = _read(path)
    if head["class"] != cls.__name__:
        raise ValueError(
            f"{path} holds a {head['class']}. Load it with {head['class']}.load."
        )
    _check_backbone(head["backbone"], backbone, path)
    try:
        estimator = _with_state(cls, head, backbone)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} holds a damaged {_HEAD}: {error!r}") from error
    if head["backbone"] == "named":
        _load_named(estimator, path / _ARCHITECTURE)
    sample = np.zeros((2, *estimator.input_shape_), dtype=estimator.input_dtype_)
    with seeded(0, torch.device("cpu")):
        network = estimator._build(sample, adapted=False)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise ValueError(
            f"The weights in {path} do not fit the network: {error}"
        ) from error
    if head["backbone"] == "given":
        _check_structure(network, head["structure"] or [], path)
    network.freeze(estimator.trainable)
    estimator.network_ = network.eval()
    return estimator


def _check_backbone(kind, backbone, path):
    if kind == "given" and backbone is None:
        raise ValueError(
            f"{path} was saved with a backbone of your own, which is not in the file. "
            "Pass it: load(path, backbone=...)."
        )
    if kind != "given" and backbone is not None:
        names = {"default": "the default backbone", "named": "a backbone by its name"}
        raise ValueError(
            f"{path} was saved with {names.get(kind, kind)}; leave `backbone` out."
        )


def _load_named(estimator, folder):
    """Rebuild the architecture of a named backbone, without its weights."""
    found = load_architecture(folder)
    estimator._module = found.module
    estimator._named = dataclasses.replace(found, module=None)
    estimator.preprocessor_ = found.preprocessor


def _with_state(cls, head, backbone):
    """Return the estimator without its network."""
    needed = _ALWAYS | (_OF_CLASSES if issubclass(cls, ClassifierMixin) else _OF_VALUES)
    if not head["state"].keys() >= needed:
        raise KeyError(*sorted(needed - head["state"].keys()))
    params = _restored(head["params"])
    if isinstance(params["head"], list):
        params["head"] = tuple(params["head"])
    if head["backbone"] == "named":
        backbone = head["name"]
    estimator = cls(backbone=backbone, **params)
    for name in _STATE:
        if name in head["state"]:
            setattr(estimator, name, _restored(head["state"][name]))
    estimator.input_shape_ = tuple(estimator.input_shape_)
    estimator.device_ = "cpu"
    return estimator
