"""What a fine-tuning regulariser is: settings that make a term of the loss."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.base import BaseEstimator
from torch import nn

__all__ = ["Batch", "Regularizer", "Term"]


@dataclass(frozen=True)
class Batch:
    """A batch in training, as the terms of the loss see it.

    Attributes
    ----------
    X : torch.Tensor of shape (n, ...)
        Rows as the backbone gets them.
    y : torch.Tensor of shape (n,) or (n, k)
        What the loss gets: class codes (int64), values, or indicators.
    weight : torch.Tensor of shape (n,)
        Weights of the rows, with mean one over all rows of the phase.
    maps : torch.Tensor of shape (n, ...)
        What the backbone returned, with gradients.
    features : torch.Tensor of shape (n, d)
        What the head gets.
    outputs : torch.Tensor of shape (n, n_outputs)
        Scores of the head.
    run : callable or None
        Maps a copy of the backbone to its outputs for these rows, without computing
        again what is frozen in both.
    """

    X: torch.Tensor
    y: torch.Tensor
    weight: torch.Tensor
    maps: torch.Tensor
    features: torch.Tensor
    outputs: torch.Tensor
    run: Callable | None = None

    def through(self, backbone):
        """Return what a copy of the backbone gives for these rows."""
        return backbone(self.X) if self.run is None else self.run(backbone)


class Term(nn.Module):
    """A term of the loss in one phase; this one adds nothing.

    Its own parameters are learned with the network's. What belongs to the network, or
    must keep its mode, is therefore held where `nn.Module` does not look for parts.
    """

    def forward(self, batch):
        """Return a scalar, a mean over the rows of the batch."""
        return batch.outputs.new_zeros(())

    def finish(self):
        """Undo what was changed in the network; a second call does nothing."""

    def hold(self, **modules):
        """Keep modules that are no parts of this one."""
        for name, module in modules.items():
            object.__setattr__(self, name, module)


class Regularizer(BaseEstimator, ABC):
    """Settings of a regulariser; each phase gets a term of its own.

    A concrete one writes `__init__`, ``_check_params()``, ``_is_off()`` (whether the
    settings ask for plain training) and ``_start(network, rows, device,
    has_source_head)``, which returns the term.
    """

    def start(self, network, rows, *, device, has_source_head):
        """Return the term of a phase.

        Parameters
        ----------
        network : Network
            On the device, with the weights of the source; what learns is marked.
        rows : Rows
            Labelled rows of the phase.
        device : torch.device or str
            Where the network is.
        has_source_head : bool
            Whether the head was trained on the source.

        Returns
        -------
        Term
            Where the regulariser is switched off it adds nothing and draws no random
            numbers.
        """
        self._check_params()
        if self._is_off():
            return Term()
        return self._start(network, rows, torch.device(device), has_source_head)

    @abstractmethod
    def _check_params(self):
        """Raise unless the parameters are valid."""

    @abstractmethod
    def _is_off(self):
        """Return whether the parameters ask for plain training."""

    @abstractmethod
    def _start(self, network, rows, device, has_source_head):
        """Return the term."""

    def _check_backbone_learns(self, network):
        if not any(p.requires_grad for p in network.backbone.parameters()):
            raise ValueError(
                f"{type(self).__name__} acts on the backbone, but none of it learns "
                "here. Let some of it learn (trainable='all' or a number of blocks), "
                "or leave `regularizer` None."
            )

    def _check_class_labels(self, y):
        if y.ndim != 1 or y.dtype.kind not in "iu":
            raise ValueError(
                f"{type(self).__name__} needs one class label for each row, got y of "
                f"shape {y.shape} and type {y.dtype}. Use a regulariser that reads no "
                "classes, L2SP or DELTA for example."
            )
