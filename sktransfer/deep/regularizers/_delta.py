"""DELTA: feature maps stay near those of the source."""

import numpy as np
import torch

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.deep.regularizers._channel_attention import (
    channel_attention,
    channel_axis_of,
    loss_increases,
)
from sktransfer.deep.regularizers._feature_maps import (
    FeatureMaps,
    is_map,
    learning_layers,
    trial_maps,
)
from sktransfer.deep.regularizers._frozen_copy import frozen_copy
from sktransfer.deep.regularizers._regularizer import Regularizer, Term

__all__ = ["DELTA", "map_distances"]


def map_distances(maps, source_maps, attention=None, *, axis=1):
    """Return half the squared distances of feature maps, row by row.

    Parameters
    ----------
    maps, source_maps : torch.Tensor of shape (n, ...)
        Maps of the same rows.
    attention : torch.Tensor of shape (n_channels,), default=None
        Weights of the channels, which sum to one; None: all equal.
    axis : int, default=1
        Of the channels.

    Returns
    -------
    torch.Tensor of shape (n,)
        Sums over channels of means over positions, each channel times `attention` and
        the number of channels.
    """
    dtype = torch.promote_types(maps.dtype, torch.float32)
    squares = (maps.to(dtype) - source_maps.to(dtype)).square()
    n_rows, n_channels = len(squares), squares.shape[axis]
    by_channel = squares.movedim(axis, 1).reshape(n_rows, n_channels, -1).mean(dim=2)
    if attention is not None:
        by_channel = by_channel * (len(attention) * attention.to(dtype))
    return 0.5 * by_channel.sum(dim=1)


class _DELTATerm(Term):
    def __init__(self, backbone, source, names, attention, strength, axis):
        super().__init__()
        self.attention, self.strength, self.axis = attention, strength, axis
        self.source_maps = FeatureMaps(source, names)
        self.maps = FeatureMaps(backbone, names)
        self.hold(source=source)

    def forward(self, batch):
        """Return the weighted mean of the rows' distances, summed over layers."""
        with torch.no_grad():
            batch.through(self.source)
        kept, maps = self.source_maps.take(), self.maps.take()
        losses = 0.0
        for name, source_map in kept.items():
            found = maps.get(name)
            if found is None or found.shape != source_map.shape:
                raise RuntimeError(
                    "DELTA compares the feature maps of the batch that went through "
                    f"the backbone last, and those of layer {name!r} are not of this "
                    "batch. Compute the term after each forward pass, on one device."
                )
            axis = channel_axis_of(found, self.axis)
            attention = self.attention.get(name)
            losses = losses + map_distances(found, source_map, attention, axis=axis)
        return self.strength * (batch.weight * losses).mean()

    def finish(self):
        """Take the hooks off the network and forget the maps."""
        for maps in (self.maps, self.source_maps):
            maps.remove()
            maps.take()


class DELTA(Regularizer):
    r"""Keep feature maps near those of the source (DELTA).

    The outputs of some layers are compared with what a copy of the source's network
    gives for the same rows. Each channel counts by how much it matters for the labels:
    by how much the loss of a linear head on the source's features grows where the
    channel is switched off.

    Assumes that what the source's layers see in the target's rows is of use, whatever
    kind of shift there is. Reads the labels of the rows for the attention, else none.

    Cost: a copy of the backbone, and a forward pass of it for each batch. The attention
    takes a pass over `n_attention_rows` rows for *each channel* beforehand: seconds for
    small networks, 3,840 passes for the four stages of a ResNet-50, where "gradient"
    takes four. It pays with few labelled target rows; with many, or where the source's
    features are of no use, it holds the network back.

    Parameters
    ----------
    strength : float, default=0.01
        Weight of the mean distance of a row: half the squared distance, summed over
        layers and channels, averaged over positions. Published code sums over the rows
        of a batch, of 48 or 64, instead: its 0.01 is about 0.5 here.
    attention : {"ablation", "gradient"} or None, default="ablation"
        How it is found how much a channel matters. "ablation": it is switched off, as
        in the paper. "gradient": a first-order estimate of that. None: all count alike.
    layers : list of str, default=None
        Layers of the backbone, as ``named_modules()`` calls them; "" is its output.
        None: the last four blocks that fine-tuning changes, stages of a residual
        network for example, or the output where no block gives one tensor.
    channel_axis : int or "auto", default="auto"
        Axis of a map that runs over channels. "auto": the last one of maps with three
        axes, the tokens of a transformer, else the second, as in images.
    n_attention_rows : int, default=256
        Rows for the attention at most.

    See Also
    --------
    L2SP : Keeps weights instead; cheaper.
    LWF : Keeps the answers of the source's classifier.

    Notes
    -----
    The term is :math:`\tfrac{\alpha}{2} \tfrac{1}{n} \sum_i w_i \sum_j \sum_c C_j
    a_{jc} \|F_{jc}(x_i) - F^0_{jc}(x_i)\|^2 / P_j` with :math:`\alpha` = `strength`,
    :math:`w_i` the weights of the rows, and maps :math:`F_j, F^0_j` of layer :math:`j`
    now and before fine-tuning, with :math:`C_j` channels of :math:`P_j` positions [1]_.
    :math:`a_j` is the softmax of the increases of the loss over channels, standardised
    and divided by 5 as in the published code; without attention :math:`1/C_j`. The copy
    stays in evaluation mode: the term is 0 at the start, but for dropout and batch
    normalisation. The paper also decays the weights of the head; `L2SP` and
    ``weight_decay`` do so.

    References
    ----------
    .. [1] X. Li, H. Xiong, H. Wang, Y. Rao, L. Liu, J. Huan. DELTA: Deep Learning
       Transfer using Feature Map with Attention for Convolutional Networks. ICLR, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from torch import nn
    >>> from sktransfer.deep import DELTA, FineTunedClassifier
    >>> X = np.random.RandomState(0).normal(size=(60, 1, 6, 6)).astype(np.float32)
    >>> y = (X[:, 0, 0, 0] > 0).astype(int)
    >>> pretrained = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 8, 3))
    >>> regularizer = DELTA(strength=0.01)
    >>> model = FineTunedClassifier(pretrained, regularizer=regularizer, random_state=0)
    >>> model.fit(X, y).predict(X).shape
    (60,)
    """

    def __init__(
        self,
        strength=0.01,
        *,
        attention="ablation",
        layers=None,
        channel_axis="auto",
        n_attention_rows=256,
    ):
        self.strength = strength
        self.attention = attention
        self.layers = layers
        self.channel_axis = channel_axis
        self.n_attention_rows = n_attention_rows

    def _check_params(self):
        check_number("strength", self.strength, low=0)
        check_choice("attention", self.attention, ("ablation", "gradient", None))
        check_integer("channel_axis", self.channel_axis, also=("auto",))
        check_integer("n_attention_rows", self.n_attention_rows, low=1)
        names = self.layers
        if names is not None and (
            not isinstance(names, list | tuple)
            or not names
            or not all(isinstance(name, str) for name in names)
        ):
            raise ValueError(
                "`layers` must be None or a list of names of layers, got "
                f"{self.layers!r}."
            )

    def _is_off(self):
        return self.strength == 0

    def _start(self, network, rows, device, has_source_head):
        self._check_backbone_learns(network)
        source = frozen_copy(network.backbone)
        tried = torch.from_numpy(np.array(rows.given[:2])).to(device)
        names = self.layers
        if names is None:
            names = learning_layers(network.backbone, source, tried)
        self._check_maps(trial_maps(source, names, tried), len(tried))
        attention = self._attention(source, names, network, rows, device)
        return _DELTATerm(
            network.backbone, source, names, attention, self.strength, self.channel_axis
        )

    def _check_maps(self, maps, n_rows):
        for name, output in maps.items():
            if not is_map(output, n_rows):
                raise ValueError(
                    f"DELTA compares feature maps, and layer {name!r} does not give "
                    "one tensor of floats with a row for each row. Choose other "
                    "`layers`."
                )
            channel_axis_of(output, self.channel_axis)

    def _attention(self, source, names, network, rows, device):
        if self.attention is None:
            return {}
        dtype = next(source.parameters()).dtype
        # Rows come in an order of their content; these are spread over it.
        n_rows = min(self.n_attention_rows, len(rows.y))
        chosen = np.linspace(0, len(rows.y) - 1, n_rows).round().astype(int)
        rows = rows.take(chosen)
        y, weight = torch.from_numpy(rows.y), torch.from_numpy(rows.weight)
        weight = weight.to(device, dtype)
        y = y.to(device, dtype) if y.is_floating_point() else y.to(device)
        increases = loss_increases(
            source,
            names,
            self._runner(source, network, rows, device),
            y,
            weight,
            method=self.attention,
            axis=self.channel_axis,
            batch_size=1024 if rows.given.ndim == 2 else 64,
        )
        return dict(zip(names, map(channel_attention, increases), strict=True))

    def _runner(self, source, network, rows, device):
        """Return a function from numbers of rows to what the source gives for them."""
        given = torch.from_numpy(rows.given).to(device)
        # Layers that somebody asks for may be such as are skipped.
        if rows.source is None or self.layers is not None:
            return lambda which: source(given[which])
        kept = torch.from_numpy(rows.X).to(device)
        return lambda which: network.maps(source, kept[which], given[which])
