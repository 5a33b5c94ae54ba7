"""Features are told apart by all that decides what a module computes."""

import importlib
import subprocess
import sys
from functools import partial
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from sktransfer.deep.frozen._fingerprint import fingerprint


def test_the_fingerprint_tells_weights_structure_and_settings():
    def frozen(seed=0):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()

    same = fingerprint(frozen(), "cpu")
    assert fingerprint(frozen(), "cpu") == same
    others = [
        fingerprint(frozen(), "cuda"),
        fingerprint(frozen(seed=1), "cpu"),
    ]
    assert len({same, *others}) == 3
    moved = frozen()
    moved[1].running_mean += 1e-3
    assert fingerprint(moved, "cpu") != same


class Scaled(nn.Module):
    """What it gives depends on more than its weights."""

    def __init__(self, scale, table=None):
        super().__init__()
        self.linear, self.scale, self.table = nn.Linear(2, 2), scale, table
        with torch.no_grad():
            self.linear.weight.fill_(1.0)
            self.linear.bias.fill_(0.0)

    def forward(self, X):
        return self.scale * self.linear(X)


def test_the_fingerprint_tells_attributes_buffers_code_and_hooks():
    class Other(Scaled):
        def forward(self, X):
            return self.scale * self.linear(X) + 1.0

    Other.__qualname__, Other.__module__ = Scaled.__qualname__, Scaled.__module__
    large = torch.zeros(10_000)
    changed = large.clone()
    changed[5_000] = 1
    buffered, hooked = Scaled(1.0), Scaled(1.0)
    buffered.register_buffer("shift", torch.ones(1), persistent=False)
    hooked.register_forward_hook(lambda module, args, output: 2 * output)
    modules = [
        Scaled(1.0),
        Scaled(2.0),
        Scaled(1.0, large),
        Scaled(1.0, changed),
        Scaled(1.0, large.numpy()),
        Scaled(1.0, changed.numpy()),
        Other(1.0),
        buffered,
        hooked,
    ]
    assert len({fingerprint(module.eval()) for module in modules}) == len(modules)
    assert fingerprint(Scaled(1.0).eval()) == fingerprint(Scaled(1.0).eval())


NOTEBOOK = """
import torch
from torch import nn
FACTOR = {factor}
def helper(X):
    return X * {helper}
class Doubled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, X):
        return X * {doubled}
    @staticmethod
    def backward(ctx, gradient):
        return gradient
class Net(nn.Module):
    table = {table}
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 2)
    @staticmethod
    def shifted(X):
        return X + {shift}
    @classmethod
    def widened(cls, X):
        return X * {width}
    def forward(self, X):
        flip = lambda rows: torch.flip(rows, ({axis},)) * {inner}
        X = self.widened(self.shifted(Doubled.apply(X)))
        return FACTOR * helper(flip(self.linear(X)))
"""
DEFAULTS = {"factor": 1, "helper": 1, "table": "(1, 2)", "axis": 1, "inner": 1}
DEFAULTS |= {"shift": 1, "width": 1, "doubled": 1}


def from_notebook(**changed):
    """Return a module of a class that is defined anew, as in a notebook."""
    names = {"__name__": "__main__"}
    exec(NOTEBOOK.format(**{**DEFAULTS, **changed}), names)
    torch.manual_seed(0)
    return names["Net"]().eval()


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_class_that_is_defined_anew(name):
    same = fingerprint(from_notebook())
    assert fingerprint(from_notebook()) == same
    value = "(1, 3)" if name == "table" else 2
    assert fingerprint(from_notebook(**{name: value})) != same


IN_FILES = {
    "at the top": "import {name}\ndef forward(X): return {name}.scale(X)",
    "inside": "def forward(X):\n  from {name} import scale\n  return scale(X)",
    "through another": "import {name}\ndef forward(X): return {name}.again.scale(X)",
    "relative": "def forward(X):\n  from .{name} import scale\n  return scale(X)",
}


@pytest.mark.parametrize("how", IN_FILES)
def test_functions_in_another_file(how, monkeypatch):
    name, found = "file_of_a_user", []
    package = "package_of_a_user" if how == "relative" else ""
    for factor in (1, 2, 1):
        module = ModuleType(f"{package}.{name}" if package else name)
        module.__file__, module.again = "/home/user/project/file_of_a_user.py", module
        exec(f"def scale(X): return X * {factor}", vars(module))
        monkeypatch.setitem(sys.modules, module.__name__, module)
        names = {"__name__": "__main__", "__package__": package}
        exec(IN_FILES[how].format(name=name), names)
        found.append(fingerprint(Scaled(1.0, names["forward"]).eval()))
    assert found[0] == found[2] != found[1]


def test_names_of_arguments():
    found = []
    for names in ("a=1, b=1", "b=1, a=1"):
        known = {"__name__": "__main__"}
        exec(f"def helper(X, {names}): return X * {names[0]}", known)
        found.append(fingerprint(Scaled(1.0, known["helper"]).eval()))
    assert found[0] != found[1]


class Holder:
    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    "make",
    [
        lambda v: {"w": torch.full((3000,), 1.0).index_fill_(0, torch.tensor(1500), v)},
        lambda v: [torch.tensor(v)],
        lambda v: (np.array([v]),),
        lambda v: np.array([v, "a"], dtype=object),
        Holder,
        lambda v: {"inner": [Holder((v,))]},
        lambda v: partial(torch.add, alpha=v),
        lambda v: lambda X: X + v,
        lambda v: Holder(v).__init__,
    ],
)
def test_attributes_of_any_kind(make):
    found = [fingerprint(Scaled(1.0, make(v)).eval()) for v in (1.0, 1.00001, 1.0)]
    assert found[0] == found[2] != found[1]


def test_what_cannot_be_told_apart_is_never_shared():
    module = Scaled(1.0, object()).eval()
    assert fingerprint(module) != fingerprint(module)


def test_cycles_end():
    holder = Holder(1)
    holder.value = [holder]
    assert fingerprint(Scaled(1.0, holder)) == fingerprint(Scaled(1.0, holder))


def test_weights_that_change_behind_the_back_of_torch():
    module = Scaled(1.0).eval()
    found = {fingerprint(module)}
    module.linear.weight.data[0, 0] += 1e-3
    found.add(fingerprint(module))
    module.linear.weight.detach().numpy()[1, 1] += 1.0
    found.add(fingerprint(module))
    with torch.no_grad():
        module.linear.weight.add_(0.5)
    found.add(fingerprint(module))
    module.linear.weight.data[:] = module.linear.weight.data.flip(0)
    found.add(fingerprint(module))
    module.linear.weight.data[:] = module.linear.weight.data.flip(1)
    found.add(fingerprint(module))
    assert len(found) == 6


@pytest.mark.slow
def test_other_processes_find_the_same():
    made = "Scaled(1.0, {'a': (1, 2), 'f': len, 'g': NOTEBOOK}).eval()"
    code = f"from tests.deep.test_fingerprint import *; print(fingerprint({made}))"
    command = [sys.executable, "-O", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    module = Scaled(1.0, {"a": (1, 2), "f": len, "g": NOTEBOOK}).eval()
    # By its name: here the class may be known under another one.
    module.__class__ = importlib.import_module("tests.deep.test_fingerprint").Scaled
    assert run.stdout.strip() == fingerprint(module)
