"""Finds the real data sets that some tests and benchmarks need.

They lie in `SKTRANSFER_DATA`, by default `../shared/data` beside the repository.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DATA = Path(os.environ.get("SKTRANSFER_DATA", ROOT.parent / "shared" / "data"))


def shared_file(name):
    """Return the path of a shared data file; skip where it is missing, fail in CI."""
    path = DATA / name
    if path.exists():
        return path
    sentence = f"{path} is missing: set SKTRANSFER_DATA to the folder that holds it."
    if os.environ.get("CI"):
        pytest.fail(f"{sentence} CI must not skip this test.")
    pytest.skip(sentence)
