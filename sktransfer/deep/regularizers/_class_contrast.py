"""Contrastive loss in which all examples of a class are alike."""

import torch

__all__ = ["class_contrast_losses"]


def class_contrast_losses(own, others, same_class, is_filled, temperature):
    """Return the contrastive loss of each row against pooled examples.

    Parameters
    ----------
    own : torch.Tensor of shape (n,)
        Similarity of each row to its own counterpart, which is always of its class.
    others : torch.Tensor of shape (n, m)
        Similarities to pooled examples.
    same_class : torch.Tensor of bool, shape (n, m)
        Which of them are of the row's class.
    is_filled : torch.Tensor of bool, shape (m,)
        Which places of the pool hold an example.
    temperature : float
        What similarities are divided by.

    Returns
    -------
    torch.Tensor of shape (n,)
        Minus the mean, over the counterpart and the pooled examples of the row's class,
        of the logarithm of the softmax over all examples.
    """
    similarities = torch.cat([own[:, None], others], dim=1) / temperature
    filled = torch.cat([is_filled.new_ones(1), is_filled])
    similarities = similarities.masked_fill(~filled, -torch.inf)
    log_proba = similarities.log_softmax(dim=1)
    positive = torch.cat([same_class.new_ones(len(own), 1), same_class], dim=1) & filled
    # Where no example is, minus infinity times zero would be NaN.
    chosen = log_proba.masked_fill(~positive, 0.0)
    return -chosen.sum(dim=1) / positive.sum(dim=1)
