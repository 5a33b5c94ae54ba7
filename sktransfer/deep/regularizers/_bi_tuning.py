"""Bi-Tuning: contrastive losses on the classifier and on a projection beside it."""

import copy

import torch
from torch import nn
from torch.nn import functional

from sktransfer._validation import check_integer, check_number
from sktransfer.deep._network import flat_features
from sktransfer.deep.regularizers._class_contrast import class_contrast_losses
from sktransfer.deep.regularizers._class_queue import ClassQueue
from sktransfer.deep.regularizers._frozen_copy import frozen_copy
from sktransfer.deep.regularizers._regularizer import Regularizer, Term
from sktransfer.deep.regularizers._source_head import source_features

__all__ = ["BiTuning", "follow"]


def follow(module, leader, momentum):
    """Move the weights of a module toward those of another, and take over its modes.

    Parameters
    ----------
    module : nn.Module
        Changed in place: weights become `momentum` times themselves plus the rest times
        the leader's.
    leader : nn.Module
        Of the same structure.
    momentum : float
        1: stays; 0: becomes the leader.
    """
    pairs = zip(module.parameters(), leader.parameters(), strict=True)
    with torch.no_grad():
        for own, other in pairs:
            own.lerp_(other, 1 - momentum)  # exact where both are the same
    for own, other in zip(module.modules(), leader.modules(), strict=True):
        own.training = other.training


def _with_one(hidden, has_bias):
    """Append a one, for the bias, and scale rows to length one."""
    if has_bias:
        hidden = torch.cat([hidden, hidden.new_ones(len(hidden), 1)], dim=1)
    return functional.normalize(hidden, dim=1)


class _BiTuningTerm(Term):
    def __init__(self, network, projection, settings):
        super().__init__()
        hidden, last = _parts_of(network.head)
        self.projection = projection
        self.settings = settings
        leaders = {"backbone": network.backbone, "hidden": hidden, "last": last}
        self.hold(**leaders)
        # The encoder of the keys, which follows slowly.
        self.hold(
            key_backbone=frozen_copy(network.backbone),
            key_hidden=frozen_copy(hidden),
            key_projection=frozen_copy(projection),
        )
        self.queue = ClassQueue(last.out_features, settings.queue_size)

    def forward(self, batch):
        """Return the weighted mean of the rows' two losses; keep the keys."""
        settings = self.settings
        has_bias = self.last.bias is not None
        hidden = _with_one(self.hidden(batch.features), has_bias)
        projected = functional.normalize(self.projection(batch.features), dim=1)
        key_hidden, key_projected = self._keys(batch, has_bias)
        weights = [self.last.weight]
        if has_bias:
            weights.append(self.last.bias[:, None])
        weights = functional.normalize(torch.cat(weights, dim=1), dim=1)[batch.y]
        pooled_hidden, pooled_projected, codes, filled = self._pool(hidden, projected)
        same_class = batch.y[:, None] == codes
        losses = class_contrast_losses(
            (weights * hidden).sum(dim=1),
            weights @ pooled_hidden.T,
            same_class,
            filled,
            settings.temperature,
        )
        losses = losses + class_contrast_losses(
            (projected * key_projected).sum(dim=1),
            projected @ pooled_projected.T,
            same_class,
            filled,
            settings.temperature,
        )
        if self.training:
            self.queue.push(batch.y, key_hidden, key_projected)
        return settings.strength * (batch.weight * losses).mean()

    def _keys(self, batch, has_bias):
        """Return the keys of a batch, after a step of the key encoder."""
        momentum = self.settings.momentum if self.training else 1.0
        with torch.no_grad():
            follow(self.key_backbone, self.backbone, momentum)
            follow(self.key_hidden, self.hidden, momentum)
            follow(self.key_projection, self.projection, momentum)
            if self.settings.augment is None:
                maps = batch.through(self.key_backbone)
            else:
                maps = self.key_backbone(self.settings.augment(batch.X))
            features = flat_features(maps)
            hidden = _with_one(self.key_hidden(features), has_bias)
            return hidden, functional.normalize(self.key_projection(features), dim=1)

    def _pool(self, hidden, projected):
        """Return the keys of earlier batches, their classes, and which there are."""
        queue = self.queue
        if queue.kept is None:
            none = hidden.new_zeros(0, dtype=torch.int64)
            return hidden[:0].detach(), projected[:0].detach(), none, none.bool()
        # Clones: the queue changes before the gradient is computed.
        pooled = [kept.flatten(0, 1).clone() for kept in queue.kept]
        codes = torch.arange(queue.n_classes, device=hidden.device)
        return *pooled, codes.repeat_interleave(queue.size), queue.filled.flatten()


def _parts_of(head):
    """Split a head into what is before its last linear layer, and that layer."""
    layers = list(head) if isinstance(head, nn.Sequential) else [head]
    if not isinstance(layers[-1], nn.Linear):
        raise ValueError(
            "BiTuning contrasts rows with the weights of the classes, and the head of "
            f"this network ends in {type(layers[-1]).__name__}. It must end in a "
            "torch.nn.Linear."
        )
    return nn.Sequential(*layers[:-1]), layers[-1]


class BiTuning(Regularizer):
    r"""Draw the rows of each class together by contrastive losses (Bi-Tuning).

    Two contrastive losses are added. One asks that the weights of a class be more
    similar to the features of its rows than to those of other classes. The other asks
    that a projection of a row's features be more similar to those of its class than to
    others. Rows are compared with *keys*: the latest rows of each class, as seen by a
    copy of the network that follows it slowly.

    Assumes that the source's features have structure to keep, which plain
    classification loses. Reads the labels of the rows, which must be classes.

    Cost: a copy of the network, a forward pass of it for each batch, and n n_classes
    `queue_size` similarities. In published comparisons it pays with few and with many
    labelled rows; where plain fine-tuning separates the classes already, it adds
    nothing but cost.

    Parameters
    ----------
    strength : float, default=1.0
        Weight of the mean over rows of the sum of both losses.
    temperature : float, default=0.07
        What cosine similarities are divided by.
    queue_size : int, default=40
        Keys of each class.
    momentum : float, default=0.999
        Share of its own weights that the copy keeps in a step: 1 leaves it as the
        source's network, 0 makes it the network itself.
    projection_size : int, default=128
        Width of the projection, a linear layer on the features that is learned, too.
    augment : callable, default=None
        Makes another view of a batch of rows for the keys, a random one, from tensor to
        tensor; None: the rows themselves. The paper takes two augmentations of each
        image.

    See Also
    --------
    CoTuning : Uses the classifier of the source, too.

    Notes
    -----
    With similarities :math:`s(a, b) = a^\top b / (\|a\| \|b\| \tau)`, the term is
    :math:`\lambda \tfrac{1}{n} \sum_i w_i (\ell^h_i + \ell^z_i)`,

    .. math::
        \ell^h_i = -\frac{1}{|P_i|} \sum_{h \in P_i} \log
        \frac{\exp s(v_{y_i}, h)}{\sum_{h' \in A_i} \exp s(v_{y_i}, h')}, \qquad
        \ell^z_i = -\frac{1}{|P_i|} \sum_{z \in P_i} \log
        \frac{\exp s(z_i, z)}{\sum_{z' \in A_i} \exp s(z_i, z')},

    where :math:`v_c` are the weights and bias of class :math:`c`, :math:`w_i` the
    weights of the rows, :math:`z_i` the projection of a row. :math:`A_i` holds all keys
    of earlier batches and the row's own features :math:`(h_i, 1)` or own key, and
    :math:`P_i` those of its class [1]_. Published code begins with random keys and
    learns nothing of :math:`v` from the first loss; here places without a key are left
    out, and :math:`v` learns.

    References
    ----------
    .. [1] J. Zhong, X. Wang, Z. Kou, J. Wang, M. Long. Bi-tuning of Pre-trained
       Representations. arXiv:2011.06182, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import BiTuning, FineTunedClassifier
    >>> X = np.random.RandomState(0).normal(size=(60, 4)).astype(np.float32)
    >>> y = (X[:, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    >>> regularizer = BiTuning(queue_size=8)
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(
        self,
        strength=1.0,
        *,
        temperature=0.07,
        queue_size=40,
        momentum=0.999,
        projection_size=128,
        augment=None,
    ):
        self.strength = strength
        self.temperature = temperature
        self.queue_size = queue_size
        self.momentum = momentum
        self.projection_size = projection_size
        self.augment = augment

    def _check_params(self):
        check_number("strength", self.strength, low=0)
        check_number("temperature", self.temperature, low=0, low_open=True)
        check_integer("queue_size", self.queue_size, low=1)
        check_number("momentum", self.momentum, low=0, high=1)
        check_integer("projection_size", self.projection_size, low=1)
        if self.augment is not None and not callable(self.augment):
            raise TypeError(
                "`augment` must be None or a function from a tensor of rows to a "
                f"tensor of as many rows, got {self.augment!r}."
            )

    def _is_off(self):
        return self.strength == 0

    def _start(self, network, rows, device, has_source_head):
        self._check_backbone_learns(network)
        self._check_class_labels(rows.y)
        features = source_features(network, rows.take(slice(1)), device)
        # Made on the CPU, so that every device gets the same draws.
        projection = nn.Linear(features.shape[1], self.projection_size)
        projection = projection.to(features)
        return _BiTuningTerm(network, projection, copy.copy(self))
