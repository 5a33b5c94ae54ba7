"""Packed sequences as padded rows, which can be kept one by one."""

import torch
from torch.nn.utils.rnn import (
    PackedSequence,
    pack_padded_sequence,
    pad_packed_sequence,
)
from torch.utils import _pytree

__all__ = ["packed_rows", "padded_rows"]


def padded_rows(output):
    """Return the rows of packed sequences, by the places of their data.

    Parameters
    ----------
    output : object
        Nested containers of tensors.

    Returns
    -------
    dict of int to torch.Tensor of shape (n_samples, length, ...)
        By the place of the data among the leaves; how they are packed is in the three
        places after it.
    """
    found, place = {}, 0
    for leaf in _pytree.tree_leaves(output, is_leaf=_is_packed):
        if _is_packed(leaf):
            found[place] = pad_packed_sequence(leaf, batch_first=True)[0]
        place += len(leaf) if _is_packed(leaf) else 1
    return found


def packed_rows(rows, batch_sizes, sorted_indices):
    """Return the data of a packed sequence of these rows.

    Parameters
    ----------
    rows : torch.Tensor of shape (n_samples, length, ...)
        Padded at least to the longest.
    batch_sizes : torch.Tensor
        How many of them there are at each place.
    sorted_indices : torch.Tensor or None
        Their order by length; None if they are sorted.

    Returns
    -------
    torch.Tensor
    """
    if sorted_indices is not None:
        rows = rows[sorted_indices]
    places = torch.arange(len(rows))
    lengths = (batch_sizes[:, None] > places).sum(dim=0)
    return pack_padded_sequence(rows, lengths, batch_first=True).data


def _is_packed(leaf):
    return isinstance(leaf, PackedSequence)
