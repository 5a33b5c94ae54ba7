"""The part of a network whose outputs no training step changes, and the rest."""

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from sktransfer.deep._network import flat_features

__all__ = ["Cut", "Live", "by_row", "cut_network"]


@dataclass(frozen=True)
class Cut:
    """A network as what is frozen, and what learns on top of it.

    Attributes
    ----------
    frozen : nn.Module
        Maps a batch to one tensor.
    live : nn.Module
        Maps that tensor to the scores; it shares its parameters with the network.
    """

    frozen: nn.Module
    live: nn.Module


class _Features(nn.Module):
    """A whole backbone, as one row of features a row."""

    def __init__(self, backbone):
        super().__init__()
        self.backbone = backbone

    def forward(self, X):
        """Return flat features."""
        return flat_features(self.backbone(X))


class Live(nn.Module):
    """What learns: the head, and the rest of the backbone, if some of it does.

    Parameters
    ----------
    network : Network
        The whole.
    rest : nn.Module, default=None
        What learns in the backbone.
    """

    def __init__(self, network, rest=None):
        super().__init__()
        self.rest, self.head = rest, network.head
        # Not a submodule: it only sets the mode of what is frozen.
        object.__setattr__(self, "network", network)

    @property
    def backbone(self):
        """What is frozen."""
        return self.network.backbone

    def forward(self, X):
        """Return the scores of the head."""
        return self.head(X if self.rest is None else flat_features(self.rest(X)))

    def freeze(self, trainable):
        """Freeze as the network does; what was cut off never learns."""
        self.network.freeze(trainable)

    def train(self, mode=True):
        """Set the mode of the network, so that what is frozen in it stays as it is."""
        self.training = mode
        self.network.train(mode)
        return self


def cut_network(network):
    """Cut a network between what is frozen and what learns.

    A backbone of which all is frozen is cut before its head. One that is a
    `torch.nn.Sequential`, or nothing but a wrapper of one, is cut before the first
    part that learns: what comes after a part sees nothing but its output. This needs no
    trial, and the rows themselves are not needed any more; for others see `cut_inside`.

    Parameters
    ----------
    network : Network
        After `freeze`, in the mode in which it is used.

    Returns
    -------
    Cut or None
        None if some of the backbone learns, or is in training mode, or if its outputs
        for a row depend on the other rows of the batch.
    """
    backbone = network.backbone
    if not any(p.requires_grad for p in backbone.parameters()):
        if not by_row(backbone):
            return None
        return Cut(_Features(backbone), Live(network))
    if type(backbone) is not nn.Sequential or _hooks(backbone):
        return None
    parts = list(backbone)
    first = next(i for i, part in enumerate(parts) if _learns(part))
    frozen = nn.Sequential(*parts[:first])
    if not any(True for _ in frozen.parameters()) or not by_row(frozen, itself=False):
        return None
    return Cut(frozen, Live(network, nn.Sequential(*parts[first:])))


def _learns(part):
    return any(p.requires_grad for p in part.parameters())


def by_row(module, *, itself=True):
    """Whether a module treats each row alike, whatever batch it is in.

    `itself` says whether its own mode counts, besides those of its parts.
    """
    return not any(
        part.training or (isinstance(part, _BatchNorm) and part.running_mean is None)
        for part in module.modules()
        if itself or part is not module
    )


def _hooks(part):
    return [repr(h) for h in (part._forward_hooks, part._forward_pre_hooks) if h]
