"""What tells a Keras network apart from others, besides its weights."""

import itertools
import json
from types import BuiltinFunctionType, FunctionType

from torch import nn

from sktransfer.deep.backbones._keras_parts import is_keras
from sktransfer.deep.frozen._identity import HasIdentity

__all__ = ["KerasPart", "keras_identity", "keras_seeds"]

# What these do is code, or state beside the weights and the configuration.
_OTHERS = ("Lambda", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "TFSMLayer")
_numbers = itertools.count()


class KerasPart(HasIdentity, nn.Module):
    """Some layers of a Keras network.

    Parameters
    ----------
    model : nn.Module
        The network.
    names : list of str
        Its layers.
    """

    def __init__(self, model, names):
        super().__init__()
        # Digests of what is not known to be the same are not the same.
        whole = keras_identity(model) or f"network {next(_numbers)}"
        self.identity = [whole, names]


def keras_identity(model):
    """Return a text that is the same for networks that compute the same.

    Parameters
    ----------
    model : nn.Module
        A network of Keras.

    Returns
    -------
    str or None
        None if some of it is not made by Keras itself: its configuration does not say
        what that computes.
    """
    try:
        parts = [*model._flatten_layers(), *_operations(model)]
        if not all(map(_is_of_keras, parts)):
            return None
        return json.dumps(model.get_config(), sort_keys=True)
    except (AttributeError, NotImplementedError, TypeError, ValueError):
        return None


def keras_seeds(module):
    """Return the parameters that only say what a dropout draws; copies draw others."""
    if not is_keras(module):
        return []
    weights = {id(variable) for variable in module.weights}
    return [v.value for v in module.variables if id(v) not in weights]


def _operations(model):
    inner = getattr(model, "_functional", None) or model
    return getattr(inner, "operations", [])


def _is_of_keras(part):
    kind = type(part)
    return (
        _is_in_keras(kind)
        and (not _is_preprocessing(kind) or kind.__name__ == "Rescaling")
        and kind.__name__ not in _OTHERS
        and not part.__dict__.keys() & {"call", "forward"}
        and all(map(_is_in_keras, filter(callable, vars(part).values())))
    )


def _is_preprocessing(kind):
    return kind.__module__.startswith("keras.src.layers.preprocessing.")


def _is_in_keras(value):
    is_function = isinstance(value, FunctionType | BuiltinFunctionType | type)
    module = value.__module__ if is_function else type(value).__module__
    return (module or "").startswith("keras.")
