"""One row of features from the last layer of a model of transformers."""

import torch

__all__ = ["pooled_states"]


def pooled_states(found, pooling, is_token=None):
    """Pool the last layer over tokens, patches or pixels.

    Parameters
    ----------
    found : ModelOutput
        What the model gives.
    pooling : {"mean", "cls", "pooler"}
        The mean, the first token, or the model's own pooled output.
    is_token : torch.Tensor of shape (n, length) or None, default=None
        Which tokens the mean is over; None: all.

    Returns
    -------
    torch.Tensor of shape (n, n_features)
        The mean over no token is 0.
    """
    if pooling == "pooler":
        pooled = getattr(found, "pooler_output", None)
        if pooled is None:
            raise ValueError("The model has no pooled output of its own; use #mean.")
        return pooled.flatten(1)
    states = found.last_hidden_state
    if pooling == "cls" and states.ndim != 3:
        raise ValueError("The model gives maps, not tokens; use #mean.")
    if pooling == "cls":
        return states[:, 0]
    # In half precision a mean over many tokens loses digits.
    states = states.to(torch.promote_types(states.dtype, torch.float32))
    if is_token is None:
        return states.mean(dim=(2, 3) if states.ndim == 4 else 1)
    weight = is_token[:, :, None].to(states.dtype)
    return (weight * states).sum(1) / weight.sum(1).clamp(min=1)
