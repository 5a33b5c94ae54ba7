"""What every method of sktransfer promises, as checks for ours and for your own.

Run all of them with `check_transfer_estimator`, or one test each::

    @pytest.mark.parametrize("check", yield_transfer_checks(MyAligner()), ids=repr)
    def test_promise(check):
        check()
"""

import warnings
from unittest import SkipTest

from sklearn.utils.estimator_checks import check_estimator

from sktransfer.utils._promises import promises_of

__all__ = ["check_transfer_estimator", "yield_transfer_checks"]


class _Check:
    """A check bound to an estimator: call it, or print its name."""

    def __init__(self, function, estimator):
        self.function, self.estimator = function, estimator

    def __call__(self):
        with warnings.catch_warnings():
            # Tiny data: an early stop or a collapse says nothing about the promise.
            warnings.simplefilter("ignore")
            self.function(self.estimator)

    def __repr__(self):
        return f"{type(self.estimator).__name__}:{self.function.__name__}"


def check_transfer_estimator(estimator):
    """Check that an estimator keeps scikit-learn's contract and all of sktransfer's.

    Parameters
    ----------
    estimator : aligner, weighter, selector, or whole classifier or regressor
        An instance; the checks work on clones.

    Raises
    ------
    AssertionError
        If a promise is broken; the message names it.

    See Also
    --------
    yield_transfer_checks : The same checks one by one, without scikit-learn's.

    Examples
    --------
    >>> from sktransfer import InstanceSelector
    >>> from sktransfer.utils.estimator_checks import check_transfer_estimator
    >>> check_transfer_estimator(InstanceSelector())
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_estimator(estimator)
    for check in yield_transfer_checks(estimator):
        try:
            check()
        except SkipTest:  # pandas or polars is not installed
            continue
        except Exception as error:
            raise AssertionError(f"{check!r} failed: {error}") from error


def yield_transfer_checks(estimator):
    """Yield the promises of sktransfer for one estimator, each a callable.

    Parameters
    ----------
    estimator : aligner, weighter, selector, or whole classifier or regressor
        An instance; the checks work on clones.

    Yields
    ------
    callable
        Call it without arguments; it raises if the promise is broken. Its repr names
        the estimator and the promise.

    Examples
    --------
    >>> from sktransfer import InstanceSelector
    >>> from sktransfer.utils.estimator_checks import yield_transfer_checks
    >>> [*yield_transfer_checks(InstanceSelector())][-1]
    InstanceSelector:check_string_labels
    """
    for function in promises_of(estimator):
        yield _Check(function, estimator)
