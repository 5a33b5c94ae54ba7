"""Training on several devices through Accelerate: each has a copy of the network."""

from importlib.util import find_spec

import torch

from sktransfer.deep._net import StopTraining

__all__ = ["accelerated", "agreed", "check_accelerator"]

_CHUNK = 2**24  # numbers that are sent at once


def accelerated(net_class):
    """Return a subclass of a skorch net that trains in all processes of an accelerator.

    Each process takes its share of a step's rows, and their gradients are averaged:
    P processes with batches of b rows take the steps that one would take with batches
    of P b, up to rounding, dropout and batch normalisation, which sees b rows. At the
    end of an epoch the rows that fill up the last batches count nothing. All processes
    have the same weights, buffers, losses and stops.

    skorch's own mixin for Accelerate is not used: it wraps the module and the
    criterion, so that what is asked of them must go through the wrapper; it takes the
    place of `train_step_single`; and it counts filled-up rows twice.

    Parameters
    ----------
    net_class : type
        `Net` or a subclass.

    Returns
    -------
    type
        Takes an `accelerator` too, whose device it uses.
    """
    name = f"Accelerated{net_class.__name__}"
    return type(name, (_InAllProcesses, net_class), {"__doc__": net_class.__doc__})


def check_accelerator(accelerator):
    """Raise unless training can go through an accelerator; None is no accelerator."""
    if accelerator is None:
        return
    if find_spec("accelerate") is None:
        raise ImportError(
            "Training on several devices needs accelerate, which is not installed. "
            "Install it with `pip install accelerate`."
        )
    from accelerate import Accelerator

    if not isinstance(accelerator, Accelerator):
        raise ValueError(
            "`accelerator` must be None or an accelerate.Accelerator, got "
            f"{accelerator!r}."
        )
    kind = _kind_of(accelerator)
    if kind != "NO" and not kind.startswith("MULTI_"):
        raise ValueError(
            f"`accelerator` is set up for {kind}, which spreads one network over "
            "devices. Use data parallelism, in which each device has a copy: "
            "`accelerate launch --multi_gpu`."
        )
    if accelerator.gradient_accumulation_steps > 1:
        raise ValueError(
            "`accelerator` has gradient_accumulation_steps="
            f"{accelerator.gradient_accumulation_steps}; leave it 1 and set "
            "`accumulate`."
        )
    if accelerator.mixed_precision not in ("no", "bf16"):
        raise ValueError(
            f"`accelerator` has mixed_precision={accelerator.mixed_precision!r}; leave "
            "it 'no'. bfloat16 is used where `mixed_precision` asks for it."
        )


def _kind_of(accelerator):
    return accelerator.distributed_type.value


def agreed(accelerator, value):
    """Return the value of the main process in all of them, a seed for example."""
    if not _is_split(accelerator):  # then the package need not be there
        return value
    from accelerate.utils import broadcast_object_list

    return broadcast_object_list([value])[0]


def _is_split(accelerator):
    return accelerator is not None and accelerator.num_processes > 1


class _InAllProcesses:
    """What a net does besides where its rows are spread over processes."""

    def __init__(self, *args, accelerator, device=None, **kwargs):
        self.accelerator = accelerator
        if not accelerator.is_main_process:
            kwargs.update(verbose=0, callbacks__print_log=None)
        super().__init__(*args, device=str(accelerator.device), **kwargs)

    def initialize(self):
        """Start from the weights of the main process."""
        super().initialize()
        if _is_split(self.accelerator):
            for module in (self.module_, self.criterion_):
                _spread([*module.parameters(), *module.buffers()])
        return self

    def get_iterator(self, dataset, training=False):
        """Give each process its batches; all of them see all validation rows."""
        loader = super().get_iterator(dataset, training=training)
        if not training or not _is_split(self.accelerator):
            return loader
        from accelerate.data_loader import prepare_data_loader

        # Not by the accelerator's own method: it would keep loader and rows for good.
        self.loader_ = prepare_data_loader(
            loader,
            self.accelerator.device,
            num_processes=self.accelerator.num_processes,
            process_index=self.accelerator.process_index,
            put_on_device=True,
            rng_types=["generator"],
            dispatch_batches=False,
        )
        return self.loader_

    def rows_of_step(self, batch):
        """Count the rows of this step in all processes, without those that fill up."""
        if not _is_split(self.accelerator):
            return super().rows_of_step(batch)
        if self.loader_.end_of_dataloader and self.loader_.remainder > 0:
            return self.loader_.remainder
        return self.rows_of_full_step()

    def rows_of_full_step(self):
        """Count the rows of a step that is not the last one."""
        return self.accelerator.num_processes * self.batch_size

    def train_step_single(self, batch, **fit_params):
        """Leave out rows that fill up the batch, and report the loss of all rows."""
        if not _is_split(self.accelerator):
            return super().train_step_single(batch, **fit_params)
        rows, y = batch
        before = self.accelerator.process_index * self.batch_size
        n_own = min(max(self.rows_of_step(batch) - before, 0), len(y))
        weight = rows["w"].clone()
        weight[n_own:] = 0
        self.share_ = n_own / len(y)
        step = super().train_step_single(({**rows, "w": weight}, y), **fit_params)
        return {**step, "loss": self._mean(step["loss"])}

    def penalty(self):
        """Count the penalty by the rows that count."""
        penalty = super().penalty()
        return self.share_ * penalty if _is_split(self.accelerator) else penalty

    def validation_step(self, batch, **fit_params):
        """Have all processes see the same loss, so that they stop together."""
        step = super().validation_step(batch, **fit_params)
        return {**step, "loss": self._mean(step["loss"])}

    def on_batch_end(self, net, batch=None, training=False, **kwargs):
        """Record the rows of all processes."""
        super().on_batch_end(net, batch=batch, training=training, **kwargs)
        if training and _is_split(self.accelerator):
            self.history.record_batch("train_batch_size", self.rows_of_step(batch))

    def run_single_epoch(self, iterator, training, prefix, step_fn, **fit_params):
        """Average running statistics after the epoch."""
        super().run_single_epoch(iterator, training, prefix, step_fn, **fit_params)
        if training and _is_split(self.accelerator):
            buffers = [b for b in self.module_.buffers() if b.is_floating_point()]
            # As a distance from the main process: what is equal stays bit by bit.
            ours = [b.clone() for b in buffers]
            _spread(buffers)
            moved = [b - start for b, start in zip(ours, buffers, strict=True)]
            self._average(moved)
            for buffer, step in zip(buffers, moved, strict=True):
                buffer.add_(step)

    def notify(self, method_name, **cb_kwargs):
        """Average gradients before anybody looks at them; stop together."""
        if not _is_split(self.accelerator):
            return super().notify(method_name, **cb_kwargs)
        if method_name == "on_grad_computed":
            self._average_gradients()
        stops = False
        try:
            super().notify(method_name, **cb_kwargs)
        except StopTraining:
            stops = True
        if method_name == "on_epoch_end":
            asked = torch.tensor(float(stops), device=self.accelerator.device)
            stops = bool(self.accelerator.reduce(asked, "sum") > 0)
        if stops:
            raise StopTraining

    def _mean(self, value):
        return self.accelerator.reduce(value.detach(), "mean")

    def _average_gradients(self):
        # Not by a wrapper: it would take no notice of weights that begin to learn
        # later, and of those of the criterion.
        learning = [p for _, p in self.get_all_learnable_params() if p.requires_grad]
        here = torch.tensor(
            [p.grad is not None for p in learning],
            dtype=torch.float32,
            device=self.accelerator.device,
        )
        anywhere = self.accelerator.reduce(here, "sum") > 0
        used = [p for p, has in zip(learning, anywhere.tolist(), strict=True) if has]
        for parameter in used:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        self._average([p.grad for p in used])

    def _average(self, tensors):
        """Set tensors to their means over the processes."""
        for part in _chunks(tensors):
            flat = torch.cat([t.detach().reshape(-1) for t in part])
            mean = self.accelerator.reduce(flat, "mean")
            for tensor, values in zip(
                part, mean.split([t.numel() for t in part]), strict=True
            ):
                tensor.detach().copy_(values.reshape(tensor.shape))


def _chunks(tensors):
    """Group tensors of one type, a number of elements at a time."""
    chunk, size = [], 0
    for tensor in tensors:
        if chunk and (chunk[0].dtype != tensor.dtype or size > _CHUNK):
            yield chunk
            chunk, size = [], 0
        chunk.append(tensor)
        size += tensor.numel()
    if chunk:
        yield chunk


def _spread(tensors):
    from accelerate.utils import broadcast

    with torch.no_grad():
        for tensor in tensors:
            tensor.copy_(broadcast(tensor.detach().clone()))
