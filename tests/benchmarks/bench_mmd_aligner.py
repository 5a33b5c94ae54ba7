"""MMDAligner against the transfer component analysis of SKADA and ADAPT.

    python tests/benchmarks/bench_mmd_aligner.py [--rows 3000] [--large 100000] [--jda]

Both sides get the same rows: source standard normal, target 0.7 N + 0.5, rbf kernel
with gamma = 1 / p, p = 50, ten components.

With --jda alone: ten rounds of joint distribution adaptation against one transfer
component analysis, both ours, on the same rows. The source has four classes, quarters
by the sum of two columns, which the nearest neighbours of so many columns tell apart
badly: pseudo-labels change to the last, and no round is saved.
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


def jda_rows(n):
    X, domain = stacked(n)
    y = np.digitize(X[:, 0] + X[:, 1], [-0.95, 0.0, 0.95])
    return X, np.where(domain < 0, -1, y), domain


def run_rounds(n, kernel, n_components, conditional, rows=None):
    X, y, domain = rows or jda_rows(n)
    aligner = MMDAligner(
        n_components, kernel=kernel, gamma=1 / P, conditional=conditional
    )
    aligner.fit_transform(X, y, sample_domain=domain)
    return aligner


def report_rounds(n, repeats):
    """Print what ten rounds cost in units of one, and of one Gram matrix."""
    base = peak_memory(jda_rows, n)[1]
    gram = (2 * n) ** 2 * 8 / 2**20
    rows = jda_rows(n)
    print(f"joint distribution adaptation, {n} + {n} rows, p = {P}:")
    for kernel in ("primal", "linear", "rbf"):
        for k in (10, 30):
            calls = {
                "TCA": lambda a=kernel, b=k: run_rounds(n, a, b, False, rows),
                "JDA": lambda a=kernel, b=k: run_rounds(n, a, b, True, rows),
            }
            # Short runs are repeated more often.
            times = repeats if kernel == "rbf" else 5 * repeats
            medians, counts = alternate(calls, times)
            ratio = medians["JDA"] / medians["TCA"]
            print(
                f"  {kernel:6s} {k} components: TCA {medians['TCA']:7.3f} s, "
                f"JDA {medians['JDA']:7.3f} s (medians of {counts['JDA']}),"
                f" {ratio:.1f} times"
            )
        for name, conditional in (("TCA", False), ("JDA", True)):
            peak = peak_memory(run_rounds, n, kernel, 30, conditional)[1] - base
            print(
                f"  {kernel:6s} {name} peak {peak:7.0f} MB above the data, "
                f"{peak / gram:.2f} Gram matrices"
            )


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
    parser.add_argument(
        "--patience", type=float, default=60.0, help="longest run that is repeated, s"
    )
    parser.add_argument("--jda", action="store_true", help="only the rounds")
    args = parser.parse_args()
    describe_machine()
    if args.jda:
        report_rounds(args.rows, args.repeats)
        return
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
        medians, counts = alternate(calls, args.repeats, args.patience)
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
        medians, counts = alternate(calls, args.repeats, args.patience)
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
