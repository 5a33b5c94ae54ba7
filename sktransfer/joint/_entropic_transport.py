"""Entropic transport of several sources onto one target, by Bregman projections.

Scalings of rows and columns are held as potentials, in logarithms, and factors near one
beside them: a step is a product with a matrix, and nothing over- or underflows.
"""

import numpy as np
from scipy.special import logsumexp

from sktransfer.joint._priced_transport import cost_blocks

__all__ = [
    "ScaledKernel",
    "column_potentials",
    "entropic_transport",
    "self_potentials",
]

_LARGEST_FACTOR = 50.0
_LARGEST_EXPONENT = 700.0
_SHIFT_EVERY = 5
_LEAST_SUM = 1e-200
_NEVER = 1000.0


def column_potentials(f, costs, n_target, capped=False):
    """Return the potentials that make the sums of columns right, given the rows'.

    Parameters
    ----------
    f : ndarray of shape (n_source,)
        Potentials of the rows.
    costs : ndarray of shape (n_source, n_columns)
        Costs of any columns, divided by the weight of the entropy.
    n_target : int
        A column sums to ``1 / n_target``, ...
    capped : bool, default=False
        ... or to no more than that at a potential of zero.

    Returns
    -------
    ndarray of shape (n_columns,)
        Potentials.
    """
    potentials = np.empty(costs.shape[1])
    # Block by block: nothing of the size of the costs besides.
    for columns in cost_blocks(costs.shape[1], costs.shape[0]):
        sums = logsumexp(f[:, None] - costs[:, columns], axis=0)
        potentials[columns] = -np.log(n_target) - sums
    return np.minimum(potentials, 0) if capped else potentials


def _kernel(f, g, costs):
    kernel = g - costs
    kernel += f[:, None]
    return np.exp(kernel, out=kernel)


class ScaledKernel:
    """The plan ``exp(f + g - costs)`` of one source, with row and column potentials.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs, divided by the weight of the entropy.
    capped : bool
        Whether columns sum to at most ``1 / n_target``, rather than to just that.
    start : ndarray of shape (n_source,), default=None
        Potentials of the rows to begin with.

    Attributes
    ----------
    f, g : ndarray of shape (n_source,) and (n_target,)
        Potentials of rows and columns, in units of the entropy's weight.
    """

    def __init__(self, costs, capped, start=None):
        self.costs, self.capped = costs, capped
        # A step in logarithms before any kernel, lest a row of it vanishes.
        g = 0
        if start is not None:
            g = column_potentials(start, costs, costs.shape[1], capped)
        self.f = np.empty(len(costs))
        for rows in cost_blocks(*costs.shape):
            sums = logsumexp(g - costs[rows], axis=1)
            self.f[rows] = -np.log(len(costs)) - sums
        self._settle(column_potentials(self.f, costs, costs.shape[1], capped))

    def _settle(self, g):
        """Begin anew from the potentials f and g, all factors one."""
        self.g = g
        self._kernel = _kernel(self.f, g, self.costs)
        self._rows, self._columns = np.ones(len(self.f)), np.ones(len(g))

    def project_columns(self):
        """Make the columns' sums right; return the mass that this moved."""
        sums = self._rows @ self._kernel
        columns = 1 / (len(sums) * sums)
        if self.capped:
            largest = np.exp(np.minimum(-self.g, _LARGEST_EXPONENT))
            columns = np.minimum(columns, largest)
        moved = float(np.dot(np.abs(columns - self._columns), sums))
        self._columns = columns
        return moved

    def log_row_sums(self):
        """Return the logarithms of the rows' sums if their potentials were zero."""
        self._sums = self._kernel @ self._columns
        return np.log(self._sums) - self.f

    def project_rows(self, weights):
        """Make the rows' sums those of `weights`, after `log_row_sums`."""
        self._rows = weights / self._sums
        largest = max(
            np.abs(np.log(factors)).max() for factors in (self._rows, self._columns)
        )
        if largest > _LARGEST_FACTOR:
            self.f = self.f + np.log(self._rows)
            self._settle(self.g + np.log(self._columns))

    def class_masses(self, memberships):
        """Return shares of the classes in each column.

        Parameters
        ----------
        memberships : sparse array of shape (n_classes, n_source)
            One where the row is of the class.

        Returns
        -------
        ndarray of shape (n_target, n_classes)
            Shares.
        """
        masses = ((memberships * self._rows) @ self._kernel).T
        return masses / masses.sum(axis=1, keepdims=True)

    def shift_rows(self, offsets):
        """Add offsets, none of them large, to the potentials of the rows."""
        self._rows = self._rows * np.exp(offsets)

    def finish(self):
        """Take the last factors into the potentials; return the plan."""
        self.f = self.f + np.log(self._rows)
        n_target = self.costs.shape[1]
        self._settle(column_potentials(self.f, self.costs, n_target, self.capped))
        return self._kernel


def entropic_transport(
    costs, row_weights, capped, *, tol, max_iter, shift=None, starts=None
):
    """Transport several sources with row weights that may depend on each other.

    Parameters
    ----------
    costs : list of ndarray of shape (n_k, n_target)
        Costs of the rows of each source, divided by the weight of the entropy.
    row_weights : callable
        It is given, for each source, the logarithms of the rows' sums at potentials of
        zero, and returns the weights of each source's rows.
    capped : list of bool
        For each source, whether columns may sum to less than ``1 / n_target``.
    tol : float
        Stop where the columns' projection moves less than this share of the mass.
    max_iter : int
        Largest number of iterations.
    shift : callable, default=None
        It is given the kernels, every so many iterations, and shifts rows of them.
    starts : list of ndarray of shape (n_k,), default=None
        Potentials of the rows of each source to begin with.

    Returns
    -------
    kernels : list of ScaledKernel
        The scaled kernels.
    plans : list of ndarray of shape (n_k, n_target)
        The plans; a column sums to ``1 / n_target`` but where it is capped.
    n_iter : int
        Number of iterations.
    moved : float
        Share of the mass that the last of them moved.
    """
    starts = [None] * len(costs) if starts is None else starts
    kernels = [ScaledKernel(*each) for each in zip(costs, capped, starts, strict=True)]
    n_iter, moved = 0, np.inf
    while moved > tol and n_iter < max_iter:
        n_iter += 1
        sums = [kernel.log_row_sums() for kernel in kernels]
        for kernel, weights in zip(kernels, row_weights(sums), strict=True):
            kernel.project_rows(weights)
        if shift is not None and n_iter % _SHIFT_EVERY == 0 and n_iter < max_iter:
            shift(kernels)
        moved = float(np.mean([kernel.project_columns() for kernel in kernels]))
    return kernels, [kernel.finish() for kernel in kernels], n_iter, moved


def self_potentials(costs, *, tol, max_iter):
    """Return potentials of the plan of rows onto each other, none onto itself.

    Parameters
    ----------
    costs : ndarray of shape (n, n)
        Symmetric costs, divided by the weight of the entropy. The diagonal is written
        over.
    tol, max_iter : float, int
        As in `entropic_transport`.

    Returns
    -------
    ndarray of shape (n,)
        The potentials, for rows and columns the same; zero if there is one row.
    """
    n = len(costs)
    if n == 1:
        return np.zeros(1)
    np.fill_diagonal(costs, 2 * costs.max() + _NEVER)
    f, factors = np.zeros(n), None
    for _ in range(max_iter):
        if factors is None:
            # A step in logarithms, which no row of the kernel is too small for.
            f = (f + column_potentials(f, costs, n)) / 2
            kernel, factors = _kernel(f, f, costs), np.ones(n)
        sums = n * factors * (kernel @ factors)
        if np.abs(sums - 1).mean() <= tol:
            break
        if sums.min() < _LEAST_SUM or np.abs(np.log(factors)).max() > _LARGEST_FACTOR:
            f, factors = f + np.log(factors), None
        else:
            # The geometric mean of this step's factor and the last one's.
            factors = factors / np.sqrt(sums)
    return f if factors is None else f + np.log(factors)
