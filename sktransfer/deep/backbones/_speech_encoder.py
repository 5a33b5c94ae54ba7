"""Features of audio clips from the last layer of a model of speech."""

import torch
from torch import nn

from sktransfer.deep.backbones._grouped_blocks import grouped_blocks, layer_groups
from sktransfer.deep.backbones._pooled_states import pooled_states

__all__ = ["SpeechEncoder"]

_MASKED = ("hubert", "unispeech", "unispeech-sat", "wav2vec2")


class SpeechEncoder(nn.Module):
    """A model of transformers that hears samples, and one row for each clip.

    The features are the mean of the last layer over the frames of a clip. Zeros at the
    end of a row are padding, and nothing depends on how many there are; a clip shorter
    than the model's first frame is taken as that long.

    Parameters
    ----------
    model : PreTrainedModel
        Of the family of wav2vec 2.0: convolutions over samples, then layers of
        attention over frames.
    normalize : bool
        Whether each clip is given mean 0 and variance 1, as the model had them.
    """

    def __init__(self, model, normalize):
        super().__init__()
        self.model, self.normalize = model, normalize
        kernels, strides = model.config.conv_kernel, model.config.conv_stride
        self.convolutions = tuple(zip(kernels, strides, strict=True))
        shortest = getattr(model.config, "squeeze_factor", 1)
        for kernel, stride in reversed(self.convolutions):
            shortest = (shortest - 1) * stride + kernel
        self.shortest = shortest
        self.masks = _can_mask(model.config)

    def forward(self, X):
        """Return features of shape (n, n_features) of samples of shape (n, length)."""
        lengths = self._lengths(X)
        X = nn.functional.pad(X, (0, max(0, self.shortest - X.shape[1])))
        if self.masks:
            if not torch.compiler.is_compiling():  # a file of a network has one width
                X = X[:, : int(lengths.max())]
            return self._features(X, lengths)
        features = [None] * len(X)
        for rows in self.groups_of(X):
            length = int(lengths[rows[0]])
            found = self._features(X[rows, :length], lengths[rows])
            for row, feature in zip(rows.tolist(), found, strict=True):
                features[row] = feature
        return torch.stack(features)

    def _lengths(self, X):
        """Return the number of samples of each clip, before the zeros at its end."""
        lengths = (X != 0).flip(1).cumsum(1).flip(1).bool().sum(1)
        return lengths.clamp(min=self.shortest)

    def groups_of(self, X):
        """Return which clips go through the model together."""
        if self.masks:
            return [slice(None)]
        lengths = self._lengths(X)
        return [torch.nonzero(lengths == n).flatten() for n in lengths.unique()]

    def longest_row(self, X):
        """Return one clip that is not silent at the end."""
        return torch.ones_like(X[:1])

    def _n_frames(self, lengths):
        for kernel, stride in self.convolutions:
            lengths = (lengths - kernel) // stride + 1
        return lengths

    def _features(self, X, lengths):
        heard = torch.arange(X.shape[1], device=X.device) < lengths[:, None]
        if self.normalize:
            X = _normalized(X, heard)
        if not self.masks:
            return pooled_states(self.model(X), "mean")
        found = self.model(X, attention_mask=heard.long())
        frames = self._n_frames(lengths)
        place = torch.arange(found.last_hidden_state.shape[1], device=X.device)
        return pooled_states(found, "mean", place < frames[:, None])

    def trainable_blocks(self):
        """Return the convolutions, and the layers in the order of use."""
        return grouped_blocks(self.model, layer_groups(self.model))


def _can_mask(config):
    """Whether clips of several lengths can be one batch.

    Group normalisation of the first convolution sees the whole row, and so do batch
    normalisation and several convolutions over frames: no mask undoes that. Then clips
    of each length are a batch of their own.
    """
    return (
        config.model_type in _MASKED
        and config.feat_extract_norm == "layer"
        and not getattr(config, "conv_pos_batch_norm", False)
    )


def _normalized(X, heard):
    heard = heard.to(X.dtype)
    n = heard.sum(1, keepdim=True)
    centred = heard * (X - (heard * X).sum(1, keepdim=True) / n)
    # The constant is that of the feature extractors of transformers.
    return centred / (centred.square().sum(1, keepdim=True) / n + 1e-7).sqrt()
