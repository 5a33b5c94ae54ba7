"""Training in two processes, and through an accelerator that has one.

This file is also the script that each of the two processes runs.
"""

import copy
import math
import os
import pickle
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback
from torch import nn
from torch.utils.data import DataLoader

from sktransfer.deep import _accelerate, _training
from sktransfer.deep._accelerate import accelerated, agreed, check_accelerator
from sktransfer.deep._device import seeded
from sktransfer.deep._losses import CrossEntropy
from sktransfer.deep._net import Net
from sktransfer.deep._network import Network
from sktransfer.deep._phase import Phase, Rows
from sktransfer.deep.regularizers._regularizer import Regularizer, Term

CPU = torch.device("cpu")
BATCH = 4


class _Shrinks(Term):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(6))

    def forward(self, batch):
        return (self.scale * batch.features).square().mean()


class Shrinking(Regularizer):
    """A term of the loss with a parameter that learns."""

    def _check_params(self):
        pass

    def _is_off(self):
        return False

    def _start(self, network, rows, device, has_source_head):
        return _Shrinks().to(device)


class StopInTheLast(Callback):
    """Asks for a stop after two epochs, in the last process alone."""

    def on_epoch_end(self, net, **kwargs):
        accelerator = getattr(net, "accelerator", None)
        asks = accelerator is None or accelerator.is_last_process
        net.stops = net.stops or (asks and len(net.history) == 2)


def plain():
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 6), nn.Tanh())


def noisy():
    return nn.Sequential(nn.Linear(3, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.3))


# Rows; then what is not as usual. With 22 rows the last step has 6 of 8, with 18 it has
# 2, so that one process has none.
RUNS = {
    "whole batches": {"n": 16},
    "all settings": {"n": 22, "l2_sp": 0.5, "clip_norm": 0.05, "optimizer": "adamw"},
    "a process without rows": {"n": 18, "l2_sp": 0.5},
    "accumulated": {"n": 18, "accumulate": 2, "clip_norm": 0.05},
    "few rows": {"n": 6},
    "early stop": {"n": 22, "valid": 11, "max_epochs": 30, "patience": 2, "lr": 3.0},
    "unfreezing": {"n": 16, "unfreeze_every": 1, "trainable": 2},
    "term": {"n": 16, "regularizer": Shrinking()},
    "other seeds": {"n": 16, "seeds": (0, 5)},
    "asked to stop": {"n": 16, "callback": StopInTheLast()},
    "statistics": {"n": 22, "backbone": noisy},
    "statistics of one step": {"n": 8, "backbone": noisy, "max_epochs": 1},
    "course of the rates": {"n": 22, "schedule": "cosine", "warmup": 0.3},
}
EXACT = [name for name in RUNS if "statistics" not in name]


def draw(n, seed=0):
    rng = np.random.RandomState(seed)
    X = rng.normal(size=(n, 3))
    y = (X[:, 0] + rng.normal(size=n) > 0).astype(np.int64)
    return Rows(X, y, rng.exponential(size=n))


@contextmanager
def nets(accelerator, callback=None):
    """Make `train` use nets that go through an accelerator, or not."""
    n_processes = 1 if accelerator is None else accelerator.num_processes
    original, size_of = _training._callbacks, _training.row_batch_size

    def make(*args, n_batches, callbacks, **settings):
        if accelerator is not None:
            settings["accelerator"] = accelerator
        return (Net if accelerator is None else accelerated(Net))(
            *args,
            n_batches=math.ceil(n_batches / n_processes),
            callbacks=callbacks + ([] if callback is None else [("ask", callback)]),
            # The same order of the rows, however many processes there are.
            iterator_train__generator=torch.Generator().manual_seed(7),
            **settings,
        )

    def callbacks(phase, n_batches, *others):
        return original(phase, math.ceil(n_batches / n_processes), *others)

    def batch_size(n_rows, size):
        if n_processes == 1:
            return size_of(n_rows, size)
        return min(size, math.ceil(n_rows / n_processes))

    with (
        patch.object(_training, "Net", make),
        patch.object(_training, "_callbacks", callbacks),
        patch.object(_training, "row_batch_size", batch_size),
    ):
        yield


def train(name, accelerator=None, *, batch_size=None):
    """Train a network as a line of `RUNS` says; return weights and losses."""
    run = dict(RUNS[name])
    index = 0 if accelerator is None else accelerator.process_index
    seed = run.pop("seeds", (0, 0))[index]
    rows, n_valid = draw(run.pop("n")), run.pop("valid", None)
    valid = None if n_valid is None else draw(n_valid, seed=1)
    backbone, callback = run.pop("backbone", plain), run.pop("callback", None)
    phase = {"name": "phase", "max_epochs": 3, "lr": 0.1, "optimizer": "sgd", **run}
    history = []
    with seeded(seed, CPU), nets(accelerator, callback):
        network = Network(backbone(), nn.Linear(6, 2)).double()
        if "trainable" in phase:
            network.freeze("head")
        net = _training.train(
            network.train(),
            rows,
            Phase(batch_size=batch_size or BATCH, **phase),
            history,
            loss=CrossEntropy(),
            device=CPU,
            valid=valid,
        )
    found = {key: value.numpy() for key, value in network.state_dict().items()}
    for key, value in net.criterion_.state_dict().items():
        found[f"criterion.{key}"] = value.numpy()
    for key in ("train_loss", "valid_loss", "lr"):
        if key in history[0]:
            found[key] = np.array([epoch[key] for epoch in history])
    return found


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    """What each of two processes found in each run."""
    folder, port = tmp_path_factory.mktemp("processes"), str(free_port())
    root = Path(__file__).resolve().parents[2]
    places = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2"}
    places |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    running = [
        subprocess.Popen(
            [sys.executable, __file__, str(folder)],
            env={**os.environ, **places, "RANK": rank, "LOCAL_RANK": rank},
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in ("0", "1")
    ]
    try:
        told = [process.communicate(timeout=300)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    assert [process.returncode for process in running] == [0, 0], "\n".join(told)
    assert not told[1]
    found = []
    for rank in (0, 1):
        with np.load(folder / f"{rank}.npz") as file:
            found.append({key: file[key] for key in file})
    return found


def of_run(found, name):
    return {
        key.removeprefix(f"{name}/"): value
        for key, value in found.items()
        if key.startswith(f"{name}/")
    }


@pytest.mark.parametrize("name", RUNS)
def test_one_process_equals_no_accelerator(name):
    expected, found = train(name), train(name, Accelerator(cpu=True))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert_array_equal(found[key], value, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_both_processes_end_with_the_same(processes, name):
    first, second = (of_run(found, name) for found in processes)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert_array_equal(second[key], value, err_msg=key)


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACT)
def test_two_processes_equal_one_with_twice_the_batch(processes, name):
    expected, found = train(name, batch_size=2 * BATCH), of_run(processes[0], name)
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert_allclose(found[key], value, rtol=1e-9, atol=1e-12, err_msg=key)


@pytest.mark.slow
def test_what_the_runs_are_to_show(processes):
    found = {name: of_run(processes[0], name) for name in RUNS}
    lengths = {name: len(each["train_loss"]) for name, each in found.items()}
    assert lengths["asked to stop"] == 2
    assert 3 <= lengths["early stop"] < 30
    assert np.argmin(found["early stop"]["valid_loss"]) < lengths["early stop"] - 1
    assert not (found["term"]["criterion.term.scale"] == 1).any()
    with seeded(0, CPU):
        start = plain()[0].weight.detach().numpy()
    assert np.abs(found["unfreezing"]["backbone.0.weight"] - start).max() > 1e-4
    assert processes[0]["agreed"] == processes[1]["agreed"] == 3


@pytest.mark.slow
def test_statistics_are_averages(processes):
    found = of_run(processes[0], "statistics of one step")
    generator = torch.Generator().manual_seed(7)
    order = next(iter(DataLoader(range(8), 8, shuffle=True, generator=generator)))
    with seeded(0, CPU):
        first = noisy().double()[0]
    halves = first(torch.from_numpy(draw(8).X)[order]).detach().numpy().reshape(2, 4, 6)
    mean = halves.mean(axis=(0, 1))
    variance = halves.var(axis=1, ddof=1).mean(axis=0)
    assert_allclose(found["backbone.1.running_mean"], 0.1 * mean)
    assert_allclose(found["backbone.1.running_var"], 0.9 + 0.1 * variance)
    assert found["backbone.1.num_batches_tracked"] == 1


def test_gradients_of_one_type_and_size_go_together(monkeypatch):
    monkeypatch.setattr(_accelerate, "_CHUNK", 10)
    tensors = [torch.zeros(n) for n in (4, 8, 3, 50, 1)]
    tensors.insert(2, torch.zeros(2, dtype=torch.float64))
    chunks = list(_accelerate._chunks(tensors))
    assert [[len(t) for t in chunk] for chunk in chunks] == [[4, 8], [2], [3, 50], [1]]
    assert not list(_accelerate._chunks([]))


def test_accelerator_can_be_a_parameter():
    check_accelerator(None)
    accelerator = Accelerator(cpu=True)
    for each in (copy.deepcopy(accelerator), pickle.loads(pickle.dumps(accelerator))):
        check_accelerator(each)
        assert each.device == CPU
    train("whole batches", accelerator)
    assert not accelerator._models
    assert not accelerator._dataloaders
    assert agreed(accelerator, 3) == agreed(None, 3) == 3


def test_network_is_left_as_it_was():
    accelerator = Accelerator(cpu=True)
    with nets(accelerator), seeded(0, CPU):
        network = Network(plain(), nn.Linear(6, 2)).double()
        before = set(vars(network))
        phase = Phase("phase", max_epochs=1, batch_size=BATCH, lr=0.1)
        net = _training.train(
            network, draw(9), phase, [], loss=CrossEntropy(), device=CPU
        )
    assert net.module_ is network
    assert set(vars(network)) == before
    copy.deepcopy(network)
    pickle.loads(pickle.dumps(network))


def test_what_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"must be None or an accelerate.Acc.*got 'a"):
        check_accelerator("auto")
    accelerator = Accelerator(cpu=True)
    accelerator.gradient_accumulation_steps = 2
    with pytest.raises(ValueError, match="leave it 1 and set `accumulate`"):
        check_accelerator(accelerator)
    accelerator.gradient_accumulation_steps = 1
    kind = "sktransfer.deep._accelerate._kind_of"
    with patch(kind, lambda accelerator: "FSDP"):
        with pytest.raises(ValueError, match="set up for FSDP, which spreads one"):
            check_accelerator(accelerator)
    with patch.object(Accelerator, "mixed_precision", "fp16"):
        with pytest.raises(ValueError, match=r"mixed_precision='fp16'; leave it 'no'"):
            check_accelerator(accelerator)
    monkeypatch.setattr(_accelerate, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs accelerate, which is not installed"):
        check_accelerator(accelerator)


def main(folder):
    """Train in this process and the other; write what came out."""
    accelerator = Accelerator(cpu=True)
    check_accelerator(accelerator)
    assert accelerator.num_processes == 2
    found = {"agreed": agreed(accelerator, accelerator.process_index + 3)}
    for name in RUNS:
        for key, value in train(name, accelerator).items():
            found[f"{name}/{key}"] = value
    np.savez(Path(folder) / f"{accelerator.process_index}.npz", **found)
    accelerator.end_training()


if __name__ == "__main__":
    main(sys.argv[1])
