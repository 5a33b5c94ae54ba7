"""Batch spectral shrinkage: small singular values of a batch's features are damped."""

import torch

from sktransfer._validation import check_integer, check_number
from sktransfer.deep.regularizers._regularizer import Regularizer, Term

__all__ = ["BSS", "spectral_shrinkage"]


def spectral_shrinkage(features, n_singular_values):
    """Return the sum of the smallest squared singular values.

    Parameters
    ----------
    features : torch.Tensor of shape (n, d)
        Features of a batch.
    n_singular_values : int
        How many of the min(n, d) singular values, from the smallest on; all of them if
        there are fewer: then it is the sum of squares of the features.

    Returns
    -------
    torch.Tensor
        A scalar, with gradients also where singular values are equal or zero.
    """
    features = features.to(torch.promote_types(features.dtype, torch.float32))
    if not torch.isfinite(features).all():
        return features.sum() * torch.nan  # the decomposition would fail
    # The gradient of the values alone divides by no difference of two of them, as that
    # of the singular vectors does.
    values = torch.linalg.svdvals(features)
    return values[-n_singular_values:].square().sum()


class _BSSTerm(Term):
    def __init__(self, strength, n_singular_values):
        super().__init__()
        self.strength, self.n_singular_values = strength, n_singular_values

    def forward(self, batch):
        """Return the penalty of the batch."""
        shrunk = spectral_shrinkage(batch.features, self.n_singular_values)
        return self.strength * shrunk


class BSS(Regularizer):
    r"""Damp the small singular values of the features (batch spectral shrinkage).

    The directions in which the features of a batch vary least are, by the paper's
    observation, those that do not transfer: fine-tuning on few rows fits them all the
    same. The penalty is the sum of the smallest squared singular values of the features
    that the head gets.

    Assumes that the source's features hold directions of no use for the target. Reads
    no labels.

    Cost: singular values of a batch, O(min(n, d) n d). It pays with few labelled target
    rows, and together with a pull toward the source, which it lacks; with many rows it
    does nothing much. The weights of the rows play no part.

    Parameters
    ----------
    strength : float, default=0.001
        Weight of the penalty. The squared singular values grow with the rows of a
        batch and are not divided by their number, as in the paper, where a batch has
        48 rows.
    n_singular_values : int, default=1
        How many are damped. If a batch has no more rows than that, its features are
        shrunk as a whole.

    See Also
    --------
    L2SP : Keeps the weights near the source's.

    Notes
    -----
    With the singular values :math:`\sigma_1 \ge \dots \ge \sigma_b` of the features of
    a batch, the term is :math:`\eta \sum_{i=1}^{k} \sigma_{b+1-i}^2` with :math:`\eta`
    = `strength`, :math:`k` = `n_singular_values` [1]_.

    References
    ----------
    .. [1] X. Chen, S. Wang, B. Fu, M. Long, J. Wang. Catastrophic Forgetting Meets
       Negative Transfer: Batch Spectral Shrinkage for Safe Transfer Learning. NeurIPS,
       2019.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import BSS, FineTunedClassifier
    >>> X = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> regularizer = BSS(strength=0.01)
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(self, strength=0.001, *, n_singular_values=1):
        self.strength = strength
        self.n_singular_values = n_singular_values

    def _check_params(self):
        check_number("strength", self.strength, low=0)
        check_integer("n_singular_values", self.n_singular_values, low=1)

    def _is_off(self):
        return self.strength == 0

    def _start(self, network, rows, device, has_source_head):
        self._check_backbone_learns(network)
        return _BSSTerm(self.strength, self.n_singular_values)
