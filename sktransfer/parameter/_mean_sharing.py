r"""Tasks near their common mean: :math:`w_t = w_0 + v_t`, both parts penalised."""

import warnings

import numpy as np
from scipy.linalg import solve
from scipy.sparse.linalg import LinearOperator, cg
from sklearn.exceptions import ConvergenceWarning

__all__ = ["mean_newton", "mean_ridge", "shared_part"]


def shared_part(coef, alpha, task_alpha):
    r"""Return :math:`w_0`, the best shared part of given coefficients.

    Parameters
    ----------
    coef : ndarray of shape (n_tasks, ...)
        Coefficients :math:`w_t`.
    alpha, task_alpha : float
        Penalties on :math:`w_0` and on :math:`w_t - w_0`.

    Returns
    -------
    ndarray of shape (...)
    """
    return coef.sum(axis=0) / (len(coef) + alpha / task_alpha)


def mean_ridge(tasks, alpha, task_alpha):
    r"""Minimise the squared loss of all tasks in closed form.

    With the singular values s of a task, the best :math:`v_t` for given :math:`w_0`
    leaves of each singular direction the share :math:`g = \lambda_1 / (s^2 +
    \lambda_1)` of the squared error. So :math:`w_0` is a ridge regression on the
    singular directions of all tasks, each times the root of its share, and
    :math:`v_t` one on what :math:`w_0` leaves.

    Parameters
    ----------
    tasks : list of Task
        Centred rows; one output each.
    alpha, task_alpha : float
        Penalties on :math:`w_0` and on each :math:`v_t`, > 0.

    Returns
    -------
    coef : ndarray of shape (n_tasks, 1, n_features)
    level : ndarray of shape (n_tasks, 1)
    """
    parts, rows, values, levels = [], [], [], []
    for task in tasks:
        root = np.sqrt(task.weight)
        level = np.average(task.targets[:, 0], weights=task.weight)
        rest = root * (task.targets[:, 0] - level)
        left, size, right = np.linalg.svd(root[:, None] * task.X, full_matrices=False)
        share = np.sqrt(task_alpha / (size**2 + task_alpha))
        products = left.T @ rest
        parts.append((size, right, products))
        rows.append((share * size)[:, None] * right)
        values.append(share * products)
        levels.append([level])
    shared = _ridge(np.vstack(rows), np.concatenate(values), alpha)
    coef = []
    for size, right, products in parts:
        rest = products - size * (right @ shared)
        coef.append([shared + (size / (size**2 + task_alpha) * rest) @ right])
    return np.array(coef), np.array(levels)


def _ridge(rows, values, alpha):
    """Solve in the smaller of the two dimensions."""
    n_rows, n_features = rows.shape
    if n_rows <= n_features:
        gram = rows @ rows.T
        gram.flat[:: n_rows + 1] += alpha
        return rows.T @ solve(gram, values, assume_a="pos")
    gram = rows.T @ rows
    gram.flat[:: n_features + 1] += alpha
    return solve(gram, rows.T @ values, assume_a="pos")


def mean_newton(losses, alpha, task_alpha, *, tol, max_iter):
    r"""Minimise a smooth loss of all tasks by truncated Newton steps.

    The penalty of :math:`W`, after :math:`w_0` is chosen, is half of
    :math:`\langle W, M W \rangle` with :math:`M^{-1} = I / \lambda_1 + 1 1^T /
    \lambda_2` over the tasks. In :math:`U = M^{1/2} W` it is half the squared norm,
    whatever the penalties.

    Parameters
    ----------
    losses : TaskLosses
        The losses.
    alpha, task_alpha : float
        Penalties on :math:`w_0` and on each :math:`v_t`, > 0.
    tol : float
        For the gradient, in units of its size at the start.
    max_iter : int
        Bound on the steps.

    Returns
    -------
    coef : ndarray of shape (n_tasks, n_outputs, n_features)
    level : ndarray of shape (n_tasks, n_outputs)
    n_iter : int
    """
    problem = _Problem(losses, alpha, task_alpha)
    point = problem.start()
    value = problem.value(point)
    scale, n_iter = None, 0
    while True:
        gradient, product = problem.gradient(point)
        norm = np.linalg.norm(gradient)
        scale = norm if scale is None else scale
        if norm <= tol * scale:
            break
        if n_iter >= max_iter:
            _warn(max_iter, norm / scale)
            break
        n_iter += 1
        step = _newton_step(product, gradient, norm / scale)
        slope, length = gradient @ step, 1.0
        # Below the rounding of the objective the full step is right and untestable.
        near = abs(slope) < 1e-11 * max(1.0, abs(value))
        new = problem.value(point + step)
        while not near and not new <= value + 1e-4 * length * slope and length > 1e-10:
            length /= 2
            new = problem.value(point + length * step)
        if near and norm <= 1e-6 * scale and n_iter > 1 and slope > -1e-16 * abs(value):
            break
        point, value = point + length * step, new
    coef, level = problem.split(point)
    return coef, level, max(n_iter, 1)


def _warn(max_iter, norm):
    warnings.warn(
        f"The coefficients did not converge in max_iter={max_iter} steps: the gradient "
        f"is {norm:.1e} of what it was. Scale the features, or raise max_iter or the "
        "penalties.",
        ConvergenceWarning,
        stacklevel=2,
    )


def _newton_step(product, gradient, progress):
    size = len(gradient)
    operator = LinearOperator((size, size), product, dtype=np.float64)
    # Rough at first, exact at the end: then the steps converge faster than linearly.
    rtol = min(0.1, np.sqrt(progress) * 1e-2)
    step, _ = cg(operator, -gradient, rtol=max(rtol, 1e-10), atol=0.0, maxiter=1000)
    return step


class _Problem:
    """The objective in the scaled coefficients U and the scaled levels."""

    def __init__(self, losses, alpha, task_alpha):
        self.losses, (n_tasks, n_outputs, _) = losses, losses.shape
        self.n_coef = int(np.prod(losses.shape))
        own = 1 / np.sqrt(task_alpha)
        both = np.sqrt(1 / task_alpha + n_tasks / alpha)
        self.mix = own * np.eye(n_tasks) + (both - own) / n_tasks
        totals = np.array([task.weight.sum() for task in losses.tasks])
        self.unit = np.repeat(1 / np.sqrt(totals)[:, None], n_outputs, axis=1)

    def start(self):
        return np.append(
            np.zeros(self.n_coef), (self.losses.start_levels() / self.unit).ravel()
        )

    def split(self, point):
        """Return coefficients and levels."""
        scaled = point[: self.n_coef].reshape(self.losses.shape)
        level = self.unit * point[self.n_coef :].reshape(self.unit.shape)
        return np.tensordot(self.mix, scaled, axes=1), level

    def _joined(self, by_coef, by_level):
        mixed = np.tensordot(self.mix, by_coef, axes=1)
        return np.append(mixed.ravel(), (self.unit * by_level).ravel())

    def value(self, point):
        size = 0.5 * np.sum(point[: self.n_coef] ** 2)
        return self.losses.value(*self.split(point)) + size

    def gradient(self, point):
        """Return the gradient, and the product with the second derivatives."""
        *parts, states = self.losses.gradient(*self.split(point))
        gradient = self._joined(*parts)
        gradient[: self.n_coef] += point[: self.n_coef]

        def product(change):
            curved = self._joined(*self.losses.curve(states, *self.split(change)))
            curved[: self.n_coef] += change[: self.n_coef]
            return curved

        return gradient, product
