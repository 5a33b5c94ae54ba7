"""Penalties that let source rows drop out of transfer components (Long et al. 2014)."""

import numpy as np

__all__ = ["sparse_penalties"]


def sparse_penalties(coefficients, mapped, n_source, smoothing=None):
    """Return the diagonal G of penalties for the next round.

    With the components scaled to ``W' K H K W = I``, the rounds bring down

        tr(W' K L K W) + mu (sum over source rows |w_i| + sum over target rows |w_i|^2)

    where w_i is a row of W: |w| is majorised by ``|w|^2 / (2 |w0|) + |w0| / 2`` at the
    present |w0|.

    Parameters
    ----------
    coefficients : ndarray of shape (n_samples, k)
        W, on any scale a component.
    mapped : ndarray of shape (n_samples, k)
        Rows, mapped by it.
    n_source : int
        Number of source rows, which come first.
    smoothing : float, default=None
        ``sqrt(|w|^2 + smoothing^2)`` is meant by |w|, so that none is zero; None: a
        thousandth of their mean.

    Returns
    -------
    penalties : ndarray of shape (n_samples,)
        1 / (2 |w_i|) for source rows, 1 for target rows.
    smoothing : float
        The one used, to be passed on: the objective falls only if it is kept.
    """
    centred = mapped - mapped.mean(axis=0)
    scaled = coefficients / np.linalg.norm(centred, axis=0)
    squares = np.square(scaled[:n_source], dtype=np.float64).sum(axis=1)
    if smoothing is None:
        smoothing = 1e-3 * np.mean(np.sqrt(squares))
    penalties = np.ones(len(mapped))
    penalties[:n_source] = 0.5 / np.sqrt(squares + smoothing**2)
    return penalties, smoothing
