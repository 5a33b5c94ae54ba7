"""A linear head over fixed features, fitted at once."""

import torch
from torch.nn import functional

__all__ = ["linear_probe", "row_losses"]


def row_losses(outputs, y):
    """Return the loss of each row.

    Parameters
    ----------
    outputs : torch.Tensor of shape (n, n_outputs)
        Scores or values.
    y : torch.Tensor of shape (n,) or (n, n_outputs)
        Class codes, for the cross-entropy; anything else: for the mean squared error.

    Returns
    -------
    torch.Tensor of shape (n,)
    """
    if y.ndim == 1 and not y.is_floating_point():
        return functional.cross_entropy(outputs, y, reduction="none")
    y = y.reshape(outputs.shape).to(outputs.dtype)
    return (outputs - y).square().mean(dim=1)


def linear_probe(features, y, weight, *, penalty=0.01, max_iter=100):
    """Fit a linear head to fixed features.

    Parameters
    ----------
    features : torch.Tensor of shape (n, d)
        Features.
    y : torch.Tensor of shape (n,) or (n, k)
        Class codes, values or indicators.
    weight : torch.Tensor of shape (n,)
        Weights of the rows.
    penalty : float, default=0.01
        Of half the sum of squares of the coefficients of standardised features.
    max_iter : int, default=100
        Steps of L-BFGS.

    Returns
    -------
    coef : torch.Tensor of shape (n_outputs, d)
    intercept : torch.Tensor of shape (n_outputs,)
    """
    is_class = y.ndim == 1 and not y.is_floating_point()
    n_outputs = int(y.max()) + 1 if is_class else y.reshape(len(y), -1).shape[1]
    mean, scale = features.mean(dim=0), features.std(dim=0, correction=0)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    standard = (features - mean) / scale
    weight = weight / weight.sum()
    coef = features.new_zeros((n_outputs, features.shape[1]), requires_grad=True)
    intercept = features.new_zeros(n_outputs, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [coef, intercept], max_iter=max_iter, line_search_fn="strong_wolfe"
    )

    def closure():
        optimizer.zero_grad()
        losses = row_losses(standard @ coef.T + intercept, y)
        loss = (weight * losses).sum() + 0.5 * penalty * coef.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    coef = coef.detach() / scale
    return coef, intercept.detach() - coef @ mean
