"""The matrices L of domain discrepancies, as few orthonormal vectors with weights.

Every one is ``L = V diag(w) V'``, for rows in the order source, target, on the scale
of the published codes: a matrix over its Frobenius norm. With rows F of features or of
a Gram matrix, ``tr(F' L F)`` is

- marginal: the squared distance of the domains' means;
- of classes: that, and the squared distances of each class's means (Long 2013),
  balanced (Wang 2017), or with the classes' shares as weights (ibid.);
- of the joint distribution: squared distances of the classes' parts of the means, less
  those of different classes (Zhang and Wu 2020); it has negative weights.

All rows of one domain and class, a part, have the same entries in V. So V is found and
kept by parts, at a cost that does not grow with the rows.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import linalg

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
    parts : ndarray of shape (n_samples,)
        The part of each row, a number from 0.
    values : ndarray of shape (n_parts, rank)
        The entries of V in the rows of each part; its columns are orthonormal.
    weights : ndarray of shape (rank,)
        w, none of them zero.
    """

    parts: np.ndarray
    values: np.ndarray
    weights: np.ndarray

    @cached_property
    def vectors(self):
        """V, an array of shape (n_samples, rank)."""
        return self.values[self.parts]

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
    parts = np.repeat([0, 1], [n_source, n_target])
    gap = domain_gap(n_source, n_target)
    return Discrepancy(parts, gap[[0, -1], None], np.ones(1))


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
    parts, sizes = _parts(y_source, y_target, n_classes)
    in_source, in_target = sizes.reshape(2, -1)[:, :n_classes]
    both = (in_source > 0) & (in_target > 0)
    source = np.eye(n_classes + 1)[:, :-1][:, both] / in_source[both]
    target = np.eye(n_classes + 1)[:, :-1][:, both] / in_target[both]
    if class_weighted:
        source *= np.sqrt(in_source[both] / n_source)
        target *= np.sqrt(in_target[both] / n_target)
    means = np.repeat([1 / n_source, -1 / n_target], n_classes + 1)
    values = np.c_[means, np.r_[source, -target]]
    weights = np.full(values.shape[1], float(balance))
    weights[0] = (1 - balance) * (1 if class_weighted else n_classes)
    if not weights.any():
        # The classes alone count, and there is none in both domains.
        return marginal_discrepancy(n_source, n_target)
    values, weights = _reduced(values, sizes, np.diag(weights))
    return Discrepancy(parts, values, weights / np.linalg.norm(weights))


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
    parts, sizes = _parts(y_source, y_target, n_classes)
    # Rows in no class are zero.
    classes = np.eye(n_classes + 1)[:, :-1]
    values = linalg.block_diag(classes / len(y_source), classes / len(y_target))
    same = np.eye(n_classes)
    other = 1.0 - same
    transfer = np.block([[same, -same], [-same, same]])
    spread = np.block(
        [[(n_classes - 1) * same, -other], [-other, (n_classes - 1) * same]]
    )
    gram = (values.T * sizes) @ values
    core = transfer / _frobenius(transfer, gram)
    if n_classes > 1:
        core = core - discrimination * spread / _frobenius(spread, gram)
    return Discrepancy(parts, *_reduced(values, sizes, core))


def _parts(y_source, y_target, n_classes):
    """Return the part of each row and the sizes of the parts.

    The classes of the source, its rows in no class, and the same of the target.
    """
    # -1 becomes the last one.
    parts = np.r_[y_source, y_target] % (n_classes + 1)
    parts[len(y_source) :] += n_classes + 1
    return parts, np.bincount(parts, minlength=2 * (n_classes + 1))


def _frobenius(core, gram):
    """Norm of ``V core V'`` from ``V' V``."""
    product = core @ gram
    return np.sqrt(np.sum(product * product.T))


def _reduced(values, sizes, core):
    """Write ``V core V'``, V by parts, with orthonormal vectors; return them and w."""
    squares, basis = np.linalg.eigh((values.T * sizes) @ values)
    kept = squares > 1e-12 * squares[-1]
    scales, basis = np.sqrt(squares[kept]), basis[:, kept]
    inner = scales[:, None] * (basis.T @ core @ basis) * scales
    weights, rotation = np.linalg.eigh(inner)
    kept = np.abs(weights) > 1e-12 * np.abs(weights).max()
    return values @ ((basis / scales) @ rotation[:, kept]), weights[kept]
