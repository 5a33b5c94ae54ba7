"""The Gram matrix of source rows, made only as far as it is asked for."""

from functools import partial

import numpy as np
from scipy import sparse

from sktransfer._kernels import kernel_blocks, kernel_matrix, kernel_mean

__all__ = ["ExactGram", "FeatureGram", "RidgedGram"]


class ExactGram:
    """The source rows' Gram matrix, made only as far as it is asked for."""

    def __init__(self, X, kernel):
        self.X, self.kernel, self.n = X, kernel, X.shape[0]

    @property
    def trace(self):
        return float(sum(np.trace(b) for b in self._diagonal_blocks()))

    def _diagonal_blocks(self, step=256):
        for start in range(0, self.n, step):
            yield kernel_matrix(self.X[start : start + step], **self.kernel.params)

    def block(self, rows):
        return kernel_matrix(self.X[rows], **self.kernel.params)

    def columns(self, rows, values):
        out = np.empty(self.n)
        for part, block in kernel_blocks(self.X, self.X[rows], **self.kernel.params):
            out[part] = block @ values
        return out

    def product(self):
        return partial(np.matmul, kernel_matrix(self.X, **self.kernel.params))

    def mean(self):
        return float(kernel_mean(self.X, self.X, **self.kernel.params).mean())


class FeatureGram:
    """The Gram matrix F F' of given features."""

    def __init__(self, F):
        self.F, self.n = F, F.shape[0]

    @property
    def trace(self):
        if sparse.issparse(self.F):
            return float(self.F.multiply(self.F).sum())
        return float(np.einsum("ij,ij->", self.F, self.F))

    def block(self, rows):
        return self.F[rows] @ self.F[rows].T

    def columns(self, rows, values):
        return self.F @ (self.F[rows].T @ values)

    def product(self):
        return lambda v: self.F @ (self.F.T @ v)

    def mean(self):
        centre = np.asarray(self.F.mean(axis=0)).ravel()
        return float(centre @ centre)


class RidgedGram:
    """A Gram matrix with a constant added to its diagonal."""

    def __init__(self, gram, ridge):
        self.gram, self.ridge, self.n = gram, ridge, gram.n

    def block(self, rows):
        K = self.gram.block(rows)
        K[np.diag_indices(len(rows))] += self.ridge
        return K

    def columns(self, rows, values):
        out = self.gram.columns(rows, values)
        out[rows] += self.ridge * values
        return out

    def product(self):
        product = self.gram.product()
        return lambda v: product(v) + self.ridge * v
