"""NearestNeighborWeighter against NearestNeighborReweightAdapter of SKADA.

    python tests/benchmarks/bench_neighbor_weights.py [--sizes 20000] [--columns 10 20]
                                                      [--large 100000] [--repeats 5]

Both sides get the same rows: source standard normal, target 0.7 N + 0.5, the source
first, one neighbour, Laplace's smoothing. Both weights are compared with a count.
"""

import argparse
import importlib.util
import warnings

import numpy as np
from sklearn.metrics import pairwise_distances_argmin
from timing import alternate, describe_machine, peak_memory, shifted_gaussians

from sktransfer import NearestNeighborWeighter


def run_ours(X_source, X_target):
    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(X_source)), -np.ones(len(X_target))]
    weighter = NearestNeighborWeighter().fit(X, sample_domain=domain)
    return weighter.sample_weight_[: len(X_source)]


def run_skada(X_source, X_target):
    from skada import NearestNeighborReweightAdapter

    X = np.r_[X_source, X_target]
    domain = np.r_[np.ones(len(X_source), int), np.full(len(X_target), -2)]
    adapter = NearestNeighborReweightAdapter(laplace_smoothing=True)
    _, params = adapter.fit_transform(X, sample_domain=domain)
    return np.asarray(params["sample_weight"])[domain > 0]


def compare(n, p, repeats, patience, with_skada):
    rows = shifted_gaussians(n, p)
    results = {}
    calls = {"sktransfer": lambda: results.update(sktransfer=run_ours(*rows))}
    if with_skada:
        calls["skada"] = lambda: results.update(skada=run_skada(*rows))
    medians, counts = alternate(calls, repeats, patience)
    nearest = pairwise_distances_argmin(rows[1], rows[0])
    exact = 1.0 + np.bincount(nearest, minlength=n)
    exact /= exact.mean()
    print(f"{n} + {n} rows, {p} columns:")
    for key, seconds in medians.items():
        weights = results[key] / results[key].mean()
        off = np.abs(weights - exact).max()
        print(
            f"  {key:10s} {seconds:8.2f} s (median of {counts[key]}), "
            f"furthest from the count {off:.1e}"
        )
    if with_skada:
        print(f"  {medians['skada'] / medians['sktransfer']:.1f} times faster")


def run_large(n):
    run_ours(*shifted_gaussians(n, 20))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="*", default=[20_000])
    parser.add_argument("--columns", type=int, nargs="*", default=[10, 20])
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--patience", type=float, default=60.0, help="longest run that is repeated, s"
    )
    args = parser.parse_args()
    describe_machine()
    with_skada = importlib.util.find_spec("skada") is not None
    if not with_skada:
        print("skada is not installed, so it is not compared with.")
    for n in args.sizes:
        for p in args.columns:
            compare(n, p, args.repeats, args.patience, with_skada)
    if args.large:
        n = args.large
        medians, _ = alternate({"sktransfer": lambda: run_large(n)}, 1)
        print(f"{n} + {n} rows, 20 columns: {medians['sktransfer']:.1f} s")
        print(f"  peak {peak_memory(run_large, n)[1]:.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
