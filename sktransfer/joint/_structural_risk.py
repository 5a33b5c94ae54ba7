"""Least squares in a kernel's space with a graph and a discrepancy as penalties.

With scores ``F = T c`` of all rows, minimise over the coefficients c

    |A (Y - F)|^2 + eta |f|^2 + rho tr(F' L F) + lambda tr(F' V diag(w) V' F),

where A picks the labelled rows and |f| is the norm in the kernel's space: T is the Gram
matrix K and ``|f|^2 = tr(c' K c)``, or T holds features and ``|f|^2 = tr(c' c)``. The
solution is ``(R B T + eta I) c = R A Y`` with ``B = A + rho L + lambda V diag(w) V'``,
and R = I or R = T'.

Only V and w change when labels do, and their rank is small. So the matrix without
them is factorised once, and each change costs a solve with as many right-hand sides as
V has columns (Sherman, Morrison and Woodbury).
"""

import numpy as np
from scipy import sparse
from scipy.linalg import cho_factor, cho_solve, lu_factor, lu_solve

__all__ = ["StructuralRisk"]


class StructuralRisk:
    """The problem without the discrepancy, factorised.

    Parameters
    ----------
    terms : ndarray of shape (n_samples, n_terms)
        T: the Gram matrix, or features.
    labels : ndarray of shape (n_samples,)
        Class numbers, -1 for rows without.
    n_classes : int
        Number of classes.
    laplacian : sparse array of shape (n_samples, n_samples) or None
        L; None: without the graph.
    is_gram : bool
        Whether T is the Gram matrix.
    graph_weight, regularization : float
        rho and eta.
    """

    def __init__(
        self,
        terms,
        labels,
        n_classes,
        laplacian,
        *,
        is_gram,
        graph_weight,
        regularization,
    ):
        self.terms, self.is_gram = terms, is_gram
        self.regularization = regularization
        self.labeled = labels >= 0
        self.targets = (labels[:, None] == np.arange(n_classes)).astype(np.float64)
        base = sparse.diags_array(self.labeled.astype(np.float64))
        if laplacian is not None:
            base = base + graph_weight * laplacian
        self.base = base.tocsr()
        matrix = self._reduced(self.base @ terms)
        matrix[np.diag_indices(len(matrix))] += regularization
        if is_gram:
            self._factor, self._solve = lu_factor(matrix, overwrite_a=True), lu_solve
        else:
            self._factor, self._solve = cho_factor(matrix), cho_solve
        self._plain = self._solve(self._factor, self._reduced(self.targets))

    def _reduced(self, rows):
        return rows if self.is_gram else self.terms.T @ rows

    def scores(self, coefficients):
        """Return F."""
        return self.terms @ coefficients

    def solve(self, discrepancy=None, weight=0.0):
        """Return the coefficients of least risk.

        Parameters
        ----------
        discrepancy : Discrepancy, default=None
            V and w; None: without.
        weight : float, default=0.0
            lambda.

        Returns
        -------
        ndarray of shape (n_terms, n_classes)
        """
        if discrepancy is None or weight == 0:
            return self._plain
        V, w = discrepancy.vectors, discrepancy.weights
        moved = self._solve(self._factor, self._reduced(V))
        parts = weight * w[:, None] * (self.terms.T @ V).T
        inner = np.eye(len(w)) + parts @ moved
        return self._plain - moved @ np.linalg.solve(inner, parts @ self._plain)

    def objective(self, coefficients, discrepancy=None, weight=0.0):
        """Return the risk at any coefficients.

        Parameters
        ----------
        coefficients : ndarray of shape (n_terms, n_classes)
            Of the kernel's rows or of the features.
        discrepancy : Discrepancy, default=None
            V and w; None: without.
        weight : float, default=0.0
            lambda.

        Returns
        -------
        float
        """
        scores = self.scores(coefficients)
        # |A (Y - F)|^2 + rho tr(F' L F) = |Y|^2 - 2 tr(Y' F) + tr(F' (A + rho L) F)
        risk = self.labeled.sum() - 2 * np.sum(self.targets * scores)
        risk += np.sum(scores * (self.base @ scores))
        norm = np.sum(coefficients * (scores if self.is_gram else coefficients))
        risk += self.regularization * norm
        if discrepancy is not None and weight > 0:
            means = discrepancy.vectors.T @ scores
            risk += weight * np.sum(discrepancy.weights[:, None] * means**2)
        return float(risk)
