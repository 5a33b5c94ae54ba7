"""How each strategy of `InstanceSelector` scores the source rows.

A strategy is a function of the selector's parameters, the rows and what is wanted. It
returns the mask of the rows that it keeps by itself, a score for each source row, and
a scorer of any rows.
"""

from dataclasses import dataclass

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags

from sktransfer._joined_rows import join_rows
from sktransfer._kernels import (
    KERNELS,
    Kernel,
    check_kernel,
    kernel_matrix,
    kernel_mean,
    resolve_gamma,
)
from sktransfer._validation import check_number
from sktransfer.base import BaseWeighter
from sktransfer.instance._agreement import (
    AgreementScorer,
    agreement_scores,
    target_model,
)
from sktransfer.instance._choice import choose
from sktransfer.instance._herding import herd, near_enough
from sktransfer.instance._influence import fit_influence, removal_scores
from sktransfer.instance._landmarks import landmark_weights
from sktransfer.instance._local_agreement import fit_local_agreement
from sktransfer.instance._local_mean import LocalMean
from sktransfer.instance._nearest import fit_nearest
from sktransfer.instance._witness import Witness
from sktransfer.joint._self_training import takes_sparse

__all__ = ["STRATEGIES", "SelectorRows", "classes_of", "is_float", "sparse_or_why"]

# A landmark has at least this part of the weight that it had if all were equal.
_LANDMARK_SHARE = 0.01


@dataclass(frozen=True)
class SelectorRows:
    """The rows of fit, labels as `encode_labels` writes them, and the classes' names.

    Parameters
    ----------
    X, X_target : {ndarray, sparse matrix} of shape (n_rows, n_features)
        Rows of the source and of the target.
    y, y_target : ndarray of shape (n_rows,) or (n_rows, n_outputs), or None
        Their labels.
    names : ndarray of shape (n_classes,) or None
        What the class numbers stand for; None for values.
    """

    X: object
    y: np.ndarray | None
    X_target: object
    y_target: np.ndarray | None
    names: np.ndarray | None


@dataclass(frozen=True)
class RowScorer:
    """A function of rows that reads no labels, as a scorer."""

    function: object

    reads_labels = False

    def __call__(self, X, y=None):
        """Return the function's values."""
        return np.asarray(self.function(X), dtype=np.float64)


def sparse_or_why(params):
    """Return None if the strategy takes sparse rows, else why not."""
    strategy, kernel = params.strategy, params.kernel
    if strategy == "influence":
        return "it works with second derivatives by all pairs of columns"
    if strategy in ("landmarks", "herding"):
        named = isinstance(kernel, str) and kernel in KERNELS
        return None if named else f"kernel={kernel!r} may not take them"
    if strategy in ("agreement", "dynamic") and not takes_sparse(params.estimator):
        return f"estimator={params.estimator!r} takes none"
    weighter = _weighter(params)
    weighs = isinstance(weighter, BaseWeighter)
    if strategy == "density_ratio" and not (
        weighs and get_tags(weighter).input_tags.sparse
    ):
        return f"weighter={weighter!r} takes none"
    return None


def is_float(y):
    """Whether labels are values rather than classes."""
    return y is not None and y.dtype.kind == "f"


def classes_of(y):
    """Return labels that are classes, or None."""
    return None if is_float(y) else y


def _check_classes(rows, strategy):
    if classes_of(rows.y) is None or not np.any(rows.y >= 0):
        raise ValueError(
            f"strategy={strategy!r} needs source rows labelled with classes, got "
            f"{'labels of regression' if is_float(rows.y) else 'no label'}. Use "
            "'nearest', 'density_ratio', 'landmarks' or 'herding', which need none."
        )


def _probabilistic(estimator):
    if estimator is None:
        return LogisticRegression(max_iter=1000)
    if not hasattr(estimator, "predict_proba"):
        raise ValueError(
            "`estimator` must be a classifier with predict_proba or None, got "
            f"{estimator!r}. CalibratedClassifierCV adds it to any classifier."
        )
    return estimator


def by_nearest(params, rows, wanted):
    """Count the target rows that have a source row among their nearest."""
    votes, scores, scorer = fit_nearest(rows.X, rows.X_target, params.n_neighbors)
    return votes > 0, scores, scorer


def by_density_ratio(params, rows, wanted):
    """Weigh the source rows."""
    weighter = _weighter(params)
    if not isinstance(weighter, BaseWeighter):
        raise ValueError(
            "`weighter` must be a weighter of sktransfer (a BaseWeighter) or None, "
            f"got {weighter!r}."
        )
    # NaN marks a missing label beyond doubt; -1 might be taken for a class.
    n_source, n_target = rows.X.shape[0], rows.X_target.shape[0]
    labels = np.full(n_source + n_target, np.nan)
    if classes_of(rows.y) is not None:
        labels[:n_source] = np.where(rows.y >= 0, rows.y, np.nan)
    both = join_rows(rows.X, rows.X_target)
    fitted = clone(weighter).fit(
        both,
        labels,
        sample_domain=np.repeat([1, -1], [n_source, n_target]),
    )
    scores = fitted.sample_weight_[:n_source].astype(np.float64)
    if hasattr(fitted, "weigh"):
        scorer = RowScorer(fitted.weigh)
    else:
        gamma = resolve_gamma(params.gamma, both)
        scorer = LocalMean(rows.X.astype(np.float64), scores, gamma)
    return choose(scores, max(1, (n_source + 1) // 2)), scores, scorer


def _weighter(params):
    if params.weighter is not None:
        return params.weighter
    # Only this strategy needs it.
    from sktransfer.instance._kernel_mean_matching import KernelMeanMatchingWeighter

    return KernelMeanMatchingWeighter()


def _kernel_problem(params, rows):
    """Return the kernel, the rows in float64, and the target's mean kernel value."""
    check_kernel(params.kernel)
    check_number("degree", params.degree, low=0)
    check_number("coef0", params.coef0)
    X, X_target = rows.X.astype(np.float64), rows.X_target.astype(np.float64)
    gamma = resolve_gamma(params.gamma, join_rows(X, X_target), kernel=params.kernel)
    kernel = Kernel(params.kernel, gamma, params.degree, params.coef0)
    return kernel, X, X_target, kernel_mean(X, X_target, **kernel.params)


def by_landmarks(params, rows, wanted):
    """Weigh rows so that their mean in the kernel's space is the target's."""
    kernel, X, X_target, kappa = _kernel_problem(params, rows)
    weights = landmark_weights(
        kernel_matrix(X, **kernel.params), kappa, classes_of(rows.y)
    )
    scores = weights * X.shape[0]
    on = np.flatnonzero(weights)
    return (
        scores > _LANDMARK_SHARE,
        scores,
        Witness(kernel, X_target, X[on], weights[on]),
    )


def by_herding(params, rows, wanted):
    """Pick rows one by one so that their mean is the target's."""
    kernel, X, X_target, kappa = _kernel_problem(params, rows)
    if wanted.counted:
        count = wanted.count(0)
    else:
        order, n_best, _ = herd(X, kappa, kernel, enough=near_enough(X_target, kernel))
        count = wanted.count(n_best)
    if wanted.counted or wanted.classes is not None:
        classes, quotas = wanted.quotas(count)
        order, _, _ = herd(
            X, kappa, kernel, n_picks=count, classes=classes, quotas=quotas
        )
    picks, n_best = order[:count], count
    kept = np.zeros(X.shape[0], dtype=bool)
    kept[picks] = True
    witness = Witness(kernel, X_target, X[picks], np.full(n_best, 1 / n_best))
    rest = np.flatnonzero(~kept)
    rest = rest[np.argsort(-witness(X[rest]), kind="stable")]
    scores = np.empty(X.shape[0])
    scores[np.r_[picks, rest]] = np.arange(X.shape[0], 0, -1)
    return kept, scores, witness


def by_agreement(params, rows, wanted):
    """Judge the rows' labels by a model of the target."""
    _check_classes(rows, "agreement")
    estimator = _probabilistic(params.estimator)
    model = target_model(estimator, rows.X, rows.y, rows.X_target, rows.y_target)
    contradicted, scores = agreement_scores(model, rows.X, rows.y)
    return ~contradicted, scores, AgreementScorer(model)


def by_dynamic(params, rows, wanted):
    """Judge rows near target rows by models of their neighbourhoods."""
    _check_classes(rows, "dynamic")
    estimator = _probabilistic(params.estimator)
    return fit_local_agreement(
        estimator, rows.X, rows.y, rows.X_target, params.n_neighbors
    )


def by_influence(params, rows, wanted):
    """Ask what the loss on the target's labels would be without each row."""
    alpha, regression = _linear_penalty(params.estimator, is_float(rows.y))
    _check_both_labeled(rows)
    values = None
    if regression and not is_float(rows.y):
        values = _as_values(rows.names)
    model = fit_influence(
        rows.X,
        rows.y,
        rows.X_target,
        rows.y_target,
        alpha=alpha,
        logistic=not regression,
        values=values,
    )
    harmful, scores = removal_scores(model, rows.X, rows.y)
    if harmful.all() and not wanted.counted:
        raise ValueError(
            "strategy='influence' left no source row: the loss on the labelled target "
            "rows would fall without any one of them. Learn from the target alone, or "
            "ask for a number of rows by `fraction` or `n_select`."
        )
    return ~harmful, scores, model


def _linear_penalty(estimator, values):
    """Return the penalty, and whether the labels are values."""
    if estimator is None:
        return 1.0, values
    if type(estimator) is Ridge:
        name, alpha, regression = "alpha", estimator.alpha, True
    elif type(estimator) is LogisticRegression:
        name, alpha, regression = "C", estimator.C, False
    else:
        raise ValueError(
            "`estimator` of strategy='influence' must be a LogisticRegression, a Ridge "
            f"or None, got {estimator!r}."
        )
    check_number(f"estimator.{name}", alpha, low=0, low_open=True)
    if values and not regression:
        raise ValueError(
            "`estimator` must be a Ridge or None for labels of regression, got "
            f"{estimator!r}."
        )
    return (alpha if regression else 1 / alpha), regression


def _as_values(names):
    if np.asarray(names).dtype.kind not in "biuf":
        raise ValueError(
            "`estimator` may be a Ridge only if the labels are numbers, got labels "
            f"such as {names[0]!r}. Use a LogisticRegression or None."
        )
    return np.asarray(names, dtype=np.float64)


def _check_both_labeled(rows):
    for domain, y in (("source", rows.y), ("target", rows.y_target)):
        known = y is not None and (np.isfinite(y) if is_float(y) else y >= 0)
        if not np.any(known):
            raise ValueError(
                f"strategy='influence' needs labelled {domain} rows, got none: it "
                "compares losses on the target's labels. Use 'nearest', "
                "'density_ratio', 'landmarks' or 'herding', which need none."
            )


STRATEGIES = {
    "nearest": by_nearest,
    "density_ratio": by_density_ratio,
    "landmarks": by_landmarks,
    "herding": by_herding,
    "agreement": by_agreement,
    "influence": by_influence,
    "dynamic": by_dynamic,
}
