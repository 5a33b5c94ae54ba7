"""Kernels in blocks: one n x m buffer, float32 kept, nothing of that size besides.

All subsamples are taken by content, so that they hold the same rows in whatever order
the rows come.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import sparse
from sklearn.metrics.pairwise import (
    cosine_similarity,
    laplacian_kernel,
    linear_kernel,
    manhattan_distances,
    polynomial_kernel,
)
from sklearn.utils import check_random_state
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from sktransfer._validation import check_number

__all__ = [
    "KERNELS",
    "Kernel",
    "check_kernel",
    "content_direction",
    "content_order",
    "content_subsample",
    "inverse_median",
    "kernel_blocks",
    "kernel_matrix",
    "kernel_mean",
    "nystroem_map",
    "resolve_gamma",
]

KERNELS = ("linear", "rbf", "laplacian", "poly", "cosine")
_BLOCK_BYTES = 64 * 2**20
_WITHOUT_WIDTH = ("primal", "linear", "cosine")
_MEDIAN_ROWS = 1000


def check_kernel(kernel):
    """Raise unless `kernel` is the name of a kernel or a callable; return it."""
    if callable(kernel) or (isinstance(kernel, str) and kernel in KERNELS):
        return kernel
    listed = ", ".join(map(repr, KERNELS))
    raise ValueError(
        f"`kernel` must be one of {listed} or a callable k(X, Y) that returns the "
        f"matrix of shape (len(X), len(Y)), got {kernel!r}."
    )


@lru_cache(maxsize=16)
def content_direction(n_features):
    """Return a direction on which rows that differ have different projections.

    It is the one of `content_order` with 0. It is not to be changed in place.
    """
    return np.random.RandomState(0).normal(size=n_features)


def content_order(X, random_state=None):
    """Sort the rows by a random projection: an order that depends on content alone.

    Returns the row numbers in that order. Equal rows are interchangeable.
    """
    rng = check_random_state(random_state)
    direction = rng.normal(size=X.shape[1])
    keys = safe_sparse_dot(X, direction.astype(X.dtype, copy=False))
    return np.argsort(keys, kind="stable")


def content_subsample(X, n, random_state=None):
    """Draw `n` rows without replacement, the same rows in whatever order they come."""
    rng = check_random_state(random_state)
    order = content_order(X, rng)
    if n >= len(order):
        return order
    return order[np.sort(rng.choice(len(order), n, replace=False))]


def resolve_gamma(gamma, X, *, kernel="rbf"):
    """Return the kernel width as a number.

    Parameters
    ----------
    gamma : float, "median" or None
        None: 1 / n_features. "median": 1 over the median squared Euclidean distance
        (rbf) or the median L1 distance (laplacian) between the rows of X, at most 1,000
        of them. Rows that are all equal have no scale: 1 / n_features then.
    X : {array-like, sparse matrix} of shape (n_samples, n_features)
        The rows that "median" looks at.
    kernel : str or callable, default="rbf"
        Which distance "median" means. Kernels without a width get 1 / n_features.

    Returns
    -------
    float
    """
    default = 1.0 / X.shape[1]
    check_number("gamma", gamma, low=0, low_open=True, also=("median", None))
    if gamma is not None and not isinstance(gamma, str):
        return float(gamma)
    if gamma is None or (isinstance(kernel, str) and kernel in _WITHOUT_WIDTH):
        return default
    rows = X[content_subsample(X, _MEDIAN_ROWS, 0)]
    if kernel == "laplacian":
        dense = rows.toarray() if sparse.issparse(rows) else rows
        distances = manhattan_distances(np.asarray(dense, dtype=np.float64))
    else:
        distances = _squared_distances(rows.astype(np.float64), rows.astype(np.float64))
    return inverse_median(distances[~np.tri(len(distances), dtype=bool)], default)


def inverse_median(pairs, default):
    """Return 1 over the median distance of pairs that differ; if none, the default."""
    # The median of the rows that differ at all: many equal rows must not make it zero.
    pairs = pairs[pairs > 1e-12 * max(pairs.max(initial=0.0), 1e-300)]
    return 1.0 / float(np.median(pairs)) if len(pairs) else default


@dataclass(frozen=True)
class Kernel:
    """A kernel with its parameters resolved: call it with two sets of rows."""

    kernel: object = "rbf"
    gamma: float | None = None
    degree: float = 3
    coef0: float = 1.0

    def __call__(self, X, Y=None):
        """Return the kernel matrix."""
        return kernel_matrix(X, Y, **self.params)

    @property
    def params(self):
        """The parameters as keyword arguments of the functions of this module."""
        return {
            "kernel": self.kernel,
            "gamma": self.gamma,
            "degree": self.degree,
            "coef0": self.coef0,
        }


def _squared_distances(X, Y):
    distances = _dense(safe_sparse_dot(X, Y.T, dense_output=True))
    distances *= -2
    distances += row_norms(X, squared=True)[:, None]
    distances += row_norms(Y, squared=True)[None, :]
    return np.maximum(distances, 0, out=distances)


def _dense(array):
    return array.toarray() if sparse.issparse(array) else np.asarray(array)


def _rbf_into(out, X, Y, gamma):
    """Write the rbf kernel into `out`, row block by row block while it is in cache."""
    x_norms, y_norms = row_norms(X, squared=True), row_norms(Y, squared=True)
    step = max(1, 2**21 // max(1, Y.shape[0] * out.itemsize))
    if not sparse.issparse(X) and not sparse.issparse(Y):
        for start in range(0, X.shape[0], step):
            rows = slice(start, start + step)
            block = out[rows]
            np.matmul(X[rows], Y.T, out=block)
            _rbf_finish(block, x_norms[rows], y_norms, gamma)
        return out
    out[:] = _dense(safe_sparse_dot(X, Y.T, dense_output=True))
    return _rbf_finish(out, x_norms, y_norms, gamma)


def _rbf_finish(block, x_norms, y_norms, gamma):
    # exp(2 g x.y - g |x|^2 - g |y|^2), never above 1 though rounding might.
    block *= 2 * gamma
    block -= (gamma * x_norms)[:, None]
    block -= (gamma * y_norms)[None, :]
    np.minimum(block, 0, out=block)
    return np.exp(block, out=block)


def kernel_matrix(X, Y=None, *, kernel="rbf", gamma=None, degree=3, coef0=1.0):
    """Return the kernel matrix of the rows of X and Y in the type of X.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples_X, n_features)
        Rows.
    Y : {ndarray, sparse matrix} of shape (n_samples_Y, n_features), default=None
        Rows; None: X itself.
    kernel : str or callable, default="rbf"
        One of `KERNELS`, or a function of two arrays of rows that returns the matrix.
    gamma : float, default=None
        Width of rbf, laplacian and poly; None: 1 / n_features.
    degree : float, default=3
        Of poly.
    coef0 : float, default=1.0
        Of poly.

    Returns
    -------
    ndarray of shape (n_samples_X, n_samples_Y)
    """
    other = X if Y is None else Y
    gamma = 1.0 / X.shape[1] if gamma is None else gamma
    dtype = np.result_type(X.dtype, other.dtype)
    if kernel == "rbf":
        out = np.empty((X.shape[0], other.shape[0]), dtype=dtype)
        _rbf_into(out, X, other, dtype.type(gamma))
        if Y is None:
            np.fill_diagonal(out, 1)
    elif callable(kernel):
        out = _check_callable_result(kernel(X, other), X.shape[0], other.shape[0])
    else:
        options = {
            "linear": lambda: linear_kernel(X, other),
            "laplacian": lambda: laplacian_kernel(X, other, gamma=gamma),
            "poly": lambda: polynomial_kernel(
                X, other, degree=degree, gamma=gamma, coef0=coef0
            ),
            "cosine": lambda: cosine_similarity(X, other),
        }
        out = _dense(options[kernel]())
    return np.asarray(out).astype(dtype, copy=False)


def _check_callable_result(result, n_rows, n_columns):
    result = np.asarray(result)
    if result.shape != (n_rows, n_columns):
        raise ValueError(
            "A callable `kernel` is called with two arrays of rows and must return the "
            f"matrix of shape ({n_rows}, {n_columns}), got shape {result.shape}."
        )
    return result


def kernel_blocks(X, Y, *, block_bytes=_BLOCK_BYTES, **params):
    """Yield pairs of a slice of the rows of X and their block of the kernel matrix."""
    step = max(1, int(block_bytes // max(1, Y.shape[0] * 8)))
    for start in range(0, X.shape[0], step):
        rows = slice(start, min(start + step, X.shape[0]))
        yield rows, kernel_matrix(X[rows], Y, **params)


def kernel_mean(X, Y, **params):
    """Return for each row of X its mean kernel value with the rows of Y (float64)."""
    if params.get("kernel") == "linear":
        centre = np.asarray(Y.mean(axis=0), dtype=np.float64).ravel()
        return np.asarray(X @ centre, dtype=np.float64).ravel()
    means = np.zeros(X.shape[0])
    for rows, block in _tiles(X, Y, **params):
        means[rows] += block.sum(axis=1, dtype=np.float64)
    return means / Y.shape[0]


def _tiles(X, Y, *, tile_bytes=2**23, **params):
    """Yield blocks small enough for the cache, over the rows of X and of Y."""
    side = max(64, int(np.sqrt(tile_bytes / 8)))
    for start in range(0, X.shape[0], side):
        rows = slice(start, min(start + side, X.shape[0]))
        X_rows = X[rows]
        for begin in range(0, Y.shape[0], side):
            columns = slice(begin, min(begin + side, Y.shape[0]))
            yield rows, kernel_matrix(X_rows, Y[columns], **params)


@dataclass(frozen=True)
class NystroemMap:
    """Features whose inner products approximate a kernel."""

    landmarks: object
    factor: np.ndarray
    params: dict

    def features(self, X):
        """Return the features of the rows of X, in the type of X."""
        out = np.empty((X.shape[0], self.factor.shape[1]), dtype=X.dtype)
        for rows, block in kernel_blocks(X, self.landmarks, **self.params):
            np.matmul(block, self.factor, out=out[rows])
        return out

    def mean(self, X):
        """Return the mean of the features of the rows of X, without making them."""
        return kernel_mean(self.landmarks, X, **self.params) @ self.factor


def nystroem_map(landmarks, **params):
    """Return the Nyström feature map of a kernel on the given landmark rows.

    Directions whose eigenvalue is below 1e-10 of the largest (1e-5 in float32) are left
    out: they are noise. With all rows as landmarks the kernel is reproduced.
    """
    gram = kernel_matrix(landmarks, **params).astype(np.float64)
    values, vectors = np.linalg.eigh(gram)
    floor = 1e-5 if landmarks.dtype == np.float32 else 1e-10
    kept = values > floor * max(values[-1], np.finfo(float).tiny)
    factor = vectors[:, kept] / np.sqrt(values[kept])
    return NystroemMap(landmarks, factor.astype(landmarks.dtype), params)
