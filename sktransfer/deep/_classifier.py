import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d
from torch import nn

from sktransfer._compat import with_callbacks
from sktransfer._domains import label_array
from sktransfer.deep._base import BaseFineTuned
from sktransfer.deep._class_labels import check_no_float_marker, plain_labels

__all__ = ["FineTunedClassifier"]

_DOMAIN = {"sample_domain": True}


class FineTunedClassifier(ClassifierMixin, BaseFineTuned):
    r"""Classifier by a network trained on the source and fine-tuned on the target.

    Phase one trains the whole network on the labelled source rows, unless `backbone`
    comes with its own weights. Phase two fine-tunes what is `trainable` on the labelled
    target rows. Without labelled target rows there is only one phase, on all labelled
    rows: the first, or for a given module the second.

    Assumes that features learned on the source are useful for the target, whatever
    kind of shift there is; the classes are the same in both domains. Reads the labels
    of the source, and those of the target, without which nothing adapts.

    Cost: epochs times rows times two or three forward passes. With trainable="head" the
    features of each row are computed once and kept, up to one GiB, so that epochs,
    folds and candidates of a search share them. With few labelled target rows,
    freeze more (`trainable`) or pull harder (`l2_sp`); with very many, training on the
    target alone is as good.

    Parameters
    ----------
    backbone : nn.Module, callable or None, default=None
        The part that gives features. A module is taken as pretrained and deep-copied;
        it is never changed. A function or class is called to make a new one, with
        ``n_features`` if it takes that. None: two hidden layers for rows of numbers, a
        small convolutional network for images.
    head : "linear" or tuple of int, default="linear"
        What is put on the backbone: one linear layer, or hidden layers of these sizes
        before it. Image features are averaged over the pixels first.
    trainable : "all", "head" or int, default="all"
        What learns in the second phase: everything, the head alone, or the head and
        the last k blocks of the backbone. What is frozen stays in evaluation mode,
        batch normalisation included.
    pretrain : "auto" or bool, default="auto"
        Whether there is a first phase on the labelled source rows, in which everything
        learns. "auto": unless `backbone` is a module.
    lr : float, default=0.005
        Learning rate.
    backbone_lr : float, default=None
        Learning rate of the backbone in the second phase; None: `lr`.
    l2_sp : float, default=0.0
        Strength of the pull of the backbone toward the weights with which the second
        phase starts (L2-SP).
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
        Rows a step.
    optimizer : {"adamw", "sgd"}, default="adamw"
        The optimizer.
    validation_fraction : float, default=None
        Share of the labelled target rows set aside for early stopping of the second
        phase; the best weights are restored. None: no early stopping.
    patience : int, default=10
        Epochs without progress before the early stop.
    class_weight : "balanced", dict or None, default=None
        Weights of the classes in the loss.
    warm_start : bool, default=False
        Whether another call of `fit` goes on from the present weights, without a first
        phase.
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
    classes_ : ndarray of shape (n_classes,)
        The classes, without the marker.
    history_ : list of dict
        Phase, epoch and losses of each epoch.
    n_iter_ : int
        Number of epochs in all.
    device_ : str
        Where it was trained.
    input_shape_ : tuple
        Shape of a row.
    n_features_in_ : int
        Number of features seen in `fit` (channels for images).
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    FineTunedRegressor : The same for regression.
    sktransfer.TransferClassifier : Transfer under any scikit-learn classifier.

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
    >>> from sktransfer.deep import FineTunedClassifier
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(230, 2))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> y[200:] = X[200:, 1] > 0  # in the target another column decides
    >>> sample_domain = np.r_[np.ones(200), -np.ones(30)]
    >>> model = FineTunedClassifier(max_epochs=200, random_state=0)
    >>> model = model.fit(X, y, sample_domain=sample_domain)
    >>> X_new = rng.normal(size=(200, 2))
    >>> bool(model.score(X_new, (X_new[:, 1] > 0).astype(int)) > 0.8)
    True
    """

    __metadata_request__predict_proba = _DOMAIN
    __metadata_request__predict_log_proba = _DOMAIN
    __metadata_request__decision_function = _DOMAIN
    _regression = False
    _criterion = nn.CrossEntropyLoss

    def __init__(
        self,
        backbone=None,
        *,
        head="linear",
        trainable="all",
        pretrain="auto",
        lr=0.005,
        backbone_lr=None,
        l2_sp=0.0,
        weight_decay=0.0,
        source_weight=0.0,
        max_epochs=50,
        pretrain_epochs=50,
        batch_size=64,
        optimizer="adamw",
        validation_fraction=None,
        patience=10,
        class_weight=None,
        warm_start=False,
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
        self.pretrain = pretrain
        self.lr = lr
        self.backbone_lr = backbone_lr
        self.l2_sp = l2_sp
        self.weight_decay = weight_decay
        self.source_weight = source_weight
        self.max_epochs = max_epochs
        self.pretrain_epochs = pretrain_epochs
        self.batch_size = batch_size
        self.optimizer = optimizer
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.device = device
        self.mixed_precision = mixed_precision
        self.memory = memory
        self.verbose = verbose
        self.random_state = random_state
        self.unlabeled = unlabeled

    def _check_y(self, y):
        return column_or_1d(label_array(y), warn=True)

    @with_callbacks
    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Train on labelled source rows, then fine-tune on labelled target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or of images
            Source and target rows, in any order.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows (-1 or "") are not learned from.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: there
            is no labelled target row.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        return self._fit(X, y, sample_domain, sample_weight)

    def partial_fit(
        self, X, y, classes=None, *, sample_domain=None, sample_weight=None
    ):
        """Learn from the given rows for one epoch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are not learned from.
        classes : array-like of shape (n_classes,), default=None
            All classes; needed in the first call unless y holds them all.
        sample_domain : array-like of shape (n_samples,), default=None
            With rows of both domains, source rows count `source_weight`.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows in the loss.

        Returns
        -------
        self : object
            The classifier.
        """
        labels = None if classes is None else np.asarray(classes)
        return self._partial_fit(X, y, sample_domain, sample_weight, labels)

    def _encode(self, y, labels, weight, *, reset):
        labels, y = plain_labels(labels), plain_labels(y)
        check_classification_targets(labels)
        if self.unlabeled is not None and labels.dtype.kind == "f":
            check_no_float_marker(labels)
        if reset:
            self.classes_ = np.unique(labels)
        unknown = ~np.isin(y, self.classes_)
        if unknown.any():
            first = y[unknown].tolist()[0]
            raise ValueError(
                f"y holds the label {first!r}, which is not among the classes "
                f"{self.classes_.tolist()}. Name all classes in the first call: "
                "partial_fit(X, y, classes=...)."
            )
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _decode(self, codes):
        return self.classes_[codes]

    def _n_outputs(self):
        return len(self.classes_)

    def _class_weights(self, codes, weight):
        if self.class_weight is None:
            return np.ones(len(codes))
        # A phase need not see every class: balance those that it sees.
        seen = np.unique(codes)
        if isinstance(self.class_weight, str):
            weights = compute_class_weight(
                self.class_weight, classes=seen, y=codes, sample_weight=weight
            )
            return weights[np.searchsorted(seen, codes)]
        weights = compute_class_weight(
            self.class_weight, classes=self.classes_, y=self.classes_[codes]
        )
        return weights[codes]

    def decision_function(self, X, *, sample_domain=None):
        """Return the scores before the softmax; for two classes their difference.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            Scores.
        """
        scores = self._forward(X)
        return scores[:, 1] - scores[:, 0] if scores.shape[1] == 2 else scores

    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        return softmax(self._forward(X), axis=1)

    def predict_log_proba(self, X, *, sample_domain=None):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        return log_softmax(self._forward(X), axis=1)

    def predict(self, X, *, sample_domain=None):
        """Predict classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        ndarray of shape (n_samples,)
            Entries of `classes_`.
        """
        return self._decode(self._forward(X).argmax(axis=1))

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows.
        y : array-like of shape (n_samples,)
            Their true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Ignored: one network serves all domains.

        Returns
        -------
        float
            Share of rows predicted right.
        """
        return accuracy_score(y, self.predict(X), sample_weight=sample_weight)
