"""Random splits of the labelled target rows."""

from sklearn.model_selection import ShuffleSplit, StratifiedShuffleSplit

from sktransfer._validation import check_integer
from sktransfer.model_selection._base import BaseTargetSplit

__all__ = ["TargetShuffleSplit"]


class TargetShuffleSplit(BaseTargetSplit):
    """Random splits that test on labelled target rows.

    Each split draws its test rows anew among the labelled target rows. All source
    rows, all unlabelled rows and other labelled target rows train.

    No shift is assumed. Labels of target rows are read; without any there is nothing
    to test on. The cost is that of scikit-learn's `StratifiedShuffleSplit` over them.

    .. warning::
        Ordinary splits also hold source rows. A string scorer such as "accuracy" calls
        ``predict(X)``, which takes every row for a target row, so source rows are
        mapped as what they are not; an adapted model then looks bad, and a search
        silently picks "no adaptation".

    Parameters
    ----------
    n_splits : int, default=10
        Number of splits.
    test_size : float, int or None, default=None
        Share or number of the labelled target rows to test on. None: what `train_size`
        leaves, or 0.1 if that is None as well.
    train_size : float, int or None, default=None
        Share or number of the labelled target rows to train on. None: what `test_size`
        leaves. Labelled target rows in neither part are left out of that split. Source
        rows and unlabelled rows always train and do not count here.
    random_state : int, RandomState instance or None, default=None
        For the drawing.
    stratify : {"auto", True, False}, default="auto"
        Whether each part keeps the share of the classes. "auto": for integer, string
        and bool labels, not for floats or several outputs.
    unlabeled : int, str or None, default=-1
        Marker of unlabelled rows: -1 stands for -1 in integer labels, "" in string
        labels and NaN in floats; None says that every row is labelled.

    See Also
    --------
    TargetKFold : Folds that test each labelled target row exactly once.

    Notes
    -----
    `split` takes the domains as ``groups=`` or ``sample_domain=``. In a search or in
    `cross_validate`, pass ``sample_domain=`` with metadata routing and ``groups=``
    without; the splits are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.model_selection import TargetShuffleSplit
    >>> X = np.zeros((8, 2))
    >>> y = np.array([0, 1, 0, 1, 0, 1, -1, -1])
    >>> sample_domain = np.array([1, 1, -1, -1, -1, -1, -1, -1])
    >>> cv = TargetShuffleSplit(2, test_size=2, random_state=0)
    >>> for train, test in cv.split(X, y, sample_domain=sample_domain):
    ...     print(train, test)
    [0 1 3 4 6 7] [2 5]
    [0 1 2 3 6 7] [4 5]
    """

    def __init__(
        self,
        n_splits=10,
        *,
        test_size=None,
        train_size=None,
        random_state=None,
        stratify="auto",
        unlabeled=-1,
    ):
        self.n_splits = n_splits
        self.test_size = test_size
        self.train_size = train_size
        self.random_state = random_state
        self.stratify = stratify
        self.unlabeled = unlabeled

    def _check_params(self):
        check_integer("n_splits", self.n_splits, low=1)

    def _inner(self, stratified):
        kind = StratifiedShuffleSplit if stratified else ShuffleSplit
        return kind(
            self.n_splits,
            test_size=self.test_size,
            train_size=self.train_size,
            random_state=self.random_state,
        )

    def _least_rows(self):
        return 2

    def _strata_suffice(self, counts):
        return counts.min() >= 2
