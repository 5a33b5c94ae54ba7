"""MMDAligner against the transfer component analysis of SKADA and ADAPT.

    python tests/benchmarks/bench_mmd_aligner.py [--rows 3000] [--large 100000]

Both sides get the same rows: source standard normal, target 0.7 N + 0.5, rbf kernel
with gamma = 1 / p, p = 50, ten components.
"""

import argparse
import importlib.util
import warnings

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from timing import alternate, describe_machine, peak_memory, shifted_gaussians

from sktransfer import MMDAligner
from sktransfer.metrics import mmd

P = 50


def stacked(n, p=P):
    X_source, X_target = shifted_gaussians(n, p)
    return np.r_[X_source, X_target], np.r_[np.ones(n, int), np.full(n, -2)]


def run_ours(n):
    X, domain = stacked(n)
    MMDAligner(10, kernel="rbf", gamma=1 / P, mu=0.1).fit_transform(
        X, sample_domain=domain
    )


def run_skada(n):
    from skada import TransferComponentAnalysisAdapter

    X, domain = stacked(n)
    adapter = TransferComponentAnalysisAdapter(kernel="rbf", n_components=10, mu=0.1)
    adapter.fit_transform(X, sample_domain=domain)


def run_adapt(n):
    from adapt.feature_based import TCA

    X_source, X_target = shifted_gaussians(n, P)
    model = TCA(Xt=X_target, n_components=10, mu=0.1, kernel="rbf", gamma=1 / P)
    model.set_params(verbose=0)
    model.fit_transform(X_source, X_target)


def load_only(n):
    stacked(n)


def run_large(n):
    X, domain = stacked(n)
    aligner = MMDAligner(
        10, kernel="rbf", gamma=1 / P, kernel_approx="nystroem", n_landmarks=500
    )
    aligner.fit_transform(X, sample_domain=domain)


def run_block(n):
    X, _ = stacked(n // 2)
    rbf_kernel(X, X[:500], gamma=1 / P)


def run_mmd(n):
    mmd(*shifted_gaussians(n, 20), gamma=1 / 20)


def report_memory(functions, n):
    base = peak_memory(load_only, n)[1]
    for name, function in functions.items():
        _, peak = peak_memory(function, n)
        print(f"  {name:10s} peak {peak:7.0f} MB, {peak - base:7.0f} MB above the data")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    describe_machine()
    functions = {"sktransfer": run_ours}
    for name, function in (("skada", run_skada), ("adapt", run_adapt)):
        if importlib.util.find_spec(name):
            functions[name] = function
        else:
            print(f"{name} is not installed, so it is not compared with.")

    if args.rows:
        n = args.rows
        print(f"transfer component analysis, {n} + {n} rows, p = {P}:")
        calls = {key: (lambda f=f: f(n)) for key, f in functions.items()}
        medians, counts = alternate(calls, args.repeats)
        ours = medians["sktransfer"]
        for key, seconds in medians.items():
            print(
                f"  {key:10s} {seconds:8.2f} s (median of {counts[key]}), "
                f"{seconds / ours:6.1f} times ours"
            )
        report_memory(functions, n)
    if args.large:
        n = args.large
        print(f"Nyström, 500 landmarks, {n} rows in all, against one kernel block:")
        calls = {
            "sktransfer": lambda: run_large(n // 2),
            "rbf_kernel": lambda: run_block(n),
        }
        medians, counts = alternate(calls, args.repeats)
        ratio = medians["sktransfer"] / medians["rbf_kernel"]
        for key, seconds in medians.items():
            print(f"  {key:10s} {seconds:8.2f} s (median of {counts[key]})")
        print(f"  {ratio:.1f} times the block")
        report_memory({"sktransfer": run_large}, n // 2)
        print(f"mmd of {n} against {n} rows, p = 20:")
        medians, _ = alternate({"sktransfer": lambda: run_mmd(n)}, 1)
        print(f"  {medians['sktransfer']:.1f} s")
        print(f"  peak {peak_memory(run_mmd, n)[1]:.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
