"""Features of texts from the last layer of a language model."""

import torch
from torch import nn

from sktransfer.deep.backbones._grouped_blocks import grouped_blocks, layer_groups
from sktransfer.deep.backbones._pooled_states import pooled_states

__all__ = ["TextEncoder"]


class TextEncoder(nn.Module):
    """A language model of transformers, and one row of features for each text.

    Padding is what `pad_id` fills the end of a row with: it is masked, and columns that
    are padding in the whole batch are left out, so that the cost follows the longest
    text of a batch. The same id before the end of a text is a token like any other.

    Parameters
    ----------
    model : PreTrainedModel
        Gives a last hidden state.
    pad_id : int
        The id after the end of a text.
    pooling : {"mean", "cls", "pooler"}
        The mean of the last layer over the tokens of a text, its first token, or the
        model's own pooled output.
    """

    def __init__(self, model, pad_id, pooling):
        super().__init__()
        self.model, self.pad_id, self.pooling = model, pad_id, pooling

    def forward(self, ids):
        """Return features of shape (n, n_features) of token ids of shape (n, length).

        A row of nothing but padding has features of 0 by the mean.
        """
        ids = ids.long()
        # From the end: a row is padding as long as all that follows is.
        is_token = (ids != self.pad_id).flip(1).cumsum(1).flip(1) > 0
        if not torch.compiler.is_compiling():  # a file of a network has one width
            width = max(1, int(is_token.sum(1).max()))
            ids, is_token = ids[:, :width], is_token[:, :width]
        attended = is_token.clone()
        attended[:, 0] = True  # without any token attention would give NaN
        found = self.model(input_ids=ids, attention_mask=attended.long())
        return pooled_states(found, self.pooling, is_token)

    def trainable_blocks(self):
        """Return the embeddings, and the layers in the order of use."""
        return grouped_blocks(self.model, layer_groups(self.model))

    def groups_of(self, ids):
        """Return which rows go through the model together: all."""
        return [slice(None)]

    def longest_row(self, ids):
        """Return one text without padding."""
        return torch.full_like(ids[:1], 0 if self.pad_id else 1)
