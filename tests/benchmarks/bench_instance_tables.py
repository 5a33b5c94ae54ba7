"""Weighters, selectors and boosting on real data beside no transfer: where each hurts.

    python tests/benchmarks/bench_instance_tables.py [--data wine heart]
        [--methods KernelMeanMatchingWeighter herding] [--labels 30] [--seeds 5]

Data: wine quality (white to red, R squared), heart disease (four hospitals, 12 pairs,
missing values imputed by medians inside the pipeline), Amazon reviews as MiniLM
embeddings (12 pairs) and as sparse tf-idf (4 pairs, methods that take sparse rows).

In each draw `--labels` target rows are labelled, some hundred more are seen without
labels, and the score is that of these and the rest. Everything trains on source rows
and labelled target rows alike: what is compared is only which rows count. Settings are
chosen by a grid search over folds of the labelled target rows (`TargetKFold`); for "no
transfer" there is none to choose. "chosen by folds" takes the method, none included,
whose folds look best.

The table is in Markdown: the score without transfer and what each method adds to it, in
points, with 95 % intervals (Student's t) of the paired difference over draws (wine) or
over pairs of domains, each the mean of its draws. Bold: the interval leaves zero out.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import sparse, stats
from sklearn.dummy import DummyClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from timing import describe_machine

import sktransfer as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.feature.amazon import amazon_domains
from tests.shared_data import DATA

BASELINE, ALONE, CHOSEN = "no transfer", "target labels alone", "chosen by folds"
RATIO = {"clip": [None, 5.0], "flatten": [1.0, 0.5]}
SELECTOR = st.InstanceSelector


def methods_of(regression):
    """Return adapter or whole estimator and its grid by name."""
    linear = Ridge() if regression else LogisticRegression()
    found = {
        "KernelMeanMatchingWeighter": ({}, {"upper_bound": [1.5, 5.0, 1000.0]}),
        "KLIEPWeighter": ({}, RATIO),
        "ULSIFWeighter": ({}, RATIO),
        "DiscriminativeWeighter": ({}, RATIO),
        "NearestNeighborWeighter": ({}, RATIO),
        "GaussianWeighter": ({}, RATIO),
        "DensityWeighter": ({}, RATIO),
        "LabelShiftWeighter": (
            {},
            {"method": ["kmm"] if regression else ["rlls", "em"]},
        ),
        "BalancedWeighter": ({}, {"target_share": [0.1, 0.3, 0.6, 0.9]}),
    }
    if regression:
        found["DiscrepancyWeighter"] = {}, {}
    found = {
        name: (getattr(st, name)(**params), grid)
        for name, (params, grid) in found.items()
        if hasattr(st, name)
    }
    part = {"fraction": [0.3, 0.6, 0.9]}
    found["nearest"] = SELECTOR("nearest"), part
    found["landmarks"] = SELECTOR("landmarks"), part
    found["herding"] = SELECTOR("herding"), part
    influence = SELECTOR("influence", estimator=linear)
    found["influence"] = influence, {"fraction": [None, 0.6, 0.9]}
    kind = "Regressor" if regression else "Classifier"
    if not regression:
        found["agreement"] = SELECTOR("agreement"), {"fraction": [None, 0.6, 0.9]}
        found["dynamic"] = SELECTOR("dynamic", n_neighbors=30), {"fraction": [None]}
        local = st.LocalTransferClassifier(LogisticRegression())
        found["LocalTransferClassifier"] = local, {"n_neighbors": [30, 100]}
    name = f"TrAdaBoost{kind}"
    if hasattr(st, name):
        boosted = getattr(st, name)(linear)
        found["TrAdaBoost"] = boosted, {"n_estimators": [5, 20]}
    return found


def wine():
    """Return white and red wines."""
    domains = {}
    for color in ("white", "red"):
        path = DATA / f"uci_wine_quality/winequality-{color}.csv"
        table = np.loadtxt(path, delimiter=",", skiprows=1)
        domains[color] = table[:, :-1], table[:, -1]
    return domains, [("white", "red")]


def heart():
    """Return four hospitals; a cholesterol of zero means that it is missing."""
    path = DATA / "uci_heart_disease/heart_disease_4sites.csv"
    table = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding=None)
    columns = [name for name in table.dtype.names if name not in ("site", "num")]
    X = np.column_stack([table[name].astype(float) for name in columns])
    X[X[:, columns.index("chol")] == 0, columns.index("chol")] = np.nan
    y = (table["num"] > 0).astype(int)
    site = table["site"]
    names = sorted(set(site.tolist()))
    domains = {name: (X[site == name], y[site == name]) for name in names}
    return domains, [(a, b) for a in names for b in names if a != b]


def minilm():
    """Return sentence embeddings of reviews."""
    domains = {}
    with np.load(DATA / "amazon_reviews/minilm_embeddings.npz") as file:
        for name in ("books", "dvd", "electronics", "kitchen"):
            X, y = file[f"{name}_X"].astype(np.float64), file[f"{name}_y"].astype(int)
            domains[name] = X * np.sqrt(X.shape[1]) / 4, y
    return domains, [(a, b) for a in domains for b in domains if a != b]


def tfidf():
    """Return tf-idf of reviews, in rows longer than one so that C = 1 serves."""
    domains = {key: (2 * X.tocsr(), y) for key, (X, y) in amazon_domains(2000).items()}
    return domains, [("B", "E"), ("E", "K"), ("K", "D"), ("D", "B")]


# Reader, most source rows, most unlabelled target rows, default number of seeds.
DATA_SETS = {
    "wine": (wine, 1000, 500, 10),
    "heart": (heart, 400, 400, 3),
    "minilm": (minilm, 400, 300, 1),
    "tfidf": (tfidf, 500, 400, 2),
}


def drawn(domains, pair, n_labels, sizes, seed):
    """Return the rows and labels of fit, their domains, and the rows to score."""
    rng = np.random.RandomState(seed)
    (X_source, y_source), (X_target, y_target) = (domains[name] for name in pair)
    source = rng.permutation(X_source.shape[0])[: sizes[0]]
    order = rng.permutation(X_target.shape[0])
    seen = order[: n_labels + sizes[1]]
    labels = y_target[seen].copy()
    labels[n_labels:] = np.nan if y_target.dtype.kind == "f" else -1
    stack = sparse.vstack if sparse.issparse(X_source) else np.concatenate
    X = stack([X_source[source], X_target[seen]])
    y = np.r_[y_source[source], labels]
    domain = np.repeat([1, -1], [len(source), len(seen)])
    scored = order[n_labels:]
    return (
        (X.tocsr() if sparse.issparse(X) else X),
        y,
        domain,
        (
            X_target[scored],
            y_target[scored],
        ),
    )


def model_of(method, regression):
    """Return the last step: an adapter in its slot, or a whole estimator."""
    if method is None or isinstance(method, st.BaseWeighter | st.BaseSelector):
        kind = st.TransferRegressor if regression else st.TransferClassifier
        estimator = Ridge() if regression else LogisticRegression()
        return kind(estimator, method), "adapter__"
    return method, ""


def searched(method, grid, X, y, domain, regression):
    """Return the pipeline with the grid's best settings, and its folds' score."""
    model, prefix = model_of(method, regression)
    steps = [] if sparse.issparse(X) else [SimpleImputer(strategy="median")]
    if not sparse.issparse(X):
        steps.append(StandardScaler())
    pipeline = make_pipeline(*steps, model)
    last = pipeline.steps[-1][0]
    search = GridSearchCV(
        pipeline,
        {f"{last}__{prefix}{name}": values for name, values in grid.items()},
        cv=st.TargetKFold(3, shuffle=True, random_state=0),
        scoring="neg_mean_squared_error" if regression else "accuracy",
        error_score="raise",
    )
    search.fit(X, y, **{f"{last}__sample_domain": domain}, groups=domain)
    return search, search.best_score_


def alone(X, y, domain, regression):
    """Return a model of the labelled target rows alone."""
    known = (domain < 0) & (~np.isnan(y) if regression else y >= 0)
    estimator = Ridge() if regression else LogisticRegression()
    if not regression and len(np.unique(y[known])) < 2:
        estimator = DummyClassifier()
    steps = [] if sparse.issparse(X) else [SimpleImputer(strategy="median")]
    if not sparse.issparse(X):
        steps.append(StandardScaler())
    return make_pipeline(*steps, estimator).fit(X[known], y[known])


def scores_of(methods, X, y, domain, test, regression):
    """Return the test score of every method, in points, NaN where one fails."""
    scores, folds = {}, {}
    scores[ALONE] = alone(X, y, domain, regression).score(*test)
    for name, (method, grid) in {BASELINE: (None, {}), **methods}.items():
        try:
            model, folds[name] = searched(method, grid, X, y, domain, regression)
            scores[name] = model.score(*test)
        except (ValueError, TypeError) as error:
            print(f"<!-- {name}: {error} -->", file=sys.stderr)
            scores[name] = np.nan
    scores[CHOSEN] = scores[max(folds, key=folds.get)]
    return {name: 100 * score for name, score in scores.items()}


def interval(differences):
    """Return mean and half width of the 95 % interval."""
    mean, n = np.mean(differences), len(differences)
    if n < 2:
        return mean, np.inf
    width = stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n)
    return mean, width


def table_of(name, args):
    """Return one column: the baseline's score and each method's difference."""
    read, *sizes, n_seeds = DATA_SETS[name]
    n_seeds = args.seeds or n_seeds
    domains, pairs = read()
    regression = name == "wine"
    methods = methods_of(regression)
    if args.methods:
        methods = {key: methods[key] for key in methods if key in args.methods}
    if name == "tfidf":
        methods = {
            key: method
            for key, method in methods.items()
            if get_tags(method[0]).input_tags.sparse
        }
    runs, seconds = [], time.process_time()
    for pair in pairs:
        for seed in range(n_seeds):
            rows = drawn(domains, pair, args.labels, sizes, seed)
            runs.append(scores_of(methods, *rows, regression))
    seconds = time.process_time() - seconds
    # Units of the interval: draws if there is one pair, else pairs.
    units = len(runs) if len(pairs) == 1 else len(pairs)
    column = {}
    for key in runs[0]:
        values = np.reshape([run[key] for run in runs], (units, -1)).mean(axis=1)
        base = np.reshape([run[BASELINE] for run in runs], (units, -1)).mean(axis=1)
        kept = np.isfinite(values)
        column[key] = "-"
        if kept.any():
            column[key] = shown(interval((values - base)[kept]))
        if not kept.all():
            column[key] += f" ({kept.sum()} of {units})"
    column[BASELINE] = f"{base.mean():.1f}"
    print(f"{name}: {len(runs)} draws, {seconds:.0f} s", file=sys.stderr, flush=True)
    return column


def shown(mean_and_width):
    """Return a difference with its interval, bold where it leaves zero out."""
    mean, width = mean_and_width
    text = f"{mean:+.1f} ± {width:.1f}"
    return f"**{text}**" if abs(mean) > width else text


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument("--methods", nargs="+")
    parser.add_argument("--labels", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=None)
    args = parser.parse_args()
    describe_machine()
    columns = {name: table_of(name, args) for name in args.data}
    rows = dict.fromkeys(key for column in columns.values() for key in column)
    rows = [BASELINE, ALONE, *(r for r in rows if r not in (BASELINE, ALONE, CHOSEN))]
    print("| method | " + " | ".join(columns) + " |")
    print("|---|" + "---|" * len(columns))
    for row in [*rows, CHOSEN]:
        cells = [column.get(row, "") for column in columns.values()]
        print(f"| {row} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
