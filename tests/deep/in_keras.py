"""Scripts for Keras on torch: its backend is chosen once for a process."""

import json
import os
import subprocess
import sys

__all__ = ["said_in_keras"]


def said_in_keras(script):
    """Run a script in a process of its own; return what it prints behind SAID."""
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "KERAS_BACKEND": "torch", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("SAID")[2])
