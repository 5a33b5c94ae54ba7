"""Smooth losses of a linear model that is penalised for leaving given coefficients."""

import warnings

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.extmath import safe_sparse_dot

__all__ = ["shifted_newton"]

_MAX_ITER = 300
_TOLERANCE = 1e-9


def shifted_newton(X, targets, weight, prior, alpha, loss):
    r"""Minimise :math:`\sum_i s_i L(W x_i + b, t_i) + (\alpha/2) |W - W_0|^2`.

    Truncated Newton steps: each is solved by conjugate gradients on exact products
    with the second derivatives, roughly at first and the better the nearer the minimum
    is, and damped, as by Levenberg and Marquardt, where the objective would not fall
    enough: losses that are nearly linear, because the source is very sure, have hardly
    any second derivative. X is centred implicitly, so it may be sparse.

    Parameters
    ----------
    X : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows.
    targets : ndarray of shape (n_samples, n_outputs)
        What the loss compares the scores with.
    weight : ndarray of shape (n_samples,)
        Weights of the rows, > 0.
    prior : ndarray of shape (n_outputs, n_features)
        The coefficients W_0 that cost nothing.
    alpha : float
        Penalty, >= 0.
    loss : object
        One of `_linear_losses`.

    Returns
    -------
    coef : ndarray of shape (n_outputs, n_features)
    intercept : ndarray of shape (n_outputs,)
    """
    problem = _Problem(X, targets, weight, prior, alpha, loss)
    point = np.zeros((prior.shape[0], prior.shape[1] + 1))
    point[:, -1] = loss.start(targets, weight)
    value, eta = problem.value(point)
    gradient, state = problem.gradient(point, eta)
    damping, first = 0.0, problem.distance(gradient)
    for _ in range(_MAX_ITER):
        left = problem.distance(gradient)
        if left <= _TOLERANCE:
            break
        # Exact far from the minimum, a step is not worth its products; near it, no
        # better than the tolerance asks for.
        accuracy = max(min(0.1, np.sqrt(left / first)), 0.1 * _TOLERANCE / left)
        step = problem.newton_step(gradient, state, damping, min(accuracy, 0.1))
        slope = np.vdot(gradient, step)
        if slope >= 0 or damping > 1e12:
            break  # rounding: no direction leads down any more
        new, new_eta = problem.value(point + step)
        # Below the rounding of the objective a step is right and cannot be tested.
        near = abs(slope) < 1e-10 * max(1.0, abs(value)) and np.isfinite(new)
        if not near and new > value + 1e-4 * slope:
            damping = max(8 * damping, 1e-6)
            continue
        point, value, eta = point + step, new, new_eta
        gradient, state = problem.gradient(point, eta)
        damping = damping / 8 if damping > 1e-9 else 0.0
    else:
        warnings.warn(
            f"The coefficients did not converge in {_MAX_ITER} Newton steps. Scale the "
            "features, or raise alpha: without a penalty separable classes have no "
            "finite solution.",
            ConvergenceWarning,
            stacklevel=2,
        )
    coef = prior + point[:, :-1]
    return coef, point[:, -1] - coef @ problem.center


class _Problem:
    """The objective in the change of the coefficients and the centred intercepts."""

    def __init__(self, X, targets, weight, prior, alpha, loss):
        self.X, self.targets, self.weight = X, targets, weight
        self.alpha, self.loss, self.n_features = alpha, loss, X.shape[1]
        total = weight.sum()
        self.center = safe_sparse_dot(X.T, weight) / total
        squares = X.multiply(X) if sparse.issparse(X) else np.square(X)
        second = safe_sparse_dot(squares.T, weight)
        spread = np.sqrt(np.maximum(second / total - self.center**2, 0) + alpha / total)
        # A gradient is small beside what a row one deviation away contributes.
        self.scale = np.append(total * np.maximum(spread, 1e-12), total)
        # Second derivatives of a loss whose own second derivative is one.
        self.bound = self.scale**2 / total
        self.ridge = np.append(np.full(X.shape[1], alpha), 0.0)
        self.offset = self._centered(prior.T)

    def _centered(self, coef):
        return safe_sparse_dot(self.X, coef, dense_output=True) - self.center @ coef

    def _scores(self, point):
        return self._centered(point[:, :-1].T) + point[:, -1]

    def _transposed(self, rows):
        """Return the products of each output's column with the features and one."""
        sums = rows.sum(axis=0)
        products = safe_sparse_dot(self.X.T, rows, dense_output=True).T
        return np.column_stack([products - np.outer(sums, self.center), sums])

    def value(self, point):
        """Return the objective, infinite on overflow, and the scores."""
        eta = self.offset + self._scores(point)
        with np.errstate(over="ignore", invalid="ignore"):
            value = self.weight @ self.loss.values(eta, self.targets)
        value += 0.5 * self.alpha * np.sum(point[:, :-1] ** 2)
        return (value if np.isfinite(value) else np.inf), eta

    def gradient(self, point, eta):
        """Return the gradient, and the state of the second derivatives."""
        rows, state = self.loss.gradient(eta, self.targets)
        gradient = self._transposed(self.weight[:, None] * rows)
        gradient[:, :-1] += self.alpha * point[:, :-1]
        return gradient, state

    def distance(self, gradient):
        """Return the largest derivative, each beside what one row contributes to it."""
        return np.max(np.abs(gradient) / self.scale)

    def newton_step(self, gradient, state, damping, accuracy):
        """Solve for the damped Newton step, preconditioned by the diagonal."""
        extra = damping * self.bound
        weight, shape = self.weight[:, None], gradient.shape

        def product(flat):
            change = flat.reshape(shape)
            rows = weight * self.loss.curve(state, self._scores(change))
            result = self._transposed(rows)
            result[:, :-1] += self.alpha * change[:, :-1]
            return (result + extra * change).ravel()

        # As if second derivatives and features went their own ways.
        sums = (weight * self.loss.diagonal(state)).sum(axis=0)
        curvature = np.outer(sums / self.weight.sum(), self.bound) + self.ridge + extra
        diagonal = np.maximum(curvature, 1e-12 * max(curvature.max(), 1e-300)).ravel()
        size = gradient.size
        operator = LinearOperator((size, size), product, dtype=np.float64)
        inverse = LinearOperator(
            (size, size), lambda flat: flat / diagonal, dtype=np.float64
        )
        step, _ = cg(
            operator,
            -gradient.ravel(),
            rtol=accuracy,
            atol=0.0,
            maxiter=5 * size + 50,
            M=inverse,
        )
        return step.reshape(shape)
