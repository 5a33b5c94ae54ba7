"""K folds over the labelled target rows."""

from sklearn.model_selection import KFold, StratifiedKFold

from sktransfer._validation import check_choice, check_integer
from sktransfer.model_selection._base import BaseTargetSplit

__all__ = ["TargetKFold"]


class TargetKFold(BaseTargetSplit):
    """K folds that test on labelled target rows and train on everything else.

    Each labelled target row is tested exactly once. All source rows, all unlabelled
    rows and the labelled target rows of the other folds train. This is how transfer is
    tuned in `GridSearchCV` by accuracy, recall or F1: the score is that of target rows.

    No shift is assumed. Labels of target rows are read; without any there is nothing
    to test on. The cost is that of scikit-learn's `StratifiedKFold` over those rows.

    .. warning::
        Ordinary folds (``cv=5``) also hold source rows. A string scorer such as
        "accuracy" calls ``predict(X)``, which takes every row for a target row, so
        source rows are mapped as what they are not; an adapted model then looks bad,
        and a search silently picks "no adaptation". Unlabelled rows in a test fold
        count as wrong, or make the scorer raise.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    shuffle : bool, default=False
        Whether the labelled target rows (of each class) are shuffled before they are
        dealt out. Without it, folds depend on the order of the labelled target rows,
        and not on how other rows lie between them.
    random_state : int, RandomState instance or None, default=None
        For that shuffling alone.
    stratify : {"auto", True, False}, default="auto"
        Whether each fold keeps the share of the classes. "auto": for integer, string
        and bool labels, not for floats or several outputs.
    unlabeled : int, str or None, default=-1
        Marker of unlabelled rows: -1 stands for -1 in integer labels, "" in string
        labels and NaN in floats; None says that every row is labelled.

    See Also
    --------
    TargetShuffleSplit : Random splits instead of folds.
    sktransfer.TransferClassifier : The model that such folds judge.

    Notes
    -----
    `split` takes the domains as ``groups=`` or ``sample_domain=``. In a search or in
    `cross_validate`, pass ``sample_domain=`` with metadata routing and ``groups=``
    without; the folds are the same.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.model_selection import TargetKFold
    >>> X = np.zeros((8, 2))
    >>> y = np.array([0, 1, 0, 1, 0, 1, -1, -1])
    >>> sample_domain = np.array([1, 1, -1, -1, -1, -1, -1, -1])
    >>> for train, test in TargetKFold(2).split(X, y, sample_domain=sample_domain):
    ...     print(train, test)
    [0 1 4 5 6 7] [2 3]
    [0 1 2 3 6 7] [4 5]
    """

    def __init__(
        self,
        n_splits=5,
        *,
        shuffle=False,
        random_state=None,
        stratify="auto",
        unlabeled=-1,
    ):
        self.n_splits = n_splits
        self.shuffle = shuffle
        self.random_state = random_state
        self.stratify = stratify
        self.unlabeled = unlabeled

    def _check_params(self):
        check_integer("n_splits", self.n_splits, low=2)
        check_choice("shuffle", self.shuffle, (True, False))

    def _inner(self, stratified):
        kind = StratifiedKFold if stratified else KFold
        return kind(self.n_splits, shuffle=self.shuffle, random_state=self.random_state)

    def _least_rows(self):
        return self.n_splits

    def _strata_suffice(self, counts):
        return counts.max() >= self.n_splits
