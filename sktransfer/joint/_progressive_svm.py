"""A support vector machine that walks from the source to the target.

Round by round, target rows inside the margin enter with the label the machine gives
them, source rows far from the hyperplane leave, and costs move from the one domain to
the other.
"""

import numpy as np
from sklearn.svm import SVC

__all__ = ["progressive_svm"]

_ENTRY = 0.1


def progressive_svm(
    X_source,
    sign_source,
    X_target,
    sign_target,
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
    sign_source : ndarray of shape (n_source,)
        Labels, +1 or -1.
    X_target : ndarray of shape (n_target, n_features)
        Target rows.
    sign_target : ndarray of shape (n_target,)
        Labels, +1 or -1, 0 where there is none. Given ones are kept and count fully.
    C, C_target : float
        Cost of a source row at the start and of a target row in the end.
    n_per_round : int
        How many rows of a side enter, and how many leave, in a round.
    n_ramp : int
        Rounds in which costs fall (source) and rise (target) between a tenth and all.
    beta : float
        Share of the target rows that may be open, or change their label, in the end.
    max_iter : int
        Largest number of rounds.
    svc_params : dict
        Kernel and its parameters for `SVC`.

    Returns
    -------
    machine : SVC
        The last machine; its classes are -1 and 1.
    n_machines : int
        Machines trained, that of the source included.
    converged : bool
        Whether the loop ended by itself.
    """
    given = sign_target != 0
    signs = sign_target.copy()  # 0: outside the training set
    age = np.where(given, n_ramp, 0)
    kept = np.ones(len(X_source), dtype=bool)
    allowed = beta * max(np.sum(~given), 1)

    def train(n_rounds):
        inside = signs != 0
        share = min(n_rounds / n_ramp, 1.0)
        source_cost = C * (1 - (1 - _ENTRY) * share**2)
        grown = np.minimum(age[inside] / n_ramp, 1.0)
        target_cost = C_target * (_ENTRY + (1 - _ENTRY) * grown**2)
        rows = np.r_[X_source[kept], X_target[inside]]
        labels = np.r_[sign_source[kept], signs[inside]]
        costs = np.r_[np.full(kept.sum(), source_cost), target_cost]
        machine = SVC(C=1.0, random_state=0, **svc_params)
        return machine.fit(rows, labels, sample_weight=costs)

    machine = train(0)
    if given.all():
        return machine, 1, True
    for n_rounds in range(1, max_iter + 1):
        decisions = machine.decision_function(X_target)
        changed = ~given & (signs != 0) & (np.where(decisions >= 0, 1, -1) != signs)
        signs[changed], age[changed] = 0, 0
        age[signs != 0] += 1
        entering = _entering(decisions, signs, n_per_round)
        open_rows = (signs == 0) & (np.abs(decisions) < 1)
        n_open = np.sum(open_rows) + np.sum(changed)
        if not kept.any() and n_open <= allowed:
            return machine, n_rounds, True
        signs[entering] = np.where(decisions[entering] >= 0, 1, -1)
        kept &= ~_leaving(machine, X_source, sign_source, kept, signs, n_per_round)
        machine = train(n_rounds)
    return machine, max_iter + 1, False


def _entering(decisions, signs, n_per_round):
    """Return the surest target rows inside the margin, some of either side.

    A side that has too few of them is filled up with the rows next to the margin from
    outside, so that both sides grow alike.
    """
    numbers = []
    for side in (decisions >= 0, decisions < 0):
        rows = np.flatnonzero(side & (signs == 0))
        size = np.abs(decisions[rows])
        # Inside first, the surest first; then outside, the nearest first.
        order = np.lexsort((np.where(size < 1, -size, size), size >= 1))
        numbers.append(rows[order[:n_per_round]])
    return np.concatenate(numbers)


def _leaving(machine, X_source, sign_source, kept, signs, n_per_round):
    """Return the mask of the source rows of either side farthest from the hyperplane.

    A side that no target row holds keeps its last source rows.
    """
    leaving = np.zeros(len(kept), dtype=bool)
    if not kept.any():
        return leaving
    size = np.full(len(kept), -np.inf)
    size[kept] = np.abs(machine.decision_function(X_source[kept]))
    for sign in (1, -1):
        rows = np.flatnonzero(kept & (sign_source == sign))
        spare = len(rows) if np.any(signs == sign) else len(rows) - 1
        order = np.argsort(-size[rows], kind="stable")
        leaving[rows[order[: max(min(n_per_round, spare), 0)]]] = True
    return leaving
