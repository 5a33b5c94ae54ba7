"""Examples run to their end and draw their figure: those on shared data, and more."""

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
    "deep/plot_fine_tuning_idea.py": None,
    "instance/plot_compare_weighters.py": "uci_heart_disease",
    "parameter/plot_compare_parameter_transfer.py": "uci_heart_disease",
    "parameter/plot_source_pull_idea.py": None,
}
SETTINGS = {"SKTRANSFER_DATA": str(DATA), "HF_HUB_OFFLINE": "1"}
# Threads that wait for a core which another test has are slower than one alone.
SETTINGS["OMP_NUM_THREADS"] = "1"
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
    if NEEDS[name]:
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
