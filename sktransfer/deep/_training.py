"""One phase of training: a skorch net over a network that is already built."""

import math
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import torch
from skorch.callbacks import Callback, EarlyStopping, GradientNormClipping
from skorch.dataset import Dataset
from skorch.helper import predefined_split

from sktransfer.deep._accelerate import accelerated
from sktransfer.deep._net import Net, StopTraining, WithTerm
from sktransfer.deep._phase import Phase, Rows
from sktransfer.deep._schedule import ScheduledRates
from sktransfer.deep._unfreezing import Unfreezing

__all__ = ["Bridge", "Phase", "Rows", "moments_of", "row_batch_size", "train"]


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


class _Patience(EarlyStopping):
    """Early stopping that lets the other callbacks see the last epoch too."""

    def on_epoch_end(self, net, **kwargs):
        """Remember the best weights, and ask for the stop."""
        try:
            super().on_epoch_end(net, **kwargs)
        except KeyboardInterrupt:
            if self.misses_ != self.patience:  # not out of patience: the user's own
                raise
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
    network,
    rows,
    phase,
    history,
    *,
    loss,
    device,
    valid=None,
    bridge=None,
    moments=None,
    start=None,
):
    """Train `network` in place; return the skorch net, with the optimizer's state.

    Parameters
    ----------
    network : Network
        What is frozen in it stays as it is.
    rows : Rows
        Training rows.
    phase : Phase
        How.
    history : list of dict
        Gets one entry for each epoch, also where an error ends the phase.
    loss : nn.Module
        Gives one loss for each row.
    device : torch.device
        Where.
    valid : Rows, default=None
        Rows for early stopping.
    bridge : Bridge, default=None
        Where scikit-learn's callbacks are told about the epochs; None: they are not.
    moments : dict, default=None
        What the optimizer remembers of an earlier call (`moments_of`).
    start : dict, default=None
        Weights that L2-SP pulls toward; None: those at the start of the call.

    Returns
    -------
    NeuralNet
    """
    term = net = None
    if phase.regularizer is not None:
        term = phase.regularizer.start(
            network.to(device),
            rows,
            device=device,
            has_source_head=phase.has_source_head,
        )
    try:
        network.keeps = term is not None
        net = make_net(
            network, rows, phase, WithTerm(loss, term), device, valid, bridge
        )
        _fit(net, rows, moments, start)
    finally:
        network.keeps, network.kept, network.batch = False, None, None
        if term is not None:
            term.finish()
        if net is not None:
            history += [_entry(phase.name, e) for e in net.history if "train_loss" in e]
    return net


def _fit(net, rows, moments, start):
    net.initialize()
    if moments is not None:
        fresh = net.optimizer_.state_dict()  # the learning rates may be new
        net.optimizer_.load_state_dict({**fresh, "state": moments})
    net.remember_start()
    if start is not None and start.keys() == net.start_.keys():
        net.start_ = {name: v.to(net.start_[name].device) for name, v in start.items()}
    X, y = _as_batchable(rows)
    net.notify("on_train_begin", X=X, y=y)
    with suppress(StopTraining):
        net.fit_loop(X, y)
    net.notify("on_train_end", X=X, y=y)


def _entry(phase, epoch):
    entry = {"phase": phase}
    for key in ("epoch", "train_loss", "valid_loss", "lr"):
        if key in epoch:
            entry[key] = epoch[key]
    return entry


def _as_batchable(rows):
    weight = rows.weight / rows.weight.mean()
    is_float = rows.X.dtype.kind == "f"
    weight = weight.astype(rows.X.dtype if is_float else np.float32)
    more = {} if rows.source is None else {"rows": rows.source}
    return {"X": rows.X, "w": weight, **more}, rows.y


def make_net(network, rows, phase, loss, device, valid, bridge):
    """Return the skorch net of a phase, not yet initialised."""
    n_rows, accelerator = len(rows.y), phase.accelerator
    n_processes = 1 if accelerator is None else accelerator.num_processes
    if n_processes == 1:
        batch_size = row_batch_size(n_rows, phase.batch_size)
    else:
        batch_size = min(phase.batch_size, math.ceil(n_rows / n_processes))
    n_batches = math.ceil(math.ceil(n_rows / batch_size) / n_processes)
    spread = {} if accelerator is None else {"accelerator": accelerator}
    return (Net if accelerator is None else accelerated(Net))(
        network,
        criterion=loss,
        phase=phase,
        n_batches=n_batches,
        optimizer=_OPTIMIZERS[phase.optimizer],
        optimizer__weight_decay=phase.weight_decay,
        lr=phase.lr,
        max_epochs=phase.max_epochs,
        batch_size=batch_size,
        iterator_train__shuffle=batch_size < n_rows,
        train_split=None
        if valid is None
        else predefined_split(Dataset(*_as_batchable(valid))),
        callbacks=_callbacks(phase, n_batches, valid, bridge),
        **({} if phase.verbose else {"callbacks__print_log": None}),
        verbose=phase.verbose,
        device=str(device),
        **spread,
    )


def _callbacks(phase, n_batches, valid, bridge):
    callbacks = []
    if phase.unfreeze_every is not None:
        opening = Unfreezing(phase.trainable, phase.unfreeze_every)
        callbacks.append(("unfreezing", opening))
    if phase.schedule != "constant" or phase.warmup:
        total = phase.max_epochs * n_batches
        rates = ScheduledRates(total, phase.schedule, phase.warmup)
        callbacks.append(("rates", rates))
    if phase.clip_norm is not None:
        clip = GradientNormClipping(phase.clip_norm)
        callbacks.append(("clip", clip))
    if valid is not None:
        patience = _Patience(
            patience=phase.patience, load_best=True, sink=lambda text: None
        )
        callbacks.append(("patience", patience))
    callbacks.append(("epochs", _Epochs(phase.name, bridge)))
    return callbacks
