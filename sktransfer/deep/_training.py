"""One phase of training: a skorch net over a network that is already built."""

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import Callback, EarlyStopping
from skorch.dataset import Dataset
from skorch.helper import predefined_split
from torch import nn

from sktransfer.deep._device import autocast

__all__ = ["Bridge", "Phase", "Rows", "moments_of", "row_batch_size", "train"]


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


@dataclass(frozen=True)
class Bridge:
    """What scikit-learn's callbacks are told: who is trained, and on which rows."""

    estimator: object
    context: object
    X: np.ndarray
    y: np.ndarray

    def told(self):
        """Return the arguments of a hook; the network is usable after each epoch."""
        network = {"network_": self.estimator.network_}
        return {
            "estimator": self.estimator,
            "X": self.X,
            "y": self.y,
            "reconstruction_attributes": network,
        }


class _Net(NeuralNet):
    """The loss is a weighted mean over all rows, estimated from a batch.

    Weights have mean one over all rows, and a batch's sum is divided by the nominal
    batch size: then the batches of an epoch add up to the gradient of the whole. With
    the batch's own sum of weights as the divisor they would not.
    """

    def __init__(self, *args, l2_sp=0.0, mixed_precision=False, **kwargs):
        self.l2_sp = l2_sp
        self.mixed_precision = mixed_precision
        self.stops = False
        super().__init__(*args, **kwargs)

    def notify(self, method_name, **cb_kwargs):
        """Tell the callbacks, and stop once all of them have seen the epoch."""
        super().notify(method_name, **cb_kwargs)
        if method_name == "on_epoch_end" and self.stops:
            raise _StopTraining

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
    """Early stopping that lets the other callbacks see the last epoch too."""

    def on_epoch_end(self, net, **kwargs):
        """Remember the best weights, and ask for the stop."""
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            net.stops = True


class _Epochs(Callback):
    """Tell scikit-learn's callbacks about each epoch, and look at the loss."""

    def __init__(self, phase, bridge):
        self.phase, self.bridge = phase, bridge

    def on_epoch_begin(self, net, **kwargs):
        """Open a task."""
        if self.bridge is not None:
            context = self.bridge.context
            self.task = context.subcontext(task_name=f"{self.phase}-epoch")
            self.task.call_on_fit_task_begin(**self.bridge.told())

    def on_epoch_end(self, net, **kwargs):
        """Close the task, ask for a stop where a callback wants one."""
        if self.bridge is not None:
            asked = self.task.call_on_fit_task_end(**self.bridge.told())
            net.stops = net.stops or bool(asked)
        loss, epoch = net.history[-1, "train_loss"], net.history[-1, "epoch"]
        if not np.isfinite(loss):
            raise ValueError(
                f"Training diverged: the loss is {loss} after epoch {epoch} "
                f"({self.phase}). Lower `lr`, or scale X (StandardScaler)."
            )


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


def moments_of(optimizer):
    """Return what an optimizer remembers of earlier steps, on the CPU."""
    return {
        index: {
            name: value.cpu() if isinstance(value, torch.Tensor) else value
            for name, value in entry.items()
        }
        for index, entry in optimizer.state_dict()["state"].items()
    }


def train(
    network, rows, phase, *, criterion, device, valid=None, bridge=None, moments=None
):
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
    bridge : Bridge, default=None
        Where scikit-learn's callbacks are told about the epochs; None: they are not.
    moments : dict, default=None
        What the optimizer remembers of an earlier call (`moments_of`).

    Returns
    -------
    net : NeuralNet
        With the optimizer's state.
    history : list of dict
        One entry for each epoch.
    """
    net = make_net(network, len(rows.y), phase, criterion, device, valid, bridge)
    net.initialize()
    if moments is not None:
        fresh = net.optimizer_.state_dict()  # the learning rates may be new
        net.optimizer_.load_state_dict({**fresh, "state": moments})
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
    callbacks.append(("epochs", _Epochs(phase.name, bridge)))
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
        **({} if phase.verbose else {"callbacks__print_log": None}),
        verbose=phase.verbose,
        device=str(device),
        l2_sp=phase.l2_sp,
        mixed_precision=phase.mixed_precision,
    )
