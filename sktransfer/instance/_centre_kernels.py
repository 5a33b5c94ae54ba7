"""Gaussian kernels on a few centres: what KLIEP and uLSIF build their ratios from.

Rows enter as distinct rows with weights, in an order that content decides: neither the
order of the rows nor the repetition of all of them changes anything.
"""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy import sparse
from scipy.spatial.distance import pdist
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from sktransfer._joined_rows import join_rows
from sktransfer._kernels import inverse_median
from sktransfer._separation import evenly_spaced
from sktransfer._validation import check_number
from sktransfer.instance._row_groups import row_groups

__all__ = [
    "Centres",
    "WeightedRows",
    "check_grid",
    "draw_centres",
    "gamma_grid",
    "median_gamma",
    "weighted_rows",
]

_BLOCK_BYTES = 2**20
_MEDIAN_ROWS = 50
_MANY_ROWS = 1000


@dataclass(frozen=True)
class WeightedRows:
    """Distinct rows and their shares in the domain.

    Attributes
    ----------
    among : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows that they are among: a copy of all is never needed.
    numbers : ndarray of shape (n_rows,), int, or None
        Which of these they are, in an order that content decides. None: all, as they
        are given.
    weights : ndarray of shape (n_rows,)
        Their shares.
    groups : ndarray of shape (n_samples,), int, or None
        Which of the distinct rows each row is, if these are all.
    """

    among: object
    numbers: np.ndarray | None
    weights: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self):
        return len(self.weights)

    @property
    def X(self):
        """The rows."""
        return self.part(slice(None))

    def part(self, rows):
        """Return some of the rows as an array."""
        if self.numbers is None:
            return self.among[rows]
        numbers = self.numbers[rows]
        if sparse.issparse(self.among):
            return self.among[numbers]
        return np.take(self.among, numbers, axis=0)

    def draw(self, n, rng):
        """Draw at most n of the rows; they keep their shares."""
        if n >= len(self):
            return self
        return self.take(np.sort(rng.choice(len(self), n, replace=False)))

    def thin_out(self, n):
        """Return at most n of the rows, evenly spaced in their order."""
        return self if n >= len(self) else self.take(evenly_spaced(n, len(self)))

    def as_given(self):
        """Return the rows in their given order where they are many and all differ.

        No copy is needed to read them then. Sums over fewer rows are the same to the
        last digit in whatever order these come.
        """
        n = len(self)
        if n < max(_MANY_ROWS, len(self.groups)):
            return self
        return WeightedRows(self.among, None, self.weights, np.arange(n))

    def at(self, places):
        """Return rows by their places among all, repeated ones as often as they are."""
        if len(self) == len(self.groups):
            return self.part(places)
        ends = np.cumsum(np.bincount(self.groups))
        return self.part(np.searchsorted(ends, places, side="right"))

    def take(self, rows):
        """Return some of the rows; they keep their shares."""
        return WeightedRows(self.among, self.numbers[rows], self.weights[rows])


def weighted_rows(X):
    """Return the distinct rows of X, in an order that content decides."""
    groups, first, sizes = row_groups(X)
    return WeightedRows(X, first, sizes / sizes.sum(), groups)


@dataclass(frozen=True)
class Centres:
    """Centres of Gaussian kernels; distances are taken from an origin among them."""

    rows: object
    origin: np.ndarray | None

    def __len__(self):
        return self.rows.shape[0]

    def squared_distances(self, X, factor=1.0):
        """Return the squared distances of the rows of X to the centres, times a factor.

        They are float64; rounding may leave them slightly below zero.
        """
        out = np.empty((X.shape[0], len(self)))
        return self._distances(factor)(X, out)

    def _distances(self, factor):
        """Return the function that writes what `squared_distances` returns."""
        norms = factor * row_norms(self.rows, squared=True)
        if sparse.issparse(self.rows):
            right = (-2 * factor * self.rows.T).tocsr()
            return lambda X, out: _sparse_distances(X, right, factor, norms, out)
        # The norms are columns, so that one product makes all.
        ones = np.ones_like(norms)
        right = np.vstack([-2 * factor * self.rows.T, factor * ones, norms])
        return lambda X, out: np.matmul(_with_norms(X, self.origin), right, out=out)

    def blocks(self, X, factor=1.0, out=None):
        """Yield slices of rows and their squared distances, of cached sizes.

        X : {ndarray, sparse matrix} or WeightedRows
        out : ndarray of shape (n_rows, n_centres), or None
            Where to keep them all.
        """
        drawn = isinstance(X, WeightedRows)
        n = len(X) if drawn else X.shape[0]
        dense_columns = 0 if sparse.issparse(self.rows) else self.rows.shape[1]
        step = max(64, _BLOCK_BYTES // (8 * (len(self) + dense_columns)))
        distances = self._distances(factor)
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            part = X.part(rows) if drawn else X[rows]
            block = np.empty((part.shape[0], len(self))) if out is None else out[rows]
            yield rows, distances(part, block)

    def keep(self, which):
        """Return some of the centres."""
        return Centres(self.rows[which], self.origin)

    def thin_out(self, n):
        """Return at most n of the centres, evenly spaced in their order."""
        return self if n >= len(self) else self.keep(evenly_spaced(n, len(self)))


def _with_norms(X, origin):
    """Return rows from an origin, their squared norms and ones, side by side."""
    p = X.shape[1]
    columns = np.empty((len(X), p + 2))
    # Far from zero the squares would leave no digits to their difference.
    np.subtract(X, origin, out=columns[:, :p])
    np.einsum("ij,ij->i", columns[:, :p], columns[:, :p], out=columns[:, p])
    columns[:, p + 1] = 1
    return columns


def _sparse_distances(X, right, factor, norms, out):
    X = X.astype(np.float64, copy=False)
    out[:] = safe_sparse_dot(X, right, dense_output=True)
    out += factor * row_norms(X, squared=True)[:, None]
    out += norms
    return out


def draw_centres(target, n_centers, rng):
    """Draw distinct target rows as centres."""
    return _centres_at(target.draw(n_centers, rng).X)


def _centres_at(rows):
    rows = rows.astype(np.float64)
    if sparse.issparse(rows):
        return Centres(rows.tocsr(), None)
    origin = rows.mean(axis=0)
    return Centres(rows - origin, origin)


def median_gamma(source, target):
    """Return 1 over the median squared distance, over 50 distinct rows of each."""
    rows = join_rows(*(part.thin_out(_MEDIAN_ROWS).X for part in (source, target)))
    if sparse.issparse(rows):
        distances = _centres_at(rows).squared_distances(rows)
        pairs = distances[~np.tri(len(distances), dtype=bool)]
    else:
        pairs = pdist(rows, "sqeuclidean")
    return inverse_median(pairs, 1.0 / rows.shape[1])


def gamma_grid(gamma, gammas, source, target):
    """Return the values of the kernel's width to choose from, ascending."""
    check_number("gamma", gamma, low=0, low_open=True, also=("cv", "median"))
    gammas = check_grid("gammas", gammas, low_open=True)
    if not isinstance(gamma, str):
        return np.array([float(gamma)])
    median = median_gamma(source, target)
    return median * np.sort(gammas) if gamma == "cv" else np.array([median])


def check_grid(name, values, *, low_open=False):
    """Return a sequence of numbers >= 0 (> 0) as an array, or raise."""
    numbers = [] if isinstance(values, str | Real) else list(values)
    fine = all(
        isinstance(value, Real) and np.isfinite(value) and value >= 0
        for value in numbers
    )
    if not (numbers and fine) or (low_open and min(numbers) == 0):
        raise ValueError(
            f"`{name}` must be a sequence of one or more finite numbers in "
            f"{'(' if low_open else '['}0, inf), got {values!r}."
        )
    return np.array(numbers, dtype=np.float64)
