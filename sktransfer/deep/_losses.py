"""Losses with one value for each row, so that rows can have weights."""

from torch import nn
from torch.nn import functional

__all__ = ["BinaryCrossEntropy", "CrossEntropy", "SquaredError"]


class CrossEntropy(nn.Module):
    """Cross-entropy of one class a row.

    Parameters
    ----------
    label_smoothing : float
        Share of the target that is spread evenly over all classes.
    """

    def __init__(self, label_smoothing=0.0):
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, outputs, y):
        """Return one loss for each row."""
        return functional.cross_entropy(
            outputs, y, reduction="none", label_smoothing=self.label_smoothing
        )


class BinaryCrossEntropy(nn.Module):
    """Mean over the labels of the cross-entropy of each, for several labels a row.

    Parameters
    ----------
    label_smoothing : float
        Share of each target that is spread evenly over yes and no.
    """

    def __init__(self, label_smoothing=0.0):
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, outputs, y):
        """Return one loss for each row."""
        y = y.to(outputs.dtype) * (1 - self.label_smoothing) + self.label_smoothing / 2
        losses = functional.binary_cross_entropy_with_logits(
            outputs, y, reduction="none"
        )
        return losses.mean(dim=1)


class SquaredError(nn.Module):
    """Squared error of each row, averaged over its outputs."""

    def forward(self, outputs, y):
        """Return one loss for each row."""
        return (outputs - y.reshape(outputs.shape)).square().flatten(1).mean(dim=1)
