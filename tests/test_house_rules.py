"""What CONTRIBUTING.md says of the code, checked."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / "sktransfer").rglob("*.py"))


def test_one_idea_a_file():
    long = {
        path.name: count
        for path in FILES
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def test_only_deep_imports_torch():
    pattern = re.compile(r"^\s*(import|from) (torch|skorch|safetensors)", re.MULTILINE)
    for path in FILES:
        if "deep" not in path.parts:
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_private_scikit_learn_only_in_compat():
    pattern = re.compile(r"from sklearn[\w.]* import [^#\n]*\b_\w+|from sklearn\S*\._")
    for path in FILES:
        if path.name != "_compat.py":
            assert not pattern.search(path.read_text(encoding="utf-8")), path


def test_contributing_is_short():
    lines = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 60
