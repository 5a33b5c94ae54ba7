"""Models of transformers, with their weights or without."""

import pickle
from contextlib import contextmanager

from safetensors import SafetensorError
from torch import nn
from torch.nn.utils import parametrize

from sktransfer.deep.backbones._suggestions import did_you_mean

__all__ = ["hub_model", "read_config"]

_OFF = {"apply_spec_augment": False, "layerdrop": 0.0, "encoder_layerdrop": 0.0}
_OFF |= {"use_cache": False}
_PART_CONFIGS = ("text_config", "vision_config", "audio_config")


def read_config(transformers, name):
    """Read the configuration of a model, of one part where it has several.

    Parameters
    ----------
    transformers : module
        The package.
    name : HubName
        The model.

    Returns
    -------
    PretrainedConfig
    """
    try:
        config = transformers.AutoConfig.from_pretrained(
            name.where, local_files_only=name.is_folder, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        raise _unavailable(name, error) from error
    parts = {
        key.removesuffix("_config"): part
        for key in _PART_CONFIGS
        if isinstance(part := getattr(config, key, None), transformers.PretrainedConfig)
    }
    if name.part in parts:
        config = parts[name.part]
    elif len(parts) > 1:
        raise ValueError(
            f"{name.where} is a model for {' and '.join(parts)}. Say which part: "
            f"'hf:{name.where}#{next(reversed(parts))}'."
        )
    # SpecAugment would draw from numpy's global generator, and layers that are left out
    # at random would be frozen ones, too. Keys and values are for going on with a text.
    for key, off in _OFF.items():
        if hasattr(config, key):
            setattr(config, key, off)
    return config


def hub_model(transformers, config, name=None, *, keep_pooler=False):
    """Make a model without head, in single precision and evaluation mode.

    Parameters
    ----------
    transformers : module
        The package.
    config : PretrainedConfig
        Its architecture.
    name : HubName or None, default=None
        Where its weights are; None: random weights.
    keep_pooler : bool, default=False
        Whether a pooling layer of its own with weights stays; many files lack these.

    Returns
    -------
    PreTrainedModel
    """
    if type(config) not in transformers.MODEL_MAPPING:
        raise ValueError(
            f"transformers has no model without head for {config.model_type!r}. Pass "
            "the network itself as `backbone`."
        )
    missing = ()
    if name is None:
        model = transformers.AutoModel.from_config(config, trust_remote_code=False)
    else:
        model, missing = _with_weights(transformers, config, name)
    # Half precision is for the GPUs of inference; in training it underflows.
    tensors = dict(model.float().named_parameters())
    if config.is_encoder_decoder:
        model = model.get_encoder()
    if _has_weights(getattr(model, "pooler", None)) and not keep_pooler:
        model.pooler = None
    # The vector that SpecAugment writes is not in use.
    used = {id(p) for n, p in model.named_parameters() if n != "masked_spec_embed"}
    missing = sorted(n for n in missing if n in tensors and id(tensors[n]) in used)
    if missing:
        raise ValueError(
            f"The weights of {name.where} are not those of its architecture: they lack "
            f"{len(missing)} of {len(used)}, {missing[0]} for example. Save the model "
            "again, with config.json and weights together (save_pretrained)."
        )
    _fold_parametrizations(model)
    return model.eval()


def _with_weights(transformers, config, name):
    try:
        with _quiet(transformers):
            model, info = transformers.AutoModel.from_pretrained(
                name.where,
                config=config,
                local_files_only=name.is_folder,
                trust_remote_code=False,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are named below
            )
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"The weights of {name.where} are damaged, or hold more than tensors; such "
            "a file can run code when it is read, so it is not opened. Use a copy with "
            "model.safetensors."
        ) from error
    except (SafetensorError, EOFError) as error:
        raise ValueError(
            f"The weights of {name.where} are damaged: {error}. Delete and download or "
            "save them again."
        ) from error
    except RuntimeError as error:
        raise ValueError(
            f"The weights of {name.where} are not those of its architecture "
            "(config.json), or damaged. Save the model again (save_pretrained): "
            f"{_first_line(error)}"
        ) from error
    except (OSError, ValueError) as error:
        raise _unavailable(name, error) from error
    if info["mismatched_keys"]:
        first, found, wanted = min(info["mismatched_keys"])
        raise ValueError(
            f"The weights of {name.where} are not those of its architecture "
            f"(config.json): {first} has the shape {tuple(found)} in place of "
            f"{tuple(wanted)}. Save the model again (save_pretrained)."
        )
    return model, info["missing_keys"]


def _unavailable(name, error):
    if name.is_folder:
        return ValueError(
            f"The folder {name.where} holds no model of transformers that can be read: "
            f"{_first_line(error)} It must have config.json and model.safetensors, as "
            "save_pretrained writes them."
        )
    return OSError(
        f"hf:{name.where} is not on this machine and could not be downloaded: "
        f"{_first_line(error)}{did_you_mean(name.where, _downloaded_names())} Check "
        "the name on https://huggingface.co/models, download it once where there is a "
        f"connection (hf download {name.where}), or pass the path of its folder."
    )


def _first_line(error):
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def _downloaded_names():
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        return [repo.repo_id for repo in scan_cache_dir().repos]
    except CacheNotFound:
        return []


def _has_weights(module):
    return isinstance(module, nn.Module) and any(True for _ in module.parameters())


def _fold_parametrizations(model):
    """Turn weight normalisation into plain weights: the former cannot be pickled."""
    for module in model.modules():
        if parametrize.is_parametrized(module):
            for name in list(module.parametrizations):
                parametrize.remove_parametrizations(module, name)
            # It renames weight_g and weight_v, which are no more, and is local.
            module._load_state_dict_pre_hooks.clear()


@contextmanager
def _quiet(transformers):
    """Keep back the report on weights and the bar of reading them, not of downloads.

    What matters in the report is raised.
    """
    from huggingface_hub import utils as hub

    logging = transformers.utils.logging
    level, has_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    shows_downloads = not hub.are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()  # those of downloads, too
    if shows_downloads:
        hub.enable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if has_bars:
            logging.enable_progress_bar()
        if not shows_downloads:
            hub.disable_progress_bars()
