"""Kernel herding: pick source rows one by one until their mean is the target's."""

import numpy as np

from sktransfer._kernels import kernel_matrix, kernel_mean

__all__ = ["herd", "kernel_diagonal", "near_enough"]

# How many picks that are not near enough are looked at before the search ends.
_PATIENCE, _SHARE = 25, 0.25


def kernel_diagonal(X, kernel, step=256):
    """Return the kernel value of each row with itself, in small blocks."""
    if kernel.kernel in ("rbf", "laplacian"):
        return np.ones(X.shape[0])
    blocks = [
        np.diag(kernel_matrix(X[start : start + step], **kernel.params))
        for start in range(0, X.shape[0], step)
    ]
    return np.concatenate(blocks).astype(np.float64)


def near_enough(X_target, kernel):
    """Return the discrepancy, on the scale of the path, that the target's mean has.

    Its mean in the kernel's space is known up to a squared error of (mean of the
    diagonal - mean of the matrix) / n_target: to be nearer than that means nothing.
    """
    mean = kernel_mean(X_target, X_target, **kernel.params).mean()
    error = (kernel_diagonal(X_target, kernel).mean() - mean) / X_target.shape[0]
    return error - mean


def herd(X, kappa, kernel, *, n_picks=None, enough=None, classes=None, quotas=None):
    r"""Pick rows greedily so that their mean in the kernel's space is the target's.

    The next row is the one that leaves the smallest maximum mean discrepancy between
    the rows picked so far, each once, and the target. One column of the kernel is made
    for each pick.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Source rows; of rows that are as good the first is picked.
    kappa : ndarray of shape (n_samples,)
        Mean kernel value of each source row with the target rows.
    kernel : Kernel
        The kernel.
    n_picks : int, default=None
        How many rows are picked. None: as many as `enough` allows.
    enough : float, default=None
        The longest path is wanted that ends not above this value; if no path does, the
        one that ends lowest. The search ends a quarter, and 25 picks, behind the last
        that is near enough.
    classes : ndarray of shape (n_samples,), default=None
        Class of each row, from 0, where `quotas` limits the picks of each.
    quotas : ndarray of shape (n_classes,), default=None
        Largest number of picks of each class.

    Returns
    -------
    order : ndarray of shape (n_looked_at,)
        Row numbers, first pick first.
    n_best : int
        How many of them are wanted.
    path : ndarray of shape (n_looked_at,)
        Squared discrepancy after each pick, but for the constant of the target.
    """
    picker, last = _Picker(X, kappa, kernel), None
    left = None if quotas is None else np.array(quotas)
    for count in range(1, (X.shape[0] if n_picks is None else n_picks) + 1):
        row = picker.pick()
        if left is not None:
            left[classes[row]] -= 1
            if left[classes[row]] == 0:
                picker.close(classes == classes[row])
        if n_picks is None and picker.path[-1] <= enough:
            last = count
        if last is not None and count > (1 + _SHARE) * last + _PATIENCE:
            break
    if last is None:
        last = int(np.argmin(picker.path)) + 1 if n_picks is None else n_picks
    return np.array(picker.order), last, np.array(picker.path)


class _Picker:
    """The rows picked so far and what each of the others would make of their mean."""

    def __init__(self, X, kappa, kernel):
        self.X, self.kappa, self.kernel = X, kappa, kernel
        self.diagonal = kernel_diagonal(X, kernel)
        self.sums, self.closed = np.zeros(X.shape[0]), np.zeros(X.shape[0])
        self.order, self.path = [], []
        self.attraction = self.repulsion = 0.0

    def pick(self):
        """Add the row that leaves the smallest discrepancy, and return its number."""
        count = len(self.order) + 1
        row = int(np.argmin(self.costs() + self.closed))
        self.repulsion += 2 * self.sums[row] + self.diagonal[row]
        self.attraction += self.kappa[row]
        self.order.append(row)
        self.path.append(self.repulsion / count**2 - 2 * self.attraction / count)
        self.closed[row] = np.inf
        column = kernel_matrix(self.X, self.X[row : row + 1], **self.kernel.params)
        self.sums += column[:, 0]
        return row

    def costs(self):
        """Return what each row would add to the discrepancy, but for a constant."""
        count = len(self.order) + 1
        repulsion = (2 * self.sums + self.diagonal) / count
        return (repulsion - 2 * self.kappa) / count

    def close(self, rows):
        """Leave rows out of all further picks."""
        self.closed[rows] = np.inf
