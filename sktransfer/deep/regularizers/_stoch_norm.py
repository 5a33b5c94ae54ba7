"""Stochastic normalisation: some channels by moving statistics, some by the batch's."""

import torch
from torch.nn import functional
from torch.nn.modules.batchnorm import _BatchNorm

from sktransfer._validation import check_number
from sktransfer.deep.regularizers._phase_hooks import PhaseHooks
from sktransfer.deep.regularizers._regularizer import Regularizer, Term

__all__ = ["StochNorm", "mix_channels"]


def mix_channels(by_batch, by_moving, uses_moving):
    """Take each channel from one of two normalised batches.

    Parameters
    ----------
    by_batch, by_moving : torch.Tensor of shape (n, n_channels, ...)
        Normalised by the statistics of the batch, and by moving statistics.
    uses_moving : torch.Tensor of bool, shape (n_channels,)
        Which channels come from the second.

    Returns
    -------
    torch.Tensor of shape (n, n_channels, ...)
    """
    shape = [1, -1, *[1] * (by_batch.ndim - 2)]
    return torch.where(uses_moving.reshape(shape), by_moving, by_batch)


class _TwoBranches(PhaseHooks):
    """Hooks of one layer; the layer itself stays the one that it was."""

    def __init__(self, layer, probability):
        super().__init__()
        self.probability = probability
        self.handles += [
            layer.register_forward_pre_hook(self.before),
            layer.register_forward_hook(self.after),
        ]

    def before(self, layer, args):
        """Keep the moving statistics: the layer's own pass updates them."""
        if self.are_on and layer.training:
            self.moving = layer.running_mean.clone(), layer.running_var.clone()

    def after(self, layer, args, by_batch):
        """Replace some channels of the output."""
        if not (self.are_on and layer.training):
            return None
        by_moving = functional.batch_norm(
            args[0], *self.moving, layer.weight, layer.bias, False, 0.0, layer.eps
        )
        # On the CPU, so that every device gets the same draws.
        drawn = torch.rand(layer.num_features, device="cpu") < self.probability
        return mix_channels(by_batch, by_moving, drawn.to(by_batch.device))


class _StochNormTerm(Term):
    """Adds nothing to the loss; the normalisation itself is what regularises."""

    def __init__(self, layers, probability):
        super().__init__()
        self.branches = [_TwoBranches(layer, probability) for layer in layers]

    def finish(self):
        """Leave plain batch normalisation behind."""
        for branch in self.branches:
            branch.remove()


class StochNorm(Regularizer):
    r"""Normalise some channels by the source's moving statistics (StochNorm).

    In training, each channel of each batch normalisation is normalised either by the
    mean and variance of the batch, as usual, or by the moving statistics, which start
    as the source's. The draw keeps the network from relying on the statistics of small
    batches, and uses what the source knows of its channels. In evaluation, and after
    fine-tuning, it is plain batch normalisation.

    Assumes a backbone with batch normalisation, whose moving statistics from the source
    are about right for the target. Reads no labels.

    Cost: a second normalisation of each layer in training. It pays with few labelled
    target rows and small batches; if the source's statistics are far from the target's,
    or the backbone was trained without labels, it hurts.

    Parameters
    ----------
    probability : float, default=0.5
        Probability that a channel is normalised by moving statistics. 0 is plain batch
        normalisation, 1 uses the batch's statistics only to move the moving ones. The
        published code counts the other way round, 1 being plain; at 0.5 they agree.

    See Also
    --------
    FineTunedClassifier : Frozen batch normalisation stays in evaluation mode anyway.

    Notes
    -----
    Channel :math:`c` becomes :math:`\gamma_c \hat x_c + \beta_c` with :math:`\hat x_c =
    (x_c - \tilde\mu_c) / \sqrt{\tilde\sigma^2_c + \epsilon}` (moving statistics) with
    probability :math:`p` and :math:`(x_c - \mu_c) / \sqrt{\sigma^2_c + \epsilon}`
    (statistics of the batch) otherwise; the moving statistics are those from before
    the batch [1]_. One draw holds for all rows of a batch. Draws come from torch's
    default generator. The layers, their names and their weights stay the same, so that
    saved weights fit with and without it.

    References
    ----------
    .. [1] Z. Kou, K. You, M. Long, J. Wang. Stochastic Normalization. NeurIPS, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import FineTunedClassifier, StochNorm
    >>> X = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU())
    >>> regularizer = StochNorm(probability=0.3)
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(self, probability=0.5):
        self.probability = probability

    def _check_params(self):
        check_number("probability", self.probability, low=0, high=1)

    def _is_off(self):
        return self.probability == 0

    def _start(self, network, rows, device, has_source_head):
        frozen = {id(module) for module in network.frozen}
        layers = [
            module
            for module in network.modules()
            if isinstance(module, _BatchNorm)
            and module.running_mean is not None
            and id(module) not in frozen
        ]
        if not layers:
            raise ValueError(
                "StochNorm acts on batch normalisation with moving statistics, and no "
                "such layer learns here. Take a backbone that has some, let its blocks "
                "learn (trainable='all' or a number of blocks), or leave `regularizer` "
                "None."
            )
        return _StochNormTerm(layers, self.probability)
