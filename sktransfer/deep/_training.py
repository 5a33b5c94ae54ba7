"""One phase of training: a skorch net over a network that is already built."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping, PrintLog
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from sktransfer.deep._device import autocast

__all__ = ["Phase", "Rows", "row_batch_size", "train"]


@dataclass(frozen=True)
class Rows:
    """Rows to learn from, in an order that depends on their content alone."""

    X: np.ndarray
    y: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Phase:
    """How one phase of training goes."""

    name: str
    max_epochs: int
    lr: float
    backbone_lr: float | None
    batch_size: int
    optimizer: str
    weight_decay: float
    l2_sp: float
    patience: int
    verbose: int
    mixed_precision: bool


class _Net(NeuralNet):
    """The loss is a weighted mean over all rows, estimated from a batch.

    Weights have mean one over all rows, and a batch's sum is divided by the nominal
    batch size: then the batches of an epoch add up to the gradient of the whole. With
    the batch's own sum of weights as the divisor they would not.
    """

    def __init__(self, *args, l2_sp=0.0, mixed_precision=False, **kwargs):
        self.l2_sp = l2_sp
        self.mixed_precision = mixed_precision
        self.out_of_patience = False
        super().__init__(*args, **kwargs)

    def remember_start(self):
        """Keep the weights that L2-SP pulls toward."""
        self.start_ = [p.detach().clone() for p in self.module_.freezable()]

    def infer(self, x, **fit_params):
        """Compute the outputs; the rows' weights stay outside."""
        with autocast(torch.device(self.device), self.mixed_precision):
            return super().infer(x["X"], **fit_params)

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return a batch's share of the weighted mean loss over all rows."""
        y_true = y_true.to(y_pred.device)
        losses = self.criterion_(
            y_pred.to(torch.promote_types(y_pred.dtype, torch.float32)), y_true
        )
        weight = X["w"].to(losses.device)
        if not training:
            return (weight * losses).mean()
        loss = (weight * losses).sum() / self.batch_size
        # A smaller last batch has a smaller share of the penalty too.
        share = len(losses) / self.batch_size
        return loss + share * self.penalty() if self.l2_sp else loss

    def penalty(self):
        """L2-SP: half the squared distance of the backbone from its start."""
        distances = [
            (now - start).square().sum()
            for now, start in zip(self.module_.freezable(), self.start_, strict=True)
        ]
        return 0.5 * self.l2_sp * sum(distances) if distances else 0.0


class _StopTraining(Exception):
    """Ends a phase from inside a callback.

    skorch does so by KeyboardInterrupt, which would also swallow the user's own.
    """


class _Patience(EarlyStopping):
    """Early stopping that leaves the stop to `_Epochs`, the last to see an epoch."""

    def on_epoch_end(self, net, **kwargs):
        """Remember the best weights, and ask for the stop."""
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            net.out_of_patience = True


class _Epochs(Callback):
    """Tell scikit-learn's callbacks about each epoch; stop where one of them says so.

    Without a context there is nobody to tell.
    """

    def __init__(self, phase, estimator=None, context=None):
        self.phase, self.estimator, self.context = phase, estimator, context

    def on_epoch_begin(self, net, **kwargs):
        """Open a task."""
        if self.context is not None:
            self.task = self.context.subcontext(task_name=f"{self.phase}-epoch")
            self.task.call_on_fit_task_begin(estimator=self.estimator)

    def on_epoch_end(self, net, **kwargs):
        """Close the task, look at the loss, stop if asked to."""
        stop = net.out_of_patience
        if self.context is not None:
            stop |= bool(self.task.call_on_fit_task_end(estimator=self.estimator))
        loss, epoch = net.history[-1, "train_loss"], net.history[-1, "epoch"]
        if not np.isfinite(loss):
            raise ValueError(
                f"Training diverged: the loss is {loss} after epoch {epoch} "
                f"({self.phase}). Lower `lr`, or scale X (StandardScaler)."
            )
        if stop:
            raise _StopTraining


class SquaredError(nn.Module):
    """Squared error of each row."""

    def forward(self, predicted, y):
        """Return one loss for each row."""
        return (predicted - y.reshape(predicted.shape)).square().flatten(1).mean(dim=1)


def row_batch_size(n_rows, batch_size):
    """Return a batch size that leaves no batch of a single row.

    Batch normalisation cannot learn from one row.
    """
    size = min(batch_size, n_rows)
    while size < n_rows and n_rows % size == 1:
        size += 1
    return size


_OPTIMIZERS = {"adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


def train(network, rows, phase, *, criterion, device, valid=None, bridge=None):
    """Train `network` in place; return the skorch net and what it recorded.

    Parameters
    ----------
    network : Network
        What is frozen in it stays as it is.
    rows : Rows
        Training rows.
    phase : Phase
        How.
    criterion : nn.Module class
        Gives one loss for each row.
    device : torch.device
        Where.
    valid : Rows, default=None
        Rows for early stopping.
    bridge : tuple, default=None
        Estimator and callback context of scikit-learn.

    Returns
    -------
    net : NeuralNet
        With the optimizer's state.
    history : list of dict
        One entry for each epoch.
    """
    net = make_net(network, len(rows.y), phase, criterion, device, valid, bridge)
    net.initialize()
    if phase.verbose:
        net.set_params(callbacks__print_log=PrintLog())
    net.remember_start()
    X, y = _as_batchable(rows)
    net.notify("on_train_begin", X=X, y=y)
    with suppress(_StopTraining):
        net.fit_loop(X, y)
    net.notify("on_train_end", X=X, y=y)
    history = [
        {
            "phase": phase.name,
            "epoch": epoch["epoch"],
            "train_loss": epoch["train_loss"],
            **({"valid_loss": epoch["valid_loss"]} if "valid_loss" in epoch else {}),
        }
        for epoch in net.history
    ]
    return net, history


def _as_batchable(rows):
    weight = rows.weight / rows.weight.mean()
    return {"X": rows.X, "w": weight.astype(rows.X.dtype)}, rows.y


def make_net(network, n_rows, phase, criterion, device, valid, bridge):
    """Return the skorch net of a phase, not yet initialised."""
    callbacks = []
    if valid is not None:
        patience = _Patience(
            patience=phase.patience, load_best=True, sink=lambda text: None
        )
        callbacks.append(("patience", patience))
    callbacks.append(("epochs", _Epochs(phase.name, *(bridge or ()))))
    lr = phase.lr if phase.backbone_lr is None else phase.backbone_lr
    batch_size = row_batch_size(n_rows, phase.batch_size)
    return _Net(
        network,
        criterion=criterion,
        **(
            {"criterion__reduction": "none"} if criterion is nn.CrossEntropyLoss else {}
        ),
        optimizer=_OPTIMIZERS[phase.optimizer],
        optimizer__weight_decay=phase.weight_decay,
        optimizer__param_groups=[("backbone.*", {"lr": lr})],
        lr=phase.lr,
        max_epochs=phase.max_epochs,
        batch_size=batch_size,
        iterator_train__shuffle=batch_size < n_rows,
        train_split=None
        if valid is None
        else predefined_split(Dataset(*_as_batchable(valid))),
        callbacks=callbacks,
        callbacks__print_log=None,
        verbose=phase.verbose,
        device=str(device),
        l2_sp=phase.l2_sp,
        mixed_precision=phase.mixed_precision,
    )
