"""How much each channel of a feature map matters for the labels."""

import torch

from sktransfer.deep._network import flat_features
from sktransfer.deep.regularizers._linear_probe import linear_probe, row_losses

__all__ = ["channel_attention", "channel_axis_of", "loss_increases"]


def channel_attention(increases, temperature=5.0):
    """Turn the increases of the loss without each channel into weights.

    Parameters
    ----------
    increases : torch.Tensor of shape (n_channels,)
        By how much the loss grows where a channel is switched off.
    temperature : float, default=5.0
        What the standardised increases are divided by before the softmax.

    Returns
    -------
    torch.Tensor of shape (n_channels,)
        Weights that sum to one; all equal where the increases are.
    """
    centred = increases - increases.mean()
    spread = increases.std(correction=0)
    if spread <= torch.finfo(spread.dtype).eps:  # rounding alone is no difference
        return torch.full_like(increases, 1 / len(increases))
    return torch.softmax(centred / spread / temperature, dim=0)


def channel_axis_of(output, axis):
    """Return the axis of a map that runs over channels.

    Parameters
    ----------
    output : torch.Tensor of shape (n, ...)
        A map.
    axis : int or "auto"
        "auto": the last of three, as for the tokens of a transformer, else the second.

    Returns
    -------
    int
    """
    if axis == "auto":
        return 2 if output.ndim == 3 else 1
    if axis == 0 or not -output.ndim < axis < output.ndim:
        raise ValueError(
            f"`channel_axis` is {axis}, and a feature map has shape "
            f"{tuple(output.shape)}, of which the first axis is the rows. Use 'auto' "
            "or an axis of the map."
        )
    return axis % output.ndim


def loss_increases(
    source, names, run, y, weight, *, method="ablation", axis="auto", batch_size=64
):
    """Return by how much the loss grows where a channel is switched off.

    The loss is that of a linear head that was fitted to the features of the same rows.

    Parameters
    ----------
    source : nn.Module
        Frozen, in evaluation mode.
    names : sequence of str
        Layers of it.
    run : callable
        Maps numbers of rows to what `source` gives for them.
    y : torch.Tensor of shape (n,) or (n, k)
        Class codes, values or indicators.
    weight : torch.Tensor of shape (n,)
        Weights of the rows.
    method : {"ablation", "gradient"}, default="ablation"
        "ablation": each channel is switched off in turn. "gradient": the first-order
        estimate of that, minus the sum of a channel times its gradient.
    axis : int or "auto", default="auto"
        Of the channels.
    batch_size : int, default=64
        Rows of a forward pass.

    Returns
    -------
    list of torch.Tensor of shape (n_channels,)
        One for each layer.
    """

    def features(rows):
        found = flat_features(run(rows))
        return found.to(torch.promote_types(found.dtype, torch.float32))

    def losses(rows):
        return row_losses(features(rows) @ coef.T + intercept, y[rows])

    batches = torch.arange(len(y), device=y.device).split(batch_size)
    with torch.no_grad():
        coef, intercept = linear_probe(torch.cat([*map(features, batches)]), y, weight)
        whole = torch.cat([losses(rows) for rows in batches])
    share = weight / weight.sum()
    layers, found = dict(source.named_modules()), []
    for name in names:
        channels = _Channels(layers[name], axis)
        try:
            if method == "gradient":
                found.append(channels.gradients(losses, batches, share))
            else:
                without = channels.losses_without(losses, len(y), batch_size, y.device)
                found.append((without - whole) @ share)
        finally:
            channels.handle.remove()
    return found


class _Channels:
    """A hook on a layer that switches channels off or asks for their gradient."""

    def __init__(self, layer, axis):
        self.axis = axis
        self.off = self.leaf = None
        self.wants_gradient = False
        self.handle = layer.register_forward_hook(self._hook)

    def _hook(self, layer, args, output):
        axis = channel_axis_of(output, self.axis)
        self.n_channels = output.shape[axis]
        if self.off is not None:
            rows = torch.arange(len(output), device=output.device)
            output = output.clone()
            output.movedim(axis, 1)[rows, self.off] = 0.0
        elif self.wants_gradient:
            self.leaf = output.detach().requires_grad_()
            output = self.leaf.clone()  # a later layer may change it in place
        return output

    def losses_without(self, losses, n_rows, batch_size, device):
        """Return the loss of each row without each channel, (n_channels, n_rows)."""
        with torch.no_grad():
            losses(torch.arange(1, device=device))  # to count the channels
            pairs = torch.arange(self.n_channels * n_rows, device=device)
            found = []
            # With few rows a forward pass holds several channels.
            for batch in pairs.split(batch_size):
                self.off = batch // n_rows
                found.append(losses(batch % n_rows))
        return torch.cat(found).reshape(self.n_channels, n_rows)

    def gradients(self, losses, batches, share):
        """Return minus the sums of each channel times the gradient of the loss."""
        self.wants_gradient, total = True, 0.0
        for rows in batches:
            with torch.enable_grad():
                loss = (share[rows] * losses(rows)).sum()
            (gradient,) = torch.autograd.grad(loss, self.leaf)
            axis = channel_axis_of(gradient, self.axis)
            products = (self.leaf.detach() * gradient).movedim(axis, 0)
            total = total - products.flatten(1).sum(dim=1)
        return total
