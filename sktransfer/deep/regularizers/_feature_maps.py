"""Outputs of layers inside a backbone, kept while it runs."""

from functools import partial

import torch

from sktransfer.deep._network import blocks_of
from sktransfer.deep.frozen._missing import Missing
from sktransfer.deep.regularizers._phase_hooks import PhaseHooks

__all__ = ["FeatureMaps", "is_map", "learning_layers", "trial_maps"]


class FeatureMaps(PhaseHooks):
    """Keeps the latest outputs of some layers, until they are taken.

    Parameters
    ----------
    backbone : nn.Module
        Gets hooks on the layers.
    names : sequence of str
        Layers, as `named_modules` calls them; "" is the backbone itself.
    """

    def __init__(self, backbone, names):
        layers = dict(backbone.named_modules())
        unknown = [name for name in names if name not in layers]
        if unknown:
            known = [name for name, _ in backbone.named_children()]
            raise ValueError(
                f"The backbone has no layer {unknown[0]!r}. Its parts are {known}, and "
                "parts of those are named as in 'layer4.2'; '' is the backbone itself."
            )
        super().__init__()
        self.kept = {}
        self.handles += [
            layers[name].register_forward_hook(partial(self._keep, name))
            for name in names
        ]

    def _keep(self, name, layer, args, output):
        # What has no values is frozen and skipped in all copies: no distance.
        if self.are_on and not isinstance(output, Missing):
            self.kept[name] = output

    def take(self):
        """Return the outputs by layer, and forget them."""
        kept, self.kept = self.kept, {}
        return kept


def learning_layers(backbone, source, X, n_layers=4):
    """Return the names of the last blocks whose maps fine-tuning can change.

    Parameters
    ----------
    backbone : nn.Module
        What learns in it is marked.
    source : nn.Module
        A frozen copy of it, to try.
    X : torch.Tensor of shape (n, ...)
        A few rows.
    n_layers : int, default=4
        At most so many.

    Returns
    -------
    list of str
        Blocks that give one tensor with a row for each row; the backbone itself ("") if
        there is none.
    """
    blocks = blocks_of(backbone)
    learns = [any(p.requires_grad for p in block.parameters()) for block in blocks]
    first = learns.index(True) if any(learns) else 0
    # A block of several layers gives what its layers give.
    last = [getattr(block, "parts", [block]) for block in blocks[first:][-n_layers:]]
    wanted = {id(layer) for layers in last for layer in layers}
    names = [name for name, layer in backbone.named_modules() if id(layer) in wanted]
    maps = trial_maps(source, names, X)
    found = [name for name in names if is_map(maps[name], len(X))]
    return found or [""]


def trial_maps(module, names, X):
    """Return the outputs of layers for a few rows; None for a layer that did not run.

    Parameters
    ----------
    module : nn.Module
        In evaluation mode.
    names : sequence of str
        Layers of it.
    X : torch.Tensor of shape (n, ...)
        The rows.

    Returns
    -------
    dict
    """
    seen = FeatureMaps(module, names)
    try:
        with torch.no_grad():
            module(X)
        return dict.fromkeys(names) | seen.take()
    finally:
        seen.remove()


def is_map(output, n_rows):
    """Whether a layer's output is one tensor of floats with a row for each row."""
    return (
        isinstance(output, torch.Tensor)
        and output.is_floating_point()
        and output.ndim > 1
        and len(output) == n_rows
    )
