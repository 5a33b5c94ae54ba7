"""Features of images from the last layer of a model of transformers."""

from torch import nn

from sktransfer.deep.backbones._grouped_blocks import grouped_blocks, layer_groups
from sktransfer.deep.backbones._pooled_states import pooled_states

__all__ = ["ImageEncoder", "image_pooling"]

_CLASS_TOKENS = ("cls_token", "class_token", "class_embedding")


class ImageEncoder(nn.Module):
    """A vision model of transformers, and one row of features for each image.

    Parameters
    ----------
    model : PreTrainedModel
        Takes pixels, or a spectrogram as an image of time and frequency.
    pooling : {"mean", "cls", "pooler"}
        The mean of the last layer over its patches or pixels, its first token, or the
        model's own pooled output.
    """

    def __init__(self, model, pooling):
        super().__init__()
        self.model, self.pooling = model, pooling

    def forward(self, X):
        """Return features of shape (n, n_features)."""
        return pooled_states(self.model(X), self.pooling)

    def trainable_blocks(self):
        """Return what comes before the layers, and these in the order of use."""
        return grouped_blocks(self.model, layer_groups(self.model))


def image_pooling(model, sample):
    """Choose how an image model is pooled if nobody says.

    By its own pooled output, unless there is none or a pooling layer with weights of
    its own, which many files lack; then by the class token, if it has one, else by
    the mean.

    Parameters
    ----------
    model : PreTrainedModel
        In evaluation mode.
    sample : torch.Tensor
        One image.

    Returns
    -------
    {"mean", "cls", "pooler"}
    """
    pooler = getattr(model, "pooler", None)
    learned = isinstance(pooler, nn.Module) and any(True for _ in pooler.parameters())
    if not learned and getattr(model(sample), "pooler_output", None) is not None:
        return "pooler"
    names = (name.rpartition(".")[2] for name, _ in model.named_parameters())
    return "cls" if any(name in _CLASS_TOKENS for name in names) else "mean"
