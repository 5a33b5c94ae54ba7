"""The loss of linear models of several tasks: value, gradient, second derivatives."""

from dataclasses import dataclass

import numpy as np

__all__ = ["Task", "TaskLosses"]


@dataclass(frozen=True)
class Task:
    """Labelled rows of one task.

    Attributes
    ----------
    X : ndarray of shape (n_rows, n_features)
        Rows, minus their weighted mean.
    center : ndarray of shape (n_features,)
        That mean.
    weight : ndarray of shape (n_rows,)
        Weights, > 0.
    outputs : ndarray of shape (n_held,)
        Numbers of the outputs of which the labels say anything.
    targets : ndarray of shape (n_rows, n_held)
        What the scores of these outputs are compared with.
    """

    X: np.ndarray
    center: np.ndarray
    weight: np.ndarray
    outputs: np.ndarray
    targets: np.ndarray

    @classmethod
    def of(cls, X, y, weight, loss, n_outputs):
        """Centre the rows and ask the loss what the labels say."""
        center = np.average(X, axis=0, weights=weight)
        outputs = loss.outputs(y, n_outputs)
        targets = loss.targets(y, outputs)
        return cls(X - center, center, weight, outputs, targets)

    def largest_curvature(self):
        """Return the largest eigenvalue of the weighted second moments."""
        rows = np.sqrt(self.weight)[:, None] * self.X
        return np.linalg.norm(rows, ord=2) ** 2


class TaskLosses:
    """Sum of the losses of all tasks, as a function of coefficients and levels.

    The level of an output is its score at the centre of the task, so that coefficients
    and levels hardly depend on each other.

    Parameters
    ----------
    tasks : list of Task
        The tasks.
    loss : object
        One of `_linear_losses`.
    n_outputs : int
        Number of outputs of each task.
    """

    def __init__(self, tasks, loss, n_outputs):
        self.tasks, self.loss = tasks, loss
        self.n_outputs, self.n_features = n_outputs, tasks[0].X.shape[1]

    @property
    def shape(self):
        """Shape of the coefficients: tasks, outputs, features."""
        return len(self.tasks), self.n_outputs, self.n_features

    def start_levels(self):
        """Return the levels that fit without coefficients, or zeros."""
        levels = np.zeros(self.shape[:2])
        for level, task in zip(levels, self.tasks, strict=True):
            level[task.outputs] = self.loss.start(task.targets, task.weight)
        return levels

    def _scores(self, task, coef, level):
        return task.X @ coef[task.outputs].T + level[task.outputs]

    def value(self, coef, level):
        """Return the sum of the losses."""
        total = 0.0
        for number, task in enumerate(self.tasks):
            eta = self._scores(task, coef[number], level[number])
            total += task.weight @ self.loss.values(eta, task.targets)
        return total

    def gradient(self, coef, level):
        """Return the derivatives, and the states that `curve` needs."""
        by_coef, by_level, states = np.zeros(self.shape), np.zeros(self.shape[:2]), []
        for number, task in enumerate(self.tasks):
            eta = self._scores(task, coef[number], level[number])
            rows, state = self.loss.gradient(eta, task.targets)
            states.append(state)
            self._collect(task, rows, by_coef[number], by_level[number])
        return by_coef, by_level, states

    def curve(self, states, coef, level):
        """Return the second derivatives along a change of coefficients and levels."""
        by_coef, by_level = np.zeros(self.shape), np.zeros(self.shape[:2])
        for number, task in enumerate(self.tasks):
            change = self._scores(task, coef[number], level[number])
            rows = self.loss.curve(states[number], change)
            self._collect(task, rows, by_coef[number], by_level[number])
        return by_coef, by_level

    def _collect(self, task, rows, by_coef, by_level):
        rows = task.weight[:, None] * rows
        by_coef[task.outputs] = rows.T @ task.X
        by_level[task.outputs] = rows.sum(axis=0)
