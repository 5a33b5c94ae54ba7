"""Newton systems of the discrepancy programme, in rows or in second moments.

The matrix of both is H + diag(d) with H_ij the sum over pairs (Z, T) of
(x_i' Z x_j) (x_i' T x_j). H has rank at most q = p (p + 1) / 2, so that with many rows
it is solved in the space of symmetric matrices.
"""

import numpy as np
from scipy import linalg

__all__ = ["moment", "quadratic_forms", "solver_of"]

_BLOCK_ENTRIES = 2**22


def quadratic_forms(X, V):
    """Return x' V x for each row x."""
    return np.einsum("ij,ij->i", X @ V, X)


def moment(X, u):
    """Return the sum of u_i x_i x_i'."""
    return X.T @ (u[:, None] * X)


def solver_of(X, pairs, d):
    """Factorise H + diag(d); return a function that solves for columns.

    Parameters
    ----------
    X : ndarray of shape (n, p)
        Rows.
    pairs : list of (Z, T)
        Positive definite matrices of shape (p, p).
    d : ndarray of shape (n,)
        Positive.
    """
    n, p = X.shape
    return _by_rows(X, pairs, d) if 2 * n <= p * (p + 1) else _by_moments(X, pairs, d)


def _by_rows(X, pairs, d):
    H = sum((X @ Z @ X.T) * (X @ T @ X.T) for Z, T in pairs)
    H[np.diag_indices(len(d))] += d
    factor = linalg.cho_factor(H, overwrite_a=True)
    return lambda B: linalg.cho_solve(factor, B)


def _by_moments(X, pairs, d):
    """Solve by the formula of Woodbury, and refine once."""
    p = X.shape[1]
    upper = np.triu_indices(p)
    unit = np.where(upper[0] == upper[1], 1.0, np.sqrt(2.0))
    K = sum(_symmetric_kronecker(Z, T, upper, unit) for Z, T in pairs)
    gram = _gram(X, 1 / d, upper, unit)
    factor = linalg.lu_factor(np.eye(len(unit)) + K @ gram, overwrite_a=True)

    def to_moments(u):
        return unit * moment(X, u)[upper]

    def to_rows(v):
        V = np.zeros((p, p))
        V[upper] = v / unit
        return quadratic_forms(X, (V + V.T) / 2 * _off_diagonal_twice(p))

    def once(b):
        inner = linalg.lu_solve(factor, K @ to_moments(b / d))
        return (b - to_rows(inner)) / d

    def solve(b):
        x = once(b)
        return x + once(b - d * x - to_rows(K @ to_moments(x)))

    return lambda B: np.stack([solve(b) for b in B.T], axis=1)


def _off_diagonal_twice(p):
    return 2.0 - np.eye(p)


def _symmetric_kronecker(Z, T, upper, unit):
    """Return the matrix of V -> (Z V T + T V Z) / 2 on symmetric matrices."""
    i, j = upper
    Zi, Zj, Ti, Tj = Z[i], Z[j], T[i], T[j]
    total = Zi[:, i] * Tj[:, j] + Zi[:, j] * Tj[:, i]
    total += Zj[:, i] * Ti[:, j] + Zj[:, j] * Ti[:, i]
    # With c = unit / sqrt(2) the basis is c (e_i e_j' + e_j e_i') / sqrt(2).
    total = (total + total.T) / 4
    return total * (unit[:, None] / np.sqrt(2)) * (unit / np.sqrt(2))


def _gram(X, u, upper, unit):
    """Return the sum of u_i g_i g_i', g the entries of x x' as a vector."""
    total = np.zeros((len(unit), len(unit)))
    step = max(1, _BLOCK_ENTRIES // len(unit))
    for start in range(0, len(X), step):
        rows = slice(start, start + step)
        G = X[rows][:, upper[0]] * X[rows][:, upper[1]]
        G *= unit
        G *= np.sqrt(u[rows])[:, None]
        total += G.T @ G
    return total
