"""The code of the user guide's pages runs, block after block, on small data."""

import ast
import builtins
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest
import sklearn
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

import sktransfer

GUIDE = Path(__file__).resolve().parent.parent / "docs" / "user_guide"
# Their networks would have to be fetched.
UNRUN = {"deep"}


def python_blocks(text):
    """Return the literal blocks of a page, dedented."""
    lines = iter(text.splitlines())
    blocks, opened = [], None
    for line in lines:
        indent = len(line) - len(line.lstrip())
        if opened is not None and (not line.strip() or indent > opened):
            blocks[-1].append(line)
            continue
        opened = None
        named = line.strip() == ".. code-block:: python"
        if named or (line.endswith("::") and not line.strip().startswith("..")):
            opened = indent
            blocks.append([])
    return [textwrap.dedent("\n".join(block)).strip() for block in blocks]


def given():
    """Return what a reader has before the first block: imports, data and models."""
    rng = np.random.RandomState(0)
    labels = np.arange(260) % 2
    X = rng.normal(size=(260, 4)) + 2.0 * labels[:, None]
    X[160:] = 0.8 * X[160:] + 0.3
    y, d = labels.copy(), np.repeat([1, -1], [160, 100])
    y[200:] = -1
    scaled = [("scale", StandardScaler()), ("clf", sktransfer.TransferClassifier())]
    classifier = LogisticRegression().fit(X[:160], y[:160])
    # Without what is looked up when asked for: it imports torch.
    names = {name: vars(sktransfer).get(name) for name in sktransfer.__all__}
    data = {
        "X": X,
        "y": y,
        "sample_domain": d,
        "X_source": X[:160],
        "y_source": y[:160],
        "X_target": X[160:200],
        "y_target": y[160:200],
    }
    new = dict.fromkeys(["X_new", "X_target_new", "X_candidates"], X[200:])
    models = {
        "model": make_pipeline(StandardScaler(), sktransfer.TransferClassifier()),
        "pipe": Pipeline(scaled),
        "grid": {"clf__adapter": [None, sktransfer.CORALAligner()]},
        "classifier": classifier,
        "source": classifier,
        "monitor": ScoringMonitor(scoring="accuracy"),
    }
    others = (GridSearchCV, LogisticRegression, Ridge, StandardScaler, make_pipeline)
    imports = {item.__name__: item for item in others} | {"sklearn": sklearn}
    return names | imports | data | new | models


PAGES = {
    path.stem: python_blocks(path.read_text(encoding="utf-8"))
    for path in sorted(GUIDE.glob("*.rst"))
}
WITH_CODE = [page for page, blocks in PAGES.items() if blocks]


def test_blocks_are_found():
    page = "Text::\n\n    a = 1\n\n    b = 2\nmore\n\n.. code-block:: python\n\n  c\n"
    page += "\n.. math::\n\n   x\n\n.. note::\n\n   It is::\n\n       d\n\n   so.\n"
    assert python_blocks(page) == ["a = 1\n\nb = 2", "c", "d"]
    assert len(PAGES["instance"]) >= 6


# On small data some weights collapse, and the checks of an estimator warn.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("page", [page for page in WITH_CODE if page not in UNRUN])
def test_page_runs(page, monkeypatch):
    # As a script's module, so that what is defined there can be pickled.
    module = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", module)
    vars(module).update(given())
    for number, block in enumerate(PAGES[page], start=1):
        exec(compile(block, f"{page}.rst, block {number}", "exec"), vars(module))


@pytest.mark.parametrize("page", WITH_CODE)
def test_page_names_what_there_is(page):
    known = set(given()) | set(dir(builtins)) | {"images", "sentences", "labels"}
    for block in PAGES[page]:
        tree = ast.parse(block)
        for node in ast.walk(tree):
            if isinstance(node, ast.alias):
                known.add((node.asname or node.name).split(".")[0])
            elif isinstance(node, ast.FunctionDef | ast.ClassDef):
                known.add(node.name)
            elif isinstance(node, ast.arg):
                known.add(node.arg)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                known.add(node.id)
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert used <= known, f"{page}.rst names {sorted(used - known)}"
