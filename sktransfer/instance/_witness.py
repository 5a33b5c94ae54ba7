"""Where the target has more mass than the rows that stand in for it."""

from dataclasses import dataclass

import numpy as np

from sktransfer._kernels import Kernel, kernel_blocks, kernel_mean

__all__ = ["Witness"]


@dataclass(frozen=True)
class Witness:
    """The witness function of the maximum mean discrepancy: target minus kept rows.

    Parameters
    ----------
    kernel : Kernel
        The kernel.
    X_target : {ndarray, sparse matrix} of shape (n_target, n_features)
        Target rows, which count alike.
    X_kept : {ndarray, sparse matrix} of shape (n_kept, n_features)
        Rows that stand in for them.
    weights : ndarray of shape (n_kept,)
        Their weights, of sum one.
    """

    kernel: Kernel
    X_target: object
    X_kept: object
    weights: np.ndarray

    reads_labels = False

    def __call__(self, X, y=None):
        """Return the function's values; large where rows like these are missing."""
        X = X.astype(np.float64, copy=False)
        values = kernel_mean(X, self.X_target, **self.kernel.params)
        for rows, block in kernel_blocks(X, self.X_kept, **self.kernel.params):
            values[rows] -= block @ self.weights
        return values
