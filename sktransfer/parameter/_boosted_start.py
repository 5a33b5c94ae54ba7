"""Scores to start boosting from, given the probabilities of a source model."""

import numpy as np

__all__ = ["class_shares", "start_scores"]

# scikit-learn's gradient boosting cuts the probabilities of `init` there.
_LEAST = np.finfo(np.float32).eps


def class_shares(codes, weight, n_classes, known):
    """Return the shares of the classes that the source lacks, 0 for those it knows.

    Parameters
    ----------
    codes : ndarray of shape (n_samples,)
        Class numbers of labelled target rows.
    weight : ndarray of shape (n_samples,)
        Their weights, > 0.
    n_classes : int
        Number of classes.
    known : ndarray of shape (n_classes,), bool
        Whether the source knows a class.

    Returns
    -------
    ndarray of shape (n_classes,)
    """
    shares = np.bincount(codes, weight, n_classes) / weight.sum()
    return np.where(known, 0.0, shares)


def start_scores(probabilities, new, smoothing):
    """Return the scores whose probabilities are the source's, smoothed.

    Parameters
    ----------
    probabilities : ndarray of shape (n_samples, n_classes)
        Probabilities of the source, 0 for classes that it lacks.
    new : ndarray of shape (n_classes,)
        Shares that the classes it lacks get in every row; the others are scaled.
    smoothing : float
        Share of the uniform distribution that is mixed in, so that no probability is 0.

    Returns
    -------
    ndarray of shape (n_samples, 1) or (n_samples, n_classes)
        For two classes the log-odds of the second, else a logarithm a class.
    """
    n_classes = probabilities.shape[1]
    shares = (1 - new.sum()) * probabilities + new
    shares = (1 - smoothing) * shares + smoothing / n_classes
    logs = np.log(np.clip(shares, _LEAST, 1 - _LEAST))
    return logs[:, 1:] - logs[:, :1] if n_classes == 2 else logs
