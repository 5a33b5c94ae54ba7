"""What the fine-tuned estimators share: domains, phases, prediction."""

import copy

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn

from sktransfer._compat import (
    CallbackSupportMixin,
    begin_fit,
    check_sample_weight,
)
from sktransfer._domains import resolve_domains
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.deep._backbones import build_network
from sktransfer.deep._device import resolve_device, seeded
from sktransfer.deep._frozen_features import frozen_features, outputs_of
from sktransfer.deep._persistence import load_estimator, save_estimator
from sktransfer.deep._training import Bridge, Phase, Rows, moments_of, train

__all__ = ["BaseFineTuned"]

_DOMAIN = {"sample_domain": True}


class BaseFineTuned(CallbackSupportMixin, BaseEstimator):
    """Pretrain on the source, fine-tune on the target, by composition over skorch.

    A concrete estimator writes `__init__`, ``_encode(y, labels, weight, reset)``
    (targets as the criterion wants them), its inverse ``_decode``, ``_n_outputs()``,
    ``_class_weights(y, weight)`` and its predictions.
    """

    __metadata_request__fit = _DOMAIN
    __metadata_request__partial_fit = _DOMAIN
    __metadata_request__predict = _DOMAIN
    __metadata_request__score = _DOMAIN

    def _check_params(self):
        check_choice("pretrain", self.pretrain, ("auto", True, False))
        if not (isinstance(self.trainable, str) and self.trainable in ("all", "head")):
            if isinstance(self.trainable, str):
                check_choice("trainable", self.trainable, ("all", "head"))
            check_integer("trainable", self.trainable, low=1)
        check_number("lr", self.lr, low=0, low_open=True)
        check_number("backbone_lr", self.backbone_lr, low=0, also=(None,))
        for name in ("l2_sp", "weight_decay", "source_weight"):
            check_number(name, getattr(self, name), low=0)
        for name in ("max_epochs", "pretrain_epochs", "batch_size", "patience"):
            check_integer(name, getattr(self, name), low=1)
        check_number(
            "validation_fraction",
            self.validation_fraction,
            low=0,
            high=1,
            low_open=True,
            high_open=True,
            also=(None,),
        )
        check_choice("optimizer", self.optimizer, ("adamw", "sgd"))
        check_choice("mixed_precision", self.mixed_precision, ("auto", True, False))

    def _check_X(self, X, *, reset):
        X = validate_data(
            self, X, reset=reset, dtype=[np.float64, np.float32], allow_nd=True
        )
        if reset:
            if X.ndim not in (2, 4) and self.backbone is None:
                raise ValueError(
                    "The default backbones take rows of numbers (2-D) or images (4-D: "
                    f"rows, channels, height, width), got {X.ndim}-D. Pass a backbone."
                )
            self.input_shape_ = tuple(X.shape[1:])
        elif tuple(X.shape[1:]) != self.input_shape_:
            raise ValueError(
                f"{type(self).__name__} was fitted on rows of shape "
                f"{self.input_shape_}, got {tuple(X.shape[1:])}."
            )
        return X

    def _resolve(self, X, y, sample_domain):
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        domains = resolve_domains(
            self._check_y(y),
            sample_domain,
            len(X),
            unlabeled=self.unlabeled,
            regression=self._regression,
        )
        if not domains.labeled.any():
            raise ValueError(
                "There is no labelled row to learn from: all are marked as unlabelled "
                "(-1, '' or NaN). Label source or target rows."
            )
        return domains

    def _prepare(self, X, y, sample_domain, sample_weight, *, reset=True):
        """Validate; return the labelled rows in content order, and which are target."""
        self._check_params()
        X = self._check_X(X, reset=reset)
        domains = self._resolve(X, y, sample_domain)
        y = self._check_y(y)
        if sample_weight is not None:
            sample_weight = check_sample_weight(sample_weight, X, dtype=np.float64)
            if sample_weight[domains.labeled].min() < 0:
                raise ValueError("Negative values in data passed to `sample_weight`.")
            if not sample_weight[domains.labeled].any():
                raise ValueError(
                    "Sample weights must contain at least one non-zero number."
                )
        used = domains.labeled.copy()
        if sample_weight is not None:
            used &= sample_weight > 0
        rows = np.flatnonzero(used)
        weight = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        return X[rows], y[rows], weight, domains.is_target[rows], y[domains.labeled]

    def _ordered(self, X, y, weight, is_target):
        # Batches must not depend on the order in which the rows came.
        order = np.lexsort((weight, y, is_target, _projection(X)))
        return X[order], y[order], weight[order], is_target[order]

    def _fit(self, X, y, sample_domain, sample_weight):
        resumed = self.warm_start and hasattr(self, "network_")
        X, y, weight, is_target, labels = self._prepare(
            X, y, sample_domain, sample_weight, reset=not resumed
        )
        y = self._encode(y, labels, weight, reset=not resumed)
        X, y, weight, is_target = self._ordered(X, y, weight, is_target)
        device = resolve_device(self.device)
        self.device_ = str(device)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        labels = self._decode(y)
        context = begin_fit(self, X, labels, n_tasks=None)
        with seeded(seed, device):
            if not resumed:
                self.network_ = self._build(X[:2])
            X = self._cast(X)
            self.history_ = []
            self.__dict__.pop("_moments", None)
            bridge = Bridge(self, context, X, labels)
            self._run_phases(X, y, weight, is_target, seed, resumed, bridge)
        self.network_.eval()
        self.n_iter_ = len(self.history_)
        context.call_on_fit_task_end(**bridge.told())
        return self

    def _build(self, X):
        sample = torch.from_numpy(np.array(X))
        return build_network(self.backbone, self.head, self._n_outputs(), sample)

    def _cast(self, X):
        dtype = next(self.network_.head.parameters()).dtype
        return X.astype(str(dtype).removeprefix("torch."), copy=False)

    def _pretrains(self):
        """Whether a new network has a first phase, in which all of it learns."""
        given = isinstance(self.backbone, nn.Module)
        return not given if self.pretrain == "auto" else self.pretrain

    def _run_phases(self, X, y, weight, is_target, seed, resumed, bridge):
        has_both = is_target.any() and not is_target.all()
        pretrain = self._pretrains() and not resumed
        if pretrain and has_both:
            self.network_.unfreeze()
            rows = self._rows(X, y, weight, ~is_target)
            self._train(rows, "pretrain", self.pretrain_epochs, None, bridge)
        if has_both:
            weight = np.where(is_target, weight, weight * self.source_weight)
        used = weight > 0
        rows = self._rows(X, y, weight, used)
        rows, valid = self._split(rows, is_target[used], seed)
        if pretrain and not has_both:
            self.network_.unfreeze()
            self._train(rows, "pretrain", self.pretrain_epochs, valid, bridge)
        else:
            self.network_.freeze(self.trainable)
            self._train(rows, "fine-tune", self.max_epochs, valid, bridge)

    def _rows(self, X, y, weight, mask):
        X, y, weight = X[mask], y[mask], weight[mask]
        return Rows(X, y, weight * self._class_weights(y, weight))

    def _split(self, rows, is_target, seed):
        """Set target rows aside for early stopping; all rows if none is target."""
        if self.validation_fraction is None:
            return rows, None
        pool = np.flatnonzero(is_target) if is_target.any() else np.arange(len(rows.y))
        try:
            _, held = train_test_split(
                pool,
                test_size=self.validation_fraction,
                random_state=seed,
                stratify=None if self._regression else rows.y[pool],
            )
        except ValueError as error:
            raise ValueError(
                f"validation_fraction={self.validation_fraction} cannot be set aside "
                f"from {len(pool)} rows: {error} Raise it, label more target rows, or "
                "leave it None."
            ) from error
        kept = np.setdiff1d(np.arange(len(rows.y)), held)
        part = [
            Rows(rows.X[index], rows.y[index], rows.weight[index])
            for index in (kept, np.sort(held))
        ]
        return part[0], part[1]

    def _phase(self, name, max_epochs, is_first):
        return Phase(
            name=name,
            max_epochs=max_epochs,
            lr=self.lr,
            backbone_lr=None if is_first else self.backbone_lr,
            batch_size=self.batch_size,
            optimizer=self.optimizer,
            weight_decay=self.weight_decay,
            l2_sp=0.0 if is_first else self.l2_sp,
            patience=self.patience,
            verbose=self.verbose,
            mixed_precision=self.mixed_precision in ("auto", True),
        )

    def _train(self, rows, name, max_epochs, valid, bridge):
        network = self.network_.train()
        if name != "pretrain":
            network, rows, valid = self._on_features(rows, valid)
        _, history = train(
            network,
            rows,
            self._phase(name, max_epochs, name == "pretrain"),
            criterion=self._criterion,
            device=resolve_device(self.device),
            valid=valid,
            bridge=bridge,
        )
        self.history_ += history

    def _on_features(self, rows, valid):
        """Return the network that learns, and rows as what is frozen makes of them."""
        parts = [rows] if valid is None else [rows, valid]
        live, features = self._frozen_features(*(part.X for part in parts))
        if features is None:
            return self.network_, rows, valid
        parts = [
            Rows(new, part.y, part.weight)
            for new, part in zip(features, parts, strict=True)
        ]
        return live, parts[0], parts[1] if len(parts) > 1 else None

    def _frozen_features(self, *arrays):
        return frozen_features(
            self.network_,
            arrays,
            device=resolve_device(self.device),
            mixed_precision=self.mixed_precision in ("auto", True),
            batch_size=self._batch_rows(arrays[0]),
            memory=self.memory,
        )

    def _batch_rows(self, X):
        """Rows of a forward pass: many where they are short."""
        return 1024 if X.ndim == 2 else self.batch_size

    def _train_one_epoch(self, rows, is_first):
        """Go on with the optimizer where the last call of `partial_fit` left it."""
        optimizer, moments = getattr(self, "_moments", (None, None))
        net, history = train(
            self.network_,
            rows,
            self._phase("partial-fit", 1, is_first),
            criterion=self._criterion,
            device=resolve_device(self.device),
            moments=moments if optimizer == self.optimizer else None,
        )
        self._moments = self.optimizer, moments_of(net.optimizer_)
        self.history_ += history

    def _partial_fit(self, X, y, sample_domain, sample_weight, labels):
        first = not hasattr(self, "network_")
        X, y, weight, is_target, known = self._prepare(
            X, y, sample_domain, sample_weight, reset=first
        )
        y = self._encode(y, known if labels is None else labels, weight, reset=first)
        X, y, weight, is_target = self._ordered(X, y, weight, is_target)
        device = resolve_device(self.device)
        self.device_ = str(device)
        if first:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
        else:
            seed = self.n_iter_  # other batches in every call
        with seeded(seed, device):
            if first:
                self.network_ = self._build(X[:2])
                self.history_ = []
            is_first = self._pretrains() and all(
                epoch["phase"] == "partial-fit" for epoch in self.history_
            )
            self.network_.freeze("all" if is_first else self.trainable)
            if is_target.any() and not is_target.all():
                weight = np.where(is_target, weight, weight * self.source_weight)
            rows = self._rows(self._cast(X), y, weight, weight > 0)
            self._train_one_epoch(rows, is_first)
        self.network_.eval()
        self.n_iter_ = len(self.history_)
        return self

    def _forward(self, X):
        """Return the outputs of the head for all rows, batch by batch."""
        check_is_fitted(self, "network_")
        X = self._cast(self._check_X(X, reset=False))
        device = resolve_device(self.device)
        network = self.network_.to(device).eval()
        live, features = self._frozen_features(X)
        if features is not None:
            network, X = live.to(device).eval(), features[0]
        mixed = self.mixed_precision in ("auto", True)
        size = self._batch_rows(X)
        outputs = outputs_of(network, X, device, mixed_precision=mixed, batch_size=size)
        return outputs.astype(np.float64)

    def __getstate__(self):
        """Leave the weights on the CPU, where any machine can unpickle them."""
        state = dict(super().__getstate__())
        if (
            "network_" in state
            and next(self.network_.parameters()).device.type != "cpu"
        ):
            state["network_"] = copy.deepcopy(state["network_"]).cpu()
        return state

    def save(self, path):
        """Save the fitted estimator as a folder of safetensors and JSON, no pickle.

        Parameters
        ----------
        path : str or path-like
            Folder, made if need be.

        See Also
        --------
        load : The way back.
        """
        check_is_fitted(self, "network_")
        save_estimator(self, path)

    @classmethod
    def load(cls, path, *, backbone=None):
        """Load what `save` wrote.

        Parameters
        ----------
        path : str or path-like
            The folder.
        backbone : nn.Module or callable, default=None
            The backbone that was used, if it was not a default one: a module cannot be
            written without pickle. Its weights are replaced by the saved ones.

        Returns
        -------
        estimator
            Predicts as the saved one did.
        """
        return load_estimator(cls, path, backbone)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags


def _projection(X):
    """Return a number for each row that depends on its content alone.

    The last digits of a product depend on where in X the row stands, hence the
    rounding, relative to the largest.
    """
    flat = X.reshape(len(X), -1).astype(np.float64, copy=False)
    values = flat @ np.random.RandomState(0).normal(size=flat.shape[1])
    return np.round(values / max(np.abs(values).max(), np.finfo(float).tiny), 12)
