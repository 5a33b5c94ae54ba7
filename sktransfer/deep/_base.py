"""What the fine-tuned estimators share: domains, phases, prediction."""

import dataclasses
import os

import numpy as np
import torch
from sklearn.base import BaseEstimator, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import nn

from sktransfer._compat import (
    CallbackSupportMixin,
    begin_fit,
    check_sample_weight,
)
from sktransfer._domains import resolve_domains
from sktransfer.deep._accelerate import agreed, check_accelerator
from sktransfer.deep._adapters import adapter_parameters, add_adapters
from sktransfer.deep._content_order import content_order
from sktransfer.deep._device import resolve_device, seeded
from sktransfer.deep._fine_tuning_checks import (
    check_fine_tuning,
    check_one_epoch,
    check_same_head,
)
from sktransfer.deep._held_rows import split_rows
from sktransfer.deep._interrupts import keeping_state
from sktransfer.deep._network import build_network
from sktransfer.deep._out_of_memory import explain_out_of_memory
from sktransfer.deep._rows_in import check_rows, n_rows_of, take_rows
from sktransfer.deep._stored import Stored
from sktransfer.deep._training import Bridge, Phase, Rows, moments_of, train
from sktransfer.deep.backbones._backbone_registry import load_backbone
from sktransfer.deep.frozen._frozen_features import frozen_features, scores_of

__all__ = ["BaseFineTuned"]

_DOMAIN = {"sample_domain": True}
_FEW = 8  # rows to predict for, which cost less than to see whether they are known
_IN_ALL_PHASES = ("lr", "batch_size", "optimizer", "weight_decay", "schedule", "warmup")
_IN_ALL_PHASES += ("clip_norm", "accumulate", "augment", "patience", "verbose")
_IN_THE_SECOND = ("backbone_lr", "layer_decay", "l2_sp", "trainable")
_IN_THE_SECOND += ("unfreeze_every", "regularizer")


class BaseFineTuned(Stored, CallbackSupportMixin, BaseEstimator):
    """Pretrain on the source, fine-tune on the target, by composition over skorch.

    A concrete estimator writes `__init__`, ``_encode(y, labels, weight, reset)``
    (targets as the loss wants them), its inverse ``_decode``, ``_n_outputs()``,
    ``_class_weights(y, weight)``, ``_loss()`` and its predictions.
    """

    __metadata_request__fit = _DOMAIN
    __metadata_request__partial_fit = _DOMAIN
    __metadata_request__predict = _DOMAIN
    __metadata_request__score = _DOMAIN

    @property
    def _is_named(self):
        return isinstance(self.backbone, str | os.PathLike)

    def _load_backbone(self, X):
        """Load a backbone by its name, and what prepares its rows."""
        found = load_backbone(self.backbone)
        self.preprocessor_ = None
        if found.preprocessor is not None:
            self.preprocessor_ = clone(found.preprocessor).fit(X)
        self._module = found.module
        known = {"module": None, "preprocessor": self.preprocessor_}
        self._named = dataclasses.replace(found, **known)

    def _as_numbers(self, X, *, reset):
        """Return rows as the network takes them, but for their type."""
        if self._is_named and self.preprocessor_ is not None:
            X = self.preprocessor_.transform(X)
            self.input_shape_ = tuple(X.shape[1:])
            return X
        X = check_rows(self, X, reset=reset)
        if self.backbone is None and X.ndim not in (2, 4):
            raise ValueError(
                "The default backbones take rows of numbers (2-D) or images (4-D: "
                f"rows, channels, height, width), got {X.ndim}-D. Pass a backbone."
            )
        return X

    def _resolve(self, n_rows, y, sample_domain):
        domains = resolve_domains(
            y,
            sample_domain,
            n_rows,
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
        """Validate; return the labelled rows, which are target, and all labels."""
        check_fine_tuning(self)
        check_accelerator(self.accelerator)
        if self.peft is not None and self._pretrains():
            raise ValueError(
                "`peft` adapts a backbone that comes with its own weights, and there "
                "is a first phase in which all weights learn. Pass a name or a trained "
                "module, or pretrain=False."
            )
        if y is None:
            raise ValueError(
                f"{type(self).__name__} requires y to be passed, but the target y is "
                "None."
            )
        if not self._is_named:
            X = self._as_numbers(X, reset=reset)
        n_rows = n_rows_of(X)
        y = self._check_y(y)
        domains = self._resolve(n_rows, y, sample_domain)
        used = domains.labeled.copy()
        if sample_weight is not None:
            sample_weight = check_sample_weight(
                sample_weight, np.empty((n_rows, 1)), dtype=np.float64
            )
            if sample_weight[domains.labeled].min() < 0:
                raise ValueError("Negative values in data passed to `sample_weight`.")
            if not sample_weight[domains.labeled].any():
                raise ValueError(
                    "Sample weights must contain at least one non-zero number."
                )
            used &= sample_weight > 0
        rows = np.flatnonzero(used)
        weight = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
        X = take_rows(X, rows)
        if self._is_named:
            if reset:
                self._load_backbone(X)
            X = self._as_numbers(X, reset=reset)
        return X, y[rows], weight, domains.is_target[rows], y[domains.labeled]

    def _fit(self, X, y, sample_domain, sample_weight):
        resumed = self.warm_start and hasattr(self, "network_")
        if resumed:
            check_same_head(self.head, self.network_)
        X, y, weight, is_target, labels = self._prepare(
            X, y, sample_domain, sample_weight, reset=not resumed
        )
        y = self._encode(y, labels, weight, reset=not resumed)
        order = content_order(X, y, weight, is_target)
        X, y, weight, is_target = X[order], y[order], weight[order], is_target[order]
        device = self._device()
        self.device_ = str(device)
        seed = check_random_state(self.random_state).randint(2**31 - 1)
        seed = agreed(self.accelerator, seed)
        labels = self._decode(y)
        context = begin_fit(self, X, labels, n_tasks=None)
        with seeded(self._own_seed(seed), device), keeping_state(self, resumed):
            if not resumed:
                self.network_ = self._build(X[:2])
            self._adapt_again()
            X = self._cast(X)
            self.history_ = []
            self.__dict__.pop("_moments", None)
            bridge = Bridge(self, context, X, labels)
            told = bridge if self._is_main_process else None
            self._run_phases(X, y, weight, is_target, seed, resumed, told)
        context.call_on_fit_task_end(**bridge.told())
        return self

    def _build(self, X, *, adapted=True):
        """Return a new network; whole numbers stay whole if the backbone takes them."""
        loaded = self.__dict__.pop("_module", None)
        given = (lambda: loaded) if self._is_named else self.backbone
        sample = torch.from_numpy(np.array(X))
        if self._device().type == "mps" and sample.dtype == torch.float64:
            sample = sample.float()  # the device has no double precision
        peft = self.peft if adapted else None
        settings = {"peft": peft, "is_loaded": self._is_named}
        parts = (self.head, self._n_outputs())
        try:
            network = build_network(given, *parts, sample, **settings)
        except ValueError:
            if self._is_named or sample.is_floating_point():
                raise
            sample = sample.to(torch.float64)
            network = build_network(given, *parts, sample, **settings)
        dtype = next(network.head.parameters()).dtype
        whole = not sample.is_floating_point()
        if dtype in (torch.bfloat16, torch.float16):
            raise ValueError(
                f"The backbone's weights are {dtype}, which is too narrow to learn in. "
                "Pass backbone.float(); on CUDA mixed_precision computes in bfloat16."
            )
        self.input_dtype_ = "int64" if whole else str(dtype).removeprefix("torch.")
        return network

    def _adapt_again(self):
        """Put adapters in again after `load`, which has folded them."""
        backbone = self.network_.backbone
        if self.peft is not None and not adapter_parameters(backbone):
            self.network_.backbone = add_adapters(backbone.eval(), self.peft)

    def _cast(self, X):
        return X.astype(self.input_dtype_, copy=False)

    def _device(self):
        if self.accelerator is not None:
            return self.accelerator.device
        return resolve_device(self.device)

    def _own_seed(self, seed):
        """Return a seed of each process, which sees batches of its own."""
        return (
            seed if self.accelerator is None else seed + self.accelerator.process_index
        )

    @property
    def _is_main_process(self):
        return self.accelerator is None or self.accelerator.is_main_process

    def _pretrains(self):
        """Whether a new network has a first phase, in which all of it learns."""
        given = isinstance(self.backbone, nn.Module) or self._is_named
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
            self._train(
                rows, "fine-tune", self.max_epochs, valid, bridge, pretrain or resumed
            )

    def _rows(self, X, y, weight, mask):
        X, y, weight = X[mask], y[mask], weight[mask]
        return Rows(X, y, weight * self._class_weights(y, weight))

    def _split(self, rows, is_target, seed):
        by_class = not self._regression and rows.y.ndim == 1
        return split_rows(
            rows, is_target, self.validation_fraction, seed, by_class=by_class
        )

    def _phase(self, name, max_epochs, *, is_first, has_source_head=False):
        names = _IN_ALL_PHASES if is_first else _IN_ALL_PHASES + _IN_THE_SECOND
        return Phase(
            name=name,
            max_epochs=max_epochs,
            has_source_head=has_source_head,
            mixed_precision=self.mixed_precision in ("auto", True),
            accelerator=self.accelerator,
            **{name: getattr(self, name) for name in names},
        )

    def _train(self, rows, name, max_epochs, valid, bridge, has_source_head=False):
        network, is_first = self.network_.train(), name == "pretrain"
        if not is_first:
            network, rows, valid = self._on_features(rows, valid)
        phase = self._phase(
            name, max_epochs, is_first=is_first, has_source_head=has_source_head
        )
        train(
            network,
            rows,
            phase,
            self.history_,
            loss=self._loss(),
            device=self._device(),
            valid=valid,
            bridge=bridge,
        )

    def _on_features(self, rows, valid):
        """Return the network that learns, and rows as what is frozen makes of them."""
        parts = [rows] if valid is None else [rows, valid]
        live, features = None, None
        if self.augment is None:
            live, features = self._frozen_features(
                *(part.X for part in parts), keeps_rows=self.regularizer is not None
            )
        if features is None:
            return self.network_, rows, valid
        parts = [
            part.seen_as(new, keep=hasattr(live, "takes_rows"))
            for new, part in zip(features, parts, strict=True)
        ]
        return live, parts[0], parts[1] if len(parts) > 1 else None

    def _frozen_features(self, *arrays, at_least=1, keeps_rows=False):
        device, size = self._device(), self._batch_rows(arrays[0])
        with explain_out_of_memory(size, device):
            return frozen_features(
                self.network_,
                arrays,
                device=device,
                mixed_precision=self.mixed_precision in ("auto", True),
                batch_size=size,
                memory=self.memory,
                verbose=self.verbose,
                at_least=at_least,
                keeps_rows=keeps_rows,
            )

    def _batch_rows(self, X):
        """Rows of a forward pass: many where they are short."""
        is_short = self.backbone is None and X.ndim == 2
        return 1024 if is_short else self.batch_size

    def _train_one_epoch(self, rows, is_first):
        """Go on with the optimizer where the last call of `partial_fit` left it."""
        kept = getattr(self, "_moments", (None, None, None))
        network = self.network_.train()
        if not is_first:
            network, rows, _ = self._on_features(rows, None)
        memory = (self.optimizer, self.layer_decay, is_first, [*network.state_dict()])
        phase = self._phase("partial-fit", 1, is_first=is_first)
        net = train(
            network,
            rows,
            dataclasses.replace(phase, schedule="constant", warmup=0.0),
            self.history_,
            loss=self._loss(),
            device=self._device(),
            moments=kept[1] if kept[0] == memory else None,
            start=None if is_first else kept[2],
        )
        start = None if is_first else net.start_
        self._moments = memory, moments_of(net.optimizer_), start

    def _partial_fit(self, X, y, sample_domain, sample_weight, labels):
        first = not hasattr(self, "network_")
        check_one_epoch(self)
        X, y, weight, is_target, known = self._prepare(
            X, y, sample_domain, sample_weight, reset=first
        )
        y = self._encode(y, known if labels is None else labels, weight, reset=first)
        order = content_order(X, y, weight, is_target)
        X, y, weight, is_target = X[order], y[order], weight[order], is_target[order]
        device = self._device()
        self.device_ = str(device)
        if first:
            seed = check_random_state(self.random_state).randint(2**31 - 1)
        else:
            seed = self.n_iter_  # other batches in every call
        with seeded(seed, device), keeping_state(self, not first):
            if first:
                self.network_ = self._build(X[:2])
                self.history_ = []
            self._adapt_again()
            is_first = self._pretrains() and all(
                epoch["phase"] == "partial-fit" for epoch in self.history_
            )
            self.network_.freeze("all" if is_first else self.trainable)
            if is_target.any() and not is_target.all():
                weight = np.where(is_target, weight, weight * self.source_weight)
            rows = self._rows(self._cast(X), y, weight, weight > 0)
            self._train_one_epoch(rows, is_first)
        return self

    def _forward(self, X):
        """Return the outputs of the head for all rows, batch by batch."""
        check_is_fitted(self, "network_")
        X = self._cast(self._as_numbers(X, reset=False))
        device = self._device()
        network = self.network_.to(device).eval()
        live, features = self._frozen_features(X, at_least=_FEW)
        rows = None
        if features is not None:
            rows = X if hasattr(live, "takes_rows") else None
            network, X = live.to(device).eval(), features[0]
        settings = {
            "mixed_precision": self.mixed_precision in ("auto", True),
            "batch_size": self._batch_rows(X),
            "rows": rows,
        }
        with explain_out_of_memory(settings["batch_size"], device):
            return scores_of(network, X, device, **settings)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = False
        return tags
