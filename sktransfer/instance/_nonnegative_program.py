"""A convex quadratic programme of few variables >= 0.

Minimise 1/2 y'Hy - c'y over y >= 0, H positive definite, by block principal pivoting
(Júdice and Pires, 1994): guess which variables are above zero, solve for them, exchange
those that contradict the guess, and repeat.
"""

import numpy as np
from scipy.linalg import lapack

__all__ = ["solve_nonnegative"]

_PATIENCE = 3


def solve_nonnegative(H, linear, positive, *, max_iter=40):
    """Solve from a guess of the variables above zero.

    Parameters
    ----------
    H : ndarray of shape (n, n)
        Positive definite.
    linear : ndarray of shape (n,)
        c.
    positive : ndarray of shape (n,), bool
        The guess.
    max_iter : int, default=40
        Bound on the exchanges.

    Returns
    -------
    y : ndarray of shape (n,)
        The solution, or a point >= 0.
    solved : bool
        Whether the exchanges came to an end.
    """
    slack, fewest, patience = 1e-12 * np.abs(linear).max(), len(linear) + 1, 0
    y = np.zeros_like(linear)
    for _ in range(max_iter):
        used = np.flatnonzero(positive)
        rows = H[used]
        _, found, failed = lapack.dposv(rows[:, used], linear[used])
        if failed:
            break
        wrong = found @ rows < linear - slack
        wrong[used] = found < 0
        n_wrong = np.count_nonzero(wrong)
        if not n_wrong:
            y[used] = found
            return y, True
        patience = _PATIENCE if n_wrong < fewest else patience - 1
        fewest = min(fewest, n_wrong)
        if patience < 0:
            # All exchanges at once go in circles: only the last one then.
            wrong[: np.flatnonzero(wrong)[-1]] = False
        positive = positive ^ wrong
    return y, False
