"""Checks of the parameters of the fine-tuned estimators."""

from numbers import Integral

from torch import nn

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.deep._schedule import SCHEDULES
from sktransfer.deep.regularizers._regularizer import Regularizer

__all__ = ["check_fine_tuning", "check_one_epoch", "check_same_head"]


def check_fine_tuning(model):
    """Raise unless the parameters of a fine-tuned estimator are valid."""
    check_choice("pretrain", model.pretrain, ("auto", True, False))
    _check_trainable(model.trainable)
    check_number("lr", model.lr, low=0, low_open=True)
    check_number("backbone_lr", model.backbone_lr, low=0, also=(None,))
    check_number("layer_decay", model.layer_decay, low=0, high=1, low_open=True)
    for name in ("l2_sp", "weight_decay", "source_weight"):
        check_number(name, getattr(model, name), low=0)
    for name in ("max_epochs", "pretrain_epochs", "batch_size", "patience"):
        check_integer(name, getattr(model, name), low=1)
    check_number(
        "validation_fraction",
        model.validation_fraction,
        low=0,
        high=1,
        low_open=True,
        high_open=True,
        also=(None,),
    )
    check_choice("optimizer", model.optimizer, ("adamw", "sgd"))
    check_choice("mixed_precision", model.mixed_precision, ("auto", True, False))
    check_choice("on_interrupt", model.on_interrupt, ("discard", "keep"))
    check_choice("schedule", model.schedule, SCHEDULES)
    check_number("warmup", model.warmup, low=0, high=1)
    check_integer("accumulate", model.accumulate, low=1)
    check_number("clip_norm", model.clip_norm, low=0, low_open=True, also=(None,))
    _check_unfreezing(model.unfreeze_every, model.trainable)
    _check_hooks(model)


def check_one_epoch(model):
    """Raise where a setting counts from the start of a phase of many epochs."""
    for name in ("regularizer", "unfreeze_every"):
        if getattr(model, name) is not None:
            raise ValueError(
                f"`{name}` counts from the start of a phase, and partial_fit learns "
                "one epoch a call. Use fit, with warm_start=True to go on, or set "
                f"{name}=None."
            )


def _check_trainable(trainable):
    if isinstance(trainable, str):
        if trainable not in ("all", "head"):
            raise ValueError(
                "`trainable` must be 'all', 'head', a number of blocks or a list of "
                f"patterns of parameter names, got {trainable!r}. For one pattern pass "
                f"[{trainable!r}]."
            )
    elif isinstance(trainable, list | tuple):
        if not trainable or not all(isinstance(each, str) for each in trainable):
            raise ValueError(
                "`trainable` as a list must hold patterns of parameter names, such as "
                f"'layer4.*', got {trainable!r}."
            )
    else:
        check_integer("trainable", trainable, low=1)


def _check_unfreezing(every, trainable):
    check_integer("unfreeze_every", every, low=1, also=(None,))
    by_blocks = isinstance(trainable, Integral) or trainable == "all"
    if every is not None and not by_blocks:
        raise ValueError(
            "`unfreeze_every` opens block after block, up to a number of blocks or "
            f"'all' of them, and trainable={trainable!r} names none. Set trainable, or "
            "leave unfreeze_every None."
        )


def _check_hooks(model):
    if model.augment is not None and not callable(model.augment):
        raise TypeError(
            "`augment` must be None or a function from a tensor of rows to a tensor of "
            f"as many rows, got {model.augment!r}."
        )
    if not isinstance(model.regularizer, Regularizer | None):
        raise TypeError(
            "`regularizer` must be None or one of sktransfer.deep.L2SP, DELTA, BSS, "
            f"LWF, CoTuning, StochNorm, BiTuning, got {model.regularizer!r}."
        )
    if model.peft is not None and model.trainable != "all":
        raise ValueError(
            "With `peft` the adapters and the head learn and the backbone's own "
            f"weights are frozen, so trainable={model.trainable!r} has no meaning. "
            "Leave it 'all'."
        )


def check_same_head(head, network):
    """Raise if a network that is trained on has other hidden layers than `head`."""
    linear = [m for m in network.head.modules() if isinstance(m, nn.Linear)]
    sizes = tuple(layer.out_features for layer in linear[:-1])
    if sizes != (() if isinstance(head, str) else tuple(head)):
        raise ValueError(
            f"warm_start goes on with a network whose head has hidden layers of sizes "
            f"{sizes}, got head={head!r}. Leave `head` as it was, or set "
            "warm_start=False for a new network."
        )
