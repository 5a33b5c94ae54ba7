"""LabelShiftWeighter(method="kmm") against MMDTarSReweight of SKADA; all methods large.

    python tests/benchmarks/bench_label_shift.py [--rows 3000] [--values 500]
                                                 [--large 100000] [--repeats 5]

Both sides get the same rows: three classes around random centres, p = 20, even shares
in the source and 0.6, 0.3, 0.1 in the target; rbf kernel with gamma = 1 / p, B = 10.
Ours is also timed with its bootstrap interval, which SKADA has not.

--values: the same for values, y standard normal in the source and 0.7 N + 1 in the
target, X a noisy linear map of y.
"""

import argparse
import importlib.util
import warnings

import numpy as np
from scipy.stats import norm, spearmanr
from timing import alternate, describe_machine, peak_memory

from sktransfer import LabelShiftWeighter

P = 20
SHARES = np.array([0.6, 0.3, 0.1])
METHODS = ("bbse", "rlls", "em", "kmm")


def classes(n, dtype=np.float64):
    rng = np.random.RandomState(0)
    centres = rng.normal(size=(3, P))
    y = np.r_[np.arange(n) % 3, rng.choice(3, n, p=SHARES)]
    X = centres[y] + rng.normal(size=(2 * n, P))
    y[n:] = -1
    return X.astype(dtype), y, np.r_[np.ones(n, int), np.full(n, -2)]


def values(n):
    rng = np.random.RandomState(0)
    y = np.r_[rng.normal(size=n), 0.7 * rng.normal(size=n) + 1]
    X = np.outer(y, rng.normal(size=P)) + 0.5 * rng.normal(size=(2 * n, P))
    known = y.copy()
    known[n:] = np.nan
    return X, known, np.r_[np.ones(n, int), np.full(n, -2)]


def run_ours(n, n_bootstrap=0):
    X, y, domain = classes(n)
    weighter = LabelShiftWeighter(
        method="kmm", gamma=1 / P, upper_bound=10.0, n_bootstrap=n_bootstrap
    )
    return weighter.fit(X, y, sample_domain=domain).sample_weight_[:n]


def run_skada(n):
    from skada import MMDTarSReweightAdapter

    X, y, domain = classes(n)
    adapter = MMDTarSReweightAdapter(gamma=1 / P)
    adapter.fit(X, y, sample_domain=domain)
    return adapter.source_weights_


def run_ours_values(n):
    X, y, domain = values(n)
    weighter = LabelShiftWeighter(method="kmm", gamma=1 / P, upper_bound=10.0)
    return weighter.fit(X, y, sample_domain=domain).sample_weight_[:n]


def run_skada_values(n):
    from skada import MMDTarSReweightAdapter

    X, y, domain = values(n)
    adapter = MMDTarSReweightAdapter(gamma=1 / P)
    adapter.fit(X, y, sample_domain=domain)
    return adapter.source_weights_


def run_large(n, method):
    X, y, domain = classes(n)
    LabelShiftWeighter(method=method).fit(X, y, sample_domain=domain)


def run_large_values(n):
    X, y, domain = values(n)
    LabelShiftWeighter(method="kmm").fit(X, y, sample_domain=domain)


def load_only(n):
    classes(n)


def load_with_skada(n):
    from skada import MMDTarSReweightAdapter  # noqa: F401

    classes(n)


def compare(n, calls, repeats, patience):
    results = {}

    def keep(name, function, args):
        results[name] = function(*args)

    functions = {
        name: (lambda name=name, f=f, args=args: keep(name, f, args))
        for name, (f, args) in calls.items()
    }
    medians, counts = alternate(functions, repeats, patience)
    first = next(iter(calls))
    for name, seconds in medians.items():
        load = load_with_skada if name == "skada" else load_only
        peak = peak_memory(calls[name][0], *calls[name][1])[1]
        extra = peak - peak_memory(load, n)[1]
        print(
            f"  {name:24s} {seconds:8.3f} s (median of {counts[name]}), "
            f"{extra:7.1f} MB above the data and imports"
        )
    print(f"  {medians['skada'] / medians[first]:.1f} times faster")
    return results


def compare_classes(args):
    n = args.rows
    print(f"classes, {n} + {n} rows:")
    calls = {
        "sktransfer": (run_ours, (n,)),
        "sktransfer with interval": (run_ours, (n, 200)),
        "skada": (run_skada, (n,)),
    }
    found = compare(n, calls, args.repeats, args.patience)
    y = classes(n)[1][:n]
    for name, weights in found.items():
        shares = np.bincount(y, weights=weights) / weights.sum()
        print(f"  {name:24s} target shares {shares.round(4)}")


def compare_values(args):
    n = args.values
    print(f"values, {n} + {n} rows:")
    calls = {
        "sktransfer": (run_ours_values, (n,)),
        "skada": (run_skada_values, (n,)),
    }
    found = compare(n, calls, args.repeats, args.patience)
    y = values(n)[1][:n]
    ratio = norm.pdf(y, 1, 0.7) / norm.pdf(y)
    for name, weights in found.items():
        rank = spearmanr(weights, ratio)[0]
        print(f"  {name:24s} rank correlation with the true ratio {rank:.3f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--values", type=int, default=500)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--patience", type=float, default=30.0, help="longest run that is repeated, s"
    )
    args = parser.parse_args()
    describe_machine()
    if importlib.util.find_spec("skada"):
        if args.rows:
            compare_classes(args)
        if args.values:
            compare_values(args)
    else:
        print("skada is not installed, so it is not compared with.")
    if args.large:
        n = args.large
        print(f"{n} + {n} rows, defaults:")
        for method in METHODS:
            medians, _ = alternate({method: lambda m=method: run_large(n, m)}, 1)
            peak = peak_memory(run_large, n, method)[1]
            print(f"  {method:10s} {medians[method]:6.1f} s, peak {peak:.0f} MB")
        medians, _ = alternate({"values": lambda: run_large_values(n)}, 1)
        peak = peak_memory(run_large_values, n)[1]
        print(f"  {'values':10s} {medians['values']:6.1f} s, peak {peak:.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
