"""Architectures of backbones by name on disk: JSON and tokenizer files, no weights."""

import dataclasses
import hashlib
import json
from pathlib import Path

import torch

from sktransfer.deep.backbones._backbone_registry import load_backbone
from sktransfer.deep.backbones._hub_backbone import rebuild_hub_backbone
from sktransfer.deep.preprocessing._image_preprocessor import ImagePreprocessor
from sktransfer.deep.preprocessing._learned_width import learned_width, set_width

__all__ = ["load_architecture", "save_architecture"]

_FORMAT = 1
_HEAD, _TOKENIZER = "architecture.json", "tokenizer"
_KEYS = {"format", "recipe", "n_features", "files", "sha256"}


def save_architecture(backbone, folder):
    """Write what rebuilds a backbone without its weights and without network.

    Parameters
    ----------
    backbone : Backbone
        Of `load_backbone`; its module is not looked at. If its preprocessor is fitted,
        so is the one that `load_architecture` returns.
    folder : str or path-like
        Where architecture.json goes and, for texts, the tokenizer.
    """
    folder = Path(folder)
    recipe = {**backbone.recipe, **learned_width(backbone.preprocessor)}
    folder.mkdir(parents=True, exist_ok=True)
    if recipe.get("kind") == "text":
        backbone.preprocessor.tokenizer.save_pretrained(folder / _TOKENIZER)
    body = {
        "format": _FORMAT,
        "recipe": recipe,
        "n_features": backbone.n_features,
        "files": _digests(folder / _TOKENIZER),
    }
    try:
        text = json.dumps({**body, "sha256": _digest(body)}, indent=1)
    except TypeError as error:
        raise ValueError(
            f"The recipe of {recipe.get('source')}:{recipe.get('name')} cannot be "
            f"written as JSON: {error}. Keep it to numbers, strings, lists and dicts."
        ) from error
    (folder / _HEAD).write_text(text, encoding="utf-8")


def load_architecture(folder):
    """Rebuild a backbone that `save_architecture` wrote.

    Parameters
    ----------
    folder : str or path-like
        The folder.

    Returns
    -------
    Backbone
        With random weights; the preprocessor is ready to use if it was fitted or has
        nothing to fit.
    """
    folder = Path(folder)
    head = _read(folder)
    recipe = head["recipe"]
    with torch.random.fork_rng(devices=[]):
        found = _rebuilt(recipe, folder / _TOKENIZER)
    if found.n_features != head["n_features"]:
        raise ValueError(
            f"{folder} was saved with {head['n_features']} features, but "
            f"{recipe['source']}:{recipe['name']} now has {found.n_features}. Use the "
            "version of the package, or the loader, with which it was saved."
        )
    set_width(found.preprocessor, recipe)
    return found


def _rebuilt(recipe, tokenizer):
    if recipe["source"] != "hf":
        spec = f"{recipe['source']}:{recipe['name']}"
        found = load_backbone(spec, pretrained=False)
        preprocessor = found.preprocessor
        if recipe.get("image") is not None:
            # The settings of the weights' day, whatever the package says by now.
            preprocessor = ImagePreprocessor(**recipe["image"])
        return dataclasses.replace(found, preprocessor=preprocessor, recipe=recipe)
    is_text = recipe["kind"] == "text"
    return rebuild_hub_backbone(recipe, tokenizer if is_text else None)


def _read(folder):
    try:
        head = json.loads((folder / _HEAD).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{folder} holds no architecture: {_HEAD} is missing."
        ) from error
    except ValueError as error:
        raise ValueError(f"{folder} holds a damaged {_HEAD}: {error}") from error
    if not isinstance(head, dict) or head.get("format") != _FORMAT:
        raise ValueError(
            f"{folder} is of another version: expected format {_FORMAT} in {_HEAD}."
        )
    if head.keys() != _KEYS:
        names = ", ".join(sorted(_KEYS ^ head.keys()))
        raise ValueError(f"{folder} holds a damaged {_HEAD}: look at {names}.")
    body = {key: head[key] for key in head if key != "sha256"}
    known = isinstance(head["recipe"], dict) and {"source", "name"} <= set(
        head["recipe"]
    )
    if head["sha256"] != _digest(body) or not known:
        raise ValueError(f"{folder} holds a damaged {_HEAD}. Save it again.")
    if head["files"] != _digests(folder / _TOKENIZER):
        raise ValueError(
            f"The tokenizer in {folder} does not belong to {_HEAD}. Copy the whole "
            "folder, or save it again."
        )
    return head


def _digest(body):
    text = json.dumps(body, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _digests(folder):
    """Return the digest of each file of the tokenizer, by name."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
