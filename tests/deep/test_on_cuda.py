"""What only a GPU shows: where rows are, bfloat16, memory that runs out, the way back.

These skip without a CUDA device; then the choices are tested on the CPU, in test_use.py
and test_steps.py.
"""

import copy
import gc
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from torch import nn

from sktransfer.deep import FineTunedClassifier, FineTunedRegressor, PretrainedFeatures
from tests.deep.test_cut_with_regularizers import TERMS, Counted, backbone, images

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="there is no CUDA device"
)

N_BYTES = 2**20


@pytest.fixture(autouse=True)
def exact_products():
    """Keep TF32 out, so that what differs from the CPU is an error."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.fixture
def little_memory():
    """Leave 600 MB of the GPU."""
    gc.collect()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(600 * N_BYTES / total)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    gc.collect()
    torch.cuda.empty_cache()


def draw(n=60, p=6):
    rng = np.random.RandomState(0)
    y = np.arange(n) % 3
    X = rng.normal(size=(n, p)).astype(np.float32)
    X[:, :3] += 2.0 * np.eye(3, dtype=np.float32)[y]
    return X, y


class Wide(nn.Module):
    """Layers with dropout."""

    def __init__(self, width=32):
        super().__init__()
        self.first, self.last = nn.Linear(6, width), nn.Linear(width, width)
        self.drop = nn.Dropout(0.1)

    def forward(self, X):
        hidden = self.drop(torch.relu(self.first(X)))
        return torch.relu(self.last(hidden))


def wide(width=32):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Wide(width)


SHORT = {"max_epochs": 5, "batch_size": 16, "random_state": 0, "lr": 1e-2}
EXACT = {**SHORT, "mixed_precision": False}


@pytest.mark.parametrize("trainable", ["head", 1, "all"])
def test_the_gpu_gives_what_the_cpu_gives(trainable):
    X, y = images()
    params = {**EXACT, "trainable": trainable, "optimizer": "sgd"}
    found = {
        device: FineTunedClassifier(backbone(), device=device, **params).fit(X, y)
        for device in ("auto", "cpu")
    }
    assert found["auto"].device_ == "cuda"
    assert next(found["auto"].network_.parameters()).is_cuda
    assert_allclose(
        found["auto"].predict_proba(X), found["cpu"].predict_proba(X), atol=1e-3
    )


@pytest.mark.parametrize("trainable", [1, "all"])
@pytest.mark.parametrize("name", TERMS)
def test_regularizers_give_what_they_give_on_the_cpu(name, trainable):
    X, y = images()
    params = {**EXACT, "trainable": trainable, "optimizer": "sgd", "max_epochs": 2}
    params |= {"regularizer": TERMS[name], "batch_size": 8}
    on_gpu, on_cpu = (
        FineTunedClassifier(backbone(), device=device, **params).fit(X, y)
        for device in ("cuda", "cpu")
    )
    if name != "StochNorm":  # draws its channels on the device
        losses = [[e["train_loss"] for e in m.history_] for m in (on_gpu, on_cpu)]
        assert_allclose(*losses, rtol=1e-2)
    assert np.isfinite(on_gpu.predict_proba(X)).all()


@pytest.mark.parametrize("precise", [True, False])
def test_frozen_layers_see_each_row_once(precise):
    torch.backends.cudnn.allow_tf32 = not precise
    X, y = images(60)
    for mixed in (False, "auto"):
        params = {**SHORT, "mixed_precision": mixed, "trainable": 1, "max_epochs": 8}
        Counted.n_rows = 0
        cut = FineTunedClassifier(backbone(), **params).fit(X, y)
        assert Counted.n_rows < 2 * len(X)
        cut.predict(X)
        assert Counted.n_rows < 2 * len(X)
        whole = FineTunedClassifier(backbone(), augment=lambda rows: rows, **params)
        assert_allclose(
            cut.predict_proba(X), whole.fit(X, y).predict_proba(X), atol=0.02
        )


@pytest.mark.parametrize("trainable", ["head", "all"])
def test_mixed_precision_is_bfloat16(trainable):
    X, y = draw()
    types = set()

    def look(module, args, output):
        if isinstance(module, nn.Linear):
            types.add(output.dtype)

    params = {**SHORT, "trainable": trainable}
    handle = nn.modules.module.register_module_forward_hook(look)
    try:
        exact = FineTunedClassifier(wide(), mixed_precision=False, **params).fit(X, y)
        assert types == {torch.float32}
        types.clear()
        mixed = FineTunedClassifier(wide(), **params).fit(X, y)
        assert torch.bfloat16 in types
    finally:
        handle.remove()
    assert {p.dtype for p in mixed.network_.parameters()} == {torch.float32}
    assert mixed.predict_proba(X).dtype == exact.predict_proba(X).dtype
    assert_allclose(mixed.predict_proba(X), exact.predict_proba(X), atol=0.1)


def test_the_generator_of_the_gpu_stays_where_it_was():
    X, y = draw()
    before = torch.cuda.get_rng_state()
    model = FineTunedClassifier(wide(), trainable="all", **EXACT)
    first = model.fit(X, y).predict_proba(X)
    assert torch.equal(torch.cuda.get_rng_state(), before)
    torch.rand(3, device="cuda")
    assert_allclose(model.fit(X, y).predict_proba(X), first, atol=1e-5)


@pytest.mark.usefixtures("little_memory")
def test_out_of_memory_says_which_batch_size_to_try():
    rng = np.random.RandomState(0)
    X, y = rng.normal(size=(512, 6)).astype(np.float32), np.arange(512) % 2
    model = FineTunedClassifier(wide(2**12), trainable="all", **EXACT)
    model.fit(X[:4], y[:4])
    # 204,800 rows of 4,096 numbers are 3.4 GB.
    big = np.repeat(X, 400, axis=0)
    with pytest.raises(MemoryError, match=r"Try batch_size=102400") as caught:
        model.set_params(batch_size=len(big)).predict(big)
    assert "memory of cuda" in str(caught.value)
    with pytest.raises(MemoryError, match="trainable='head' needs no gradients"):
        model.fit(big, np.arange(len(big)) % 2)
    # What the failed fit held is free again.
    del caught
    gc.collect()
    torch.cuda.empty_cache()
    model.set_params(batch_size=256).fit(X, y).predict(big[:1000])


def test_memory_does_not_grow_with_the_epochs():
    X, y = images(60)
    peaks = []
    for max_epochs in (3, 3, 30):
        model = FineTunedClassifier(backbone(), trainable=1, max_epochs=max_epochs)
        gc.collect()
        torch.cuda.reset_peak_memory_stats()
        model.fit(X, y)
        peaks.append(torch.cuda.max_memory_allocated())
        del model
    assert peaks[2] <= 1.05 * peaks[1]


def test_fitted_on_the_gpu_used_on_the_cpu(tmp_path):
    X, y = draw()
    model = FineTunedClassifier(wide(), trainable="all", **EXACT).fit(X, y)
    expected = model.predict_proba(X)
    model.save(tmp_path / "model")
    loaded = FineTunedClassifier.load(tmp_path / "model", backbone=wide())
    assert_allclose(loaded.predict_proba(X), expected, atol=1e-4)
    assert_allclose(
        loaded.set_params(device="cpu").predict_proba(X), expected, atol=1e-4
    )
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert_array_equal(other.predict_proba(X), expected)
    model.set_params(device="cpu")
    assert_allclose(model.predict_proba(X), expected, atol=1e-4)


def test_training_goes_on():
    X, y = draw()
    model = FineTunedClassifier(wide(), trainable="all", warm_start=True, **EXACT)
    model.fit(X, y)
    first = model.history_[-1]["train_loss"]
    model.fit(X, y)
    assert model.history_[-1]["train_loss"] < first
    model.partial_fit(X[:20], y[:20])
    # From the GPU to the CPU and back.
    model.set_params(device="cpu").partial_fit(X, y)
    model.set_params(device="auto").partial_fit(X, y)
    assert model.device_ == "cuda"
    assert model.score(X, y) > 0.9


def test_everything_at_once():
    X, y = draw(90)
    domain = np.where(np.arange(90) < 60, 1, -1)
    model = FineTunedClassifier(
        wide(), trainable="all", pretrain=True, layer_decay=0.8, schedule="cosine",
        warmup=0.1, unfreeze_every=1, accumulate=2, clip_norm=1.0, patience=2,
        augment=lambda rows: rows + 0.01 * torch.randn_like(rows),
        validation_fraction=0.2, class_weight="balanced", label_smoothing=0.1, **SHORT,
    )  # fmt: skip
    model.fit(X, y, sample_domain=domain, sample_weight=np.ones(90))
    assert model.score(X[60:], y[60:]) > 0.8
    several = np.c_[y == 0, y == 1].astype(int)
    model = clone(model).set_params(class_weight=None)
    assert model.fit(X, several, sample_domain=domain).predict(X).shape == (90, 2)
    regressor = FineTunedRegressor(wide(), trainable="all", **SHORT)
    assert regressor.fit(X, X[:, 0]).predict(X).shape == (90,)


def test_search_in_worker_processes(tmp_path):
    X, y = draw()
    model = FineTunedClassifier(wide(), trainable="head", memory=tmp_path, **SHORT)
    grid = {"lr": [1e-3, 1e-1]}
    found = [
        GridSearchCV(model, grid, cv=3, n_jobs=n_jobs, error_score="raise").fit(X, y)
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in found]
    assert_allclose(*scores, atol=0.05)


def test_features():
    X, _ = images()
    found = [
        PretrainedFeatures(
            backbone(), device=device, mixed_precision=False
        ).fit_transform(X)
        for device in ("auto", "cpu")
    ]
    assert_allclose(*found, rtol=1e-3, atol=1e-5)
    mixed = PretrainedFeatures(backbone()).fit_transform(X)
    assert mixed.dtype == found[0].dtype
    assert_allclose(mixed, found[0], atol=0.05 * np.abs(found[0]).max())


def test_adapters():
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("peft")
    from sktransfer.deep.backbones._text_encoder import TextEncoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = transformers.BertConfig(
            vocab_size=40, hidden_size=16, num_hidden_layers=2,
            num_attention_heads=2, intermediate_size=24,
        )  # fmt: skip
        encoder = TextEncoder(transformers.BertModel(config).eval(), 0, "mean")
    rng = np.random.RandomState(0)
    X = rng.randint(1, 40, (40, 9))
    y = (X[:, 0] > 20).astype(int)
    for mixed in (False, "auto"):
        params = {**SHORT, "mixed_precision": mixed, "lr": 1e-2}
        model = FineTunedClassifier(encoder, peft="lora", **params).fit(X, y)
        losses = [epoch["train_loss"] for epoch in model.history_]
        assert losses[-1] < losses[0]
        assert np.isfinite(model.predict_proba(X)).all()


def test_onnx_file_of_a_network_on_the_gpu(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    X, y = draw()
    model = FineTunedClassifier(wide(), trainable="all", **EXACT).fit(X, y)
    model.to_onnx(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(
        tmp_path / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (found,) = session.run(None, {session.get_inputs()[0].name: X})[:1]
    assert len(found) == len(X)
    assert next(model.network_.parameters()).is_cuda


def test_accelerator():
    accelerate = pytest.importorskip("accelerate")
    X, y = draw()
    for mixed in (False, "auto"):
        model = FineTunedClassifier(
            wide(), trainable="all", accelerator=accelerate.Accelerator(),
            mixed_precision=mixed, **SHORT,
        )  # fmt: skip
        model.fit(X, y)
        assert model.device_.startswith("cuda")
        assert model.score(X, y) > 0.8


def test_a_device_that_is_not_there():
    X, y = draw()
    with pytest.raises(ValueError, match="'cuda:99', which torch does not find"):
        FineTunedClassifier(wide(), device="cuda:99", **SHORT).fit(X, y)
