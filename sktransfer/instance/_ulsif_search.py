"""The width and the penalty of uLSIF, chosen by left-out rows of a part of the data."""

import numpy as np

from sktransfer._joined_rows import join_rows
from sktransfer.instance._outward_search import search_outwards
from sktransfer.instance._ulsif import SquaredLoss, leave_one_out

__all__ = ["choose"]

_ROWS = 700
_CENTRES = 40
_SINGLE_RIDGE = 1e-6


def choose(source, target, centres, gammas, ridges, alpha):
    """Choose a width and a penalty by the loss of left-out rows.

    Parameters
    ----------
    source, target : WeightedRows
        Rows of the domains.
    centres : Centres
        Centres of the fit.
    gammas, ridges : ndarray
        Widths, ascending, and penalties of the fit.
    alpha : float
        Share of the target in the mixture that the ratio is relative to.

    Returns
    -------
    gamma, ridge, score : float
        The score is the loss of left-out rows at these.
    """
    few = centres.thin_out(_CENTRES)
    # With fewer centres the sums of products are smaller in proportion.
    ridges_of_few = len(few) / len(centres) * ridges
    parts = [rows.thin_out(_ROWS) for rows in (source, target)]
    overfit = 0.5 * (1 - _fewest(parts) / _fewest((source, target)))
    shares = [part.weights / part.weights.sum() for part in parts]
    # Of a part of the rows single precision is enough, beside such a penalty.
    single = overfit > 0 and ridges_of_few.min() > _SINGLE_RIDGE * len(few)
    kind = np.float32 if single else np.float64
    squares = few.squared_distances(join_rows(*(part.X for part in parts)))
    distances = np.split(squares.astype(kind), [len(parts[0])])
    scores, losses = {}, {}

    def least_loss(k):
        logs = [kind(-gammas[k]) * part for part in distances]
        domains = list(zip((np.exp(z, out=z) for z in logs), shares, strict=True))
        loss = SquaredLoss.of_kernels(*domains, alpha)
        scores[k], kept = leave_one_out(loss, *domains, ridges_of_few)
        # The more rows, the less overfitting: what the loss would be with all of them
        # if its excess falls as one over their number, half of it to either side.
        losses[k] = scores[k] - overfit * (scores[k] - kept)
        return losses[k].min()

    best, _ = search_outwards(least_loss, len(gammas))
    at = np.argmin(losses[best])
    return float(gammas[best]), float(ridges[at]), float(scores[best][at])


def _fewest(domains):
    return min(len(rows) for rows in domains)
