"""What the multi-task models share: tasks, their fit, the choice of a task."""

import warnings

import numpy as np

from sktransfer._domains import domain_mask
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.exceptions import NoTargetWarning
from sktransfer.parameter._linear_losses import SquaredLoss
from sktransfer.parameter._mean_sharing import mean_newton, mean_ridge, shared_part
from sktransfer.parameter._proximal_sharing import (
    GroupSparse,
    LowRank,
    proximal_tasks,
)
from sktransfer.parameter._source_transfer import BaseSourceTransfer
from sktransfer.parameter._task_losses import Task, TaskLosses

__all__ = ["BaseSharedMultiTask", "common_levels", "fit_tasks"]

_PENALTIES = {"low_rank": LowRank, "group_sparse": GroupSparse}


def fit_tasks(tasks, loss, n_outputs, sharing, *, alpha, task_alpha, tol, max_iter):
    """Fit all tasks together.

    Parameters
    ----------
    tasks : list of Task
        Centred rows.
    loss : object
        One of `_linear_losses`.
    n_outputs : int
        Number of outputs of each task.
    sharing : {"mean", "low_rank", "group_sparse"}
        What the tasks share.
    alpha, task_alpha : float
        Penalties.
    tol, max_iter : float and int
        When to stop.

    Returns
    -------
    coef : ndarray of shape (n_tasks, n_outputs, n_features)
    level : ndarray of shape (n_tasks, n_outputs)
        Scores at the centres of the tasks.
    shared : ndarray of shape (n_outputs, n_features)
        The shared coefficients.
    n_iter : int
    """
    stop = {"tol": tol, "max_iter": max_iter}
    losses = TaskLosses(tasks, loss, n_outputs)
    squared = type(loss) is SquaredLoss
    if sharing == "mean":
        if squared:
            coef, level = mean_ridge(tasks, alpha, task_alpha)
            n_iter = 1
        else:
            coef, level, n_iter = mean_newton(losses, alpha, task_alpha, **stop)
        return coef, level, shared_part(coef, alpha, task_alpha), n_iter
    curvature = 1.0 if squared else 0.25 if n_outputs == 1 else 0.5
    coef, level, n_iter = proximal_tasks(
        losses, _PENALTIES[sharing], alpha, curvature, **stop
    )
    return coef, level, coef.mean(axis=0), n_iter


def common_levels(tasks, level, shared):
    """Return the intercepts of the shared part, and each task's distance from them.

    An intercept puts the shared part, at the centre of a task, at the level that the
    task has there; of several tasks the mean counts. Several classes have scores up to
    a constant, which is each task's own and is fitted with the intercepts.

    Parameters
    ----------
    tasks : list of Task
        The tasks.
    level : ndarray of shape (n_tasks, n_outputs)
        Scores at the centres of the tasks.
    shared : ndarray of shape (n_outputs, n_features)
        The shared coefficients.

    Returns
    -------
    intercept : ndarray of shape (n_outputs,)
    shift : ndarray of shape (n_tasks,)
    """
    n_tasks, n_outputs = level.shape
    own = np.stack([shared @ task.center for task in tasks])
    if n_outputs == 1:
        return (level - own).mean(axis=0), np.zeros(n_tasks)
    rows, values = [], []
    for number, task in enumerate(tasks):
        for output in task.outputs:
            row = np.zeros(n_outputs + n_tasks)
            row[output] = row[n_outputs + number] = 1.0
            rows.append(row)
            values.append(level[number, output] - own[number, output])
    solution = np.linalg.lstsq(np.array(rows), np.array(values), rcond=None)[0]
    return solution[:n_outputs], solution[n_outputs:]


class BaseSharedMultiTask(BaseSourceTransfer):
    """Base of linear models of several tasks, which are the domains.

    A concrete class writes `__init__` with `sharing`, `alpha`, `task_alpha`, `max_iter`
    and `tol`, and `fit`, `predict`, `score`.
    """

    def _check_parameters(self):
        check_choice("sharing", self.sharing, ("mean", *_PENALTIES))
        for name in ("alpha", "task_alpha", "tol"):
            check_number(name, getattr(self, name), low=0, low_open=True)
        check_integer("max_iter", self.max_iter, low=1)

    def _fit_rows(self, rows, codes, sample_domain, loss, n_outputs):
        """Fit, given labelled rows and values or class numbers."""
        numbers, tasks, silent = [], [], []
        for number in np.unique(rows.domain):
            at = np.flatnonzero(rows.domain == number)
            task = Task.of(rows.X[at], codes[at], rows.weight[at], loss, n_outputs)
            if len(task.outputs):
                numbers.append(number)
                tasks.append(task)
            else:
                silent.append(number)
        if not tasks:
            raise ValueError(
                f"{type(self).__name__} needs a domain with labelled rows of at least "
                "two classes: an intercept of its own explains a domain of one class. "
                "Fit an ordinary classifier on all rows, or number the domains "
                "otherwise."
            )
        coef, level, shared, self.n_iter_ = fit_tasks(
            tasks,
            loss,
            n_outputs,
            self.sharing,
            alpha=self.alpha,
            task_alpha=self.task_alpha,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        common, shift = common_levels(tasks, level, shared)
        for number, task in enumerate(tasks):
            lost = np.setdiff1d(np.arange(n_outputs), task.outputs)
            at_center = shared[lost] @ task.center + common[lost] + shift[number]
            level[number, lost] = at_center
        centers = np.stack([task.center for task in tasks])
        self.domains_ = np.array(numbers)
        self._coef, self._shared = coef, shared
        self._intercept = level - np.einsum("tkp,tp->tk", coef, centers)
        self._common = common
        self._remember_domains(sample_domain, len(rows.y), silent)

    def _remember_domains(self, sample_domain, n_rows, silent):
        seen = np.array([1, -1])
        if sample_domain is not None:
            seen = np.unique(domain_mask(sample_domain, len(sample_domain)))
        self._seen = seen
        targets = seen[seen < 0]
        without = np.setdiff1d(targets, self.domains_)
        if len(without):
            what = "labelled rows of one class only"
            if not np.isin(without, silent).all():
                what = "no labelled row"
            which = "the target" if len(targets) == 1 else f"target domain {without[0]}"
            warnings.warn(
                f"{type(self).__name__} found {what} in {which}, so its model is the "
                "part that the other domains share. Label some of its rows and pass "
                "sample_domain.",
                NoTargetWarning,
                stacklevel=4,
            )

    def _task_numbers(self, n_samples, sample_domain):
        """Return for each row which task's model it gets; the last is the shared."""
        if sample_domain is None:
            targets = self._seen[self._seen < 0]
            if len(targets) > 1:
                listed = ", ".join(map(str, targets))
                raise ValueError(
                    f"{type(self).__name__} was fitted with several target domains "
                    f"({listed}), each with a model of its own. Pass sample_domain to "
                    "say from which the rows are."
                )
            domain = np.full(n_samples, targets[0])
        else:
            domain = domain_mask(sample_domain, n_samples)
        if self.sharing != "mean":
            unknown = np.setdiff1d(domain, self._seen)
            if len(unknown):
                known = ", ".join(map(str, self._seen))
                raise ValueError(
                    f"sample_domain holds {unknown[0]}, but fit saw the domains "
                    f"{known} only. Use sharing='mean', whose shared part serves new "
                    "domains."
                )
        place = np.searchsorted(self.domains_, domain)
        place = np.minimum(place, len(self.domains_) - 1)
        return np.where(self.domains_[place] == domain, place, len(self.domains_))

    def _task_scores(self, X, sample_domain):
        """Return the scores of checked rows, one column an output."""
        place = self._task_numbers(X.shape[0], sample_domain)
        scores = np.empty((X.shape[0], self._common.shape[0]))
        coefs = [*self._coef, self._shared]
        intercepts = [*self._intercept, self._common]
        for number in np.unique(place):
            rows = np.flatnonzero(place == number)
            scores[rows] = X[rows] @ coefs[number].T + intercepts[number]
        return scores
