"""Adapters of peft in a module: few weights that learn beside frozen ones."""

import copy
import re
from importlib.util import find_spec

import torch
from torch import nn

__all__ = ["adapter_parameters", "add_adapters", "check_adapters", "merge_adapters"]

# What is known of an adapted module, kept in the module itself: it is copied, pickled
# and wrapped with it.
_RECORD = "sktransfer_adapters"
# What torch computes without calling the layers, so that adapters in these would be
# left out without a word; the attribute that says so, and the value that forbids it.
_FAST_PATHS = {
    nn.TransformerEncoderLayer: ("activation_relu_or_gelu", 0),
    nn.TransformerEncoder: ("use_nested_tensor", False),
}
_ATTENTION = re.compile(
    r"(.*\.)?([^.]*(attn|attention)[^.]*\..+"
    r"|[qkv]|query|key|value|qkv|Wqkv|[^.]*(attn|attention)[^.]*"
    r"|(query|key|value|qkv|[qkv])_(proj|lin)|to_[qkv]|query_key_value)",
    re.IGNORECASE,
)
_NOTHING_FITS = ("specify `target_modules`", "not found in the base model")


def add_adapters(module, peft):
    """Put adapters into a module; its own weights are frozen, the adapters learn.

    The outputs stay as they are until the adapters have learned something. Their
    initial values come from torch's default generator.

    Parameters
    ----------
    module : nn.Module
        Changed in place, so it must be ours: a deep copy of what the user gave.
    peft : "lora" or peft.PeftConfig
        "lora": low-rank updates of rank 8, scaled by 16 / 8, of the layers that peft
        names for a known architecture of transformers, else of all linear layers in
        attentions. Or any configuration whose adapters can be injected into a module:
        ``peft.LoraConfig``, ``peft.IA3Config`` and the like; it is copied.

    Returns
    -------
    nn.Module
        The module.
    """
    config = _configuration(peft)
    if adapter_parameters(module):
        raise ValueError(
            "The module has adapters already. Fold them in first: merge_adapters."
        )
    learned = [name for name, p in module.named_parameters() if p.requires_grad]
    module.requires_grad_(False)
    _inject(module, config)
    fast = _without_fast_paths(module)
    for layer in _adapter_layers(module):
        layer.train(layer.get_base_layer().training)
    names = [name for name, p in module.named_parameters() if p.requires_grad]
    record = {"adapters": names, "learned": learned, "fast": fast}
    setattr(module, _RECORD, record)
    return module


def adapter_parameters(module):
    """List the parameters of the adapters in a module, whether they learn or not."""
    found = []
    for part in module.modules():
        record = vars(part).get(_RECORD)
        if record is not None:
            named = dict(part.named_parameters())
            found += [named[name] for name in record["adapters"]]
    return found


def merge_adapters(module):
    """Return a copy of a module with its adapters folded into the weights.

    Parameters
    ----------
    module : nn.Module
        Adapted or not, or holding an adapted module; it is not changed.

    Returns
    -------
    nn.Module
        It computes the same, up to rounding, and has the parts and the names of
        weights that there were before `add_adapters`; the same of them learn.
    """
    module = copy.deepcopy(module)
    adapted = [part for part in module.modules() if _RECORD in vars(part)]
    _fold(module)
    for part in adapted:
        record = vars(part).pop(_RECORD)
        for name, p in part.named_parameters():
            p.requires_grad_(name in record["learned"])
        for name, value in record["fast"].items():
            layer = part.get_submodule(name)
            setattr(layer, _fast_path(layer)[0], value)
    for part in module.modules():
        vars(part).pop("peft_config", None)
    return module


def check_adapters(module, sample):
    """Raise where adapters would learn nothing, for no adapted layer is called.

    Parameters
    ----------
    module : nn.Module
        With adapters, in evaluation mode.
    sample : torch.Tensor
        A few rows.
    """
    called = []
    layers = _adapter_layers(module)
    hooks = [
        layer.register_forward_pre_hook(lambda *given: called.append(True))
        for layer in layers
    ]
    try:
        with torch.no_grad():
            module(sample)
    finally:
        for hook in hooks:
            hook.remove()
    if layers and not called:
        names = [name for name, part in module.named_modules() if part in layers]
        raise ValueError(
            f"Adapters of {', '.join(names[:20])} would have no effect: the module "
            "reads the weights of these layers and does not call them. Name others: "
            "peft.LoraConfig(target_modules=[...])."
        )


def _configuration(peft):
    """Return a configuration of peft that is ours."""
    if find_spec("peft") is None:
        raise ImportError(
            "Adapters need peft, which is not installed. Install it with "
            '`pip install "sktransfer[text]"`.'
        )
    from peft import LoraConfig, PeftConfig

    if isinstance(peft, str) and peft == "lora":
        return LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0)
    if not isinstance(peft, PeftConfig):
        raise ValueError(
            "`peft` must be 'lora' or a configuration of peft (LoraConfig, IA3Config, "
            f"...), got {peft!r}."
        )
    if peft.is_prompt_learning:
        raise ValueError(
            f"`peft` is a {type(peft).__name__}, whose adapters are rows of input and "
            "not parts of a module. Use LoraConfig, IA3Config or the like."
        )
    config = copy.deepcopy(peft)
    config.inference_mode = False
    return config


def _inject(module, config):
    from peft import LoraConfig, inject_adapter_in_model

    roots = [module]
    named = config.target_modules or getattr(config, "target_parameters", None)
    if not named and isinstance(config, LoraConfig):
        # A pattern of whole names: a name in a list would match as an ending, too.
        targets = _lora_targets(module)
        if config.layers_to_transform is not None:
            # peft takes no notice of it where there is a pattern.
            targets = _in_layers(config, targets)
        if not targets:
            raise _nothing_fits(module, config)
        config.target_modules = "|".join(re.escape(name) for name in targets)
    elif not named:
        roots = [part for _, part in _transformers(module)]
        if not roots:
            raise _nothing_fits(module, config)
    for root in roots:
        try:
            inject_adapter_in_model(copy.deepcopy(config), root)
        except ValueError as error:
            if any(sentence in str(error) for sentence in _NOTHING_FITS):
                raise _nothing_fits(module, config) from error
            raise
    _refuse_uncalled(module)


def _lora_targets(module):
    """Return the names of the layers that get an adapter if the user names none."""
    from peft.utils import TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING as KNOWN

    attentions = [m for m in module.modules() if isinstance(m, nn.MultiheadAttention)]
    uncalled = {id(attention.out_proj) for attention in attentions}
    names = []
    for prefix, part in _transformers(module) or [("", module)]:
        wanted = KNOWN.get(getattr(getattr(part, "config", None), "model_type", None))
        for name, layer in part.named_modules():
            if wanted is None:
                fits = isinstance(layer, nn.Linear) and _ATTENTION.fullmatch(name)
            elif isinstance(wanted, str):
                fits = re.fullmatch(wanted, name)
            else:
                fits = f".{name}".endswith(tuple(f".{ending}" for ending in wanted))
            if name and fits and id(layer) not in uncalled:
                names.append(f"{prefix}.{name}" if prefix else name)
    return names


def _in_layers(config, names):
    """Return those of the names that are in the layers of a configuration."""
    from peft.tuners.tuners_utils import check_target_module_exists

    listed, found = copy.copy(config), []
    for name in names:
        listed.target_modules = [name.rpartition(".")[2]]
        if check_target_module_exists(listed, name):
            found.append(name)
    return found


def _transformers(module):
    """Return the outermost models of transformers in a module, with their names."""
    found = []
    for name, part in module.named_modules():
        inside = any(not p or name.startswith(p + ".") for p, _ in found)
        if not inside and hasattr(getattr(part, "config", None), "model_type"):
            found.append((name, part))
    return found


def _nothing_fits(module, config):
    linear = [n for n, m in module.named_modules() if n and isinstance(m, nn.Linear)]
    listed = ", ".join(linear[:20]) + (", ..." if len(linear) > 20 else "")
    kind = type(config).__name__
    wanted = config.target_modules
    asked = f" called {sorted(wanted)}" if isinstance(wanted, list | set) else ""
    return ValueError(
        f"The module has no layers{asked} for the adapters of {kind}. Name some: "
        f"peft.{kind}(target_modules=[...]). Its linear layers are: {listed or 'none'}."
    )


def _refuse_uncalled(module):
    whole = {id(layer.get_base_layer()) for layer in _adapter_layers(module)}
    layers = {id(layer) for layer in _adapter_layers(module)}
    for name, part in module.named_modules():
        if not isinstance(part, nn.MultiheadAttention) or id(part) in whole:
            continue
        if id(part.out_proj) in layers:
            raise ValueError(
                f"An adapter of '{name}.out_proj' would have no effect: "
                "torch.nn.MultiheadAttention reads the weights of that layer and does "
                f"not call it. Name '{name}' itself, or other layers."
            )


def _adapter_layers(module):
    from peft.tuners.tuners_utils import BaseTunerLayer

    return [part for part in module.modules() if isinstance(part, BaseTunerLayer)]


def _fast_path(layer):
    return next((v for c, v in _FAST_PATHS.items() if isinstance(layer, c)), None)


def _without_fast_paths(module):
    """Have torch call the layers that have an adapter; return what was changed."""
    changed = {}
    for name, part in module.named_modules():
        path = _fast_path(part)
        if path is not None and _adapter_layers(part):
            changed[name] = getattr(part, path[0])
            setattr(part, *path)
    return changed


def _fold(module):
    """Replace adapted layers by plain ones, outermost first."""
    for name, child in list(module.named_children()):
        if hasattr(child, "unload_and_optionally_merge_module"):
            plain = child.unload_and_optionally_merge_module(
                merge=True, safe_merge=False, adapter_names=None
            )
        elif hasattr(child, "base_layer") and hasattr(child, "get_base_layer"):
            child.merge()
            plain = child.get_base_layer()
        else:
            _fold(child)
            continue
        setattr(module, name, plain)
