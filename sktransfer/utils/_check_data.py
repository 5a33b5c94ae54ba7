"""Small shifted data sets, and one result per row, for the public estimator checks."""

from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_regressor

from sktransfer.base import BaseAligner, BaseSelector, BaseWeighter

__all__ = [
    "ShiftedData",
    "data_for",
    "degenerate_data",
    "kind_of",
    "result",
    "shifted_data",
]


@dataclass(frozen=True)
class ShiftedData:
    """Rows of both domains interleaved, and new target rows."""

    X: np.ndarray
    y: np.ndarray
    domain: np.ndarray
    X_new: np.ndarray
    y_new: np.ndarray

    def with_(self, **changes):
        """Return a copy with some arrays replaced."""
        return replace(self, **changes)

    def rows(self, index):
        """Return a copy with the rows of fit taken in another order."""
        return replace(
            self, X=self.X[index], y=self.y[index], domain=self.domain[index]
        )


def _draw(rng, n, shift, regression, n_classes):
    # Well separated classes in four columns, moved and squeezed in the target.
    labels = np.arange(n) % n_classes
    X = rng.normal(size=(n, 4)) * (1.0 - 0.3 * bool(shift))
    X[:, : n_classes - 1] += 3.0 * np.eye(n_classes)[labels, 1:]
    values = X[:, 0] + 0.3 * X[:, 1] if regression else labels
    return X + shift * np.array([0.5, 0.5, -0.5, 0.0]), values


def shifted_data(
    *, regression=False, shift=1.0, n_source=60, n_target=40, seed=0, n_classes=2
):
    """Draw source and target rows, a quarter of the target labelled."""
    rng = np.random.RandomState(seed)
    X_source, y_source = _draw(rng, n_source, 0.0, regression, n_classes)
    X_target, y_target = _draw(rng, n_target, shift, regression, n_classes)
    X_new, y_new = _draw(rng, 30, shift, regression, n_classes)
    y_target = y_target.copy()
    y_target[n_target // 4 :] = np.nan if regression else -1
    X, y = np.r_[X_source, X_target], np.r_[y_source, y_target]
    domain = np.r_[np.ones(n_source, int), -np.ones(n_target, int)]
    order = rng.permutation(len(X))
    return ShiftedData(X[order], y[order], domain[order], X_new, y_new)


def degenerate_data(data):
    """Yield the name and the data of cases in which many methods break."""
    source = np.flatnonzero(data.domain > 0)
    constant = data.X.copy()
    constant[:, 1] = 4.0
    first = np.r_[source[:1], np.flatnonzero(data.domain < 0)]
    if data.y.dtype.kind == "f":
        alike = "one value", data.with_(y=np.where(np.isnan(data.y), np.nan, 2.0))
    else:
        one_class = np.flatnonzero((data.domain < 0) | (data.y == 0))
        alike = "one class", data.rows(one_class)
    wide = np.random.RandomState(0).normal(size=(len(data.X), 120))
    yield "one source row", data.rows(first)
    yield alike
    yield "a constant column", data.with_(X=constant)
    yield "duplicated rows", data.rows(np.repeat(np.arange(len(data.X)), 2))
    yield "equal rows", data.with_(X=np.ones_like(data.X))
    yield "fewer rows than columns", data.with_(X=wide, X_new=wide[:5])
    yield (
        "one target row",
        data.rows(np.r_[source, np.flatnonzero(data.domain < 0)[:1]]),
    )
    yield (
        "domains far apart",
        data.with_(
            X=data.X + 50.0 * (data.domain < 0)[:, None], X_new=data.X_new + 50.0
        ),
    )


def kind_of(estimator):
    """Return which contract of sktransfer the estimator follows."""
    for kind, base in (
        ("aligner", BaseAligner),
        ("weighter", BaseWeighter),
        ("selector", BaseSelector),
    ):
        if isinstance(estimator, base):
            return kind
    return "regressor" if is_regressor(estimator) else "classifier"


def data_for(estimator, **kwargs):
    """Draw `shifted_data` with three classes, or values for a regressor."""
    regression = kind_of(estimator) == "regressor"
    n_classes = 2 if regression else 3
    return shifted_data(regression=regression, n_classes=n_classes, **kwargs)


def _dense(array):
    return array.toarray() if sparse.issparse(array) else np.asarray(array)


def result(estimator, data):
    """Fit a clone and return what it says: per row of fit, and for the new rows.

    Either may be None. Aligners give the mapped rows, weighters weights, selectors 0
    and 1, classifiers probabilities (or decisions, or labels), regressors values.
    """
    fitted = clone(estimator)
    if fitted.get_params().get("random_state", 0) is None:
        fitted.set_params(random_state=0)
    kind = kind_of(estimator)
    fit = {"y": data.y, "sample_domain": data.domain}
    if kind == "aligner":
        mapped = fitted.fit_transform(data.X, **fit)
        return _dense(mapped), _dense(fitted.transform(data.X_new))
    fitted.fit(data.X, **fit)
    if kind in ("weighter", "selector"):
        return np.asarray(fitted.sample_weight_), None
    for name in ("predict_proba", "decision_function"):
        if hasattr(fitted, name):
            return None, np.asarray(getattr(fitted, name)(data.X_new))
    if hasattr(fitted, "predict"):
        predicted = np.asarray(fitted.predict(data.X_new))
        if kind == "classifier":
            # The number of the class, so that names can be compared with integers.
            predicted = np.searchsorted(fitted.classes_, predicted)
        return None, predicted
    raise TypeError(f"{estimator!r} has no method to predict with.")
