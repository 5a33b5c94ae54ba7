"""Backbones of the Hugging Face hub, or of a folder: "hf:bert-base-uncased"."""

import inspect
import json
import math
from pathlib import Path

import torch

from sktransfer.deep.backbones._backbone import Backbone
from sktransfer.deep.backbones._hub_model import hub_model, read_config
from sktransfer.deep.backbones._hub_name import parse_hub_name
from sktransfer.deep.backbones._hub_preprocessing import audio_settings, image_settings
from sktransfer.deep.backbones._image_encoder import ImageEncoder, image_pooling
from sktransfer.deep.backbones._optional_package import import_package
from sktransfer.deep.backbones._speech_encoder import SpeechEncoder
from sktransfer.deep.backbones._text_encoder import TextEncoder
from sktransfer.deep.preprocessing._audio_features import AudioFeatures
from sktransfer.deep.preprocessing._audio_samples import AudioSamples
from sktransfer.deep.preprocessing._image_preprocessor import ImagePreprocessor
from sktransfer.deep.preprocessing._load_tokenizer import load_tokenizer, pad_id_of
from sktransfer.deep.preprocessing._sentence_tokenizer import SentenceTokenizer

__all__ = ["load_hub_backbone", "rebuild_hub_backbone"]

_MAX_LENGTH = 128
_KINDS = {
    "text": "text",
    "image": "images",
    "samples": "samples of sound",
    "spectrogram": "spectrograms of sound",
}


def load_hub_backbone(name, *, pretrained=True):
    """Make a backbone of a model of transformers for text, images or sound.

    Which of these it is for is found from its configuration.

    Text: rows are token ids, and the features are the mean of the last layer over the
    tokens of a text. Images: the model's own pooled output if that has no weights of
    its own, else the class token or the mean. Sound: samples, which end in zeros, and
    the mean over the frames of a clip; or spectrograms, taken as images.

    Parameters
    ----------
    name : str
        Name on the hub or path of a folder, with ``#cls``, ``#mean`` or ``#pooler`` for
        another pooling, ``#max_length=64`` for the width of token rows,
        ``#max_seconds=5`` for that of samples, and ``#vision`` or ``#text`` for a part
        of a model that has several; options are separated by commas.
    pretrained : bool, default=True
        Whether weights are loaded, by transformers: they are downloaded once. False:
        random weights.

    Returns
    -------
    Backbone
        With the model's own tokenizer, image settings or feature extractor.
    """
    transformers = import_package("transformers", f"hf:{name}", "sktransfer[text]")
    parsed = parse_hub_name(name)
    config = read_config(transformers, parsed)
    keep_pooler = parsed.pooling == "pooler"
    model = hub_model(
        transformers, config, parsed if pretrained else None, keep_pooler=keep_pooler
    )
    recipe = {
        "name": Path(parsed.where).name if parsed.is_folder else name,
        "kind": _kind_of(model, config, name),
        "pooling": parsed.pooling,
        "config": json.loads(config.to_json_string(use_diff=True)),
    }
    recipe["config"]["model_type"] = config.model_type
    recipe["config"].pop("_name_or_path", None)
    _check_options(parsed, recipe["kind"])
    tokenizer = None
    if recipe["kind"] == "text":
        tokenizer = _own_tokenizer(parsed)
        longest = (
            parsed.max_length or _MAX_LENGTH,
            tokenizer.model_max_length,
            getattr(config, "max_position_embeddings", None) or _MAX_LENGTH,
        )
        recipe["max_length"] = parsed.max_length or min(longest)
        recipe["pooling"] = parsed.pooling or "mean"
    elif recipe["kind"] == "image":
        recipe["image"] = image_settings(transformers, parsed)
    else:
        recipe["audio"] = audio_settings(transformers, parsed)
        recipe["max_seconds"] = parsed.max_seconds
    return _assembled(model, recipe, tokenizer)


def rebuild_hub_backbone(recipe, tokenizer=None):
    """Make the same architecture again, without weights and without network.

    Parameters
    ----------
    recipe : dict
        That of a backbone.
    tokenizer : str, path-like, tokenizer or None, default=None
        The tokenizer of a text model.

    Returns
    -------
    Backbone
        With random weights.
    """
    transformers = import_package(
        "transformers", f"hf:{recipe['name']}", "sktransfer[text]"
    )
    config = transformers.AutoConfig.for_model(**recipe["config"])
    keep_pooler = recipe["pooling"] == "pooler"
    model = hub_model(transformers, config, keep_pooler=keep_pooler)
    if tokenizer is not None:
        tokenizer = load_tokenizer(tokenizer)
    return _assembled(model, recipe, tokenizer)


def _check_options(name, kind):
    for option, value, kinds in (
        ("max_length", name.max_length, ("text",)),
        ("max_seconds", name.max_seconds, ("samples",)),
        (name.pooling, name.pooling in ("cls", "pooler"), ("text", "image")),
    ):
        if value and kind not in kinds:
            raise ValueError(
                f"hf:{name.where} is a model for {_KINDS[kind]}, to which #{option} "
                "does not apply. Leave it out."
            )


def _own_tokenizer(name):
    tokenizer = load_tokenizer(name.where)
    # Without files transformers makes some that know special tokens only.
    if len(tokenizer) <= len(set(tokenizer.all_special_tokens)):
        raise ValueError(
            f"{name.where} has no tokenizer. Save it beside the weights: "
            "AutoTokenizer.from_pretrained(...).save_pretrained(folder)."
        )
    return tokenizer


def _kind_of(model, config, name):
    wanted = model.main_input_name
    if wanted == "input_ids":
        if "attention_mask" not in inspect.signature(model.forward).parameters:
            raise ValueError(
                f"hf:{name} takes no attention mask: the features of a text would "
                "depend on the longest text of its batch. Use a model that masks."
            )
        return "text"
    if wanted == "pixel_values":
        return "image"
    if wanted == "input_values" and hasattr(config, "conv_kernel"):
        if getattr(config, "add_adapter", False):
            raise ValueError(
                f"hf:{name} has an adapter after its layers, which is not supported. "
                "Use the model without it."
            )
        return "samples"
    if wanted in ("input_values", "input_features"):
        return "spectrogram"
    raise ValueError(
        f"hf:{name} takes {wanted}. A backbone must be a model for text, images or "
        "sound; pass any other as a module."
    )


def _assembled(model, recipe, tokenizer):
    kind, pooling = recipe["kind"], recipe["pooling"]
    if kind == "text":
        preprocessor = SentenceTokenizer(tokenizer, max_length=recipe["max_length"])
        module = TextEncoder(model, pad_id_of(tokenizer), pooling)
        sample = torch.zeros(1, 2, dtype=torch.int64)
    elif kind == "image":
        image = recipe["image"]
        preprocessor = None if image is None else ImagePreprocessor(**image)
        shape = _image_shape(model.config, image)
        sample = torch.arange(math.prod(shape)).remainder(7).float().reshape(shape)
    elif kind == "samples":
        audio = recipe["audio"]
        preprocessor = AudioSamples(
            audio["sampling_rate"], max_seconds=recipe["max_seconds"]
        )
        module = SpeechEncoder(model, audio.get("do_normalize", True))
        sample = torch.zeros(1, module.shortest)
    else:
        preprocessor = AudioFeatures(recipe["audio"])
        rate = recipe["audio"]["sampling_rate"]
        sample = torch.from_numpy(preprocessor.fit_transform([[1.0] * rate]))
    before = torch.get_rng_state()
    with torch.no_grad():
        if kind in ("image", "spectrogram"):
            pooling = pooling or image_pooling(model, sample)
            module = ImageEncoder(model, pooling)
        features = module.eval()(sample)
        has_drawn = not torch.equal(before, torch.get_rng_state())
        # Some draw, and use it in training alone.
        differs = has_drawn and not torch.equal(module(sample), features)
    if differs:
        raise ValueError(
            f"hf:{recipe['name']} gives the same rows other features each time, as it "
            "draws random numbers even where nothing is trained; masked autoencoders "
            "do. Use a model that does not."
        )
    n_features = features.shape[1]
    return Backbone(module, preprocessor, n_features, {**recipe, "pooling": pooling})


def _image_shape(config, image):
    side = getattr(config, "image_size", 224) if image is None else image["size"]
    height, width = side if isinstance(side, list | tuple) else (side, side)
    return 1, getattr(config, "num_channels", 3), height, width
