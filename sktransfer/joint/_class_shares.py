"""Entropic plans of labelled sources, class proportions given or found along with them.

Under target shift each source gives every class the share that the target has; the
shares, too, are variables of the transport problem.
"""

import numpy as np
from scipy import sparse

from sktransfer.joint._class_offsets import offsets_that_agree, offsets_to_shares
from sktransfer.joint._entropic_transport import entropic_transport

__all__ = [
    "domain_rows",
    "proportional_transport",
    "tied_class_weights",
    "uniform_transport",
]

_LEAST_LOG_SHARE = np.log(1e-12)
_MOST_OFFSETS = 300


def domain_rows(domain, labels, n_classes):
    """Return the rows of each source, and how many of each class there are.

    Where every source lacks some class, all count as one.

    Parameters
    ----------
    domain : ndarray of shape (n_source,)
        Number of each row's source.
    labels : ndarray of shape (n_source,)
        Class numbers; every class has a row.
    n_classes : int
        Number of classes.

    Returns
    -------
    rows : list of ndarray of shape (n_k,)
        Row numbers of each source.
    counts : ndarray of shape (n_sources, n_classes)
        Numbers of rows.
    """
    rows = [np.flatnonzero(domain == number) for number in np.unique(domain)]
    counts = np.array([np.bincount(labels[i], minlength=n_classes) for i in rows])
    if counts.all(axis=1).any():
        return rows, counts
    return [np.arange(len(labels))], counts.sum(axis=0, keepdims=True)


def tied_class_weights(sums, labels, counts):
    """Return row weights that give a class the same share in all sources.

    The shares are those of the projection: for each class, the geometric mean of its
    rows' sums, times their number. Only sources that hold all classes count in it.

    Parameters
    ----------
    sums : list of ndarray of shape (n_k,)
        Logarithms of the rows' sums at potentials of zero.
    labels : list of ndarray of shape (n_k,)
        Class numbers.
    counts : ndarray of shape (n_sources, n_classes)
        Number of rows of each class in each source, at least one of which holds all
        classes.

    Returns
    -------
    weights : list of ndarray of shape (n_k,)
        The share of a row's class over the number of the class's rows in the source.
    shares : ndarray of shape (n_classes,)
        Shares of the classes, at least 1e-12. They sum to one at convergence.
    """
    logs = [
        np.bincount(own, each) / n + np.log(n)
        for each, own, n in zip(sums, labels, counts, strict=True)
        if n.all()
    ]
    shares = np.exp(np.maximum(np.mean(logs, axis=0), _LEAST_LOG_SHARE))
    pairs = zip(labels, np.maximum(counts, 1), strict=True)
    return [(shares / n)[own] for own, n in pairs], shares


def _memberships(labels, n_classes):
    pairs = labels, np.arange(len(labels))
    shape = n_classes, len(labels)
    return sparse.csr_array((np.ones(len(labels)), pairs), shape=shape)


def uniform_transport(costs, labels, n_classes, *, tol, max_iter, start=None):
    """Transport one source whose rows all weigh the same.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs, divided by the weight of the entropy.
    labels : ndarray of shape (n_source,)
        Class numbers; every class has a row. They speed the iterations up.
    n_classes : int
        Number of classes.
    tol, max_iter : float, int
        As in `entropic_transport`.
    start : ndarray of shape (n_source,), default=None
        Potentials of the rows to begin with.

    Returns
    -------
    tuple
        What `entropic_transport` returns.
    """
    weights = np.full(len(labels), 1 / len(labels))
    members = _memberships(labels, n_classes)
    shares = members @ weights

    def shift(kernels):
        (kernel,) = kernels
        found = offsets_to_shares(kernel.class_masses(members), shares)
        kernel.shift_rows(found[labels])

    return entropic_transport(
        [costs],
        lambda sums: [weights],
        [False],
        tol=tol,
        max_iter=max_iter,
        shift=shift if 1 < n_classes <= _MOST_OFFSETS else None,
        starts=[start],
    )


def proportional_transport(costs, labels, counts, capped, *, tol, max_iter):
    """Transport all sources with the class proportions that make it cheapest.

    A source that lacks a class moves the mass of the classes it has, and leaves the
    rest of the target out.

    Parameters
    ----------
    costs : list of ndarray of shape (n_k, n_target)
        Costs, divided by the weight of the entropy.
    labels : list of ndarray of shape (n_k,)
        Class numbers.
    counts : ndarray of shape (n_sources, n_classes)
        Numbers of rows; at least one source holds all classes.
    capped : list of bool
        Which sources lack a class.
    tol, max_iter : float, int
        As in `entropic_transport`.

    Returns
    -------
    shares : ndarray of shape (n_classes,)
        The target's class proportions.
    found : tuple
        What `entropic_transport` returns.
    """
    shares = np.empty(0)
    full = [k for k, cap in enumerate(capped) if not cap]
    members = [_memberships(own, counts.shape[1]) for own in labels]

    def row_weights(sums):
        nonlocal shares
        weights, shares = tied_class_weights(sums, labels, counts)
        return weights

    def shift(kernels):
        found = offsets_that_agree([kernels[k].class_masses(members[k]) for k in full])
        for k, own in zip(full, found, strict=True):
            kernels[k].shift_rows(own[labels[k]])

    found = entropic_transport(
        costs,
        row_weights,
        capped,
        tol=tol,
        max_iter=max_iter,
        shift=shift if 1 < len(full) <= _MOST_OFFSETS / counts.shape[1] else None,
    )
    return shares / shares.sum(), found
