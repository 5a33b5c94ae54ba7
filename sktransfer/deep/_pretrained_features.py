import copy
import os

import numpy as np
import torch
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sktransfer._validation import check_choice, check_integer
from sktransfer.deep._device import resolve_device
from sktransfer.deep._network import (
    build_backbone,
    flat_features,
    takes_whole_numbers,
)
from sktransfer.deep._out_of_memory import explain_out_of_memory
from sktransfer.deep._rows_in import check_rows, n_rows_of, take_rows
from sktransfer.deep.backbones._backbone_registry import load_backbone
from sktransfer.deep.frozen._feature_cache import shared_cache
from sktransfer.deep.frozen._fingerprint import fingerprint
from sktransfer.deep.frozen._frozen_features import outputs_of
from sktransfer.deep.frozen._frozen_part import by_row

__all__ = ["PretrainedFeatures"]


class PretrainedFeatures(
    ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator
):
    """Features of a pretrained network, for any classifier, aligner or weighter.

    Rows go through the network in evaluation mode, and what comes out is a row of
    features: images are averaged over their pixels. Nothing is trained. What comes out
    for a row must not depend on the other rows of the batch. A row that was seen
    before, in whatever array, is not computed again, so that a search over what follows
    in a pipeline costs one pass over the rows.

    Assumes that the network was trained on data whose features serve here: the
    transfer is in its weights. Reads no labels, and treats source and target rows
    alike.

    Cost: one forward pass for each row. It hurts where the network has learned to
    ignore what matters here; compare with simple features of the rows.

    Parameters
    ----------
    backbone : str, path-like, nn.Module, callable or None, default=None
        The network. A name ("torchvision:resnet18", "hf:bert-base-uncased", a prefix of
        `register_backbone`) or a local folder is loaded with its weights, and prepares
        X itself: images, sentences or sounds. A module is deep-copied; a function or
        class is called to make one, with ``n_features`` if it takes that. None: the
        entries of the rows as they are, to compare with.
    batch_size : int, default=64
        Rows of a forward pass.
    device : str, default="auto"
        "auto" (CUDA, else MPS, else the CPU) or the name of a torch device.
    mixed_precision : "auto" or bool, default="auto"
        Whether it is computed in bfloat16 on CUDA devices that have it.
    memory : str, path-like or joblib.Memory, default=None
        Folder where features are kept for other processes and later sessions, too. In
        memory they are kept anyway, up to one GiB for all networks together.
    verbose : int, default=0
        1: the batches that are done are shown.

    Attributes
    ----------
    backbone_ : nn.Module or None
        The network, in evaluation mode.
    preprocessor_ : transformer or None
        With a named backbone: what prepares X.
    input_shape_ : tuple
        Shape of a row, once prepared.
    device_ : str
        Where it computes.
    n_features_in_ : int
        Number of features seen in `fit` (channels for images).
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    FineTunedClassifier : Trains some of the network, too.

    Examples
    --------
    >>> import numpy as np
    >>> import torch
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sktransfer.deep import PretrainedFeatures
    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.ReLU())
    >>> images = np.random.RandomState(0).normal(size=(20, 1, 8, 8))
    >>> PretrainedFeatures(network).fit_transform(images).shape
    (20, 8)
    >>> model = make_pipeline(PretrainedFeatures(network), LogisticRegression())
    >>> model.fit(images, np.arange(20) % 2).predict(images).shape
    (20,)
    """

    def __init__(
        self,
        backbone=None,
        *,
        batch_size=64,
        device="auto",
        mixed_precision="auto",
        memory=None,
        verbose=0,
    ):
        self.backbone = backbone
        self.batch_size = batch_size
        self.device = device
        self.mixed_precision = mixed_precision
        self.memory = memory
        self.verbose = verbose

    def _check_X(self, X, *, reset):
        if self.preprocessor_ is not None:
            X = self.preprocessor_.transform(X)
            self.input_shape_ = tuple(X.shape[1:])
            return X
        return check_rows(self, X, reset=reset)

    def fit(self, X, y=None):
        """Make the network, and see how many features it gives.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or of images
            Rows; images as (n_samples, channels, height, width).
        y : object, default=None
            Ignored.

        Returns
        -------
        self : object
            The fitted transformer.
        """
        check_integer("batch_size", self.batch_size, low=1)
        check_choice("mixed_precision", self.mixed_precision, ("auto", True, False))
        self.device_ = str(resolve_device(self.device))
        self.preprocessor_ = self.backbone_ = None
        if isinstance(self.backbone, str | os.PathLike):
            self._load(X)
            X = self._check_X(take_rows(X, np.arange(min(1, n_rows_of(X)))), reset=True)
        else:
            X = self._check_X(X, reset=True)
            self._make(torch.from_numpy(np.array(X[:1])))
        self._n_features_out = self._features(X[:1], quiet=True).shape[1]
        return self

    def _load(self, X):
        found = load_backbone(self.backbone)
        self.backbone_ = found.module
        if found.preprocessor is not None:
            self.preprocessor_ = clone(found.preprocessor).fit(X)

    def _make(self, sample):
        if self.backbone is None:
            return
        self.backbone_ = build_backbone(self.backbone, sample).eval()
        if not isinstance(self.backbone, nn.Module) and sample.is_floating_point():
            self.backbone_ = self.backbone_.to(sample.dtype)

    def transform(self, X):
        """Return the features of rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or of images
            Rows.

        Returns
        -------
        ndarray of shape (n_samples, n_features_out)
            The features, in the type of the network's weights.
        """
        check_is_fitted(self)
        return self._features(self._check_X(X, reset=False))

    def _features(self, X, *, quiet=False):
        if self.backbone_ is None:
            return X.reshape(len(X), -1).copy()
        device = torch.device(self.device_)
        mixed = self.mixed_precision in ("auto", True)
        if not (X.dtype.kind == "i" and takes_whole_numbers(self.backbone_, X[:1])):
            weights = (p for p in self.backbone_.parameters() if p.is_floating_point())
            dtype = next((str(p.dtype) for p in weights), "torch.float32")
            X = X.astype(dtype.removeprefix("torch."), copy=False)

        def compute(rows):
            network = _Flat(self.backbone_).to(device).eval()
            try:
                with explain_out_of_memory(self.batch_size, device):
                    return outputs_of(
                        network,
                        rows,
                        device,
                        mixed_precision=mixed,
                        batch_size=self.batch_size,
                        verbose=0 if quiet else self.verbose,
                    )
            except (RuntimeError, ValueError) as error:
                raise ValueError(
                    "The backbone cannot take rows of shape "
                    f"{self.input_shape_}: {error}"
                ) from error

        if not by_row(self.backbone_):
            return compute(X)
        key = fingerprint(self.backbone_, "features", device.type, mixed)
        return shared_cache.compute(key, X, compute, self.memory)

    def __getstate__(self):
        """Leave the weights on the CPU, where any machine can unpickle them."""
        state = dict(super().__getstate__())
        if state.get("backbone_") is not None:
            state["backbone_"] = copy.deepcopy(state["backbone_"]).cpu()
        return state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


class _Flat(nn.Module):
    """A network, and one row of features of what it gives."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, X):
        """Return flat features."""
        return flat_features(self.network(X))
