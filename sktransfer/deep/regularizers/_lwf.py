"""Learning without forgetting: the source's classifier keeps its answers."""

import torch
from torch.nn import functional

from sktransfer._validation import check_number
from sktransfer.deep._network import flat_features
from sktransfer.deep.regularizers._frozen_copy import frozen_copy
from sktransfer.deep.regularizers._regularizer import Regularizer, Term
from sktransfer.deep.regularizers._source_head import source_features, source_head

__all__ = ["LWF", "distillation_losses"]


def distillation_losses(scores, source_scores, temperature):
    """Return the divergence of softened probabilities from the source's, row by row.

    Parameters
    ----------
    scores : torch.Tensor of shape (n, n_classes)
        Scores now.
    source_scores : torch.Tensor of shape (n, n_classes)
        Scores that are to be kept.
    temperature : float
        What both are divided by.

    Returns
    -------
    torch.Tensor of shape (n,)
        Kullback-Leibler divergences; 0 where scores differ by a constant.
    """
    now = functional.log_softmax(scores / temperature, dim=1)
    kept = functional.log_softmax(source_scores / temperature, dim=1)
    return (kept.exp() * (kept - now)).sum(dim=1)


class _LWFTerm(Term):
    def __init__(self, backbone, head, strength, temperature):
        super().__init__()
        self.source_head = head
        self.strength, self.temperature = strength, temperature
        self.hold(backbone=frozen_copy(backbone), kept_head=frozen_copy(head))

    def forward(self, batch):
        """Return the weighted mean of the rows' divergences."""
        with torch.no_grad():
            kept = self.kept_head(flat_features(batch.through(self.backbone)))
        head_type = next(self.source_head.parameters(), batch.features).dtype
        scores = self.source_head(batch.features.to(head_type))
        losses = distillation_losses(scores, kept, self.temperature)
        return self.strength * (batch.weight * losses).mean()


class LWF(Regularizer):
    r"""Keep the answers of the source's classifier (learning without forgetting).

    The source's classifier is learned on beside the new head, on the same features, so
    that on the target's rows it answers as it did before fine-tuning. Its softened
    probabilities on a row, from a copy of the source's network, are the target.

    Assumes that what the source's classes have in common with the target's rows is
    worth keeping. Reads no labels; the rows need not look like any source class.

    Cost: a copy of the network, and a forward pass of it for each batch. It pays with
    few labelled target rows and a source whose classes are many and fine; with two
    source classes there is little to keep.

    Parameters
    ----------
    strength : float, default=4.0
        Weight of the mean divergence of a row. It is not multiplied by the square of
        the temperature.
    temperature : float, default=3.0
        What scores are divided by: higher ones show more of the small probabilities.
    source_head : nn.Module, default=None
        Maps features of the backbone to scores of source classes, the last layer of a
        pretrained network for example. It is copied, and the copy learns. None: the
        head of the network, where a first phase has trained it on source rows.

    See Also
    --------
    CoTuning : Lets the source's classifier learn what the target's classes say.
    DELTA : Keeps feature maps instead of answers.

    Notes
    -----
    The term is :math:`\lambda \tfrac{1}{n} \sum_i w_i \mathrm{KL}(q(x_i) \| p(x_i))`,
    with :math:`\lambda` = `strength`, :math:`w_i` the weights of the rows and softened
    probabilities :math:`p, q = \mathrm{softmax}(s / T)` of the source's classifier now
    and before fine-tuning [1]_. The paper's cross-entropy is larger by the entropy of
    :math:`q`, a constant; this term is 0 at the start, but for dropout and batch
    normalisation, which the copy leaves in evaluation mode.

    References
    ----------
    .. [1] Z. Li, D. Hoiem. Learning without Forgetting. IEEE Transactions on Pattern
       Analysis and Machine Intelligence 40, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import LWF, FineTunedClassifier
    >>> X = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> regularizer = LWF(source_head=nn.Linear(8, 3))
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(self, strength=4.0, *, temperature=3.0, source_head=None):
        self.strength = strength
        self.temperature = temperature
        self.source_head = source_head

    def _check_params(self):
        check_number("strength", self.strength, low=0)
        check_number("temperature", self.temperature, low=0, low_open=True)

    def _is_off(self):
        return self.strength == 0

    def _start(self, network, rows, device, has_source_head):
        self._check_backbone_learns(network)
        features = source_features(network, rows.take(slice(2)), device)
        head = source_head(
            "LWF", self.source_head, network, rows, features, has_source_head
        )
        return _LWFTerm(network.backbone, head, self.strength, self.temperature)
