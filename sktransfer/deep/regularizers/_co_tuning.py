"""Co-Tuning: the source's classifier learns what the target's labels say of it."""

import numpy as np
import torch
from scipy.special import softmax
from torch.nn import functional

from sktransfer._validation import check_choice, check_number
from sktransfer.deep.regularizers._calibration import calibration_temperature
from sktransfer.deep.regularizers._category_relationship import category_relationship
from sktransfer.deep.regularizers._regularizer import Regularizer, Term
from sktransfer.deep.regularizers._source_head import source_features, source_head

__all__ = ["CoTuning"]


class _CoTuningTerm(Term):
    def __init__(self, head, relationship, strength):
        super().__init__()
        self.source_head = head
        self.register_buffer("relationship", relationship)
        self.strength = strength

    def forward(self, batch):
        """Return the weighted mean of the rows' cross-entropies."""
        scores = self.source_head(batch.features.to(self.relationship.dtype))
        expected = self.relationship[batch.y]
        losses = -(expected * functional.log_softmax(scores, dim=1)).sum(dim=1)
        return self.strength * (batch.weight * losses).mean()


class CoTuning(Regularizer):
    r"""Let target labels supervise the source's classifier, too (Co-Tuning).

    First the relationship of classes is learned: with which probabilities the source's
    classifier gives its classes to the rows of each target class. Then, in fine-tuning,
    the source's classifier stays on the features beside the new head, and learns those
    probabilities for each row, by the row's label.

    Assumes a source with many classes, among which each target class has a place of its
    own. Reads the labels of the target, which must be classes.

    Cost: one forward pass over the rows beforehand, and the source's classifier in each
    step; "reverse" also fits logistic regressions, which takes minutes with many source
    classes. It pays with few and with many labelled target rows, by the paper, as long
    as the source is diverse; with few source classes the relationship says nothing new.

    Parameters
    ----------
    strength : float, default=2.3
        Weight of the mean cross-entropy of a row.
    relationship : {"direct", "reverse"}, default="direct"
        "direct": mean probabilities over the rows of a class. "reverse": a logistic
        regression predicts target classes from source probabilities, calibrated on
        held-out rows, and Bayes' rule turns that round; where a class has a single row
        it is as "direct".
    temperature : float or "auto", default="auto"
        What the source's scores are divided by to calibrate its probabilities, best
        found on held-out source rows. "auto": where the source's classifier is the head
        of the network, whose classes are the target's, the temperature at which it fits
        the labels of the rows best; 1 for a `source_head`.
    source_head : nn.Module, default=None
        Maps features of the backbone to scores of source classes, the last layer of a
        pretrained network for example. It is copied, and the copy learns. None: the
        head of the network, where a first phase has trained it on source rows.

    See Also
    --------
    LWF : Keeps the answers on each row instead, and reads no labels.

    Notes
    -----
    The term is :math:`-\lambda \tfrac{1}{n} \sum_i w_i \sum_s p(s \mid y_i) \log
    \hat p_s(x_i)` with :math:`\lambda` = `strength`, :math:`w_i` the weights of the
    rows and :math:`\hat p` the source's classifier. "direct" takes :math:`p(s \mid t)`
    as the mean of :math:`\hat p_s` before fine-tuning over the rows of class :math:`t`,
    "reverse" as :math:`p(t \mid s)\, p(s) / \sum_{s'} p(t \mid s')\, p(s')` [1]_.
    The paper prefers "reverse", published code has both.

    References
    ----------
    .. [1] K. You, Z. Kou, M. Long, J. Wang. Co-Tuning for Transfer Learning. NeurIPS,
       2020.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import CoTuning, FineTunedClassifier
    >>> X = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> regularizer = CoTuning(source_head=nn.Linear(8, 3))
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(
        self,
        strength=2.3,
        *,
        relationship="direct",
        temperature="auto",
        source_head=None,
    ):
        self.strength = strength
        self.relationship = relationship
        self.temperature = temperature
        self.source_head = source_head

    def _check_params(self):
        check_number("strength", self.strength, low=0)
        check_choice("relationship", self.relationship, ("direct", "reverse"))
        check_number(
            "temperature", self.temperature, low=0, low_open=True, also=("auto",)
        )

    def _is_off(self):
        return self.strength == 0

    def _start(self, network, rows, device, has_source_head):
        self._check_backbone_learns(network)
        self._check_class_labels(rows.y)
        features = source_features(network, rows, device)
        head = source_head(
            "CoTuning", self.source_head, network, rows, features, has_source_head
        )
        with torch.no_grad():
            scores = head.eval()(features).cpu().numpy().astype(np.float64)
            n_classes = network.head(features[:1]).shape[1]
        relationship = category_relationship(
            softmax(scores / self._temperature(scores, rows), axis=1),
            rows.y,
            n_classes=n_classes,
            sample_weight=rows.weight,
            method=self.relationship,
        )
        expected = torch.from_numpy(relationship).to(features.dtype).to(device)
        return _CoTuningTerm(head.train(), expected, self.strength)

    def _temperature(self, scores, rows):
        if self.temperature != "auto":
            return self.temperature
        if self.source_head is not None:
            return 1.0
        return calibration_temperature(scores, rows.y, rows.weight)
