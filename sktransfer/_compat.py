"""The names that scikit-learn keeps private or experimental, each with the reason.

Nothing else in sktransfer uses one.
"""

# Experimental in scikit-learn 1.9, may move.
from contextlib import contextmanager

from sklearn.callback import CallbackSupportMixin, with_callbacks

# No public twin; scikit-learn's own checks demand its exact error sentences (all-zero
# weights, wrong shapes).
from sklearn.utils.validation import _check_sample_weight as check_sample_weight

__all__ = [
    "CallbackSupportMixin",
    "begin_fit",
    "check_sample_weight",
    "fit_task",
    "with_callbacks",
]


def begin_fit(estimator, X, y, n_tasks=1):
    """Open the callback context of a fit with `n_tasks` tasks (None: unknown)."""
    context = estimator._init_callback_context(max_subtasks=n_tasks)
    context.call_on_fit_task_begin(estimator=estimator, X=X, y=y)
    return context


@contextmanager
def fit_task(context, owner, sub_estimator, X, y):
    """Run the fit of `sub_estimator` as the task of `owner`, callbacks passed on."""
    task = context.subcontext(task_name="fit-estimator")
    with task.propagate_callback_context(sub_estimator):
        task.call_on_fit_task_begin(estimator=owner, X=X, y=y)
        yield
        task.call_on_fit_task_end(estimator=owner, X=X, y=y)
