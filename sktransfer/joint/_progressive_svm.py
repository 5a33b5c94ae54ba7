"""Support vector machines that walk from the source to the target.

Round by round, target rows inside the margin enter with the class the machines give
them, source rows far from the hyperplane of their class leave, and costs move from the
one domain to the other. Two classes have one machine, more have one each against the
rest; all share the same target labels, so a row is never in two classes.

The machines of the walk learn from parts of one Gram matrix of all rows, which costs a
product of the rows with themselves; each of them would compute much of it again.
"""

import numpy as np
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.svm import SVC

__all__ = ["class_decisions", "progressive_svm"]

_ENTRY = 0.1


def class_decisions(machines, X):
    """Return one decision a class; two classes share one up to the sign.

    Parameters
    ----------
    machines : list of SVC
        One, or one for each class; their classes are -1 and 1.
    X : ndarray of shape (n_samples, n_features)
        Rows, or their kernels with the rows that the machines were trained on.

    Returns
    -------
    ndarray of shape (n_samples, n_classes)
    """
    decisions = [machine.decision_function(X) for machine in machines]
    if len(decisions) == 1:
        decisions = [-decisions[0], decisions[0]]
    return np.column_stack(decisions)


def progressive_svm(
    X_source,
    y_source,
    X_target,
    y_target,
    n_classes,
    *,
    C,
    C_target,
    n_per_round,
    n_ramp,
    beta,
    max_iter,
    svc_params,
):
    """Train on the source, then replace it by target rows, some a round.

    Parameters
    ----------
    X_source : ndarray of shape (n_source, n_features)
        Source rows.
    y_source : ndarray of shape (n_source,)
        Class numbers.
    X_target : ndarray of shape (n_target, n_features)
        Target rows.
    y_target : ndarray of shape (n_target,)
        Class numbers, -1 where there is none. Given ones are kept and count fully.
    n_classes : int
        Number of classes; each has a labelled row.
    C, C_target : float
        Cost of a source row at the start and of a target row in the end.
    n_per_round : int
        How many rows of a class enter, and how many leave, in a round.
    n_ramp : int
        Rounds in which costs fall (source) and rise (target) between a tenth and all.
    beta : float
        Share of the target rows that may be open, or change their label, in the end.
    max_iter : int
        Largest number of rounds.
    svc_params : dict
        Kernel and its width for `SVC`.

    Returns
    -------
    machines : list of SVC
        The last machines: one for two classes, else one for each class.
    n_trained : int
        How often they were trained, on the source included.
    converged : bool
        Whether the loop ended by itself.
    """
    given = y_target >= 0
    labels = y_target.copy()  # -1: outside the training set
    age = np.where(given, n_ramp, 0)
    n_source = len(X_source)
    kept = np.ones(n_source, dtype=bool)
    allowed = beta * max(np.sum(~given), 1)
    positive = range(n_classes) if n_classes > 2 else [1]
    X = np.r_[X_source, X_target]
    gram = None if given.all() else _gram(X, **svc_params)

    def train(n_rounds, final=False):
        inside = labels >= 0
        share = min(n_rounds / n_ramp, 1.0)
        source_cost = C * (1 - (1 - _ENTRY) * share**2)
        grown = np.minimum(age[inside] / n_ramp, 1.0)
        target_cost = C_target * (_ENTRY + (1 - _ENTRY) * grown**2)
        rows = np.flatnonzero(np.r_[kept, inside])
        classes = np.r_[y_source, labels][rows]
        costs = np.r_[np.full(kept.sum(), source_cost), target_cost]
        params = svc_params if final else {"kernel": "precomputed"}
        given_rows = X[rows] if final else gram[np.ix_(rows, rows)]
        machines = [
            SVC(C=1.0, random_state=0, **params).fit(
                given_rows, np.where(classes == label, 1, -1), sample_weight=costs
            )
            for label in positive
        ]
        return machines, rows

    if given.all():
        return train(0, final=True)[0], 1, True
    machines, rows = train(0)
    for n_rounds in range(1, max_iter + 1):
        state = labels.copy(), age.copy()  # of the machines at hand
        decisions = class_decisions(machines, gram[n_source:, rows])
        predicted, size = decisions.argmax(axis=1), _margins(decisions)
        changed = ~given & (labels >= 0) & (predicted != labels)
        changed &= ~_last_of_their_class(decisions, labels, changed, y_source[kept])
        labels[changed], age[changed] = -1, 0
        age[labels >= 0] += 1
        entering = _entering(predicted, size, labels, n_classes, n_per_round)
        n_open = np.sum((labels < 0) & (size < 1)) + np.sum(changed)
        if not kept.any() and n_open <= allowed:
            labels, age = state
            return train(n_rounds - 1, final=True)[0], n_rounds, True
        labels[entering] = predicted[entering]
        if kept.any():
            size = np.full(len(kept), -np.inf)
            own = class_decisions(machines, gram[:n_source][kept][:, rows])
            size[kept] = np.abs(own[np.arange(len(own)), y_source[kept]])
            kept &= ~_leaving(size, y_source, kept, labels, n_classes, n_per_round)
        machines, rows = train(n_rounds)
    return train(max_iter, final=True)[0], max_iter + 1, False


def _gram(X, kernel, gamma=None):
    """Return the kernel of all pairs of rows, as `SVC` defines it."""
    params = {"linear": {}, "rbf": {"gamma": gamma}}.get(
        kernel, {"gamma": gamma, "coef0": 0.0}
    )
    return pairwise_kernels(X.astype(np.float64), metric=kernel, **params)


def _margins(decisions):
    """Return half the lead of the first class: for two, the distance in margins."""
    best = np.partition(decisions, -2, axis=1)
    return (best[:, -1] - best[:, -2]) / 2


def _last_of_their_class(decisions, labels, changed, y_kept):
    """Return the mask of rows without which a class would have none: one a class."""
    last = np.zeros(len(labels), dtype=bool)
    staying = set(y_kept) | set(labels[(labels >= 0) & ~changed])
    for label in set(labels[changed]) - staying:
        rows = np.flatnonzero(labels == label)
        last[rows[np.argmax(decisions[rows, label])]] = True
    return last


def _entering(predicted, size, labels, n_classes, n_per_round):
    """Return the surest target rows inside the margin, some of each class.

    A class that has too few of them is filled up with the rows next to the margin from
    outside, so that all classes grow alike.
    """
    numbers = []
    for label in reversed(range(n_classes)):
        rows = np.flatnonzero((predicted == label) & (labels < 0))
        own = size[rows]
        # Inside first, the surest first; then outside, the nearest first.
        order = np.lexsort((np.where(own < 1, -own, own), own >= 1))
        numbers.append(rows[order[:n_per_round]])
    return np.concatenate(numbers)


def _leaving(size, y_source, kept, labels, n_classes, n_per_round):
    """Return the mask of the source rows of each class farthest from its hyperplane.

    A class that no target row holds keeps its last source row.
    """
    leaving = np.zeros(len(kept), dtype=bool)
    for label in range(n_classes):
        rows = np.flatnonzero(kept & (y_source == label))
        spare = len(rows) if np.any(labels == label) else len(rows) - 1
        order = np.argsort(-size[rows], kind="stable")
        leaving[rows[order[: max(min(n_per_round, spare), 0)]]] = True
    return leaving
