"""L2-SP: weights stay near those of the source."""

import torch

from sktransfer._validation import check_number
from sktransfer.deep.regularizers._regularizer import Regularizer, Term

__all__ = ["L2SP", "squared_distance"]


def squared_distance(parameters, starts):
    """Return the squared distance of parameters from where they started.

    Parameters
    ----------
    parameters : sequence of torch.Tensor
        As they are.
    starts : sequence of torch.Tensor
        Where they are pulled to, of the same shapes.

    Returns
    -------
    torch.Tensor or int
        Sum of squares over all entries; 0 for no parameter.
    """
    pairs = zip(parameters, starts, strict=True)
    return sum((now - start).square().sum() for now, start in pairs)


class _L2SPTerm(Term):
    """Holds copies of the weights: references would follow them."""

    def __init__(self, backbone, head, head_starts, strength, head_strength):
        super().__init__()
        self.backbone = list(backbone)  # lists are no parts of a module
        self.starts = [p.detach().clone() for p in self.backbone]
        self.head, self.head_starts = list(head), head_starts
        self.strength, self.head_strength = strength, head_strength

    def forward(self, batch):
        """Return the penalty, which does not depend on the rows."""
        pull = self.strength * squared_distance(self.backbone, self.starts)
        pull = pull + self.head_strength * squared_distance(self.head, self.head_starts)
        return 0.5 * pull


class L2SP(Regularizer):
    r"""Pull the weights toward those of the source (L2-SP).

    An L2 penalty on the distance of the backbone from the weights with which
    fine-tuning starts, and a weight decay of the head, which is new. A head that was
    trained on the source is pulled toward its start, too.

    Assumes that good weights for the target lie near those of the source, whatever kind
    of shift there is. Reads no labels.

    Cost: a copy of the weights that learn, and one pass over them a step. It pays with
    few labelled target rows; with many it slows the adaptation down. All weights count
    alike, although some change the features more than others: `DELTA` looks at the
    features instead.

    Parameters
    ----------
    strength : float, default=0.01
        Weight of half the sum of squares over the parameters of the backbone that
        learn. It is a sum, not a mean: a larger network is pulled harder.
    head_strength : float, default=0.01
        The same for the head.

    See Also
    --------
    DELTA : Keeps feature maps instead of weights.
    BSS : Leaves the weights alone and removes what does not transfer.

    Notes
    -----
    The term is :math:`\tfrac{\alpha}{2} \|w_S - w_S^0\|^2 + \tfrac{\beta}{2}
    \|w_{\bar S}\|^2` with :math:`\alpha` = `strength`, :math:`\beta` =
    `head_strength`, where :math:`w_S` are the weights that the source's network has,
    too, and :math:`w_{\bar S}` the new ones [1]_. Frozen weights are left out.

    References
    ----------
    .. [1] X. Li, Y. Grandvalet, F. Davoine. Explicit Inductive Bias for Transfer
       Learning with Convolutional Networks. ICML, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import L2SP, FineTunedClassifier
    >>> X = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> regularizer = L2SP(strength=0.1)
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(self, strength=0.01, *, head_strength=0.01):
        self.strength = strength
        self.head_strength = head_strength

    def _check_params(self):
        check_number("strength", self.strength, low=0)
        check_number("head_strength", self.head_strength, low=0)

    def _is_off(self):
        return self.strength == 0 and self.head_strength == 0

    def _start(self, network, rows, device, has_source_head):
        if self.strength > 0:
            self._check_backbone_learns(network)
        head = [p for p in network.head.parameters() if p.requires_grad]
        start_of = torch.clone if has_source_head else torch.zeros_like
        starts = [start_of(p.detach()) for p in head]
        backbone = [p for p in network.backbone.parameters() if p.requires_grad]
        return _L2SPTerm(backbone, head, starts, self.strength, self.head_strength)
