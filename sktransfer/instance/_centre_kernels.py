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
from sktransfer._kernels import resolve_gamma
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

_BLOCK_BYTES = 2**19
_MEDIAN_ROWS = 100


@dataclass(frozen=True)
class WeightedRows:
    """Distinct rows and their shares in the domain."""

    X: object
    weights: np.ndarray

    def __len__(self):
        return len(self.weights)

    def draw(self, n, rng):
        """Draw at most n of the rows; they keep their shares."""
        if n >= len(self):
            return self
        drawn = np.sort(rng.choice(len(self), n, replace=False))
        return WeightedRows(self.X[drawn], self.weights[drawn])


def weighted_rows(X):
    """Return the distinct rows of X, in an order that content decides."""
    _, first, sizes = row_groups(X)
    return WeightedRows(X[first], sizes / sizes.sum())


@dataclass(frozen=True)
class Centres:
    """Centres of Gaussian kernels; distances are taken from an origin among them."""

    rows: object
    origin: np.ndarray | None

    def __len__(self):
        return self.rows.shape[0]

    def squared_distances(self, X):
        """Return the squared distances of the rows of X to the centres (float64)."""
        X = X.astype(np.float64, copy=False)
        if self.origin is not None:
            # Far from zero the squares would leave no digits to their difference.
            X = X - self.origin
        distances = np.asarray(safe_sparse_dot(X, self.rows.T, dense_output=True))
        distances *= -2
        distances += row_norms(X, squared=True)[:, None]
        distances += row_norms(self.rows, squared=True)
        return np.maximum(distances, 0, out=distances)

    def blocks(self, X):
        """Yield slices of the rows of X and their squared distances, cached sizes."""
        step = max(64, _BLOCK_BYTES // (8 * len(self)))
        for start in range(0, X.shape[0], step):
            rows = slice(start, min(start + step, X.shape[0]))
            yield rows, self.squared_distances(X[rows])

    def keep(self, mask):
        """Return some of the centres."""
        return Centres(self.rows[mask], self.origin)


def draw_centres(target, n_centers, rng):
    """Draw distinct target rows as centres."""
    rows = target.draw(n_centers, rng).X.astype(np.float64)
    if sparse.issparse(rows):
        return Centres(rows.tocsr(), None)
    origin = rows.mean(axis=0)
    return Centres(rows - origin, origin)


def median_gamma(source, target):
    """Return 1 over the median squared distance, over 100 distinct rows of each."""
    rng = np.random.RandomState(0)
    parts = [part.draw(_MEDIAN_ROWS, rng).X for part in (source, target)]
    rows = join_rows(*parts).astype(np.float64)
    if not sparse.issparse(rows):
        rows -= rows.mean(axis=0)
    return resolve_gamma("median", rows)


def gamma_grid(gamma, gammas, source, target):
    """Return the values of the kernel's width to choose from."""
    check_number("gamma", gamma, low=0, low_open=True, also=("cv", "median"))
    gammas = check_grid("gammas", gammas, low_open=True)
    if not isinstance(gamma, str):
        return np.array([float(gamma)])
    median = median_gamma(source, target)
    return median * gammas if gamma == "cv" else np.array([median])


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
