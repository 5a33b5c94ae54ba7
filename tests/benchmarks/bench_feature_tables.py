"""Every aligner and joint classifier on four real data sets, no transfer beside it.

    python tests/benchmarks/bench_feature_tables.py [--data pacs fsdd] [--tasks 3]
        [--methods CORAL JointTransport] [--max-rows 1000] [--labels 5] [--held-out]

Data: PACS images (features of a network, 4 x 3 tasks), Amazon reviews as sparse tf-idf
and as MiniLM embeddings (4 x 3 each), spoken digits by speaker (6 x 5). At most
`--max-rows` rows of a domain, drawn once with the shares of the classes kept; dense
columns are z-scored by the source's means and deviations (`--scale domain`: each domain
by its own; the spoken digits always are, by speaker).

Methods: all that `sktransfer.feature` and `sktransfer.joint` export, each with one
setting for all tasks of all data sets: the default, but for `SETTINGS`, which was not
chosen by these results. Aligners stand under logistic regression with C = 3 on rows of
mean squared length one, and so do joint classifiers that take an estimator. On sparse
rows only methods that take them run.

No target label is read but with `--labels n`: n rows of each class in the target are
labelled then, all methods get them, and accuracy is that of the others. Then
FeatureAugmenter runs, too, which does nothing without them. Adapted and scored on the
whole target as in the papers; with `--held-out` adapted on one half of the target and
scored on the other. A task is helped or hurt from half a point on; times are those of
the processor, so set OMP_NUM_THREADS=1 to compare them.
"""

import argparse
import inspect
import time
import warnings

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin, clone, is_classifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from timing import describe_machine
from transfer_tasks import DATA_SETS, domains_of, scaled, tasks_of

import sktransfer.feature
import sktransfer.joint
from sktransfer import TransferClassifier

C = 3.0
BASELINE = "no transfer"
LABELS_ALONE = "target labels alone"
NEEDS_LABELS = {"FeatureAugmenter"}
# Variants of a class, and settings where the default does not do what the class is for.
SETTINGS = {
    "GradualTransferClassifier": {"": {"n_steps": 5}},
    "MMDAligner": {
        "": {},
        "conditional": {"conditional": True},
        "discriminative": {"conditional": "discriminative"},
    },
    "OptimalTransportAligner": {
        "emd": {},
        "sinkhorn": {"method": "sinkhorn"},
        "class_lpl1": {"method": "class_lpl1"},
    },
}


class UnitMeanSquare(TransformerMixin, BaseEstimator):
    """Divide by the root mean squared length of rows, so that one C fits all spaces."""

    def fit(self, X, y=None):
        squares = X.power(2) if sparse.issparse(X) else np.square(X)
        self.length_ = np.sqrt(squares.sum() / X.shape[0]) or 1.0
        return self

    def transform(self, X):
        return X / self.length_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def base_classifier():
    return make_pipeline(UnitMeanSquare(), LogisticRegression(C=C, max_iter=500))


def built(cls, settings):
    """Return an instance with our classifier inside, where it takes one."""
    takes = inspect.signature(cls).parameters
    joint = is_classifier(cls())
    if joint and "estimator" in takes:
        settings = {"estimator": base_classifier(), **settings}
    method = cls(**settings)
    return method if joint else TransferClassifier(base_classifier(), method)


def methods(with_labels):
    """Return a classifier by name for all exported aligners and joint classifiers."""
    found = {BASELINE: TransferClassifier(base_classifier())}
    if with_labels:
        found[LABELS_ALONE] = base_classifier()
    for module in (sktransfer.feature, sktransfer.joint):
        for name in module.__all__:
            cls = getattr(module, name)
            fits = is_classifier(cls()) or issubclass(cls, sktransfer.BaseAligner)
            if fits and (with_labels or name not in NEEDS_LABELS):
                for variant, settings in SETTINGS.get(name, {"": {}}).items():
                    found[f"{name} {variant}".strip()] = built(cls, settings)
    return found


def known_rows(y, n_labels, seed=0):
    """Return which rows are labelled: so many of each class, drawn at random."""
    rng = np.random.RandomState(seed)
    known = np.zeros(len(y), dtype=bool)
    for label in np.unique(y) if n_labels else ():
        rows = np.flatnonzero(y == label)
        known[rng.choice(rows, min(n_labels, len(rows) - 1), replace=False)] = True
    return known


def task_rows(source, target, args):
    """Return rows, labels with -1 where unknown, domains, and the rows that score."""
    (X_source, y_source), (X_target, y_target) = source, target
    X_source, X_target = scaled(X_source, X_target, args.scale)
    seen = scored = np.arange(len(y_target))
    if args.held_out:
        seen, scored = train_test_split(
            seen, test_size=0.5, stratify=y_target, random_state=0
        )
    known = known_rows(y_target[seen], args.labels)
    if not args.held_out:
        scored = np.flatnonzero(~known)
    stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
    X = stack([X_source, X_target[seen]])
    X = X.tocsr() if sparse.issparse(X) else X
    y = np.r_[y_source, np.where(known, y_target[seen], -1)]
    sample_domain = np.r_[np.ones(len(y_source), int), np.full(len(seen), -1)]
    return X, y, sample_domain, X_target[scored], y_target[scored]


def accuracy(name, method, rows):
    """Return the accuracy on the target, or None where the method refuses."""
    X, y, sample_domain, X_scored, y_scored = rows
    model = clone(method)
    try:
        if name == LABELS_ALONE:
            known = (sample_domain < 0) & (y != -1)
            model.fit(X[known], y[known])
        else:
            model.fit(X, y, sample_domain=sample_domain)
        return float(np.mean(model.predict(X_scored) == y_scored))
    except (
        ValueError,
        ImportError,
        FloatingPointError,
        np.linalg.LinAlgError,
    ) as error:
        print(f"    {name}: {type(error).__name__}: {error}", flush=True)
        return None


def results(data, args):
    """Return accuracies by task and CPU seconds for each method, and print each."""
    domains = domains_of(data, args.max_rows)
    tasks = tasks_of(domains)[: args.tasks]
    rows = [task_rows(domains[s], domains[t], args) for s, t in tasks]
    sizes = ", ".join(f"{domain} {len(y)}" for domain, (_, y) in domains.items())
    print(f"\n{data}: {len(tasks)} tasks; rows: {sizes}", flush=True)
    chosen = {
        name: method
        for name, method in methods(args.labels > 0).items()
        if name in (BASELINE, LABELS_ALONE)
        or any(part.lower() in name.lower() for part in args.methods)
    }
    found = {}
    for number, (name, method) in enumerate(chosen.items(), 1):
        if sparse.issparse(rows[0][0]) and not get_tags(method).input_tags.sparse:
            continue
        start = time.process_time()
        scores = [accuracy(name, method, task) for task in rows]
        seconds = time.process_time() - start
        line = " ".join("fail" if s is None else f"{100 * s:.0f}" for s in scores)
        label = f"[{number}/{len(chosen)}] {data} {name}"
        print(f"{label:58s}{seconds:7.1f} s  {line}", flush=True)
        found[name] = np.array(scores, dtype=float), seconds
    return found


def print_table(data, found):
    """Print the methods of a data set, best first, against no transfer."""
    plain = found[BASELINE][0]
    print(f"\n{data:38s}accuracy    gain  helps  hurts    cpu s")
    done = {name: row for name, row in found.items() if not np.isnan(row[0]).any()}
    for name, (scores, seconds) in sorted(done.items(), key=lambda r: -r[1][0].mean()):
        gains = scores - plain
        print(
            f"{name:38s}{scores.mean():8.3f}{gains.mean():+8.3f}"
            f"{np.sum(gains > 0.005):7d}{np.sum(gains < -0.005):7d}{seconds:9.1f}"
        )
    for name in sorted(set(found) - set(done)):
        failed = np.isnan(found[name][0])
        print(f"{name:38s}failed in {failed.sum()} of {len(failed)} tasks")


def print_summary(tables):
    """Print the mean gains over no transfer side by side, the most complete first."""
    gains = {}
    for data, found in tables.items():
        for name, (scores, _) in found.items():
            if not np.isnan(scores).any():
                gain = np.mean(scores - found[BASELINE][0])
                gains.setdefault(name, {})[data] = gain
    means = {name: np.mean(list(row.values())) for name, row in gains.items()}
    head = "".join(f"{data:>15s}" for data in tables)
    print(f"\n{'gain over no transfer':38s}{head}   mean")
    for name in sorted(gains, key=lambda n: (-len(gains[n]), -means[n])):
        row = [gains[name].get(data, np.nan) for data in tables]
        cells = "".join(f"{'-':>15s}" if np.isnan(x) else f"{x:+15.3f}" for x in row)
        print(f"{name:38s}{cells}{means[name]:+7.3f}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--data", nargs="+", choices=list(DATA_SETS), default=list(DATA_SETS)
    )
    parser.add_argument("--methods", nargs="+", default=[""], help="parts of names")
    parser.add_argument("--tasks", type=int, help="only the first so many tasks")
    parser.add_argument("--max-rows", type=int, default=1000, help="of a domain")
    parser.add_argument("--scale", choices=["source", "domain"], default="source")
    parser.add_argument(
        "--labels", type=int, default=0, help="of a class, in the target"
    )
    parser.add_argument("--held-out", action="store_true")
    args = parser.parse_args()
    describe_machine()
    print(f"One setting of each method for all tasks. {vars(args)}")
    if not args.labels:
        print(f"Left out without target labels: {', '.join(sorted(NEEDS_LABELS))}.")
    tables = {data: results(data, args) for data in args.data}
    for data, found in tables.items():
        print_table(data, found)
    if len(tables) > 1:
        print_summary(tables)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
