"""Mean kernel values of rows with each class, without an n x n array.

The value of a row with itself is left out. With it the mean of a class with itself
would be too large by the variance of its rows over their number, and the shares found
from it too even, in many columns by far.
"""

from dataclasses import dataclass

import numpy as np

from sktransfer._kernels import (
    content_subsample,
    kernel_blocks,
    kernel_matrix,
    kernel_mean,
    nystroem_map,
)

__all__ = ["ClassKernelMeans", "class_kernel_means", "landmark_kernel_means"]

_TILE = 1024


@dataclass(frozen=True)
class ClassKernelMeans:
    """Mean kernel values between rows, classes of the source, and the target.

    Attributes
    ----------
    source : ndarray of shape (n_source, n_classes)
        Of source rows with the other rows of each class; with itself for the only row
        of a class.
    target : ndarray of shape (n_target, n_classes)
        Of target rows with each class.
    attraction : ndarray of shape (n_source,)
        Of source rows with the whole target.
    """

    source: np.ndarray
    target: np.ndarray
    attraction: np.ndarray


def class_kernel_means(X_source, labels, X_target, n_classes, **params):
    """Evaluate every pair of rows once, in tiles.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    labels : ndarray of shape (n_source,)
        Class numbers; every class has a row.
    n_classes : int
        Number of classes.
    **params
        The kernel, see `sktransfer._kernels.kernel_matrix`.

    Returns
    -------
    ClassKernelMeans
    """
    members = _members(labels, n_classes)
    n_source, n_target = X_source.shape[0], X_target.shape[0]
    source, target = np.zeros((n_source, n_classes)), np.zeros((n_target, n_classes))
    attraction, own = np.zeros(n_source), np.empty(n_source)
    for rows in _parts(n_source):
        X_rows = X_source[rows]
        for columns in _parts(rows.stop):
            block = kernel_matrix(X_rows, X_source[columns], **params)
            source[rows] += block @ members[columns]
            if columns.start < rows.start:
                source[columns] += block.T @ members[rows]
            else:
                own[rows] = np.diag(block)
        for columns in _parts(n_target):
            block = kernel_matrix(X_rows, X_target[columns], **params)
            target[columns] += block.T @ members[rows]
            attraction[rows] += block.sum(axis=1) / n_target
    _leave_out(source, own, labels)
    return ClassKernelMeans(source, target, attraction)


def landmark_kernel_means(
    X_source, labels, X_target, n_classes, n_landmarks, random_state, **params
):
    """Evaluate the Nyström approximation of the kernel on source rows as landmarks.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    labels : ndarray of shape (n_source,)
        Class numbers; every class has a row.
    n_classes : int
        Number of classes.
    n_landmarks : int
        Number of landmarks.
    random_state : RandomState instance
        For their draw.
    **params
        The kernel.

    Returns
    -------
    ClassKernelMeans
    """
    landmarks = X_source[content_subsample(X_source, n_landmarks, random_state)]
    factor = nystroem_map(landmarks, **params).factor
    means = [X_source[labels == c] for c in range(n_classes)] + [X_target]
    means = np.column_stack([kernel_mean(landmarks, X, **params) for X in means])
    onto = factor @ (factor.T @ means)
    source = np.empty((X_source.shape[0], n_classes + 1))
    target, own = np.empty((X_target.shape[0], n_classes + 1)), np.empty(len(labels))
    for rows, block in kernel_blocks(X_source, landmarks, **params):
        np.matmul(block, onto, out=source[rows])
        own[rows] = np.square(block @ factor).sum(axis=1)
    for rows, block in kernel_blocks(X_target, landmarks, **params):
        np.matmul(block, onto, out=target[rows])
    _leave_out(source[:, :-1], own, labels)
    return ClassKernelMeans(source[:, :-1], target[:, :-1], source[:, -1])


def _leave_out(means, own, labels):
    """Take a row's value with itself out of its mean with its class."""
    counts = np.bincount(labels)[labels]
    rows = np.flatnonzero(counts > 1)
    columns, counts = labels[rows], counts[rows]
    total = counts * means[rows, columns] - own[rows]
    means[rows, columns] = total / (counts - 1)


def _members(labels, n_classes):
    """Return one column a class: one over its size on its rows, zero elsewhere."""
    members = np.zeros((len(labels), n_classes))
    members[np.arange(len(labels)), labels] = 1.0
    return members / np.bincount(labels, minlength=n_classes)


def _parts(n):
    return [slice(start, min(start + _TILE, n)) for start in range(0, n, _TILE)]
