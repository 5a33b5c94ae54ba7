"""The loop of boosting with labelled target rows, for classes and for values."""

from dataclasses import dataclass
from functools import partial

import numpy as np
from sklearn.base import clone
from sklearn.dummy import DummyClassifier

from sktransfer._weights import accepts_weights, fit_weighted

__all__ = [
    "Rounds",
    "WeakLearner",
    "boosted_rounds",
    "check_weak_learner",
    "label_losses",
    "value_losses",
]


@dataclass(frozen=True)
class Rounds:
    """What the rounds gave.

    Attributes
    ----------
    models : list of estimator
        The fitted weak learners.
    errors : ndarray of shape (n_done,)
        Their weighted errors.
    source_shares : ndarray of shape (n_done,)
        Share of the weight on source rows when they were fitted.
    chosen : ndarray of shape (n_done,), int
        Number of the candidate that each round took.
    """

    models: list
    errors: np.ndarray
    source_shares: np.ndarray
    chosen: np.ndarray


def check_weak_learner(estimator, kind):
    """Raise unless `estimator` is an instance that takes sample weights."""
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        raise TypeError(
            f"`estimator` must be a {kind} or None, got {estimator!r}. Pass an "
            "instance of a scikit-learn class."
        )
    if not accepts_weights(estimator):
        raise TypeError(
            f"`estimator` must be a {kind} whose fit takes sample_weight, got "
            f"{estimator!r}. Use a tree, a linear model or another one that does."
        )


@dataclass(frozen=True)
class WeakLearner:
    """Fits clones of an estimator, every random state in them drawn anew.

    The draws, and their order, are those of scikit-learn's AdaBoost.
    """

    estimator: object
    random_states: tuple
    is_single: bool

    @classmethod
    def of(cls, estimator):
        """Look at the parameters of an estimator once for all rounds."""
        params = estimator.get_params(deep=True)
        random = [n for n in sorted(params) if n.split("__")[-1] == "random_state"]
        is_single = not any(hasattr(value, "fit") for value in params.values())
        return cls(estimator, tuple(random), is_single)

    def fit(self, X, y, weight, rng):
        """Return a clone, fitted."""
        largest = np.iinfo(np.int32).max
        fresh = clone(self.estimator)
        fresh.set_params(**{n: rng.randint(largest) for n in self.random_states})
        if self.is_single:
            return fresh.fit(X, y, sample_weight=weight)
        return fit_weighted(fresh, X, y, weight, {})


def label_losses(model, X, y):
    """Return 1 where a model is wrong, else 0."""
    return (model.predict(X) != y).astype(np.float64)


def value_losses(model, X, y):
    """Return the absolute errors of a model, the largest scaled to one."""
    losses = np.abs(np.asarray(model.predict(X), dtype=np.float64).ravel() - y)
    largest = losses.max(initial=0.0)
    return losses / largest if largest > 0 else losses


def _fits(estimator, rows, choices, rng, *, classes):
    """Return a function for each choice of rows, which fits with given weights."""
    fits = []
    for choice in choices:
        X, y = rows.X[choice], rows.y[choice]
        alone = classes and len(np.unique(y)) == 1
        learner = DummyClassifier(strategy="most_frequent") if alone else estimator
        fits.append(partial(WeakLearner.of(learner).fit, X, y, rng=rng))
    return fits


def _least_error(fitted, rows, choices, weight, losses_of):
    """Return which model errs least on the target, of equal ones on its own rows."""
    if len(fitted) == 1:
        return 0
    errors = []
    for model, choice in zip(fitted, choices, strict=True):
        losses = losses_of(model, rows.X[choice], rows.y[choice])
        target = rows.domain[choice] < 0
        on_target = np.average(losses[target], weights=weight[choice][target])
        own = np.average(losses, weights=weight[choice])
        # Sums in another order differ in the last digits.
        errors.append((round(on_target, 12), round(own, 12)))
    return min(range(len(errors)), key=errors.__getitem__)


def boosted_rounds(rows, estimator, rule, n_rounds, rng, *, classes, choices=None):
    """Fit weak learners in rounds, each on rows weighed by what came before.

    Parameters
    ----------
    rows : LabelledRows
        Source and target rows, of which there is at least one.
    estimator : estimator
        The weak learner.
    rule : LoweredSource or FrozenSource
        How errors are measured and weights move.
    n_rounds : int
        Number of rounds; fewer are made where the rest would repeat the last.
    rng : RandomState
        Draws the random states of the weak learners.
    classes : bool
        Whether labels are classes, else values.
    choices : list of ndarray of int, default=None
        Row numbers of each candidate's training rows: of the candidates the one with
        the least error on the target is the round's, of equal ones the one with the
        least error on its own rows. None: one candidate, all rows.

    Returns
    -------
    Rounds
    """
    every = [slice(None)] if choices is None else choices
    fits = _fits(estimator, rows, every, rng, classes=classes)
    losses_of = label_losses if classes else value_losses
    is_target, total = rows.domain < 0, rows.weight.sum()
    weight, models, errors, shares, chosen = rows.weight / total, [], [], [], []
    for _ in range(n_rounds):
        shares.append(float(weight[~is_target].sum()))
        # Weights of mean one: a penalty of the learner means what it does elsewhere.
        fitted = [
            fit(weight=total * weight[choice])
            for fit, choice in zip(fits, every, strict=True)
        ]
        chosen.append(_least_error(fitted, rows, every, weight, losses_of))
        models.append(fitted[chosen[-1]])
        losses = losses_of(models[-1], rows.X, rows.y)
        errors.append(rule.error(weight, losses, is_target))
        if rule.is_over(weight, losses, is_target):
            break
        weight = rule.next_weights(weight, losses, is_target)
    return Rounds(models, np.array(errors), np.array(shares), np.array(chosen))
