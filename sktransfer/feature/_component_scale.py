"""Scale and signs of transfer components, and how far the domains' means still lie."""

import numpy as np

__all__ = ["discrepancy_share", "standard_factors"]


def standard_factors(centred):
    """Return one factor a component: their mean variance is one, their skew positive.

    Parameters
    ----------
    centred : ndarray of shape (n_samples, k)
        Mapped rows less their mean.

    Returns
    -------
    ndarray of shape (k,)
        The same absolute value for all.
    """
    squares = np.square(centred)
    scale = np.sqrt(centred.size / squares.sum())
    # A product: the general power takes fifty times as long.
    skews = (squares * centred).sum(axis=0)
    return scale * np.where(skews < 0, -1.0, 1.0)


def discrepancy_share(squared, variance, gap):
    """Return the squared distance of the domains' means over the rows' mean variance.

    Parameters
    ----------
    squared : float
        ``v' F F' v`` for rows F, with v the gap.
    variance : float
        Sum of the squared distances of the rows to their mean.
    gap : ndarray of shape (n_samples,)
        From `domain_gap`.

    Returns
    -------
    float
    """
    # e sums to one over the source rows, which fixes |e|.
    squared_norm = 1.0 / float(gap[gap > 0].sum(dtype=np.float64)) ** 2
    mean_variance = max(float(variance) / len(gap), np.finfo(float).tiny)
    return max(float(squared), 0.0) * squared_norm / mean_variance
