"""How the benchmarks time and weigh: both sides in turn, memory in a process each."""

import multiprocessing
import os
import platform
import re
import resource
import statistics
import time
from pathlib import Path

import numpy as np

__all__ = ["alternate", "describe_machine", "peak_memory", "shifted_gaussians"]


def describe_machine():
    """Print what the figures were measured on."""
    threads = {
        name: os.environ[name]
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENBLAS_CORETYPE")
        if name in os.environ
    }
    print(
        f"python {platform.python_version()}, numpy {np.__version__}, "
        f"{os.cpu_count()} cores, threads {threads or 'as they come'}"
    )


def shifted_gaussians(n, p, seed=0, dtype=np.float64):
    """Return n source rows N(0, I) and n target rows 0.7 N(0, I) + 0.5."""
    rng = np.random.RandomState(seed)
    X_source = rng.normal(size=(n, p)).astype(dtype)
    X_target = (0.7 * rng.normal(size=(n, p)) + 0.5).astype(dtype)
    return X_source, X_target


def alternate(functions, repeats=5, patience=60.0):
    """Time functions in turn, A B A B ..., and return their median seconds.

    A function that took longer than `patience` seconds is not repeated.

    Parameters
    ----------
    functions : dict
        Name to function without arguments.
    repeats : int
        Number of runs of each.
    patience : float
        Seconds.

    Returns
    -------
    medians, counts : dict, dict
        Median seconds and number of runs by name.
    """
    seconds = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            if seconds[name] and max(seconds[name]) > patience:
                continue
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(runs) for name, runs in seconds.items()}
    return medians, {name: len(runs) for name, runs in seconds.items()}


def _high_water():
    """Peak resident kB of this process alone.

    ``ru_maxrss`` of a started process begins at the peak of the one that started it;
    the figure of the kernel for the address space begins anew.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


def _measure(function, args, queue):
    before = _high_water()
    function(*args)
    queue.put((before / 1024, _high_water() / 1024))


def peak_memory(function, *args):
    """Run a function of a module in a process of its own; return MB before and peak."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    process = context.Process(target=_measure, args=(function, args, queue))
    process.start()
    before, peak = queue.get()
    process.join()
    return before, peak
