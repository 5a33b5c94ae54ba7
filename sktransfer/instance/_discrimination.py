"""The density ratio by a classifier of the domain, cross-fitted, in log odds."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, logit
from sklearn.base import clone
from sklearn.isotonic import isotonic_regression
from sklearn.linear_model import LogisticRegression

__all__ = ["ClassifierRatio", "cross_fit", "domain_folds"]

_PROBE_ROWS = 200


@dataclass(frozen=True)
class _Member:
    """A fitted classifier of the domain, and how to read log odds from it."""

    model: object
    reading: str
    n_rows: int
    log_prior: float
    calibrator: object = None

    def score(self, X):
        """Return the log odds of the target, as the classifier knows them."""
        if self.reading == "decision_function":
            return np.asarray(self.model.decision_function(X), dtype=np.float64)
        if self.reading == "predict_log_proba":
            logs = np.asarray(self.model.predict_log_proba(X), dtype=np.float64)
            return logs[:, 1] - logs[:, 0]
        probability = np.asarray(self.model.predict_proba(X)[:, 1], dtype=np.float64)
        return _bounded_logit(probability, self.n_rows)

    def ratio_of(self, score):
        """Return the log ratio of target to source for log odds."""
        if self.calibrator is not None:
            return self.calibrator(score)
        return score - self.log_prior

    def __call__(self, X):
        """Return the log ratio of target to source."""
        return self.ratio_of(self.score(X))


@dataclass(frozen=True)
class ClassifierRatio:
    """Log ratio of target to source: the mean of the members' log ratios.

    `n_rows` are the numbers of source and target rows that were told apart.
    """

    members: tuple
    n_rows: tuple
    auc: float

    def __call__(self, X):
        """Return the log ratio of each row of X."""
        return np.mean([member(X) for member in self.members], axis=0)


@dataclass(frozen=True)
class _Sigmoid:
    slope: float
    intercept: float

    def __call__(self, score):
        return self.slope * score + self.intercept


@dataclass(frozen=True)
class _Steps:
    at: np.ndarray
    values: np.ndarray

    def __call__(self, score):
        return np.interp(score, self.at, self.values)


def _bounded_logit(probability, n_rows):
    # From n rows no probability is known to be nearer to zero than 1 / (n + 2).
    least = 1.0 / (n_rows + 2)
    return logit(np.clip(probability, least, 1 - least))


def domain_folds(groups, is_target, n_folds, rng):
    """Deal rows to folds, evenly within each domain.

    Copies of a row of one domain are in one fold: else no row would be held out. A row
    that both domains have is a value rather than a copy, and its share in each domain
    is what there is to learn: such rows are dealt one by one.

    Parameters
    ----------
    groups : ndarray of shape (n_samples,), int
        Numbers of the groups of equal rows of both domains, from 0.
    is_target : ndarray of shape (n_samples,), bool
        Which rows are target rows.
    n_folds : int
        Number of folds.
    rng : RandomState
        Deals the rows.

    Returns
    -------
    ndarray of shape (n_samples,), int
        Fold of each row; -1 for rows that cannot be held out, as their domain has no
        other row than they are.
    """
    n_groups = groups.max() + 1
    in_source = np.bincount(groups[~is_target], minlength=n_groups) > 0
    in_target = np.bincount(groups[is_target], minlength=n_groups) > 0
    only = (in_source if in_source.sum() < 2 else False) | (
        in_target if in_target.sum() < 2 else np.zeros(n_groups, dtype=bool)
    )
    dealt, rank = np.flatnonzero(~only), np.zeros(n_groups, dtype=int)
    rank[dealt] = rng.permutation(len(dealt))
    # What is dealt as one: a group of copies, or after all groups a row that both have.
    is_shared = (in_source & in_target)[groups]
    units = np.where(is_shared, n_groups + np.cumsum(is_shared) - 1, groups)
    _, first = np.unique(units, return_index=True)
    first = first[~only[groups[first]]]
    # The source first, then what both domains have, then the target: dealt in turn,
    # each domain comes into every fold, or at least into two.
    kind = (in_target.astype(int) - in_source)[groups]
    keys = rank[groups], is_target & is_shared, kind
    first = first[np.lexsort([key[first] for key in keys])]
    folds = np.full(units.max() + 1, -1)
    folds[units[first]] = np.arange(len(first)) % n_folds
    return folds[units]


def cross_fit(X, is_target, folds, estimator, calibration=None):
    """Fit a classifier of the domain without each fold, and weigh the rows held out.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of both domains, in an order that does not depend on the caller's.
    is_target : ndarray of shape (n_samples,), bool
        Which rows are target rows.
    folds : ndarray of shape (n_samples,), int
        Fold of each row, -1 for rows that are never held out.
    estimator : classifier
        Cloned for each fold.
    calibration : {"sigmoid", "isotonic"} or None
        How the log odds become calibrated, on the rows held out from other folds.

    Returns
    -------
    ratio : ClassifierRatio
        The log ratio of target to source at any row.
    values : ndarray of shape (n_samples,)
        The log ratio of the rows, each by the member that did not see it; of rows that
        are never held out, by all members.
    """
    numbers = np.unique(folds[folds >= 0])
    n_rows = (int((~is_target).sum()), int(is_target.sum()))
    if not len(numbers):
        member = _fit_member(estimator, X, is_target, calibration)
        ratio = ClassifierRatio((member,), n_rows, 0.0)
        values = ratio(X)
        return replace(ratio, auc=_auc(values, is_target)), values
    members, scores = [], np.empty(len(folds))
    for number in numbers:
        seen, held_out = folds != number, folds == number
        member = _fit_member(estimator, X[seen], is_target[seen], calibration)
        members.append(member)
        scores[held_out] = member.score(X[held_out])
    values = np.empty(len(folds))
    for k, number in enumerate(numbers):
        held_out, others = folds == number, (folds >= 0) & (folds != number)
        calibrator = _calibrator(calibration, scores[others], is_target[others])
        members[k] = replace(members[k], calibrator=calibrator)
        values[held_out] = members[k].ratio_of(scores[held_out])
    ratio = ClassifierRatio(tuple(members), n_rows, 0.0)
    if np.any(folds < 0):
        values[folds < 0] = ratio(X[folds < 0])
    return replace(ratio, auc=_auc(values, is_target)), values


def _fit_member(estimator, X, is_target, calibration):
    model = clone(estimator).fit(X, is_target.astype(np.int64))
    n_rows, n_target = len(is_target), is_target.sum()
    log_prior = float(np.log(n_target) - np.log(n_rows - n_target))
    reading = _reading(model, X[: min(n_rows, _PROBE_ROWS)], calibration)
    return _Member(model, reading, n_rows, log_prior)


def _reading(model, X, calibration):
    """Choose the method whose log odds saturate least, by looking at some rows."""
    has_scores = hasattr(model, "decision_function")
    if not hasattr(model, "predict_proba"):
        if has_scores and calibration is not None:
            return "decision_function"
        raise ValueError(
            f"{type(model).__name__} has no predict_proba, so its scores are no odds. "
            "Use a probabilistic classifier"
            + (", or set calibration='sigmoid'." if has_scores else ".")
        )
    probability = model.predict_proba(X)
    if has_scores:
        scores = np.asarray(model.decision_function(X))
        # Scores of a support vector machine, for one, are no log odds.
        if scores.ndim == 1 and np.allclose(
            expit(scores), probability[:, 1], atol=1e-5
        ):
            return "decision_function"
    if hasattr(model, "predict_log_proba"):
        with np.errstate(divide="ignore"):
            logs = model.predict_log_proba(X)
            # A mere logarithm of the probabilities saturates with them.
            if not np.array_equal(logs, np.log(probability)):
                return "predict_log_proba"
    return "predict_proba"


def _calibrator(calibration, scores, is_target):
    n, n_target = len(scores), is_target.sum()
    if calibration is None or n_target in (0, n):
        return None
    log_prior = np.log(n_target) - np.log(n - n_target)
    if calibration == "sigmoid":
        return _sigmoid(scores, is_target, log_prior)
    return _steps(scores, is_target, log_prior)


def _steps(scores, is_target, log_prior):
    """Fit rising steps; the odds within one are bounded by how many rows it has."""
    # Among equal scores the target comes first, so that they end in one step.
    order = np.lexsort((~is_target, scores))
    share = isotonic_regression(is_target[order].astype(np.float64))
    _, first, sizes = np.unique(share, return_index=True, return_counts=True)
    values = _bounded_logit(share[first], sizes) - log_prior
    at = scores[order][np.stack([first, first + sizes - 1])]
    return _Steps(at.T.ravel(), np.repeat(values, 2))


def _sigmoid(scores, is_target, log_prior):
    """Fit Platt's sigmoid; his soft labels keep it finite where scores separate."""
    n_target, n_source = is_target.sum(), (~is_target).sum()
    centre, spread = scores.mean(), scores.std()
    if spread <= 1e-12 * max(1.0, abs(centre)):
        return _Sigmoid(0.0, 0.0)
    soft = np.where(is_target, (n_target + 1) / (n_target + 2), 1 / (n_source + 2))
    z = (scores - centre) / spread
    model = LogisticRegression(C=1e8, tol=1e-8, max_iter=1000)
    labels = np.r_[np.ones(len(z)), np.zeros(len(z))]
    model.fit(np.r_[z, z][:, None], labels, sample_weight=np.r_[soft, 1 - soft])
    slope = max(float(model.coef_[0, 0]), 0.0) / spread
    if slope == 0.0:
        return _Sigmoid(0.0, 0.0)
    intercept = float(model.intercept_[0]) - slope * centre - log_prior
    return _Sigmoid(slope, float(intercept))


def _auc(scores, is_target):
    """Return the chance that a target row scores above a source row; ties half."""
    _, ranks, counts = np.unique(scores, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2
    n_target, n_source = is_target.sum(), (~is_target).sum()
    total = mean_rank[ranks][is_target].sum() - n_target * (n_target + 1) / 2
    return float(total / (n_target * n_source))
