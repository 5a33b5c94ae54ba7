"""Exact transport under which rows that are neighbours move alike."""

import numpy as np
from scipy import sparse
from sklearn.neighbors import kneighbors_graph

from sktransfer.joint._priced_transport import dense_plan

__all__ = ["DisplacementPenalty", "laplace_plan", "neighbour_laplacian"]


def neighbour_laplacian(X, n_neighbors):
    """Return the Laplacian of the graph of nearest neighbours, edges of sum one.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    n_neighbors : int
        Number of neighbours of each row, at most as many as there are.

    Returns
    -------
    sparse array of shape (n_samples, n_samples)
        ``trace(D.T @ laplacian @ D)`` is half the mean over edges of the squared
        difference of D at both ends.
    """
    n_samples = len(X)
    n_neighbors = min(n_neighbors, n_samples - 1)
    if n_neighbors == 0:
        return sparse.csr_array((n_samples, n_samples))
    graph = sparse.csr_array(kneighbors_graph(X, n_neighbors))
    graph = (graph + graph.T) / (2 * n_neighbors * n_samples)
    return sparse.csr_array(sparse.diags_array(graph.sum(axis=1)) - graph)


class DisplacementPenalty:
    """The unevenness of the moves of both domains, a quadratic function of the plan.

    The value is the mean squared difference of the moves of neighbours, averaged over
    both domains: source rows move to their barycentric images, target rows back.

    Parameters
    ----------
    source, target : ndarray of shape (n_samples, n_features)
        Rows.
    n_neighbors : int
        Neighbours of each row whose moves are compared with its own.
    """

    def __init__(self, source, target, n_neighbors):
        self.source, self.target = source, target
        self._source_graph = neighbour_laplacian(source, n_neighbors)
        self._target_graph = neighbour_laplacian(target, n_neighbors)

    def _moves(self, plan, moved=1.0):
        n_source, n_target = plan.shape
        forth = n_source * (plan @ self.target) - moved * self.source
        back = n_target * (plan.T @ self.source) - moved * self.target
        return forth, back

    def value(self, plan, moved=1.0):
        """Return the penalty, without its linear and constant part if `moved` is 0."""
        forth, back = self._moves(plan, moved)
        return float(
            np.sum(forth * (self._source_graph @ forth))
            + np.sum(back * (self._target_graph @ back))
        )

    def slopes(self, plan):
        """Return the gradient, an array of shape (n_source, n_target)."""
        n_source, n_target = plan.shape
        forth, back = self._moves(plan)
        gradient = (2 * n_source * (self._source_graph @ forth)) @ self.target.T
        gradient += self.source @ (2 * n_target * (self._target_graph @ back)).T
        return gradient


def laplace_plan(costs, moves, penalty, *, n_rounds, tol):
    """Return a plan of low cost and even moves, by conditional gradient.

    Parameters
    ----------
    costs : ndarray of shape (n_source, n_target)
        Costs.
    moves : DisplacementPenalty
        The penalty of the plan.
    penalty : float
        Its weight.
    n_rounds : int
        Largest number of rounds, each one exact transport problem.
    tol : float
        The duality gap to stop at, as a share of the objective.

    Returns
    -------
    plan : sparse array of shape (n_source, n_target)
        The plan; it sums to one.
    gap : float
        Duality gap of the plan, as a share of the objective: at most that much lower is
        the least one.
    """
    plan, prices = dense_plan(costs)
    gap = 0.0
    for _ in range(n_rounds):
        slopes = penalty * moves.slopes(plan)
        slopes += costs
        goal, prices = dense_plan(slopes, prices)
        step = sparse.csr_array(goal - plan)
        descent = -float((step * slopes).sum())
        objective = float((plan * costs).sum()) + penalty * moves.value(plan)
        gap = descent / objective if objective > 0 else 0.0
        if gap <= tol:
            break
        bend = 2 * penalty * moves.value(step, moved=0.0)
        share = 1.0 if bend <= descent else descent / bend
        plan = sparse.csr_array(plan + share * step)
    return plan, gap
