"""The skorch net of a phase: weights of rows, penalties, accumulated steps."""

import torch
from skorch import NeuralNet
from torch import nn

from sktransfer.deep._device import autocast
from sktransfer.deep._out_of_memory import explain_out_of_memory
from sktransfer.deep._parameter_groups import parameter_groups
from sktransfer.deep.regularizers._regularizer import Batch

__all__ = ["Net", "StopTraining", "WithTerm"]

# How torch says that batch normalisation has one row to look at.
_ONE_ROW = "Expected more than 1 value per channel"


class StopTraining(Exception):
    """Ends a phase from inside a callback.

    skorch does so by KeyboardInterrupt, which would also swallow the user's own.
    """


class WithTerm(nn.Module):
    """A loss of each row, and the term of a regularizer whose parameters learn too."""

    def __init__(self, loss, term=None):
        super().__init__()
        self.loss, self.term = loss, term

    def forward(self, outputs, y):
        """Return one loss for each row."""
        return self.loss(outputs, y)


class Net(NeuralNet):
    """The loss is a weighted mean over all rows, estimated from a batch.

    Weights have mean one over all rows, and a batch's sum is divided by the nominal
    batch size: then the batches of an epoch add up to the gradient of the whole. With
    the batch's own sum of weights as the divisor they would not.
    """

    def __init__(self, *args, phase, n_batches, **kwargs):
        self.phase, self.n_batches = phase, n_batches
        self.stops = False
        self.n_waiting = self.n_done = 0
        super().__init__(*args, **kwargs)

    @property
    def network(self):
        """The network, also where something is wrapped around it for several GPUs."""
        return getattr(self.module_, "module", self.module_)

    def notify(self, method_name, **cb_kwargs):
        """Tell the callbacks, and stop once all of them have seen the epoch."""
        super().notify(method_name, **cb_kwargs)
        if method_name == "on_epoch_end" and self.stops:
            raise StopTraining

    def remember_start(self):
        """Keep the weights that L2-SP pulls toward."""
        self.start_ = {
            name: value.detach().clone()
            for name, value in self.network.backbone.named_parameters()
            if value.requires_grad or self.phase.unfreeze_every
        }

    def get_params_for_optimizer(self, prefix, named_parameters):
        """Group the parameters by their learning rates."""
        _, kwargs = super().get_params_for_optimizer(prefix, [])
        groups = parameter_groups(
            self.network,
            [value for _, value in named_parameters],
            lr=self.phase.lr,
            backbone_lr=self.phase.backbone_lr,
            layer_decay=self.phase.layer_decay,
        )
        return (groups,), kwargs

    def infer(self, x, **fit_params):
        """Compute the outputs; the rows' weights stay outside."""
        device = torch.device(self.device)
        with self._explained(len(x["X"])):
            with autocast(device, self.phase.mixed_precision):
                taken = {key: x[key] for key in ("X", "rows") if key in x}
                inputs = taken if len(taken) > 1 else x["X"]
                return super().infer(inputs, **fit_params)

    def train_step_single(self, batch, **fit_params):
        """Change the rows of the batch first, where an augmentation is given."""
        if self.phase.augment is not None:
            rows, y = batch
            batch = {**rows, "X": _augmented(self.phase.augment, rows["X"])}, y
        self.batch_ = batch
        with self._explained(len(batch[0]["X"])):
            try:
                return super().train_step_single(batch, **fit_params)
            except ValueError as error:
                if _ONE_ROW not in str(error):
                    raise
                raise ValueError(
                    "Batch normalisation cannot learn from a batch of one row. Give it "
                    "at least two rows and batch_size=2, or trainable='head', which "
                    "leaves it as it is."
                ) from error

    def _explained(self, n_rows):
        """Return a context that says what to do where rows do not fit into memory."""
        learns = self.phase.trainable != "head"
        return explain_out_of_memory(n_rows, self.device, learns=learns)

    def rows_of_step(self, batch):
        """Count the rows of a batch."""
        return len(batch[1])

    def rows_of_full_step(self):
        """Count the rows of a batch that is not the last one."""
        return self.batch_size

    def train_step(self, batch, **fit_params):
        """Take a step, or add to the gradient of the next one."""
        if self.phase.accumulate == 1:
            step = super().train_step(batch, **fit_params)
        else:
            step = self._accumulated_step(batch, **fit_params)
        # The history is told of the mean loss, not of its share in the step.
        share = self.rows_of_step(batch) / self.rows_of_full_step()
        loss = step["loss"].detach() * (self.phase.accumulate / share)
        return {**step, "loss": loss}

    def _accumulated_step(self, batch, **fit_params):
        if self.n_waiting == 0:
            self._zero_grad_optimizer()
        step = self.train_step_single(batch, **fit_params)
        self.n_waiting += 1
        self.n_done += 1
        ends_epoch = self.n_done % self.n_batches == 0
        if self.n_waiting == self.phase.accumulate or ends_epoch:
            learning = list(self.get_all_learnable_params())
            self.notify(
                "on_grad_computed",
                named_parameters=learning,
                batch=batch,
                training=True,
            )
            self._step_optimizer(None)
            self.n_waiting = 0
        return step

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return a batch's share of the weighted mean loss over all rows."""
        outputs = _at_least_float32(y_pred)
        if y_true.is_floating_point():
            y_true = y_true.to(outputs.dtype)
        y_true = y_true.to(y_pred.device)
        losses = self.criterion_(outputs, y_true)
        weight = X["w"].to(losses.device)
        if not training:
            return (weight * losses).mean()
        loss = (weight * losses).sum() / self.batch_size
        # A smaller last batch has a smaller share of the penalties too.
        share = len(losses) / self.batch_size
        if self.phase.l2_sp:
            loss = loss + share * self.penalty()
        if self.criterion_.term is not None:
            maps, features = map(_at_least_float32, self.network.kept)
            rows = self.batch_[0].get("rows", self.batch_[0]["X"]).to(losses.device)
            run = getattr(self.network, "run_again", None)
            seen = Batch(rows, y_true, weight, maps, features, outputs, run)
            # In several processes, some rows only fill up the batch.
            share *= getattr(self, "share_", 1.0)
            loss = loss + share * self.criterion_.term(seen)
        return loss / self.phase.accumulate

    def penalty(self):
        """L2-SP: half the squared distance of the backbone from its start."""
        now = dict(self.network.backbone.named_parameters())
        distances = [
            (now[name] - start).square().sum() for name, start in self.start_.items()
        ]
        return 0.5 * self.phase.l2_sp * sum(distances) if distances else 0.0


def _augmented(augment, rows):
    changed = augment(rows)
    if not isinstance(changed, torch.Tensor) or len(changed) != len(rows):
        is_tensor = isinstance(changed, torch.Tensor)
        got = tuple(changed.shape) if is_tensor else type(changed).__name__
        raise ValueError(
            "`augment` must return a tensor with as many rows as it gets, got "
            f"{got} for {tuple(rows.shape)}."
        )
    return changed.to(rows.dtype)


def _at_least_float32(values):
    return values.to(torch.promote_types(values.dtype, torch.float32))
