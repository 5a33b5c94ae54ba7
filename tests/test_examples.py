"""The examples on shared data run to their end and draw their figure."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.shared_data import DATA, shared_file

ROOT = Path(__file__).resolve().parent.parent
NEEDS = {
    "deep/plot_vision_few_labels.py": "pacs",
    "deep/plot_text_few_labels.py": "amazon_reviews",
    "deep/plot_speech_speakers.py": "free_spoken_digits",
    "instance/plot_compare_weighters.py": "uci_heart_disease",
    "parameter/plot_heart_disease_hospitals.py": "uci_heart_disease",
}
# They are the last tests to end, with nobody else at work: all cores are theirs.
SETTINGS = {"SKTRANSFER_DATA": str(DATA), "HF_HUB_OFFLINE": "1"}
SETTINGS["OMP_NUM_THREADS"] = str(os.cpu_count())
# The figure is the last thing that an example makes; it must have something in it.
DRIVER = """
import runpy, sys
import matplotlib
matplotlib.use("agg")
names = runpy.run_path(sys.argv[1], run_name="__main__")
assert all(axis.has_data() for axis in names["figure"].axes)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS)
def test_example(name, tmp_path):
    shared_file(NEEDS[name])
    run = subprocess.run(
        [sys.executable, "-c", DRIVER, str(ROOT / "examples" / name)],
        cwd=tmp_path,
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    assert run.stdout.count("\n") >= 3
