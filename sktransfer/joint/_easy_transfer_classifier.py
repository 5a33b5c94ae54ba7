import numpy as np
from sklearn.metrics import euclidean_distances

from sktransfer._validation import check_choice, check_number
from sktransfer.feature._coral_aligner import CORALAligner
from sktransfer.joint._base import BaseJointClassifier
from sktransfer.joint._easy_transfer import class_prices, programmed_labels
from sktransfer.joint._row_order import labelled_order

__all__ = ["EasyTransferClassifier"]


class EasyTransferClassifier(BaseJointClassifier):
    r"""Easy transfer: nearest class centre after alignment, no class left empty.

    Source rows are given the covariance of the target, and target rows the class of the
    nearest source centre. Among the unlabelled target rows of fit every class gets at
    least one, at the least total distance; what this costs is the price of the class,
    by which its distances are shortened for new rows, too. Hardly anything is to tune.

    Assumes that the domains differ by an affine change of the features, that classes
    are round about their centres, and that every class occurs in the target. Reads the
    labels of the source and of labelled target rows; those count in the centres and
    keep their class.

    Cost: one pass over the rows for the covariances, ``O(p^3)`` for the map, and
    ``O(n_target n_classes (p + n_classes))`` for distances and programme.

    Parameters
    ----------
    align : bool, default=True
        Whether the source is aligned by correlation first; the published name is
        EasyTL with it and EasyTL(c) without.
    regularization : float or "auto", default=1.0
        Added to the diagonal of both covariances in the alignment, in units of the
        mean variance; see `CORALAligner`. The published code adds the identity to the
        covariances of standardised columns, which is 1.0 here.

    Attributes
    ----------
    class_centers_ : ndarray of shape (n_classes, n_features)
        Centres of the classes, in the space of the target.
    class_prices_ : ndarray of shape (n_classes,)
        What is taken off the distances to the class, >= 0. All are zero where every
        class is the nearest of some target row.
    transduction_ : ndarray of shape (n_target_rows,)
        Classes of the target rows of fit, in the order of X: own labels, or the
        solution of the programme. `predict` says the same of these rows, except where
        equal rows got different classes. Without target rows the source stands in.
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.CORALAligner : The alignment, before any classifier.

    Notes
    -----
    With distances :math:`D_{cj}` of target row j to the centre of class c, the
    programme is [1]_

    .. math:: \min_M \sum_{cj} D_{cj} M_{cj} \quad \text{where} \quad
        0 \le M_{cj} \le 1, \; \sum_c M_{cj} = 1, \; \sum_j M_{cj} \ge 1.

    It has a solution of zeros and ones, found by an assignment problem. The prices
    :math:`v_c` are its dual variables for the last constraint: each row has its class
    by :math:`\min_c D_{cj} - v_c`. Classes of labelled target rows have their row and
    need no other. With fewer unlabelled rows than such classes the last constraint is
    dropped.

    References
    ----------
    .. [1] J. Wang, Y. Chen, H. Yu, M. Huang, Q. Yang. Easy Transfer Learning by
       Exploiting Intra-Domain Structures. ICME, 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import EasyTransferClassifier
    >>> rng = np.random.RandomState(0)
    >>> y = np.repeat([0, 1], 50)
    >>> X_source = rng.normal(size=(100, 2)) + np.c_[6 * y, 0 * y]
    >>> X_target = 3 * (rng.normal(size=(100, 2)) + np.c_[6 * y, 0 * y]) + 8
    >>> model = EasyTransferClassifier()
    >>> model = model.fit(np.r_[X_source, X_target], np.r_[y, np.full(100, -1)])
    >>> bool(model.score(X_target, y) > 0.95)
    True
    """

    def __init__(self, *, align=True, regularization=1.0):
        self.align = align
        self.regularization = regularization

    def _fit(self, X_source, y_source, X_target, y_target):
        check_choice("align", self.align, (True, False))
        check_number("regularization", self.regularization, low=0, also=("auto",))
        n_classes = len(self.classes_)
        sums, counts = _class_sums(X_source, y_source, n_classes)
        if self.align:
            # Centres of mapped rows are mapped centres.
            held = counts > 0
            mapped = self._aligned(X_source, X_target, sums[held] / counts[held, None])
            sums[held] = mapped * counts[held, None]
        known = y_target >= 0
        more, n_more = _class_sums(X_target[known], y_target[known], n_classes)
        self.class_centers_ = (sums + more) / (counts + n_more)[:, None]

        rows = np.flatnonzero(~known)
        rows = rows[labelled_order(X_target[rows], y_target[rows])]
        labels = y_target.copy()
        self.class_prices_ = np.zeros(n_classes)
        if len(rows):
            distances = euclidean_distances(X_target[rows], self.class_centers_)
            labels[rows], held = programmed_labels(distances, n_more == 0)
            self.class_prices_ = class_prices(distances, labels[rows], held)
        self.transduction_ = self.classes_[labels]

    def _aligned(self, X_source, X_target, centers):
        aligner = CORALAligner(regularization=self.regularization)
        domain = np.repeat([1, -1], [len(X_source), len(X_target)])
        aligner.fit(np.r_[X_source, X_target], sample_domain=domain)
        return aligner.transform(centers, sample_domain=np.ones(len(centers), int))

    def _scores(self, X):
        return self.class_prices_ - euclidean_distances(X, self.class_centers_)


def _class_sums(X, y, n_classes):
    sums, counts = np.zeros((n_classes, X.shape[1])), np.zeros(n_classes)
    for label in np.unique(y):
        rows = y == label
        sums[label], counts[label] = X[rows].sum(axis=0, dtype=np.float64), rows.sum()
    return sums, counts
