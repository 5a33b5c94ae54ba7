"""The matrices L of domain discrepancies, as few orthonormal vectors with weights.

Every one is ``L = V diag(w) V'``, for rows in the order source, target, on the scale
of the published codes: a matrix over its Frobenius norm. With rows F of features or of
a Gram matrix, ``tr(F' L F)`` is

- marginal: the squared distance of the domains' means;
- of classes: that, and the squared distances of each class's means (Long 2013),
  balanced (Wang 2017), or with the classes' shares as weights (ibid.);
- of the joint distribution: squared distances of the classes' parts of the means, less
  those of different classes (Zhang and Wu 2020); it has negative weights.
"""

from dataclasses import dataclass

import numpy as np

__all__ = [
    "Discrepancy",
    "class_discrepancy",
    "domain_gap",
    "joint_discrepancy",
    "marginal_discrepancy",
]


@dataclass(frozen=True)
class Discrepancy:
    """L = V diag(w) V'.

    Attributes
    ----------
    vectors : ndarray of shape (n_samples, rank)
        V, with orthonormal columns.
    weights : ndarray of shape (rank,)
        w, none of them zero.
    """

    vectors: np.ndarray
    weights: np.ndarray

    @property
    def is_signed(self):
        """Whether a weight is negative."""
        return bool(self.weights.min() < 0)


def domain_gap(n_source, n_target, dtype=np.float64):
    """Return e / |e|, e = 1 / n_source on source rows and -1 / n_target on target."""
    gap = np.r_[np.full(n_source, 1.0 / n_source), np.full(n_target, -1.0 / n_target)]
    return (gap / np.linalg.norm(gap)).astype(dtype)


def marginal_discrepancy(n_source, n_target):
    """Discrepancy of the means of two domains: rank one."""
    return Discrepancy(domain_gap(n_source, n_target)[:, None], np.ones(1))


def class_discrepancy(
    y_source, y_target, n_classes, *, balance=0.5, class_weighted=False
):
    """Discrepancy of the domains' means and of those of each class.

    Parameters
    ----------
    y_source, y_target : ndarray of shape (n_samples,)
        Class numbers, or -1 for rows that are in no class.
    n_classes : int
        Number of classes. Classes that a domain lacks are left out.
    balance : float, default=0.5
        Between 0, the domains' means alone, and 1, the classes alone. At 0.5 the means
        of the domains weigh as much as those of all classes together, as in the
        published codes of joint distribution adaptation.
    class_weighted : bool, default=False
        Whether each class's means are multiplied by the root of its share of their
        domain. The classes weigh one in sum then, and so do the domains' means.

    Returns
    -------
    Discrepancy
    """
    n_source, n_target = len(y_source), len(y_target)
    source = _indicators(y_source, n_classes)
    target = _indicators(y_target, n_classes)
    in_source, in_target = source.sum(axis=0), target.sum(axis=0)
    both = (in_source > 0) & (in_target > 0)
    source = source[:, both] / in_source[both]
    target = target[:, both] / in_target[both]
    if class_weighted:
        source *= np.sqrt(in_source[both] / n_source)
        target *= np.sqrt(in_target[both] / n_target)
    means = np.r_[np.full(n_source, 1 / n_source), np.full(n_target, -1 / n_target)]
    vectors = np.c_[means, np.r_[source, -target]]
    weights = np.full(vectors.shape[1], float(balance))
    weights[0] = (1 - balance) * (1 if class_weighted else n_classes)
    if not weights.any():
        # The classes alone count, and there is none in both domains.
        return marginal_discrepancy(n_source, n_target)
    found = _reduced(vectors, np.diag(weights))
    return Discrepancy(found.vectors, found.weights / np.linalg.norm(found.weights))


def joint_discrepancy(y_source, y_target, n_classes, *, discrimination=0.1):
    """Discrepancy within the same classes, less that between different ones.

    Either part is over its Frobenius norm, their difference is not.

    Parameters
    ----------
    y_source, y_target : ndarray of shape (n_samples,)
        Class numbers, or -1 for rows that are in no class.
    n_classes : int
        Number of classes.
    discrimination : float, default=0.1
        How much the distances between different classes count.

    Returns
    -------
    Discrepancy
    """
    source = _indicators(y_source, n_classes) / len(y_source)
    target = _indicators(y_target, n_classes) / len(y_target)
    vectors = np.r_[
        np.c_[source, np.zeros_like(source)], np.c_[np.zeros_like(target), target]
    ]
    same = np.eye(n_classes)
    other = 1.0 - same
    transfer = np.block([[same, -same], [-same, same]])
    spread = np.block(
        [[(n_classes - 1) * same, -other], [-other, (n_classes - 1) * same]]
    )
    gram = vectors.T @ vectors
    core = transfer / _frobenius(transfer, gram)
    if n_classes > 1:
        core = core - discrimination * spread / _frobenius(spread, gram)
    return _reduced(vectors, core)


def _indicators(y, n_classes):
    return (y[:, None] == np.arange(n_classes)).astype(np.float64)


def _frobenius(core, gram):
    """Norm of ``V core V'`` from ``V' V``."""
    product = core @ gram
    return np.sqrt(np.sum(product * product.T))


def _reduced(vectors, core):
    """Write ``V core V'`` with orthonormal vectors."""
    squares, basis = np.linalg.eigh(vectors.T @ vectors)
    kept = squares > 1e-12 * squares[-1]
    scales, basis = np.sqrt(squares[kept]), basis[:, kept]
    inner = scales[:, None] * (basis.T @ core @ basis) * scales
    weights, rotation = np.linalg.eigh(inner)
    kept = np.abs(weights) > 1e-12 * np.abs(weights).max()
    orthonormal = vectors @ ((basis / scales) @ rotation[:, kept])
    return Discrepancy(orthonormal, weights[kept])
