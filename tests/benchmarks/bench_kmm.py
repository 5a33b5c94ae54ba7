"""KernelMeanMatchingWeighter against kernel mean matching of ADAPT and SKADA.

    python tests/benchmarks/bench_kmm.py [--adapt 2000 5000] [--skada 10000]
                                         [--large 100000] [--repeats 5]

Both sides get the same rows: source standard normal, target 0.7 N + 0.5, p = 20, rbf
kernel with gamma = 1 / p, B = 1000, eps = (sqrt(n) - 1) / sqrt(n). Objectives of both
are evaluated by one function.
"""

import argparse
import importlib.util
import warnings

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from timing import alternate, describe_machine, peak_memory, shifted_gaussians

from sktransfer import KernelMeanMatchingWeighter

P = 20


def run_ours(X_source, X_target, **params):
    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(X_source)), -np.ones(len(X_target))]
    weighter = KernelMeanMatchingWeighter(gamma=1 / P, **params)
    return weighter.fit(X, sample_domain=domain).coefficients_


def run_adapt(X_source, X_target):
    from adapt.instance_based import KMM

    model = KMM(
        Xt=X_target, kernel="rbf", gamma=1 / P, max_size=len(X_source) + 1, verbose=0
    )
    return np.asarray(model.fit_weights(X_source, X_target)).ravel()


def run_skada(X_source, X_target):
    from skada import KMMReweightAdapter

    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(X_source), int), np.full(len(X_target), -2)]
    adapter = KMMReweightAdapter(kernel="rbf", gamma=1 / P)
    _, params = adapter.fit_transform(X, sample_domain=domain)
    return np.asarray(params["sample_weight"])[domain > 0]


def objective(w, X_source, X_target):
    n = len(X_source)
    linear = n / len(X_target) * rbf_kernel(X_source, X_target, gamma=1 / P).sum(axis=1)
    return 0.5 * w @ (rbf_kernel(X_source, gamma=1 / P) @ w) - linear @ w


def compare(n, name, function, repeats, patience):
    rows = shifted_gaussians(n, P)
    results = {}
    calls = {
        "sktransfer": lambda: results.update(sktransfer=run_ours(*rows)),
        name: lambda: results.update({name: function(*rows)}),
    }
    medians, counts = alternate(calls, repeats, patience)
    print(f"{n} + {n} rows:")
    for key, seconds in medians.items():
        value = objective(results[key], *rows)
        print(
            f"  {key:10s} {seconds:8.2f} s (median of {counts[key]}), "
            f"objective {value:.6e}, largest weight {results[key].max():.1f}"
        )
    print(f"  {medians[name] / medians['sktransfer']:.1f} times faster")


def run_large(n):
    run_ours(*shifted_gaussians(n, P), solver="nystroem", n_landmarks=500)


def run_block(n):
    X = shifted_gaussians(n, P)[0]
    rbf_kernel(X, X[:500], gamma=1 / P)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--adapt", type=int, nargs="*", default=[2000, 5000])
    parser.add_argument("--skada", type=int, nargs="*", default=[10_000])
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--patience", type=float, default=60.0, help="longest run that is repeated, s"
    )
    args = parser.parse_args()
    describe_machine()
    for name, function, sizes in (
        ("adapt", run_adapt, args.adapt),
        ("skada", run_skada, args.skada),
    ):
        if not importlib.util.find_spec(name):
            print(f"{name} is not installed, so it is not compared with.")
            continue
        for n in sizes:
            compare(n, name, function, args.repeats, args.patience)
    if args.large:
        n = args.large
        calls = {"sktransfer": lambda: run_large(n), "rbf_kernel": lambda: run_block(n)}
        medians, counts = alternate(calls, args.repeats, args.patience)
        print(f"Nyström, 500 landmarks, {n} + {n} rows, against one kernel block:")
        for key, seconds in medians.items():
            print(f"  {key:10s} {seconds:8.2f} s (median of {counts[key]})")
        print(f"  {medians['sktransfer'] / medians['rbf_kernel']:.1f} times the block")
        print(f"  peak {peak_memory(run_large, n)[1]:.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
