"""A copy of a module that stays as it is."""

import copy

__all__ = ["frozen_copy"]


def frozen_copy(module):
    """Return a deep copy in evaluation mode, none of which learns.

    A module that shares its weights would follow the training.

    Parameters
    ----------
    module : nn.Module
        Left as it is.

    Returns
    -------
    nn.Module
    """
    copied = copy.deepcopy(module).eval()
    for parameter in copied.parameters():
        parameter.requires_grad_(False)
    return copied
