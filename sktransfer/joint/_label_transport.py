"""Labels carried through a plan, and rules that carry them onto new rows."""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from sktransfer.joint._entropic_transport import column_potentials
from sktransfer.joint._priced_transport import cost_blocks

__all__ = [
    "EntropicRule",
    "ExactRule",
    "central_prices",
    "exact_shares",
    "known_groups",
    "row_groups",
    "settled_shares",
]

_TIE = 1e-9
_NO_FLOW = 1e-13


def row_groups(X):
    """Give equal rows the same number.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.

    Returns
    -------
    groups : ndarray of shape (n_rows,)
        Numbers from 0.
    known : dict
        The number of each row, by its bytes.
    """
    known = {}
    groups = [known.setdefault(key, len(known)) for key in _row_bytes(X)]
    return np.array(groups, dtype=np.int64), known


def _row_bytes(X):
    # Zero and minus zero are equal.
    return (row.tobytes() for row in X.astype(np.float64) + 0.0)


def known_groups(X, known):
    """Find rows among known ones.

    Parameters
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows.
    known : dict
        From `row_groups`.

    Returns
    -------
    ndarray of shape (n_rows,)
        The number of each row, -1 for a new one.
    """
    return np.array([known.get(key, -1) for key in _row_bytes(X)], dtype=np.int64)


def exact_shares(plan, memberships, source_groups, labeled):
    """Return the class shares that an exact plan carries onto target rows.

    Equal source rows of several classes may change places in an exact plan: of what
    they send to rows without a label, each sends its part.

    Parameters
    ----------
    plan : sparse array of shape (n_source, n_target)
        The plan.
    memberships : ndarray of shape (n_source, n_classes)
        One in the column of a row's class, else zero.
    source_groups : ndarray of shape (n_source,)
        Equal source rows have the same number.
    labeled : ndarray of shape (n_target,), bool
        Which target rows have a label.

    Returns
    -------
    ndarray of shape (n_target, n_classes)
        Shares; those of labelled rows are zero.
    """
    n_source, n_target = plan.shape
    free = sparse.csr_array(plan @ sparse.diags_array((~labeled).astype(float)))
    rows = np.arange(n_source)
    groups = sparse.csr_array((np.ones(n_source), (source_groups, rows)))
    sent = groups @ (free.sum(axis=1)[:, None] * memberships)
    total = sent.sum(axis=1, keepdims=True)
    sent = np.divide(sent, total, out=np.zeros_like(sent), where=total > 0)
    return n_target * ((groups @ free).T @ sent)


def settled_shares(shares, y_target, groups):
    """Give equal target rows equal shares; labels that are known decide.

    Parameters
    ----------
    shares : ndarray of shape (n_target, n_classes)
        Carried shares.
    y_target : ndarray of shape (n_target,)
        Class numbers, -1 for none.
    groups : ndarray of shape (n_target,)
        Equal target rows have the same number.

    Returns
    -------
    rows : ndarray of shape (n_target, n_classes)
        Shares of each row, which sum to one: a labelled row's are its label.
    by_group : ndarray of shape (n_groups, n_classes)
        Shares of each group: the mean over its labelled rows, or over all if it has
        none.
    """
    n_classes = shares.shape[1]
    labeled = y_target >= 0
    rows = shares.copy()
    rows[labeled] = np.eye(n_classes)[y_target[labeled]]
    n_groups = groups.max() + 1
    n_labeled = np.bincount(groups, labeled, n_groups)
    counted = labeled | (n_labeled[groups] == 0)
    by_group = np.column_stack(
        [np.bincount(groups[counted], c[counted], n_groups) for c in rows.T]
    )
    by_group /= by_group.sum(axis=1, keepdims=True)
    rows[~labeled] = by_group[groups[~labeled]]
    return rows, by_group


def central_prices(costs, plan, prices, memberships):
    """Choose among dual prices those in the middle, as far as classes go.

    Where classes fill target rows among themselves, all prices of a class may rise and
    fall against those of another while the plan stays the best. Solvers return the end
    of the range.

    Parameters
    ----------
    costs : callable
        ``costs(rows)`` returns the costs of some source rows.
    plan : sparse array of shape (n_source, n_target)
        The best plan.
    prices : tuple of two ndarrays
        Dual prices of source and target rows.
    memberships : ndarray of shape (n_source, n_classes)
        One in the column of a row's class, else zero.

    Returns
    -------
    tuple of two ndarrays
        Dual prices.
    """
    n_source = plan.shape[0]
    # Where nothing should flow the solver leaves what rounding did.
    flows = plan > _NO_FLOW
    graph = sparse.block_array([[None, flows], [flows.T, None]])
    n_parts, part = connected_components(graph, directed=False)
    weights = sparse.csr_array(
        (np.ones(n_source), (part[:n_source], np.arange(n_source))),
        shape=(n_parts, n_source),
    )
    # Rows that share target rows move together, with the class of most of them.
    present, group = np.unique(
        (weights @ memberships).argmax(axis=1)[part], return_inverse=True
    )
    of_source, of_target = group[:n_source], group[n_source:]
    gaps = np.full((len(present), len(present)), np.inf)
    for rows in cost_blocks(*plan.shape):
        reduced = costs(rows) - prices[0][rows, None] - prices[1]
        for k in range(len(present)):
            least = reduced[:, of_target == k].min(axis=1)
            np.minimum.at(gaps[:, k], of_source[rows], np.maximum(least, 0))
    for k in range(len(present)):
        gaps = np.minimum(gaps, gaps[:, [k]] + gaps[k])
    np.fill_diagonal(gaps, 0)
    shift = (gaps - gaps.T).mean(axis=1) / 2
    return prices[0] + shift[of_source], prices[1] - shift[of_target]


@dataclass(frozen=True)
class ExactRule:
    """A new row is taken by the source rows that offer most for it.

    Attributes
    ----------
    prices : ndarray of shape (n_source,)
        Dual prices of the source rows: what each offers beyond its cost.
    memberships : ndarray of shape (n_source, n_classes)
        One in the column of a row's class, else zero.
    """

    prices: np.ndarray
    memberships: np.ndarray

    def shares(self, costs):
        """Return class shares of new rows; source rows that tie share a row.

        Parameters
        ----------
        costs : ndarray of shape (n_source, n_rows)
            Costs.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        reduced = costs - self.prices[:, None]
        takers = reduced <= reduced.min(axis=0) + _TIE
        counts = takers.T.astype(float) @ self.memberships
        return counts / counts.sum(axis=1, keepdims=True)


@dataclass(frozen=True)
class EntropicRule:
    """A new row gets the column that the plans would have for it.

    Attributes
    ----------
    potentials : list of ndarray of shape (n_k,)
        Potentials of the rows of each source, in units of `regularization`.
    rows : list of ndarray of shape (n_k,)
        Their numbers among all source rows.
    memberships : list of ndarray of shape (n_k, n_classes)
        In the column of a row's class: one over the number of sources that hold it.
    capped : list of bool
        Which sources may leave target rows out.
    n_target : int
        Number of target rows of fit.
    regularization : float
        Weight of the entropy.
    """

    potentials: list
    rows: list
    memberships: list
    capped: list
    n_target: int
    regularization: float

    def shares(self, costs):
        """Return class shares of new rows.

        Parameters
        ----------
        costs : ndarray of shape (n_source, n_rows)
            Costs.

        Returns
        -------
        ndarray of shape (n_rows, n_classes)
        """
        total = 0
        for f, rows, members, capped in zip(
            self.potentials, self.rows, self.memberships, self.capped, strict=True
        ):
            part = costs[rows] / self.regularization
            g = column_potentials(f, part, self.n_target, capped)
            total = total + np.exp(f[:, None] + g - part).T @ members
        return total / total.sum(axis=1, keepdims=True)
