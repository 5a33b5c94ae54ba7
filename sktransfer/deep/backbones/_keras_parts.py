"""What torch does not see of a Keras network: its layers, and what is only state."""

from torch import nn

__all__ = ["is_keras", "keras_blocks", "keras_state"]


def is_keras(module):
    """Whether a module is a network of Keras, on its torch backend.

    Parameters
    ----------
    module : nn.Module
        Any.

    Returns
    -------
    bool
    """
    # Not by isinstance: Keras takes seconds to import, and may be on another backend.
    kinds = {kind.__module__.partition(".")[0] for kind in type(module).__mro__}
    return "keras" in kinds and hasattr(module, "layers")


def keras_blocks(model):
    """Return the layers with weights, in the order in which Keras lists them.

    To torch a Keras network is one dict of parameters. A layer whose weights all have
    one axis, a normalisation for example, is part of the block before it.

    Parameters
    ----------
    model : keras.Model
        The network.

    Returns
    -------
    list of nn.ModuleList
    """
    groups = []
    for layer in model.layers:
        axes = {parameter.ndim for parameter in layer.parameters()}
        if groups and axes and max(axes) < 2:
            groups[-1].append(layer)
        elif axes:
            groups.append([layer])
    if len(groups) == 1 and is_keras(groups[0][0]):
        return keras_blocks(groups[0][0])
    return [nn.ModuleList(group) for group in groups]


def keras_state(model):
    """Let all layers of a Keras network learn; return the parameters that must not.

    Keras hands moving averages and the seeds of dropout to torch as parameters, though
    no gradient is for them. It tells them apart only while every layer is trainable, so
    this is set: pass a copy.

    Parameters
    ----------
    model : nn.Module
        The network.

    Returns
    -------
    list of nn.Parameter
        None for a module that is not from Keras.
    """
    if not is_keras(model):
        return []
    model.trainable = True
    return [variable.value for variable in model.non_trainable_variables]
