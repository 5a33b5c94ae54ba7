"""JointTransportClassifier against JDOTClassifier of SKADA: time and peak memory.

    python tests/benchmarks/bench_joint_transport.py [--rows 3000] [--classes 10]

Both sides get the same rows: ten Gaussian classes in 20 columns, the target moved and
squeezed, logistic regression inside, ten rounds at the most. The objectives weigh alike
but are not the same: SKADA divides distances by their mean, sktransfer by the largest.
"""

import argparse
import importlib.util
import warnings

import numpy as np
from sklearn.linear_model import LogisticRegression
from timing import alternate, describe_machine, peak_memory

P = 20
ROUNDS = 10


def stacked(n, n_classes):
    rng = np.random.RandomState(0)
    centres = rng.normal(size=(n_classes, P))
    labels = np.arange(n) % n_classes
    X_source = centres[labels] + rng.normal(size=(n, P))
    X_target = 0.8 * (centres[labels] + rng.normal(size=(n, P))) + 1
    X, y = np.r_[X_source, X_target], np.r_[labels, np.full(n, -1)]
    return X, y, np.r_[np.ones(n, int), np.full(n, -2)], labels


def run_ours(n, n_classes):
    from sktransfer.joint._joint_transport_classifier import JointTransportClassifier

    X, y, domain, labels = stacked(n, n_classes)
    model = JointTransportClassifier(LogisticRegression(), n_iter=ROUNDS)
    model.fit(X, y, sample_domain=domain)
    return np.mean(model.predict(X[n:]) == labels), model.n_iter_


def run_skada(n, n_classes):
    from skada import JDOTClassifier

    X, y, domain, labels = stacked(n, n_classes)
    model = JDOTClassifier(LogisticRegression(), alpha=0.5, n_iter_max=ROUNDS)
    model.fit(X, y.copy(), sample_domain=domain)
    return np.mean(model.predict(X[n:]) == labels), len(model.lst_loss_ot_)


def load_ours(n, n_classes):
    import ot  # noqa: F401

    import sktransfer.joint._joint_transport_classifier  # noqa: F401

    stacked(n, n_classes)


def load_skada(n, n_classes):
    import skada  # noqa: F401

    stacked(n, n_classes)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=3000)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    describe_machine()
    sides = {"sktransfer": (run_ours, load_ours)}
    if importlib.util.find_spec("skada"):
        sides["skada"] = run_skada, load_skada
    else:
        print("skada is not installed, so it is not compared with.")
    size = args.rows, args.classes
    print(f"joint transport, {size[0]} + {size[0]} rows, {size[1]} classes, p = {P}:")
    for name, (run, _) in sides.items():
        accuracy, rounds = run(*size)
        print(f"  {name:10s} accuracy {accuracy:.3f} on the target, {rounds} rounds")
    calls = {name: (lambda run=run: run(*size)) for name, (run, _) in sides.items()}
    medians, counts = alternate(calls, args.repeats)
    above = {}
    for name, (run, load) in sides.items():
        above[name] = peak_memory(run, *size)[1] - peak_memory(load, *size)[1]
        print(
            f"  {name:10s} {medians[name]:7.2f} s (median of {counts[name]}), peak "
            f"{above[name]:6.0f} MB above the loaded packages and the data"
        )
    if "skada" in sides:
        print(
            f"  {medians['skada'] / medians['sktransfer']:.1f} times our time, "
            f"{above['skada'] / above['sktransfer']:.1f} times our memory"
        )


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
