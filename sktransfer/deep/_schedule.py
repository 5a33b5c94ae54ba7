"""Courses of the learning rate over the steps of a phase."""

import math

from skorch.callbacks import Callback

__all__ = ["SCHEDULES", "ScheduledRates", "rate_factor"]

SCHEDULES = ("constant", "cosine", "linear")


def rate_factor(step, n_steps, *, schedule="constant", warmup=0.0):
    r"""Return what the learning rate is multiplied with at a step.

    Over the first :math:`W = \lceil w T \rceil` of T steps it rises in a line, to one
    at step W; then it stays, or falls in a line or half a cosine to zero after step T.

    Parameters
    ----------
    step : int
        Number of the step, from 0.
    n_steps : int
        T, the number of steps.
    schedule : {"constant", "cosine", "linear"}, default="constant"
        The course after the rise.
    warmup : float, default=0.0
        w, the share of the steps in which it rises.

    Returns
    -------
    float
        In (0, 1].
    """
    n_rising = math.ceil(warmup * n_steps)
    if step < n_rising:
        return (step + 1) / n_rising
    done = (step - n_rising) / max(1, n_steps - n_rising)
    if schedule == "cosine":
        return 0.5 * (1 + math.cos(math.pi * done))
    if schedule == "linear":
        return 1 - done
    return 1.0


class ScheduledRates(Callback):
    """Set the rates of all parameter groups before each batch.

    The schedulers of torch count their own calls, and warn where the first batches of
    an accumulated step come before the first step.

    Parameters
    ----------
    n_batches : int
        Batches of the phase.
    schedule : str
        The course.
    warmup : float
        Share of the batches in which the rates rise.
    """

    def __init__(self, n_batches, schedule, warmup):
        self.n_batches, self.schedule, self.warmup = n_batches, schedule, warmup

    def on_train_begin(self, net, **kwargs):
        """Remember the full rates."""
        self.full = [group["lr"] for group in net.optimizer_.param_groups]
        self.n_seen = 0

    def on_batch_begin(self, net, training=False, **kwargs):
        """Set the rates of this batch."""
        if not training:
            return
        factor = rate_factor(
            self.n_seen, self.n_batches, schedule=self.schedule, warmup=self.warmup
        )
        for group, full in zip(net.optimizer_.param_groups, self.full, strict=True):
            group["lr"] = full * factor
        self.n_seen += 1

    def on_epoch_end(self, net, **kwargs):
        """Record the rate of the head."""
        net.history.record("lr", net.optimizer_.param_groups[0]["lr"])
