"""One phase of training: its rows, and how it goes."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Phase", "Rows"]


@dataclass(frozen=True)
class Rows:
    """Rows to learn from, in an order that depends on their content alone.

    Attributes
    ----------
    X : ndarray of shape (n_samples, ...)
        Rows, or what a frozen part makes of them.
    y : ndarray of shape (n_samples, ...)
        Targets of the loss.
    weight : ndarray of shape (n_samples,)
        Weights.
    source : ndarray of shape (n_samples, ...) or None
        The rows behind X, for a network that takes both.
    """

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray
    source: np.ndarray | None = None

    @property
    def given(self):
        """The rows themselves, also where X is what a frozen part made of them."""
        return self.X if self.source is None else self.source

    def take(self, which):
        """Return some of the rows."""
        parts = self.X, self.y, self.weight, self.source
        return Rows(*(part if part is None else part[which] for part in parts))

    def seen_as(self, features, *, keep):
        """Return the same rows as features, and besides what they come from."""
        return Rows(features, self.y, self.weight, self.X if keep else None)


@dataclass(frozen=True)
class Phase:
    """How one phase of training goes.

    Attributes
    ----------
    name : str
        What the history calls it.
    max_epochs, batch_size, accumulate : int
        Epochs, rows of a batch, batches of a step.
    lr : float
        Learning rate of the head.
    backbone_lr : float or None
        That of the backbone; None: the same.
    layer_decay : float
        What the rate is multiplied with for each block further from the head.
    optimizer : str
        Name of the optimizer.
    weight_decay, l2_sp : float
        Decay of all weights, pull of the backbone toward where it starts.
    schedule, warmup : str, float
        Course of the rates, and the share of steps in which they rise.
    clip_norm : float or None
        Largest norm of a step's gradient.
    trainable : object
        What learns, as `Network.freeze` takes it.
    unfreeze_every : int or None
        Epochs until one more block learns.
    augment : callable or None
        Changes the rows of a training batch.
    regularizer : Regularizer or None
        Adds a term to the loss.
    has_source_head : bool
        Whether the head was trained on the source.
    accelerator : accelerate.Accelerator or None
        Spreads the batches over processes.
    patience : int
        Epochs without progress before the early stop.
    verbose : int
        1: a line for each epoch.
    mixed_precision : bool
        Whether bfloat16 is used where there is it.
    """

    name: str
    max_epochs: int
    batch_size: int
    lr: float
    backbone_lr: float | None = None
    layer_decay: float = 1.0
    optimizer: str = "adamw"
    weight_decay: float = 0.0
    l2_sp: float = 0.0
    schedule: str = "constant"
    warmup: float = 0.0
    clip_norm: float | None = None
    accumulate: int = 1
    trainable: object = "all"
    unfreeze_every: int | None = None
    augment: object = None
    regularizer: object = None
    has_source_head: bool = False
    accelerator: object = None
    patience: int = 10
    verbose: int = 0
    mixed_precision: bool = False
