"""Gaussian kernels on a few centres: what KLIEP and uLSIF build their ratios from.

Rows enter as distinct rows with weights, in an order that content decides: neither the
order of the rows nor the repetition of all of them changes anything.
"""

from dataclasses import dataclass
from numbers import Real

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from sktransfer._joined_rows import join_rows
from sktransfer._kernels import inverse_median
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

_BLOCK_BYTES = 2**18
_MEDIAN_ROWS = 100


@dataclass(frozen=True)
class WeightedRows:
    """Distinct rows and their shares in the domain.

    Attributes
    ----------
    among : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows that they are among: a copy of all is never needed.
    numbers : ndarray of shape (n_rows,), int
        Which of these they are, in an order that content decides.
    weights : ndarray of shape (n_rows,)
        Their shares.
    groups : ndarray of shape (n_samples,), int, or None
        Which of the distinct rows each row is, if these are all.
    """

    among: object
    numbers: np.ndarray
    weights: np.ndarray
    groups: np.ndarray | None = None

    def __len__(self):
        return len(self.weights)

    @property
    def X(self):
        """The rows."""
        return self.among[self.numbers]

    def draw(self, n, rng):
        """Draw at most n of the rows; they keep their shares."""
        if n >= len(self):
            return self
        return self.take(np.sort(rng.choice(len(self), n, replace=False)))

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
        X = X.astype(np.float64, copy=False)
        norms = row_norms(self.rows, squared=True)
        if sparse.issparse(X):
            distances = safe_sparse_dot(X, -2 * self.rows.T, dense_output=True)
            distances += row_norms(X, squared=True)[:, None]
            return factor * (distances + norms)
        # Far from zero the squares would leave no digits to their difference. The
        # norms are columns, so that one product makes all.
        p = X.shape[1]
        left, right = np.empty((len(X), p + 2)), np.empty((p + 2, len(self)))
        np.subtract(X, self.origin, out=left[:, :p])
        np.einsum("ij,ij->i", left[:, :p], left[:, :p], out=left[:, p])
        left[:, p + 1] = 1
        np.multiply(self.rows.T, -2 * factor, out=right[:p])
        right[p], right[p + 1] = factor, factor * norms
        return left @ right

    def blocks(self, X, factor=1.0):
        """Yield slices of rows and their squared distances, of cached sizes.

        X : {ndarray, sparse matrix} or WeightedRows
        """
        drawn = isinstance(X, WeightedRows)
        n = len(X) if drawn else X.shape[0]
        step = max(64, _BLOCK_BYTES // (8 * len(self)))
        for start in range(0, n, step):
            rows = slice(start, min(start + step, n))
            part = X.among[X.numbers[rows]] if drawn else X[rows]
            yield rows, self.squared_distances(part, factor)

    def keep(self, which):
        """Return some of the centres."""
        return Centres(self.rows[which], self.origin)

    def thin_out(self, n):
        """Return at most n of the centres, evenly spaced in their order."""
        if n >= len(self):
            return self
        return self.keep(np.arange(n) * len(self) // n)


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
    """Return 1 over the median squared distance, over 100 distinct rows of each."""
    rng = np.random.RandomState(0)
    parts = [part.draw(_MEDIAN_ROWS, rng).X for part in (source, target)]
    rows = join_rows(*parts)
    distances = _centres_at(rows).squared_distances(rows)
    return inverse_median(distances, 1.0 / rows.shape[1])


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
