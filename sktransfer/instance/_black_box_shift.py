"""Black-box shift estimation: class shares of the target from a confusion matrix.

A classifier's mean prediction on the target is its confusion matrix times the target's
class shares, whatever the classifier does, as long as it does it in both domains.
"""

import numpy as np

__all__ = ["confusion_means", "estimate_prior", "indistinct"]

# Models of different folds share rows, so mean predictions vary more than those of one
# model: two standard errors let through an eighth of useless classifiers.
_SURE = 3.0


def confusion_means(predictions, labels, n_classes):
    """Return the mean prediction for each class.

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
    ndarray of shape (n_classes, n_classes)
        Column c: the mean prediction for rows of class c.
    """
    counts = np.bincount(labels, minlength=n_classes)
    members = np.zeros((len(labels), n_classes))
    members[np.arange(len(labels)), labels] = 1.0
    return predictions.T @ members / counts


def indistinct(confusion, predictions, labels):
    """Whether the predictions hardly tell all classes apart.

    With the singular vectors u and v of the smallest singular value of the confusion
    matrix, its variance is to first order the sum over classes c of v_c^2 times the
    variance of u'p, p a prediction for class c, over the number of rows of c.

    Parameters
    ----------
    confusion : ndarray of shape (n_classes, n_classes)
        What `confusion_means` returns for the others.
    predictions : ndarray of shape (n_samples, n_classes)
        Probabilities, or 0 and 1.
    labels : ndarray of shape (n_samples,)
        Class numbers.

    Returns
    -------
    bool
        Whether the smallest singular value is within three standard errors of zero.
    """
    left, values, right = np.linalg.svd(confusion)
    counts = np.bincount(labels, minlength=len(confusion))
    means = left[:, -1] @ confusion
    squares = np.square(predictions @ left[:, -1] - means[labels])
    variances = np.bincount(labels, squares, len(confusion)) / counts
    error = np.sqrt(np.sum(np.square(right[-1]) * variances / counts))
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
