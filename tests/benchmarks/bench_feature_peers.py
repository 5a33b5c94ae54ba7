"""Aligners against SKADA's on the 12 SURF tasks, and their speed against bare products.

    python tests/benchmarks/bench_feature_peers.py accuracy
    python tests/benchmarks/bench_feature_peers.py speed [--rows 100000] [--columns 512]

Accuracy: each side with its own defaults, the same number of components for subspace
alignment, the same classifier on what comes out, full source and full target. Where
SKADA's adapter and its function of the same name have different defaults, both are
shown. Labels carried by transport are scored as they are ("labels"), and as what the
classifier learns on target rows that carry them. SKADA's subspace alignment draws its
principal components at random where columns are many: several seeds.

Speed: fit_transform against the product of the stacked rows with themselves, and the
exact plan's images against POT alone.
"""

import argparse
import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC
from timing import alternate, describe_machine, shifted_gaussians

from sktransfer import (
    CORALAligner,
    LinearTransportAligner,
    OptimalTransportAligner,
    SubspaceAligner,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.feature.surf import TASKS, surf_domains

COMPONENTS = 80
SEEDS = 5
BASES = {
    "1-NN": lambda: KNeighborsClassifier(1),
    "logistic": lambda: LogisticRegression(max_iter=5000),
    "linear SVM": lambda: SVC(kernel="linear"),
}


def aligned(aligner):
    def run(X, y, domain):
        return aligner().fit_transform(X, y, sample_domain=domain)

    return run


def carried_by_skada(X, y, domain):
    from skada import OTLabelPropAdapter

    adapter = OTLabelPropAdapter()
    adapter.fit_transform(X, y.copy(), domain)
    return adapter.yht_


def carried_by_ours(X, y, domain):
    from sktransfer import LabelTransportClassifier

    model = LabelTransportClassifier().fit(X, y, sample_domain=domain)
    return model.predict(X[domain < 0])


def sides():
    """Return for each method ours and SKADA's, each a function of rows and labels."""
    import skada

    pairs = {
        "CORAL": (CORALAligner, {"skada": skada.CORALAdapter}),
        f"subspace, {COMPONENTS}": (
            lambda: SubspaceAligner(COMPONENTS),
            {
                f"skada, seed {seed}": lambda seed=seed: skada.SubspaceAlignmentAdapter(
                    COMPONENTS, random_state=seed
                )
                for seed in range(SEEDS)
            },
        ),
        "linear transport": (
            LinearTransportAligner,
            {
                "skada, adapter": skada.LinearOTMappingAdapter,
                "skada, function": lambda: skada.LinearOTMappingAdapter(reg=1.0),
            },
        ),
        "emd": (OptimalTransportAligner, {"skada": skada.OTMappingAdapter}),
        "sinkhorn": (
            lambda: OptimalTransportAligner("sinkhorn"),
            {"skada": skada.EntropicOTMappingAdapter},
        ),
    }
    return {
        method: {
            "sktransfer": aligned(ours),
            **{name: aligned(peer) for name, peer in peers.items()},
        }
        for method, (ours, peers) in pairs.items()
    }


def score_aligned(run, domains, bases):
    """Return accuracies in per cent by base, one a task."""
    scores = {base: [] for base in bases}
    for task in TASKS:
        X, y, domain, y_target = stacked(domains, task)
        Z = run(X, y, domain)
        for base in bases:
            model = BASES[base]().fit(Z[domain > 0], y[domain > 0])
            scores[base].append(100 * model.score(Z[domain < 0], y_target))
    return scores


def score_carried(run, domains, bases):
    """Return accuracies of labels carried over, and of models that learn them."""
    scores = {"labels": [], **{base: [] for base in bases}}
    for task in TASKS:
        X, y, domain, y_target = stacked(domains, task)
        carried, rows = run(X, y, domain), X[domain < 0]
        scores["labels"].append(100 * np.mean(carried == y_target))
        for base in bases:
            # A row that is its own neighbour would keep the label it has.
            model = BASES[base]().fit(rows, carried)
            scores[base].append(100 * model.score(rows, y_target))
    return scores


def stacked(domains, task):
    (X_source, y_source), (X_target, y_target) = domains[task[0]], domains[task[2]]
    y = np.r_[y_source, np.full(len(y_target), -1)]
    domain = np.r_[np.ones(len(y_source), int), np.full(len(y_target), -2)]
    return np.r_[X_source, X_target], y, domain, y_target


def print_table(tables):
    """Print one line a method and side: the mean, and every task."""
    print(f"{'':18s}{'':17s}{'':12s}  mean  " + " ".join(f"{t:>5s}" for t in TASKS))
    for method, by_side in tables.items():
        for base in next(iter(by_side.values())):
            for side, scores in by_side.items():
                row = " ".join(f"{score:5.1f}" for score in scores[base])
                mean = np.mean(scores[base])
                print(f"{method:18s}{side:17s}{base:12s} {mean:5.1f}  {row}")


def accuracy():
    if not importlib.util.find_spec("skada"):
        sys.exit("skada is not installed: pip install skada.")
    domains = surf_domains()
    raw = {"none": {"": score_aligned(lambda X, y, domain: X, domains, BASES)}}
    print_table(raw)
    for method, by_side in sides().items():
        tables = {}
        for side, run in by_side.items():
            try:
                tables[side] = score_aligned(run, domains, BASES)
            except ValueError as error:
                print(f"{method}, {side} fails: {error}")
        print_table({method: tables})
    runs = {"skada": carried_by_skada}
    import sktransfer

    if hasattr(sktransfer, "LabelTransportClassifier"):
        runs = {"sktransfer": carried_by_ours, **runs}
    bases = [base for base in BASES if base != "1-NN"]
    tables = {side: score_carried(run, domains, bases) for side, run in runs.items()}
    print_table({"label transport": tables})


def speed(n, p):
    print(f"{n} + {n} rows, p = {p}:")
    for dtype in (np.float32, np.float64):
        X_source, X_target = shifted_gaussians(n, p, dtype=dtype)
        X = np.r_[X_source, X_target]
        domain = np.r_[np.ones(n, int), np.full(n, -1)]
        runs = {"X.T @ X": lambda X=X: X.T @ X}
        for name, aligner in {
            "CORAL": CORALAligner(),
            "linear transport": LinearTransportAligner(),
            "subspace, 80": SubspaceAligner(80),
        }.items():
            runs[f"{name}, fit"] = lambda a=aligner, X=X, d=domain: a.fit(
                X, sample_domain=d
            )
            runs[name] = lambda a=aligner, X=X, d=domain: a.fit_transform(
                X, sample_domain=d
            )
        medians, counts = alternate(runs, repeats=5)
        for name, seconds in medians.items():
            share = seconds / medians["X.T @ X"]
            print(
                f"  {dtype.__name__} {name:22s} {seconds:7.3f} s (median of "
                f"{counts[name]}), {share:.2f} times X.T @ X"
            )


def plan_speed():
    import ot

    print("exact plan and images against POT (squared distances, ot.emd, product):")
    for n, p in ((1000, 50), (1000, 800), (3000, 50)):
        X_source, X_target = shifted_gaussians(n, p)
        X, domain = np.r_[X_source, X_target], np.r_[np.ones(n), -np.ones(n)]
        uniform = np.full(n, 1 / n)
        costs = ot.dist(X_source, X_target)

        def pot(costs=costs, target=X_target, uniform=uniform):
            plan = ot.emd(uniform, uniform, costs, numItermax=10**8)
            return plan @ target / plan.sum(axis=1, keepdims=True)

        def with_costs(source=X_source, target=X_target, pot=pot):
            return pot(ot.dist(source, target))

        def ours(X=X, domain=domain):
            return OptimalTransportAligner().fit_transform(X, sample_domain=domain)

        runs = {"sktransfer": ours, "POT": with_costs, "POT, costs given": pot}
        medians, _ = alternate(runs, repeats=7)
        line = ", ".join(f"{name} {medians[name]:.3f} s" for name in runs)
        print(
            f"  {n} + {n}, p = {p}: {line}; "
            f"{medians['sktransfer'] / medians['POT']:.2f} times POT"
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=["accuracy", "speed", "plan"])
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=512)
    args = parser.parse_args()
    describe_machine()
    if args.part == "accuracy":
        accuracy()
    elif args.part == "plan":
        plan_speed()
    else:
        speed(args.rows, args.columns)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
