"""Boosting with the source against boosting on the target alone, out of fold."""

from dataclasses import dataclass

import numpy as np

from sktransfer.instance._boosting_rows import dealt_folds

__all__ = ["Baseline", "compared_out_of_fold", "tested_folds"]


@dataclass(frozen=True)
class Baseline:
    """Scores on labelled target rows that were not trained on, or why there are none.

    Attributes
    ----------
    target_only : float or None
        Score of boosting on the other target rows alone.
    transfer : float or None
        Score with the source.
    note : str or None
        Why there are no scores.
    """

    target_only: float | None = None
    transfer: float | None = None
    note: str | None = None


def tested_folds(y, n_folds, *, classes):
    """Return the fold of each row, -1 for rows that are always trained on, or why not.

    Parameters
    ----------
    y : ndarray of shape (n_target,)
        Labels or values of the target rows, in an order of their own.
    n_folds : int
        Number of folds.
    classes : bool
        Whether labels are classes: the only row of a class is always trained on.

    Returns
    -------
    folds : ndarray of shape (n_target,) or None
        None where nothing can be told.
    note : str or None
        Why.
    """
    known, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    if classes and np.sum(counts > 1) < 2:
        return None, (
            "Two classes with two different labelled target rows each are needed, got "
            f"{counts.tolist()} rows of {len(known)} class(es)."
        )
    if len(known) < 2:
        return None, (
            "Labelled target rows of two values are needed, got "
            f"{len(y)} of {len(known)} value(s)."
        )
    folds = np.full(len(y), -1)
    tested = np.flatnonzero(counts[codes] > 1) if classes else np.arange(len(y))
    folds[tested] = dealt_folds(y[tested], n_folds)
    return folds, None


def compared_out_of_fold(rows, n_folds, fit_transfer, fit_alone, score, *, classes):
    """Compare boosting with the source and on the target alone.

    Parameters
    ----------
    rows : LabelledRows
        Source rows, then target rows.
    n_folds : int
        Number of folds of the target rows.
    fit_transfer, fit_alone : callable
        ``fit(rows)`` returns an object with `predict`.
    score : callable
        ``score(y, predicted, sample_weight=weight)``.
    classes : bool
        Whether labels are classes.

    Returns
    -------
    Baseline
    """
    target = np.flatnonzero(rows.domain < 0)
    folds, note = tested_folds(rows.y[target], n_folds, classes=classes)
    if folds is None:
        return Baseline(note=note)
    predicted = np.array([rows.y[target], rows.y[target]])
    try:
        for fold in range(folds.max() + 1):
            test = np.flatnonzero(folds == fold)
            train = np.ones(len(rows.y), dtype=bool)
            train[target[test]] = False
            kept, X_test = rows.take(train), rows.X[target[test]]
            predicted[0, test] = fit_alone(kept.target).predict(X_test)
            predicted[1, test] = fit_transfer(kept).predict(X_test)
    except ValueError as error:
        return Baseline(note=f"`estimator` cannot be fitted to a fold: {error}")
    tested = target[folds >= 0]
    alone, both = (
        float(score(rows.y[tested], p[folds >= 0], sample_weight=rows.weight[tested]))
        for p in predicted
    )
    return Baseline(alone, both)
