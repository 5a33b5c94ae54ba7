import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array, column_or_1d

from sktransfer._compat import with_callbacks
from sktransfer.deep._base import BaseFineTuned
from sktransfer.deep._losses import SquaredError
from sktransfer.deep._onnx import Predictions

__all__ = ["FineTunedRegressor"]


class FineTunedRegressor(RegressorMixin, BaseFineTuned):
    r"""Regressor by a network trained on the source and fine-tuned on the target.

    Phase one trains the whole network on the labelled source rows, unless `backbone`
    comes with its own weights. Phase two fine-tunes what is `trainable` on the labelled
    target rows. Without labelled target rows there is only one phase, on all labelled
    rows: the first, or for a given module the second.

    Assumes that features learned on the source are useful for the target, whatever
    kind of shift there is; the values are of the same kind in both domains. Reads the
    labels of the source, and those of the target, without which nothing adapts.

    Cost: epochs times rows times two or three forward passes. What lies below the first
    trainable block is computed once for each row and kept, up to one GiB, so that
    epochs, folds and candidates of a search share it, unless there is an `augment`.
    With few labelled target rows, freeze more (`trainable`) or pull harder (`l2_sp`);
    with very many, training on the target alone is as good.

    Parameters
    ----------
    backbone : str, path-like, nn.Module, callable or None, default=None
        The part that gives features. A name ("torchvision:resnet18",
        "hf:bert-base-uncased", "timm:vit_tiny_patch16_224", or a prefix of
        `register_backbone`) or a local folder is loaded with its weights, and prepares
        X itself: images, sentences or sounds. A module is taken as pretrained and
        deep-copied; it is never changed. A function or class is called to make a new
        one, with ``n_features`` if it takes that. None: two hidden layers for rows of
        numbers, a small convolutional network for images.
    head : "linear" or tuple of int, default="linear"
        What is put on the backbone: one linear layer, or hidden layers of these sizes
        before it. Image features are averaged over the pixels first.
    trainable : "all", "head", int or list of str, default="all"
        What learns in the second phase: everything, the head alone, the head and the
        last k blocks of the backbone, or the head and the parameters of the backbone
        whose names match one of the patterns (``["layer4.*"]``). What is frozen
        stays in evaluation mode, batch normalisation included.
    peft : "lora", peft config or None, default=None
        Adapters (peft) that learn in place of the backbone's own weights.
    pretrain : "auto" or bool, default="auto"
        Whether there is a first phase on the labelled source rows, in which everything
        learns. "auto": unless `backbone` comes with its own weights.
    lr : float, default=0.005
        Learning rate.
    backbone_lr : float, default=None
        Learning rate of the backbone in the second phase; None: `lr`.
    layer_decay : float, default=1.0
        What the rate is multiplied with from each block of the backbone to the one
        before it, in the second phase.
    schedule : {"constant", "cosine", "linear"}, default="constant"
        Course of the rates: the same in all steps of a phase, or falling to zero.
    warmup : float, default=0.0
        Share of the steps of a phase in which the rates rise from zero.
    unfreeze_every : int, default=None
        Epochs after which the next block of the backbone begins to learn in the second
        phase, the last one first, until all that are `trainable` do. None: they learn
        from the start.
    l2_sp : float, default=0.0
        Strength of the pull of the backbone toward the weights with which the second
        phase starts (L2-SP).
    regularizer : Regularizer or None, default=None
        A term of the second phase that keeps the network near the source's, or its
        features well-behaved: `L2SP`, `DELTA`, `BSS`, `LWF`, `CoTuning`, `StochNorm`,
        `BiTuning`.
    weight_decay : float, default=0.0
        Decay of all weights.
    source_weight : float, default=0.0
        How much a labelled source row counts in the second phase beside a target row's
        one. 0: the second phase sees target rows only.
    max_epochs : int, default=50
        Epochs of the second phase.
    pretrain_epochs : int, default=50
        Epochs of the first phase.
    batch_size : int, default=64
        Rows of a batch.
    accumulate : int, default=1
        Batches whose gradients add up to one step, where more rows do not fit into
        memory at once.
    clip_norm : float, default=None
        Largest norm of the gradient of a step. None: as it comes.
    augment : callable, default=None
        Called with the tensor of rows of each training batch, and returns a tensor of
        as many rows: random crops, noise. It draws from torch's generator, which is
        seeded by `random_state`.
    optimizer : {"adamw", "sgd"}, default="adamw"
        The optimizer.
    validation_fraction : float, default=None
        Share of the labelled target rows set aside for early stopping of the second
        phase; the best weights are restored. None: no early stopping.
    patience : int, default=10
        Epochs without progress before the early stop.
    warm_start : bool, default=False
        Whether another call of `fit` goes on from the present weights, without a first
        phase.
    on_interrupt : {"discard", "keep"}, default="discard"
        What is left after Ctrl-C, which is raised in any case: nothing new, or the
        network with the weights so far.
    accelerator : accelerate.Accelerator, default=None
        Spreads the batches over several devices, in processes that `accelerate launch`
        starts; then `device` and `mixed_precision` are the accelerator's.
    device : str, default="auto"
        "auto" (CUDA, else MPS, else the CPU) or the name of a torch device.
    mixed_precision : "auto" or bool, default="auto"
        Whether the forward pass is computed in bfloat16 on CUDA devices that have it.
    memory : str, path-like or joblib.Memory, default=None
        Folder where outputs of frozen layers are kept for other processes, too.
    verbose : int, default=0
        1: a line for each epoch. Callbacks of scikit-learn are told about each epoch.
    random_state : int, RandomState instance or None, default=None
        For initial weights, batches and the validation rows. Global generators are
        left alone.
    unlabeled : int, str or None, default=-1
        Marker of unlabelled rows: -1 stands for -1 in integer labels, "" in string
        labels and NaN in floats; None says that every row is labelled.

    Attributes
    ----------
    network_ : nn.Module
        The trained network, with `backbone` and `head`.
    y_mean_, y_scale_ : float or ndarray of shape (n_outputs,)
        Location and scale of the labelled values; the network learns them scaled.
    history_ : list of dict
        Phase, epoch and losses of each epoch.
    n_iter_ : int
        Number of epochs in all.
    device_ : str
        Where it was trained.
    preprocessor_ : transformer or None
        With a named backbone: what prepares X.
    input_shape_ : tuple
        Shape of a row, once prepared.
    input_dtype_ : str
        Type of its entries.
    n_features_in_ : int
        Number of features seen in `fit` (channels for images).
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    FineTunedClassifier : The same for classification.
    sktransfer.TransferRegressor : Transfer under any scikit-learn regressor.

    Notes
    -----
    The loss is :math:`\sum_i w_i \ell_i / \sum_i w_i` plus, in the second phase,
    :math:`\tfrac{\lambda}{2} \|\theta - \theta_0\|^2` over the backbone with
    :math:`\lambda` = `l2_sp` [1]_. A batch divides by the sum over *all* rows, so that
    batches add up to the gradient of the whole. Rows are put in an order of their
    content first: permuting them changes nothing.

    References
    ----------
    .. [1] X. Li, Y. Grandvalet, F. Davoine. Explicit Inductive Bias for Transfer
       Learning with Convolutional Networks. ICML, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.deep import FineTunedRegressor
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(230, 1))
    >>> y = np.sin(2 * X[:, 0])
    >>> y[200:] += 1.0  # the target's values are shifted
    >>> sample_domain = np.r_[np.ones(200), -np.ones(30)]
    >>> model = FineTunedRegressor(random_state=0)
    >>> model = model.fit(X, y, sample_domain=sample_domain)
    >>> X_new = rng.normal(size=(100, 1))
    >>> bool(model.score(X_new, np.sin(2 * X_new[:, 0]) + 1.0) > 0.8)
    True
    """

    _regression = True

    def __init__(
        self,
        backbone=None,
        *,
        head="linear",
        trainable="all",
        peft=None,
        pretrain="auto",
        lr=0.005,
        backbone_lr=None,
        layer_decay=1.0,
        schedule="constant",
        warmup=0.0,
        unfreeze_every=None,
        l2_sp=0.0,
        regularizer=None,
        weight_decay=0.0,
        source_weight=0.0,
        max_epochs=50,
        pretrain_epochs=50,
        batch_size=64,
        accumulate=1,
        clip_norm=None,
        augment=None,
        optimizer="adamw",
        validation_fraction=None,
        patience=10,
        warm_start=False,
        on_interrupt="discard",
        accelerator=None,
        device="auto",
        mixed_precision="auto",
        memory=None,
        verbose=0,
        random_state=None,
        unlabeled=-1,
    ):
        self.backbone = backbone
        self.head = head
        self.trainable = trainable
        self.peft = peft
        self.pretrain = pretrain
        self.lr = lr
        self.backbone_lr = backbone_lr
        self.layer_decay = layer_decay
        self.schedule = schedule
        self.warmup = warmup
        self.unfreeze_every = unfreeze_every
        self.l2_sp = l2_sp
        self.regularizer = regularizer
        self.weight_decay = weight_decay
        self.source_weight = source_weight
        self.max_epochs = max_epochs
        self.pretrain_epochs = pretrain_epochs
        self.batch_size = batch_size
        self.accumulate = accumulate
        self.clip_norm = clip_norm
        self.augment = augment
        self.optimizer = optimizer
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.on_interrupt = on_interrupt
        self.accelerator = accelerator
        self.device = device
        self.mixed_precision = mixed_precision
        self.memory = memory
        self.verbose = verbose
        self.random_state = random_state
        self.unlabeled = unlabeled

    def _check_y(self, y):
        y = np.asarray(y)
        if y.ndim != 2 or y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if y.dtype.kind in "US":
            raise ValueError(
                f"y must hold numbers, got {y.flat[0].item()!r}. FineTunedClassifier "
                "learns classes."
            )
        return check_array(
            y,
            ensure_2d=False,
            dtype=np.float64,
            ensure_all_finite="allow-nan",
            input_name="y",
            ensure_min_samples=0,
        )

    @with_callbacks
    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Train on labelled source rows, then fine-tune on labelled target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or of images
            Source and target rows, in any order; with a named backbone images,
            sentences or sounds.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Values; unlabelled rows (NaN) are not learned from.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: there
            is no labelled target row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        return self._fit(X, y, sample_domain, sample_weight)

    def partial_fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Learn from the given rows for one epoch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows. Those of the first call set the scale of the values.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are not learned from.
        sample_domain : array-like of shape (n_samples,), default=None
            With rows of both domains, source rows count `source_weight`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        self : object
            The regressor.
        """
        return self._partial_fit(X, y, sample_domain, sample_weight, None)

    def _encode(self, y, labels, weight, *, reset):
        if reset:
            self.y_mean_ = np.average(y, axis=0, weights=weight)
            spread = np.average(np.square(y - self.y_mean_), axis=0, weights=weight)
            self.y_scale_ = np.sqrt(np.where(spread > 0, spread, 1.0))
            if y.ndim == 1:
                self.y_mean_ = float(self.y_mean_)
                self.y_scale_ = float(self.y_scale_)
        if np.shape(self.y_mean_) != y.shape[1:]:
            raise ValueError(
                f"y has {y.shape[1:] or 'one'} outputs a row, after "
                f"{np.shape(self.y_mean_) or 'one'} in the first call. Fit anew."
            )
        return (y - self.y_mean_) / self.y_scale_

    def _decode(self, values):
        return values * self.y_scale_ + self.y_mean_

    def _n_outputs(self):
        return np.size(self.y_mean_)

    def _loss(self):
        return SquaredError()

    def _predictions(self):
        return Predictions("values", mean=self.y_mean_, scale=self.y_scale_)

    def _class_weights(self, y, weight):
        return np.ones(len(y))

    def predict(self, X, *, sample_domain=None):
        """Predict values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Values.
        """
        outputs = self._forward(X)
        return self._decode(outputs[:, 0] if np.ndim(self.y_mean_) == 0 else outputs)

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the coefficient of determination.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their true values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        float
            R squared of the predictions.
        """
        return r2_score(y, self.predict(X), sample_weight=sample_weight)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
