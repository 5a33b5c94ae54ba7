"""The problem of transfer components for fixed rows, solved for one L after another."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer.feature._row_space import RowSpace
from sktransfer.feature._signed_components import whitening
from sktransfer.feature._transfer_components import (
    Components,
    coordinates,
    kernel_components,
    linear_components,
)

__all__ = ["GramProblem", "SpaceProblem"]


@dataclass
class SpaceProblem:
    """Rows of few features, or a Gram matrix that was decomposed.

    Attributes
    ----------
    features : {ndarray, sparse matrix} of shape (n_samples, p)
        Features, or the Gram matrix: what projections are multiplied with.
    space : RowSpace
        Their decomposition.
    mu : float
        Regularisation.
    n_components : int
        How many.
    primal : bool
        See `linear_components`.
    """

    features: object
    space: RowSpace
    mu: float
    n_components: int
    primal: bool = False
    is_exact: ClassVar[bool] = True

    @cached_property
    def _coordinates(self):
        return coordinates(self.space, primal=self.primal)

    @cached_property
    def _whitening(self):
        return whitening(self._coordinates.scatter, self._coordinates.uncentred)

    @property
    def variance(self):
        """Sum of the squared distances of the rows to their mean."""
        space = self.space
        return space.squares.sum() - space.squares @ space.ones**2

    def square(self, vector):
        """Return ``v' K v``."""
        return self.space.squares @ self.space.coordinates(vector) ** 2

    def solve(self, discrepancy, *, penalties=None, final=True):
        """Return the components for one L; they are always exact."""
        if not len(self.space.squares):  # all rows are zero
            return Components(np.empty(0), np.empty((self.features.shape[1], 0)))
        known = None
        if penalties is None:
            whitened = self._whitening if discrepancy.is_signed else None
            known = self._coordinates, whitened
        return linear_components(
            self.space,
            discrepancy,
            self.mu,
            self.n_components,
            primal=self.primal,
            penalties=penalties,
            known=known,
        )

    def mapped(self, components):
        """Return the rows, mapped; an array in Fortran order, where that is free."""
        if sparse.issparse(self.features):
            return np.asarray(safe_sparse_dot(self.features, components.projection))
        return (components.projection.T @ self.features.T).T


@dataclass
class GramProblem:
    """Rows of any kernel, by products with their Gram matrix alone.

    Attributes
    ----------
    K : ndarray of shape (n_samples, n_samples)
        Gram matrix.
    mu : float
        Regularisation.
    n_components : int
        How many.
    start : ndarray of shape (n_samples,)
        Start of the iteration, which follows the rows.
    """

    K: np.ndarray
    mu: float
    n_components: int
    start: np.ndarray
    _last: np.ndarray | None = field(default=None, init=False)
    is_exact: ClassVar[bool] = False

    @property
    def variance(self):
        """Sum of the squared distances of the rows to their mean."""
        return np.trace(self.K) - self.K.sum(dtype=np.float64) / len(self.K)

    def square(self, vector):
        """Return ``v' K v``."""
        vector = vector.astype(self.K.dtype)
        return vector @ (self.K @ vector)

    def solve(self, discrepancy, *, penalties=None, final=True):
        """Return the components for one L.

        Rounds before the final one start from the components of the last and stop at
        three digits, which is plenty for pseudo-labels.
        """
        rough = not final and self._last is not None
        components = kernel_components(
            self.K,
            discrepancy,
            self.mu,
            self.n_components,
            self._last if rough else self.start,
            penalties=penalties,
            tol=1e-3 if rough else None,
        )
        self._last = components.projection
        return components

    def mapped(self, components):
        """Return the rows, mapped."""
        return self.K @ components.projection
