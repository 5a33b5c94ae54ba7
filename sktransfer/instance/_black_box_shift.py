"""Black-box shift estimation: class shares of the target from a confusion matrix.

A classifier's mean prediction on the target is its confusion matrix times the target's
class shares, whatever the classifier does, as long as it does it in both domains.
"""

import numpy as np

__all__ = ["confusion_means", "estimate_prior", "indistinct"]

_SURE = 2.0


def confusion_means(predictions, labels, n_classes):
    """Return the mean prediction for each class, and how uncertain one entry is.

    Parameters
    ----------
    predictions : ndarray of shape (n_samples, n_classes)
        Probabilities, or 0 and 1, of rows that the classifier has not learnt from.
    labels : ndarray of shape (n_samples,)
        Class numbers; every class has a row.
    n_classes : int
        Number of classes.

    Returns
    -------
    confusion : ndarray of shape (n_classes, n_classes)
        Column c: the mean prediction for rows of class c.
    error : float
        Root mean squared standard error of the entries.
    """
    counts = np.bincount(labels, minlength=n_classes)
    members = np.zeros((len(labels), n_classes))
    members[np.arange(len(labels)), labels] = 1.0
    means = predictions.T @ members / counts
    squares = np.square(predictions).T @ members / counts
    variances = np.maximum(squares - np.square(means), 0) / counts
    return means, float(np.sqrt(variances.mean()))


def indistinct(confusion, error):
    """Whether the predictions hardly tell all classes apart.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        Confusion matrix.
    error : float
        Standard error of its entries.

    Returns
    -------
    bool
        Whether the smallest singular value is within two standard errors of zero.
    """
    values = np.linalg.svd(confusion, compute_uv=False)
    return bool(values[-1] <= max(_SURE * error, 1e-8 * values[0]))


def estimate_prior(confusion, predicted):
    """Solve for the class shares that give the mean prediction; clip negative ones.

    Parameters
    ----------
    confusion : ndarray of shape (..., n_classes, n_classes)
        Columns: mean predictions for the classes.
    predicted : ndarray of shape (..., n_classes)
        Mean predictions of the target.

    Returns
    -------
    ndarray of shape (..., n_classes)
        Shares, scaled to sum one.
    """
    shares = np.linalg.pinv(confusion) @ predicted[..., None]
    shares = np.maximum(shares[..., 0], 0)
    return shares / np.maximum(shares.sum(axis=-1, keepdims=True), 1e-300)
