"""KLIEPWeighter and ULSIFWeighter against ADAPT and SKADA; all weighters on many rows.

    python tests/benchmarks/bench_density_ratio.py [--rows 3000] [--columns 50]
        [--shift whole] [--repeats 5] [--searches] [--large [Name ...]]

Both sides get the same rows, made before the clock starts: ADAPT takes those of each
domain by themselves, SKADA and ours the rows of both in one array. Ours search their
whole grids of widths (and penalties); the peers fit once, at the width that ours chose;
"one fit" is ours at that width too.
--searches lets the peers search our grids. Objectives are compared on the peers' own
centres: KLIEP's mean log ratio of the target rows with the ratio scaled to mean one on
the source rows; the squared loss J of uLSIF on 10,000 fresh rows of each domain.

--large fits every weighter of sktransfer.instance (or those named) to 100,000 + 100,000
rows of 20 columns, each in a process of its own, and prints seconds and peak memory.
"""

import argparse
import importlib
import importlib.util
import os
import time
import warnings

import numpy as np
from sklearn.metrics.pairwise import rbf_kernel
from timing import alternate, describe_machine, peak_memory, shifted_gaussians

import sktransfer.instance
from sktransfer import BaseWeighter, KLIEPWeighter, ULSIFWeighter
from sktransfer.instance._mean_log import maximize_mean_log

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

ALPHA = 0.1
# Settings for many rows, where the default is meant for few.
LARGE = {"KernelMeanMatchingWeighter": {"solver": "nystroem"}}
LARGE_ROWS, LARGE_COLUMNS = 100_000, 20


def draw(n, p, shift, seed=0):
    """Shift all columns, or the first two alone."""
    if shift == "whole":
        return shifted_gaussians(n, p, seed)
    X_source, X_target = (
        np.random.RandomState(seed + k).normal(size=(n, p)) for k in (0, 1)
    )
    X_target[:, :2] = 0.7 * X_target[:, :2] + 0.5
    return X_source, X_target


def stack(X_source, X_target):
    """Return the rows of both domains in one array, and where each is from."""
    domain = np.repeat([1, -2], [len(X_source), len(X_target)])
    return np.r_[X_source, X_target], domain


def fit(weighter, X, domain):
    return weighter.fit(X, sample_domain=domain)


def adapt_kliep(X_source, X_target, gamma, **params):
    from adapt.instance_based import KLIEP

    model = KLIEP(Xt=X_target, kernel="rbf", gamma=gamma, verbose=0, random_state=0)
    model.set_params(**params).fit_weights(X_source, X_target)
    return model.centers_, model.alphas_.ravel()


def skada_kliep(X, domain, gamma, **params):
    from skada import KLIEPReweightAdapter

    adapter = KLIEPReweightAdapter(gamma=gamma, random_state=0, **params)
    adapter.fit_transform(X, sample_domain=domain)
    return adapter.centers_, adapter.alpha_


def adapt_ulsif(X_source, X_target, gamma, ridge, alpha):
    from adapt.instance_based import RULSIF, ULSIF

    params = {"kernel": "rbf", "gamma": gamma, "lambdas": ridge, "verbose": 0}
    params |= {"Xt": X_target, "random_state": 0}
    model = RULSIF(alpha=alpha, **params) if alpha else ULSIF(**params)
    model.fit_weights(X_source, X_target)
    return model.centers_, model.thetas_.ravel()


def print_times(calls, repeats):
    medians, counts = alternate(calls, repeats, patience=30.0)
    for name, seconds in medians.items():
        print(f"  {name:28s} {1e3 * seconds:9.1f} ms (median of {counts[name]})")


def kliep_objective(X_source, X_target, gamma, centres, coefficients):
    """Return the mean log ratio of these coefficients, and the best there is."""
    A = rbf_kernel(X_target, centres, gamma=gamma)
    A /= rbf_kernel(X_source, centres, gamma=gamma).mean(axis=0)
    b = coefficients * rbf_kernel(X_source, centres, gamma=gamma).mean(axis=0)
    best = maximize_mean_log(A, np.full(len(A), 1 / len(A)))
    return np.log(A @ (b / b.sum())).mean(), best.objective


def compare_kliep(rows, args, peers):
    print(f"KLIEP, {args.rows} + {args.rows} rows, p = {args.columns}:")
    stacked = stack(*rows)
    ours = fit(KLIEPWeighter(), *stacked)
    gamma = float(ours.gamma_[0])
    found = {}
    calls = {
        "sktransfer, whole search": lambda: fit(KLIEPWeighter(), *stacked),
        "sktransfer, one fit": lambda: fit(KLIEPWeighter(gamma=gamma), *stacked),
    }
    single = {"adapt": (adapt_kliep, rows), "skada": (skada_kliep, stacked)}
    for name in peers:
        peer, arrays = single[name]
        calls[f"{name}, one fit"] = lambda name=name, peer=peer, arrays=arrays: (
            found.update({name: peer(*arrays, gamma)})
        )
        if args.searches:
            grid = [float(gamma * k) for k in (1 / 16, 1 / 4, 1, 4, 16)]
            calls[f"{name}, search"] = lambda peer=peer, arrays=arrays, grid=grid: peer(
                *arrays, grid
            )
    print_times(calls, args.repeats)
    print(
        f"  gamma {gamma:.4g}, sktransfer: objective {ours.objective_[0]:.6f}, "
        f"at most {ours.gap_[0]:.1e} below the optimum"
    )
    for name, (centres, coefficients) in found.items():
        value, best = kliep_objective(*rows, gamma, centres, coefficients)
        print(
            f"  on the centres of {name}: objective {value:.6f}, "
            f"ours {best:.6f} (higher is better)"
        )


def squared_loss(ratio_source, ratio_target, alpha):
    return (
        (1 - alpha) / 2 * np.mean(ratio_source**2)
        + alpha / 2 * np.mean(ratio_target**2)
        - np.mean(ratio_target)
    )


def compare_ulsif(rows, args, peers, alpha):
    name = f"RuLSIF, alpha = {alpha}" if alpha else "uLSIF"
    print(f"{name}, {args.rows} + {args.rows} rows, p = {args.columns}:")
    stacked = stack(*rows)
    ours = fit(ULSIFWeighter(alpha=alpha), *stacked)
    gamma, ridge = float(ours.gamma_[0]), float(ours.ridge_[0])
    found, fresh = {}, draw(10_000, args.columns, args.shift, seed=100)
    once = {"alpha": alpha, "gamma": gamma, "ridge": ridge}
    calls = {
        "sktransfer, whole search": lambda: fit(ULSIFWeighter(alpha=alpha), *stacked),
        "sktransfer, one fit": lambda: fit(ULSIFWeighter(**once), *stacked),
    }
    if "adapt" in peers:
        calls["adapt, one fit"] = lambda: found.update(
            one=adapt_ulsif(*rows, gamma, ridge, alpha)
        )
        calls["adapt, one fit, its ridge"] = lambda: found.update(
            its=adapt_ulsif(*rows, gamma, 1.0, alpha)
        )
        if args.searches:
            grid = [float(gamma * k) for k in (1 / 16, 1 / 4, 1, 4, 16)]
            calls["adapt, search"] = lambda: adapt_ulsif(
                *rows, grid, list(ours.ridges), alpha
            )
    print_times(calls, args.repeats)
    loss = squared_loss(*(np.exp(ours.ratios_[0](X)) for X in fresh), alpha)
    print(
        f"  gamma {gamma:.4g}, ridge {ridge:g}: left-out loss {ours.score_[0]:.5f}, "
        f"on fresh rows {loss:.5f}"
    )
    for key, (centres, theta) in found.items():
        ratios = (
            np.maximum(rbf_kernel(X, centres, gamma=gamma) @ theta, 0) for X in fresh
        )
        loss = squared_loss(*ratios, alpha)
        setting = "that ridge" if key == "one" else "its default ridge, 1"
        print(f"  adapt at that width, {setting}: on fresh rows {loss:.5f}")


def weighters():
    """Return the weighters that sktransfer.instance exports, by name."""
    exported = {
        name: getattr(sktransfer.instance, name) for name in sktransfer.instance.__all__
    }
    return {
        name: kind
        for name, kind in exported.items()
        if isinstance(kind, type) and issubclass(kind, BaseWeighter)
    }


def run_large(name):
    """Fit one weighter to many rows and print how long it took."""
    warnings.simplefilter("ignore")
    X_source, X_target = shifted_gaussians(LARGE_ROWS, LARGE_COLUMNS)
    X = np.r_[X_source, X_target]
    del X_source, X_target
    labels = (X[:, 0] > 0).astype(int)
    # A tenth of the target is labelled, for those that read target labels.
    labels[LARGE_ROWS + LARGE_ROWS // 10 :] = -1
    domain = np.repeat([1, -1], LARGE_ROWS)
    weighter = weighters()[name](**LARGE.get(name, {}))
    start = time.perf_counter()
    try:
        weighter.fit(X, labels, sample_domain=domain)
    except Exception as error:  # one that fails must not end the table
        print(f"  {name:28s} {type(error).__name__}: {error}", flush=True)
        return
    seconds = time.perf_counter() - start
    print(
        f"  {name:28s} {seconds:7.1f} s, effective sample size "
        f"{weighter.effective_sample_size_:9.1f}",
        end="",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--columns", type=int, default=50)
    parser.add_argument("--shift", choices=("whole", "two"), default="two")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--searches", action="store_true")
    parser.add_argument("--large", nargs="*", default=None, metavar="Name")
    args = parser.parse_args()
    describe_machine()
    if args.large is not None:
        print(f"{LARGE_ROWS} + {LARGE_ROWS} rows, p = {LARGE_COLUMNS}:", flush=True)
        for name in args.large or weighters():
            peak = peak_memory(run_large, name)[1]
            print(f", peak {peak:.0f} MB", flush=True)
        return
    peers = [name for name in ("adapt", "skada") if importlib.util.find_spec(name)]
    for name in peers:
        importlib.import_module(name)
    rows = draw(args.rows, args.columns, args.shift)
    compare_kliep(rows, args, peers)
    for alpha in (0.0, ALPHA):
        compare_ulsif(rows, args, peers, alpha)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
