"""Exact optimal transport that never holds all costs: arcs are priced in by blocks.

The network simplex is run on few arcs. Its dual prices show which of the others would
lower the cost; these are added, until there is none. The plan is then optimal among all
arcs, and what was held is a block of costs and some tens of arcs a row.
"""

import numpy as np
from scipy import sparse

__all__ = ["cost_blocks", "dense_plan", "import_ot", "priced_plan"]

_BLOCK_ENTRIES = 2**19
_ARCS = 30
_FIRST_ROWS = 700
_GAP = 1e-10
_MAX_PIVOTS = 10**8


def import_ot():
    """Import POT, or say how to install it."""
    try:
        import ot
    except ImportError as error:
        raise ImportError(
            "Optimal transport needs POT: pip install 'sktransfer[ot]'."
        ) from error
    return ot


def cost_blocks(n_source, n_target):
    """Yield slices of source rows that keep a block of costs small.

    Parameters
    ----------
    n_source, n_target : int
        Shape of the costs.

    Yields
    ------
    slice
        Some rows.
    """
    step = max(1, _BLOCK_ENTRIES // n_target)
    for start in range(0, n_source, step):
        yield slice(start, min(start + step, n_source))


def dense_plan(costs, start=None):
    """Return the best plan between uniform weights, with all costs at hand.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs, float64.
    start : tuple of two ndarrays, default=None
        Dual prices of a similar problem, to begin with.

    Returns
    -------
    plan : sparse array of shape (n_source, n_target)
        The plan; it sums to one.
    prices : tuple of two ndarrays
        Dual prices of source and target rows.
    """
    n_source, n_target = costs.shape
    plan, log = import_ot().emd(
        np.full(n_source, 1 / n_source),
        np.full(n_target, 1 / n_target),
        costs,
        numItermax=_MAX_PIVOTS,
        log=True,
        potentials_init=start,
    )
    return sparse.csr_array(plan), (log["u"], log["v"])


def priced_plan(costs, shape, start=None):
    """Return the best plan between uniform weights, with costs made block by block.

    Parameters
    ----------
    costs : callable
        ``costs(rows)`` returns the costs of some source rows, a slice or numbers, to
        all target rows.
    shape : tuple of two ints
        Number of source rows and of target rows.
    start : tuple of two ndarrays, default=None
        Dual prices of a similar problem, to begin with.

    Returns
    -------
    plan : sparse array of shape (n_source, n_target)
        The plan; it sums to one. Its cost is least up to 1e-10 of the largest cost.
    prices : tuple of two ndarrays
        Dual prices of source and target rows.
    """
    n_source, n_target = shape
    source, target = np.full(n_source, 1 / n_source), np.full(n_target, 1 / n_target)
    prices = _first_prices(costs, shape) if start is None else start
    largest, arcs = _cheapest_arcs(costs, shape, prices)
    arcs = np.union1d(arcs, _corner_arcs(n_source, n_target))
    values = _arc_costs(costs, shape, arcs)
    while True:
        problem = sparse.coo_array((values, np.divmod(arcs, n_target)), shape=shape)
        plan, log = import_ot().emd(
            source, target, problem, numItermax=_MAX_PIVOTS, log=True
        )
        prices = log["u"], log["v"]
        new, new_values = _violated_arcs(costs, shape, prices, _GAP * largest)
        missing = ~np.isin(new, arcs, assume_unique=True)
        if not missing.any():
            return sparse.csr_array(plan), prices
        arcs = np.r_[arcs, new[missing]]
        values = np.r_[values, new_values[missing]]
        order = np.argsort(arcs)
        arcs, values = arcs[order], values[order]


def _corner_arcs(n_source, n_target):
    """Return the arcs of the north-west corner plan: with them there is a plan."""
    steps = np.union1d(
        np.arange(n_source, dtype=np.int64) * n_target,
        np.arange(n_target, dtype=np.int64) * n_source,
    )
    return (steps // n_target) * n_target + steps // n_source


def _first_prices(costs, shape):
    """Return prices that follow from the plan between every so many rows."""
    n_source, n_target = shape
    some_source = _spread(n_source)
    block = costs(some_source)
    _, (prices, _) = dense_plan(np.ascontiguousarray(block[:, _spread(n_target)]))
    target = (block - prices[:, None]).min(axis=0)
    source = np.empty(n_source)
    for rows in cost_blocks(*shape):
        source[rows] = (costs(rows) - target).min(axis=1)
    return source, target


def _spread(n):
    return np.unique(np.linspace(0, n - 1, min(n, _FIRST_ROWS)).astype(np.int64))


def _reduced(block, rows, prices):
    reduced = block - prices[1]
    reduced -= prices[0][rows, None]
    return reduced


def _cheapest_arcs(costs, shape, prices):
    """Return the largest cost, and for each row of either side its cheapest arcs."""
    n_source, n_target = shape
    n_best, n_kept = min(_ARCS, n_target), min(_ARCS, n_source)
    best = np.empty((0, n_target))
    best_rows = np.empty((0, n_target), dtype=np.int64)
    found, largest = [], 0.0
    for rows in cost_blocks(*shape):
        block = costs(rows)
        largest = max(largest, float(np.abs(block).max()))
        reduced = _reduced(block, rows, prices)
        numbers = np.arange(rows.start, rows.stop, dtype=np.int64)[:, None]
        columns = np.argpartition(reduced, n_best - 1, axis=1)[:, :n_best]
        found.append((numbers * n_target + columns).ravel())
        n_block = min(n_kept, len(reduced))
        chosen = np.argpartition(reduced, n_block - 1, axis=0)[:n_block]
        best = np.r_[best, np.take_along_axis(reduced, chosen, axis=0)]
        best_rows = np.r_[best_rows, chosen + rows.start]
        if len(best) > n_kept:
            chosen = np.argpartition(best, n_kept - 1, axis=0)[:n_kept]
            best = np.take_along_axis(best, chosen, axis=0)
            best_rows = np.take_along_axis(best_rows, chosen, axis=0)
    found.append((best_rows * n_target + np.arange(n_target)).ravel())
    return largest, np.unique(np.concatenate(found))


def _violated_arcs(costs, shape, prices, gap):
    """Return arcs that would lower the cost at these prices, few a row, with costs."""
    n_target = shape[1]
    n_best = min(_ARCS, n_target)
    found, values = [], []
    for rows in cost_blocks(*shape):
        block = costs(rows)
        reduced = _reduced(block, rows, prices)
        chosen = np.flatnonzero(reduced < -gap)
        if len(chosen) > n_best * len(block):
            columns = np.argpartition(reduced, n_best - 1, axis=1)[:, :n_best]
            chosen = (np.arange(len(block))[:, None] * n_target + columns).ravel()
            chosen = chosen[reduced.ravel()[chosen] < -gap]
        found.append(chosen + rows.start * n_target)
        values.append(block.ravel()[chosen])
    return np.concatenate(found), np.concatenate(values)


def _arc_costs(costs, shape, arcs):
    """Return the costs of sorted arcs."""
    n_target = shape[1]
    values = []
    for rows in cost_blocks(*shape):
        first, last = np.searchsorted(
            arcs, [rows.start * n_target, rows.stop * n_target]
        )
        values.append(costs(rows).ravel()[arcs[first:last] - rows.start * n_target])
    return np.concatenate(values)
