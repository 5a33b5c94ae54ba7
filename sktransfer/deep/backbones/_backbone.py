from dataclasses import dataclass

from torch import nn

__all__ = ["Backbone"]


@dataclass(frozen=True)
class Backbone:
    """A network without its classification head, and how rows are prepared for it.

    What a loader returns (`register_backbone`).

    Parameters
    ----------
    module : nn.Module
        Maps prepared rows, a tensor with one entry a row, to features of shape
        (n, n_features), or to maps of shape (n, n_features, height, width), which are
        averaged over their pixels.
    preprocessor : object or None
        A scikit-learn transformer, not fitted: it makes one numeric array, with one
        entry a row, of what users have. None: their arrays are taken as they are.
    n_features : int
        Features, or channels of the maps.
    recipe : dict
        What rebuilds the architecture without weights and without a network
        connection, as JSON takes it. A loader of your own may leave it empty: then the
        loader itself is called again, with ``pretrained=False``.

    See Also
    --------
    register_backbone : Makes backbones of your own available by name.

    Examples
    --------
    >>> import torch
    >>> from sktransfer.deep import Backbone
    >>> Backbone(torch.nn.Linear(4, 3), None, 3, {}).n_features
    3
    """

    module: nn.Module
    preprocessor: object | None
    n_features: int
    recipe: dict
