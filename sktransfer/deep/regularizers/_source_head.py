"""The source's classifier over the features of a backbone."""

import copy

import torch
from torch import nn

from sktransfer.deep._network import flat_features
from sktransfer.deep._out_of_memory import explain_out_of_memory
from sktransfer.deep.frozen._frozen_features import outputs_of

__all__ = ["source_features", "source_head"]


class _Features(nn.Module):
    """What the head of a network gets, of rows or of what is kept of them, too."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, X, rows=None):
        backbone = self.network.backbone
        if rows is None:
            return flat_features(backbone(X))
        return flat_features(self.network.maps(backbone, X, rows))


def source_features(network, rows, device):
    """Return the features of rows, as a tensor on the device, without gradients.

    Parameters
    ----------
    network : Network
        On the device; its mode is left as it is found.
    rows : Rows
        Rows.
    device : torch.device
        Where to compute.

    Returns
    -------
    torch.Tensor of shape (n_samples, d)
    """
    modes = [(module, module.training) for module in network.modules()]
    batch_size = 64
    try:
        with explain_out_of_memory(batch_size, device):
            features = outputs_of(
                _Features(network).eval(),
                rows.X,
                device,
                mixed_precision=False,
                batch_size=batch_size,
                rows=rows.source,
            )
    finally:
        for module, training in modes:
            module.training = training
    return torch.from_numpy(features).to(device)


def source_head(name, given, network, rows, features, has_source_head):
    """Return a copy of the source's classifier that learns.

    Parameters
    ----------
    name : str
        Of the regulariser, for messages.
    given : nn.Module or None
        The user's; None: the head of the network.
    network : Network
        Whose features it takes.
    rows : Rows
        Labelled rows of the phase.
    features : torch.Tensor of shape (n_samples, d)
        Features of some rows.
    has_source_head : bool
        Whether the head of the network was trained on the source.

    Returns
    -------
    nn.Module
        Maps features to scores, in their type and on their device.
    """
    if given is None:
        if not has_source_head:
            raise ValueError(
                f"{name} needs the source's classifier, and the head of this network "
                "is new. Pass `source_head`, a torch.nn.Module from features to the "
                "source's scores, or let a first phase train the head on source rows "
                "(pretrain=True)."
            )
        if rows.y.ndim != 1 or rows.y.dtype.kind not in "iu":
            raise ValueError(
                f"{name} needs a source that was trained on classes, and the head of "
                "this network was trained on other targets. Pass `source_head`, or use "
                "L2SP or DELTA."
            )
        given = network.head
    elif not isinstance(given, nn.Module):
        raise TypeError(
            "`source_head` must be None or a torch.nn.Module that maps features to the "
            f"source's scores, got {given!r}."
        )
    head = copy.deepcopy(given).to(device=features.device, dtype=features.dtype)
    _check_scores(head, features[:2])
    return head.train().requires_grad_(True)


def _check_scores(head, features):
    d = features.shape[1]
    try:
        with torch.no_grad():
            scores = head.eval()(features)
    except (RuntimeError, ValueError) as error:
        raise ValueError(
            f"`source_head` cannot take the {d} features of the backbone: {error}"
        ) from error
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ValueError(
            "`source_head` must give scores of at least two source classes for each "
            f"row, got shape {tuple(scores.shape)} for {len(features)} rows."
        )
