"""Parameter transfer on real data beside source, target and both pooled.

    python tests/benchmarks/bench_parameter_tables.py [--data heart wine]
        [--labels 30 100] [--draws 10] [--methods "TransferForest, mix"]

Heart disease: from Cleveland to each of three hospitals, nine columns, log loss and
accuracy. Wine quality: between white and red, 1,000 source rows, R squared. `--labels`
target rows are labelled, the others are the test; counts that leave fewer than fifty
are left out. Everything is scaled by the source's moments. The source model is fitted
once, the draws are of target rows.

The tables are in Markdown: means over draws and half of their 95 % intervals (Student's
t; the draws share test rows). A method is compared, draw by draw, with the models of
its own kind: of the source, of the labelled target rows, and of both pooled. Bold: it
is better than the one with the best mean, and the 95 % interval of the difference
leaves zero out. Where it hurts, a letter says what it is likewise worse than: s, the
model of the source, t, that of the target rows, p, that of both pooled. Seconds: the
mean of a fit, without that of the source model but for multi-task models, whose fit is
that of all rows.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from scipy import stats
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timing import describe_machine

import sktransfer as st

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.parameter.heart_disease import hospitals
from tests.shared_data import shared_file

KINDS = ("source", "target", "pooled")
# Small trees: what BoostedTransferClassifier fits by itself.
BOOSTED = {"max_depth": 3, "min_samples_leaf": 1, "l2_regularization": 1.0}


class Rows:
    """Source rows, labelled target rows, and models of the source by name."""

    def __init__(self, source, target, models):
        self.source, self.target, self.models = source, target, models

    def pooled(self):
        """Return rows and labels of both, and their domains."""
        (X_source, y_source), (X, y) = self.source, self.target
        domain = np.repeat([1, -1], [len(y_source), len(y)])
        return np.r_[X_source, X], np.r_[y_source, y], domain

    def plain(self, kind, name, model):
        """Return the model of the source, of the target or of both."""
        if kind == "source":
            return self.models[name]
        return model.fit(*(self.target if kind == "target" else self.pooled()[:2]))

    def held(self, model):
        """Return a model that has its source already, fitted on the target rows."""
        return model.fit(*self.target)

    def tasks(self, model):
        """Return a model of the rows of both domains."""
        X, y, domain = self.pooled()
        return model.fit(X, y, sample_domain=domain)


def estimators(regression, seed=0):
    """Return the plain models by name."""
    if regression:
        return {
            "linear": Ridge(),
            "boosted": HistGradientBoostingRegressor(**BOOSTED),
        }
    return {
        "linear": LogisticRegression(),
        "forest": RandomForestClassifier(random_state=seed),
        "boosted": HistGradientBoostingClassifier(**BOOSTED),
    }


def methods_of(rows, regression, seed):
    """Return name to (name of the plain model it builds on, function that fits it)."""
    kind = "Regressor" if regression else "Classifier"
    dummy = DummyRegressor() if regression else DummyClassifier()
    found = {"target, no features": ("linear", lambda: dummy.fit(*rows.target))}
    for name, model in estimators(regression, seed).items():
        for part in KINDS:
            found[f"{part}, {name}"] = (
                name,
                lambda p=part, n=name, m=model: rows.plain(p, n, m),
            )

    def add(title, base, name, *args, **params):
        model = getattr(st, f"{name}{kind}")(*args, **params)
        fit = rows.tasks if name == "SharedMultiTask" else rows.held
        found[title] = base, lambda: fit(model)

    source = rows.models["linear"]
    for alpha in (float(len(rows.target[1])), "cv", *(["gcv"] if regression else [])):
        shown = alpha if isinstance(alpha, str) else "n"
        title = f"SourceRegularized, alpha={shown}"
        add(title, "linear", "SourceRegularized", source, alpha=alpha)
    add("LinearInterpolation", "linear", "LinearInterpolation", source)
    alone = {"keep_input": False}
    if not regression:
        alone["method"] = "decision_function"
    for shown, params in (("", {}), (", scores alone", alone)):
        follows = Ridge() if regression else LogisticRegression()
        asked = make_pipeline(st.PredictorFeatures(source, **params), follows)
        found[f"PredictorFeatures{shown}"] = "linear", lambda m=asked: rows.held(m)
    for sharing in ("mean", "low_rank", "group_sparse"):
        add(f"SharedMultiTask, {sharing}", "linear", "SharedMultiTask", sharing)
    if not regression:
        settings = {"random_state": seed}
        forest = rows.models["forest"]
        for method in ("ser", "strut", "mix"):
            title = f"TransferForest, {method}"
            add(title, "forest", "TransferForest", forest, method=method, **settings)
    add("BoostedTransfer", "boosted", "BoostedTransfer", rows.models["boosted"])
    blend = f"LinearInterpolation{kind}"
    model = getattr(st, blend)(
        rows.models["boosted"], estimators(regression, seed)["boosted"]
    )
    found["LinearInterpolation, boosted"] = "boosted", lambda: rows.held(model)
    return found


def heart():
    """Return from Cleveland to each other hospital, scaled by Cleveland."""
    names = {"hungarian": "Hungary", "va": "Long Beach", "switzerland": "Switzerland"}
    return {title: hospitals("cleveland", site) for site, title in names.items()}


def wine():
    """Return white to red and back, scaled by the source."""
    tables = {}
    for color in ("white", "red"):
        path = shared_file(f"uci_wine_quality/winequality-{color}.csv")
        tables[color] = np.loadtxt(path, delimiter=",", skiprows=1)
    tasks = {}
    for one, other in (("white", "red"), ("red", "white")):
        rows = np.random.RandomState(0).permutation(len(tables[one]))[:1000]
        source, target = tables[one][rows], tables[other]
        scaler = StandardScaler().fit(source[:, :-1])
        parts = [(scaler.transform(t[:, :-1]), t[:, -1]) for t in (source, target)]
        tasks[f"{one} to {other}"] = parts
    return tasks


def scores_of(model, X, y, regression):
    """Return log loss and accuracy, or R squared, on test rows."""
    if regression:
        return {"R squared": model.score(X, y)}
    shares = model.predict_proba(X)
    loss = log_loss(y, shares, labels=model.classes_)
    return {"log loss": loss, "accuracy": 100 * model.score(X, y)}


def runs_of(source, target, count, n_draws, regression, wanted):
    """Return scores by (method, measure), seconds and the base of each method."""
    X, y = target
    fitted = {
        name: model.fit(*source) for name, model in estimators(regression).items()
    }
    scores, seconds, bases, seed = {}, {}, {}, 0
    done = 0
    while done < n_draws:
        order, seed = np.random.RandomState(seed).permutation(len(y)), seed + 1
        few, rest = order[:count], order[count:]
        if not regression and len(np.unique(y[few])) < 2:
            continue  # no model of the target alone
        rows = Rows(source, (X[few], y[few]), fitted)
        done += 1
        for name, (base, fit) in methods_of(rows, regression, seed - 1).items():
            if wanted and name not in wanted and not name.startswith(KINDS):
                continue
            start, bases[name] = time.process_time(), base
            model = fit()
            seconds.setdefault(name, []).append(time.process_time() - start)
            for key, value in scores_of(model, X[rest], y[rest], regression).items():
                scores.setdefault((name, key), []).append(value)
    return scores, seconds, bases


def half_width(values):
    """Return half of the 95 % interval of the mean."""
    n = len(values)
    if n < 2:
        return np.inf
    return stats.t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n)


def cell(scores, name, key, base):
    """Return mean and half interval; bold and letters as said above."""
    values = np.array(scores[name, key])
    digits = 1 if key == "accuracy" else 3
    text = f"{values.mean():.{digits}f} ± {half_width(values):.{digits}f}"
    if name.startswith(KINDS):
        return text
    sign = -1 if key == "log loss" else 1
    plain = [sign * np.array(scores[f"{kind}, {base}", key]) for kind in KINDS]
    gain = sign * values - max(plain, key=np.mean)
    if gain.mean() > half_width(gain):
        return f"**{text}**"
    letters = ""
    for kind, other in zip(KINDS, plain, strict=True):
        lost = other - sign * values
        letters += kind[0] if lost.mean() > half_width(lost) else ""
    return f"{text} ({letters})" if letters else text


def tables(name, args):
    """Print one table for each measure."""
    tasks, regression = {"heart": heart, "wine": wine}[name](), name == "wine"
    columns, spent = {}, {}
    for title, (source, target) in tasks.items():
        for count in args.labels:
            if len(target[1]) - count < 50:
                continue
            start = time.process_time()
            found = runs_of(source, target, count, args.draws, regression, args.methods)
            columns[f"{title}, {count}"] = found
            for method, values in found[1].items():
                spent.setdefault(method, []).extend(values)
            seconds = time.process_time() - start
            print(f"{title}, {count}: {seconds:.0f} s", file=sys.stderr, flush=True)
    for key in ("R squared",) if regression else ("log loss", "accuracy"):
        print(f"\n| {key} | " + " | ".join(columns) + " | seconds |")
        print("|---|" + "---|" * (len(columns) + 1))
        for method, values in spent.items():
            cells = [
                cell(scores, method, key, bases[method])
                for scores, _, bases in columns.values()
            ]
            print(f"| {method} | " + " | ".join(cells) + f" | {np.mean(values):.3f} |")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    choices = ["heart", "wine"]
    parser.add_argument("--data", nargs="+", choices=choices, default=choices)
    parser.add_argument("--labels", nargs="+", type=int, default=[30, 100])
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--methods", nargs="+")
    args = parser.parse_args()
    describe_machine()
    start = time.process_time()
    for name in args.data:
        tables(name, args)
    print(f"\n{time.process_time() - start:.0f} s of processor time in all")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
