"""Ridge regression towards given coefficients, for many penalties at once."""

import numpy as np

__all__ = ["ShiftedRidge"]


class ShiftedRidge:
    r"""Minimise :math:`\sum_i s_i (y_i - w x_i - b)^2 + \alpha |w - w_0|^2`.

    One singular value decomposition of the centred, weighted rows serves every penalty.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows.
    y : ndarray of shape (n_samples,)
        Values.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.
    prior : ndarray of shape (n_features,)
        The coefficients w_0 that cost nothing.
    """

    def __init__(self, X, y, weight, prior):
        self.prior = prior
        self.x_mean = np.average(X, axis=0, weights=weight)
        self.y_mean = np.average(y, weights=weight)
        root = np.sqrt(weight)
        rows = root[:, None] * (X - self.x_mean)
        # What the source leaves unexplained is the value to fit.
        rest = root * (y - self.y_mean) - rows @ prior
        left, self.singular, self.right = np.linalg.svd(rows, full_matrices=False)
        floor = np.finfo(float).eps * max(rows.shape) * self.singular.max(initial=0.0)
        kept = self.singular > floor
        self.singular, self.right = self.singular[kept], self.right[kept]
        self.products = left[:, kept].T @ rest
        self.unreached = max(rest @ rest - self.products @ self.products, 0.0)
        self.n_samples = len(y)

    def solve(self, alpha):
        """Return the coefficients and the intercept for one penalty, 0 included.

        At 0 it is least squares; where that leaves a choice, the nearest to w_0.
        """
        shrunk = self.singular / (self.singular**2 + alpha) * self.products
        coef = self.prior + shrunk @ self.right
        return coef, self.y_mean - coef @ self.x_mean

    def gcv(self, alpha):
        r"""Return the generalised cross-validation score, infinite where undefined.

        :math:`n |(I - H) r|^2 / \mathrm{tr}(I - H)^2` for the residuals r of the source
        and the hat matrix H of penalty and intercept.
        """
        left_over = alpha / (self.singular**2 + alpha)
        residual = self.unreached + np.sum((left_over * self.products) ** 2)
        freedom = self.n_samples - 1 - len(self.singular) + left_over.sum()
        if freedom <= 1e-10 * self.n_samples:
            return np.inf
        return self.n_samples * residual / freedom**2
