"""Whether two domains are so far apart that no weights of rows can join them."""

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import row_norms, safe_sparse_dot

from sktransfer._kernels import content_direction

__all__ = ["MOST_ROWS", "evenly_spaced", "lie_apart", "samples_lie_apart"]

MOST_ROWS = 200

# Of fewer rows nobody can tell whether the domains overlap.
_FEWEST_ROWS = 10
_STRIDE = 5


def lie_apart(X, in_source, in_target):
    """Tell whether the rows of two domains have a wide gap between them.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of all domains. At most 200 of each domain are looked at, chosen by their
        content.
    in_source, in_target : ndarray of shape (n_samples,), bool
        Which rows belong to the domains.

    Returns
    -------
    bool
        Whether the smallest distance between the domains is larger than the median
        distance in either of them, columns in units of their standard deviations in the
        domains. False of a domain with fewer than ten rows.
    """
    # Rows too large to be summed come in any order.
    with np.errstate(over="ignore", invalid="ignore"):
        keys = safe_sparse_dot(X, content_direction(X.shape[1]).astype(X.dtype))
    samples = []
    for rows in (np.flatnonzero(in_source), np.flatnonzero(in_target)):
        order = np.argsort(keys[rows])
        samples.append(X[rows[order[evenly_spaced(MOST_ROWS, len(rows))]]])
    return samples_lie_apart(*samples)


def evenly_spaced(n, length):
    """Return at most n of the numbers below a length."""
    return np.arange(n) * length // n if n < length else np.arange(length)


def samples_lie_apart(S, T):
    """Tell it from rows of the domains, chosen at even steps."""
    if min(S.shape[0], T.shape[0]) < _FEWEST_ROWS:
        return False
    S, T = _in_common_units(S, T)
    # Most domains overlap, and to count is quicker than to find the median. Some rows
    # show it, as fewer pairs are no nearer.
    for some in (T[::_STRIDE], T):
        gap = max(_squared_distances(S, some).min(), 0.0)
        if _mostly_farther(S, gap) or _mostly_farther(T, gap):
            return False
    typical = max(_median_distance(S), _median_distance(T))
    # Rows of few values lie at the same distances in and between the domains.
    return bool(0 < typical * (1 + 1e-6) < np.sqrt(gap))


def _in_common_units(S, T):
    """Divide the columns by their standard deviation in the domains, of both alike."""
    largest = np.maximum(_largest(S), _largest(T))
    S, T = (_divided(Z.astype(np.float64), largest) for Z in (S, T))
    if not sparse.issparse(S):
        centre = S.mean(axis=0)
        S, T = S - centre, T - centre
    spread = np.sqrt((_variance(S) + _variance(T)) / 2)
    return _divided(S, spread), _divided(T, spread)


def _largest(Z):
    largest = abs(Z).max(axis=0)
    return (largest.toarray() if sparse.issparse(largest) else largest).ravel()


def _divided(Z, scale):
    # A column that is constant in both domains stays: it has no unit.
    factor = 1 / np.where(scale > 1e-12, scale, 1.0)
    return Z.multiply(factor).tocsr() if sparse.issparse(Z) else Z * factor


def _variance(Z):
    if not sparse.issparse(Z):
        return Z.var(axis=0)
    means = np.asarray(Z.mean(axis=0)).ravel()
    return np.maximum(np.asarray(Z.power(2).mean(axis=0)).ravel() - means**2, 0)


def _squared_distances(S, T):
    squares = safe_sparse_dot(S, T.T, dense_output=True)
    squares *= -2
    squares += row_norms(S, squared=True)[:, None]
    squares += row_norms(T, squared=True)
    return squares


def _mostly_farther(Z, gap):
    """Whether more than half of the pairs of rows are no nearer than the gap."""
    squares = _squared_distances(Z, Z)
    return bool(2 * np.count_nonzero(squares >= gap) > squares.size)


def _median_distance(Z):
    """Return the median distance of the rows that differ at all, zero if none do."""
    if not sparse.issparse(Z):
        Z = Z - Z.mean(axis=0)
    pairs = _squared_distances(Z, Z)[~np.tri(Z.shape[0], dtype=bool)]
    pairs = pairs[pairs > 1e-12 * pairs.max(initial=0)]
    return float(np.median(np.sqrt(pairs))) if len(pairs) else 0.0
