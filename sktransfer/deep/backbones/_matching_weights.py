"""Whether weights belong to a network."""

import torch

__all__ = ["matching_weights"]


def matching_weights(state, wanted, dropped, source):
    """Return the weights that a network wants, or refuse those of another network.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        What a file holds.
    wanted : dict of str to torch.Tensor
        What the network has, without its head; only types and shapes matter.
    dropped : tuple of str
        What else the file may hold: beginnings of names, of the head for example.
    source : str or path-like
        Where the weights come from.

    Returns
    -------
    dict of str to torch.Tensor
        With the names and in the types of `wanted`.
    """
    # Files of early versions of torch lack the counters of batch normalisation.
    counters = {
        name: torch.zeros((), dtype=torch.int64)
        for name in wanted
        if name.endswith("num_batches_tracked")
    }
    state = counters | state
    missing = sorted(wanted.keys() - state.keys())
    extra = sorted(
        name for name in state.keys() - wanted.keys() if not name.startswith(dropped)
    )
    other = [
        f"{name} {tuple(state[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted
        if name in state and state[name].shape != wanted[name].shape
    ]
    found = [
        f"{what} {', '.join(names[:3])}{' …' if len(names) > 3 else ''}"
        for what, names in (("lacks", missing), ("also has", extra), ("has", other))
        if names
    ]
    if found:
        raise ValueError(
            f"{source} holds weights of another network: it {'; it '.join(found)}. "
            "Name the architecture that they were saved from."
        )
    return {name: state[name].to(wanted[name].dtype) for name in wanted}
