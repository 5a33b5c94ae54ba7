"""TrAdaBoost, for classes and for values, against ADAPT's.

    python tests/benchmarks/bench_tradaboost.py [--repeats 5] [--seeds 5]
                                                [--rounds 10] [--target 50]

Both sides get the same weak learner, the same number of rounds and the same rows, ours
without the comparison with the target alone. Time: medians of runs in turn. Errors:
means over draws of the labelled target rows, with the same learner boosted on the
source alone, on the target alone and on both pooled beside them. In two stages ours
boosts for each step and fold, as the paper has it, where ADAPT fits a single weak
learner: 480 fits against 150 with 10 rounds, 10 steps and 5 folds.

- Heart disease, three hospitals to the fourth (Hungary): accuracy.
- Wine quality, white to red: mean squared error.
"""

import argparse
import importlib.util
import warnings

import numpy as np
from sklearn.ensemble import AdaBoostClassifier, AdaBoostRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from timing import alternate, describe_machine

from sktransfer import (
    MultiSourceTrAdaBoostClassifier,
    TrAdaBoostClassifier,
    TrAdaBoostRegressor,
)
from tests.parameter.heart_disease import hospitals
from tests.shared_data import shared_file

HAS_ADAPT = importlib.util.find_spec("adapt") is not None


class Ours:
    """One of our estimators, with the domains put together."""

    def __init__(self, model):
        self.model = model

    def fit(self, source, target):
        X, y, domain = (
            np.concatenate(pair) for pair in zip(source, target, strict=True)
        )
        self.model.fit(X, y, sample_domain=domain)
        return self

    def predict(self, X):
        return self.model.predict(X)


class Adapt:
    """One of ADAPT's."""

    def __init__(self, name, learner, **params):
        self.name, self.learner, self.params = name, learner, params

    def fit(self, source, target):
        import adapt.instance_based

        cls = getattr(adapt.instance_based, self.name)
        Xt, yt = target[:2]
        self.model = cls(
            self.learner, Xt=Xt, yt=yt, verbose=0, random_state=0, **self.params
        )
        self.model.fit(*source[:2])
        return self

    def predict(self, X):
        return np.ravel(self.model.predict(X))


class Alone:
    """scikit-learn's AdaBoost on one domain, or on both pooled."""

    def __init__(self, model, part):
        self.model, self.part = model, part

    def fit(self, source, target):
        both = [np.concatenate(pair) for pair in zip(source, target, strict=True)]
        X, y, _ = {"source": source, "target": target, "both": both}[self.part]
        self.model.fit(X, y)
        return self

    def predict(self, X):
        return self.model.predict(X)


def classifiers(learner, rounds):
    params = {"n_estimators": rounds, "baseline_folds": None}
    models = {
        "ours": Ours(TrAdaBoostClassifier(learner, **params)),
        "ours, dynamic": Ours(TrAdaBoostClassifier(learner, dynamic=True, **params)),
        "ours, several sources": Ours(
            MultiSourceTrAdaBoostClassifier(learner, **params)
        ),
    }
    if HAS_ADAPT:
        models["adapt"] = Adapt("TrAdaBoost", learner, n_estimators=rounds)
    plain = AdaBoostClassifier(learner, n_estimators=rounds, random_state=0)
    models |= {f"{part} alone": Alone(plain, part) for part in ("source", "target")}
    return models | {"pooled": Alone(plain, "both")}


def regressors(learner, rounds):
    params = {"n_estimators": rounds, "baseline_folds": None}
    models = {
        "ours": Ours(TrAdaBoostRegressor(learner, **params)),
        "ours, two-stage": Ours(TrAdaBoostRegressor(learner, two_stage=True, **params)),
    }
    if HAS_ADAPT:
        models["adapt"] = Adapt("TrAdaBoostR2", learner, n_estimators=rounds)
        models["adapt, two-stage"] = Adapt(
            "TwoStageTrAdaBoostR2",
            learner,
            n_estimators=10,  # steps
            n_estimators_fs=rounds,
            cv=5,
        )
    plain = AdaBoostRegressor(learner, n_estimators=rounds, random_state=0)
    models |= {f"{part} alone": Alone(plain, part) for part in ("source", "target")}
    return models | {"pooled": Alone(plain, "both")}


def heart(seed, n_target):
    """Return source and target rows with domains, and test rows."""
    *sources, (X, y) = hospitals("cleveland", "switzerland", "va", "hungarian")
    order = np.random.RandomState(seed).permutation(len(y))
    number = np.repeat([1, 2, 3], [len(labels) for _, labels in sources])
    source = [np.concatenate(part) for part in zip(*sources, strict=True)]
    rows = order[:n_target], order[n_target:]
    return [(*source, number)] + [(X[r], y[r], np.full(len(r), -1)) for r in rows]


def wine(seed, n_target):
    red, white = (
        np.loadtxt(
            shared_file(f"uci_wine_quality/winequality-{colour}.csv"),
            delimiter=",",
            skiprows=1,
        )
        for colour in ("red", "white")
    )
    red = red[np.random.RandomState(seed).permutation(len(red))]
    parts = ((white, 1), (red[:n_target], -1), (red[n_target:], -1))
    return [(t[:, :-1], t[:, -1], np.full(len(t), number)) for t, number in parts]


def measure(title, draw, models, loss, args):
    print(f"\n{title}")
    source, target, _ = draw(0, args.target)
    print(f"{len(source[1])} source rows, {len(target[1])} labelled target rows")
    calls = {
        name: lambda model=model: model.fit(source, target)
        for name, model in models.items()
        if not isinstance(model, Alone)
    }
    seconds, counts = alternate(calls, args.repeats)
    losses = {name: [] for name in models}
    for seed in range(args.seeds):
        source, target, test = draw(seed, args.target)
        for name, model in models.items():
            predicted = model.fit(source, target).predict(test[0])
            losses[name].append(loss(test[1], predicted))
    for name, values in losses.items():
        timed = f"{seconds[name]:7.3f} s ({counts[name]})" if name in seconds else ""
        print(f"  {name:22s} {np.mean(values):.3f} ± {np.std(values):.3f}  {timed}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--target", type=int, default=50)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    describe_machine()
    learners = {
        "tree of depth 2": DecisionTreeClassifier(max_depth=2, random_state=0),
        "logistic regression": LogisticRegression(C=0.1, max_iter=1000),
    }
    for name, learner in learners.items():
        measure(
            f"heart disease, {name}: accuracy",
            heart,
            classifiers(learner, args.rounds),
            lambda y, predicted: np.mean(y == predicted),
            args,
        )
    for depth in (3, 6):
        learner = DecisionTreeRegressor(max_depth=depth, random_state=0)
        measure(
            f"wine quality, tree of depth {depth}: mean squared error",
            wine,
            regressors(learner, args.rounds),
            lambda y, predicted: np.mean((y - predicted) ** 2),
            args,
        )


if __name__ == "__main__":
    main()
