"""Pretrained backbones by name."""

import dataclasses
import re
from os import PathLike, fspath
from pathlib import Path

import torch
from torch import nn

from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.backbones._hub_backbone import load_hub_backbone
from sktransfer.deep.backbones._suggestions import did_you_mean
from sktransfer.deep.backbones._timm_backbone import load_timm_backbone
from sktransfer.deep.backbones._torchvision_backbone import load_torchvision_backbone

__all__ = ["load_backbone", "register_backbone"]

# A single letter is a drive of Windows.
_PREFIX = re.compile(r"[A-Za-z][\w.-]+")
_LOADERS = {
    "hf": load_hub_backbone,
    "timm": load_timm_backbone,
    "torchvision": load_torchvision_backbone,
}


def register_backbone(prefix, loader, *, overwrite=False):
    """Make backbones of your own available by name.

    After this, ``"prefix:name"`` can stand wherever a backbone is asked for, for this
    session: a saved estimator finds it again once it has been registered anew.

    Parameters
    ----------
    prefix : str
        What stands before the colon: two or more letters, digits, ``_``, ``.`` or
        ``-``, a letter first. "hf", "timm" and "torchvision" are there.
    loader : callable
        ``loader(name, *, pretrained=True)`` returns a `Backbone`; with
        ``pretrained=False`` without reading weights, for those of a saved estimator
        are put in afterwards.
    overwrite : bool, default=False
        Whether a prefix that is there already may be given another loader.

    See Also
    --------
    Backbone : What a loader returns.
    FineTunedClassifier : Trains a backbone that is given by its name.

    Examples
    --------
    >>> import torch
    >>> from sktransfer.deep import Backbone, register_backbone
    >>> def load_small(name, *, pretrained=True):
    ...     n_features = int(name)
    ...     network = torch.nn.Conv2d(3, n_features, 3)
    ...     return Backbone(network, None, n_features, {})
    >>> register_backbone("narrow", load_small, overwrite=True)
    """
    if not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
        raise ValueError(
            "`prefix` must be two or more letters, digits, '_', '.' or '-', a letter "
            f"first, got {prefix!r}."
        )
    if not callable(loader):
        raise TypeError(
            "`loader` must be a function loader(name, *, pretrained=True), got "
            f"{loader!r}."
        )
    if prefix in _LOADERS and not overwrite:
        raise ValueError(
            f"`prefix` {prefix!r} is registered already. Choose another one, or pass "
            "overwrite=True."
        )
    _LOADERS[prefix] = loader


def load_backbone(spec, *, pretrained=True):
    """Make the backbone that a name or a path stands for.

    Random weights continue the state of torch's global generator, which is left as it
    was.

    Parameters
    ----------
    spec : str or path-like
        "prefix:name", or the path of a folder with config.json and weights, as
        transformers saves models; it is read without network.
    pretrained : bool, default=True
        Whether weights are loaded. False: random weights.

    Returns
    -------
    Backbone
        In evaluation mode.
    """
    prefix, name = _parsed(spec)
    with torch.random.fork_rng(devices=[]):
        found = _LOADERS[prefix](name, pretrained=pretrained)
    valid = (
        isinstance(found, Backbone)
        and isinstance(found.module, nn.Module)
        and isinstance(found.recipe, dict)
    )
    if not valid:
        raise TypeError(
            f"The loader of {prefix!r} must return a Backbone with a torch.nn.Module "
            f"and a dict as its recipe, got {found!r}."
        )
    found.module.eval()
    return dataclasses.replace(
        found, recipe={"name": name, **found.recipe, "source": prefix}
    )


def _parsed(spec):
    if not isinstance(spec, str | PathLike):
        raise TypeError(
            "A backbone by name must be 'prefix:name', or the path of a folder, got "
            f"{spec!r}."
        )
    text = fspath(spec)
    prefix, colon, name = text.partition(":")
    if isinstance(spec, str) and colon and _PREFIX.fullmatch(prefix):
        if prefix not in _LOADERS:
            raise ValueError(
                f"No backbones are registered for {prefix!r}, asked for by {text!r}."
                f"{did_you_mean(prefix, _LOADERS)} There are "
                f"{', '.join(sorted(_LOADERS))}; register_backbone adds others."
            )
        if not name:
            raise ValueError(f"{text!r} has no name after the colon.")
        return prefix, name
    return "hf", _folder(text)


def _folder(text):
    """Return a path that holds a model of transformers, or say what it holds."""
    bare = text if Path(text).exists() else text.partition("#")[0]
    path = Path(bare).expanduser()
    if not path.exists():
        is_path = any(mark in text for mark in "/\\")
        raise FileNotFoundError(
            f"There is no folder {text}."
            if is_path
            else f"{text!r} is neither 'prefix:name' nor a folder. Write which source "
            f"it is from, such as 'torchvision:{text}' or 'hf:{text}'; there are "
            f"{', '.join(sorted(_LOADERS))}."
        )
    if path.is_file():
        raise ValueError(
            f"{text} is a file. Say which architecture its weights are for, such as "
            f"'torchvision:resnet18@{text}'."
        )
    if (path / "estimator.json").exists():
        raise ValueError(
            f"{text} holds a saved estimator. Load it with its class, "
            "FineTunedClassifier.load(path) for example."
        )
    if not (path / "config.json").exists():
        raise ValueError(
            f"{text} has no config.json. A folder must hold a model of transformers, "
            "as save_pretrained writes it."
        )
    return str(path) + text[len(bare) :]
