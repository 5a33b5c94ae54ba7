import numpy as np
from sklearn.decomposition import PCA

from sktransfer._validation import check_integer, check_number
from sktransfer.joint._base import BaseProbabilisticClassifier
from sktransfer.joint._locality_preserving import unit_rows
from sktransfer.joint._selective_pseudo_labels import selective_pseudo_labels

__all__ = ["SelectivePseudoLabelClassifier"]


class SelectivePseudoLabelClassifier(BaseProbabilisticClassifier):
    r"""Selective pseudo-labelling: sure target rows shape the projection of the rest.

    Rows of a class are drawn together by a supervised projection. In it, target rows
    are labelled twice, by the nearest class mean and by clusters of target rows that
    are matched with the classes one to one; the surer answer counts. Round by round a
    larger share of each class's surest target rows joins the next projection.

    Assumes that the target rows form one cluster a class, that most clusters lie
    nearest to their own class of the source, and that all classes occur in the target.
    Reads the source labels, and the target's where there are any: such rows keep their
    labels and take part from the first round. Only the direction of a row counts, not
    its length. Several source domains count as one.

    Cost: one principal component analysis; in each round ``O(n k^2 + k^3)`` time for k
    components, and a k-means clustering of the target rows.

    Parameters
    ----------
    n_components : int, default=128
        Number of principal components the rows are reduced to first; at most as many as
        the rows have.
    n_rounds : int, default=10
        Number of rounds in which pseudo-labels are used. 0: the projection is learnt
        from labelled rows only.
    regularization : float, default=1.0
        Ridge of the projection, in units of the mean diagonal of the scatter of all
        rows in it. The published method adds 1 whatever the number of rows, which is
        about 0.001 here for 1,000 rows of ten classes.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    transduction_ : ndarray of shape (n_target,)
        Class of each target row of fit.
    n_selected_ : list of int
        Number of target rows that shaped the projection of each round.
    components_ : ndarray of shape (n_features, n_kept)
        The principal axes.
    projection_ : ndarray of shape (n_kept, n_kept)
        The supervised projection.
    prototypes_ : ndarray of shape (n_classes, n_kept)
        Means of the classes' labelled rows in the projection, of length one.
    cluster_centers_ : ndarray of shape (n_classes, n_kept)
        Centres of the target's clusters in the projection, of length one.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.SelfTrainedTransferClassifier : Pseudo-labels for any classifier.

    Notes
    -----
    Rows are divided by their lengths before and after the principal components
    [1]_. With the graph that joins the labelled and pseudo-labelled rows of a class,
    its degrees D and Laplacian L, the projection holds the solutions of
    :math:`X^T D X v = \lambda (X^T L X + r I) v`. Projected rows are centred and
    divided by their lengths again. The probability of a class is the larger of the two
    softmax values of the negative distances to the class means and to the clusters,
    divided by their sum; distances are at most 2, so the probabilities are flat: use
    their order. Rows are mapped alike whichever domain they are from.

    References
    ----------
    .. [1] Q. Wang, T. P. Breckon. Unsupervised Domain Adaptation via Structured
       Prediction Based Selective Pseudo-Labeling. AAAI, 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import SelectivePseudoLabelClassifier
    >>> rng = np.random.RandomState(0)
    >>> angle = np.repeat([0.0, 1.5, 0.6, 2.1], 50) + 0.1 * rng.normal(size=200)
    >>> X = np.c_[np.cos(angle), np.sin(angle)]
    >>> y = np.repeat([0, 1, -1, -1], 50)
    >>> model = SelectivePseudoLabelClassifier().fit(X, y)
    >>> float(np.mean(model.predict(X[100:]) == np.repeat([0, 1], 50)))
    1.0
    """

    def __init__(self, *, n_components=128, n_rounds=10, regularization=1.0):
        self.n_components = n_components
        self.n_rounds = n_rounds
        self.regularization = regularization

    def _fit(self, X_source, y_source, X_target, y_target):
        check_integer("n_components", self.n_components, low=1)
        check_integer("n_rounds", self.n_rounds, low=0)
        check_number("regularization", self.regularization, low=0, low_open=True)
        rows = unit_rows(np.r_[X_source, X_target].astype(np.float64, copy=False))
        self.components_ = _leading_axes(rows, self.n_components)
        centres, labels, self.n_selected_ = selective_pseudo_labels(
            self._directions(X_source),
            y_source,
            self._directions(X_target),
            y_target,
            len(self.classes_),
            n_rounds=self.n_rounds,
            regularization=self.regularization,
        )
        self.transduction_ = self.classes_[labels]
        self.projection_ = centres.projection
        self.prototypes_, self.cluster_centers_ = centres.prototypes, centres.clusters
        self._centres = centres

    def _directions(self, X):
        rows = unit_rows(X.astype(np.float64, copy=False))
        return unit_rows(rows @ self.components_)

    def _scores(self, X):
        confidence = self._centres.confidence(self._directions(X))
        return confidence / confidence.sum(axis=1, keepdims=True)


def _leading_axes(X, n_components):
    """Return the principal axes with variance; a zero axis if there is none."""
    n_samples, n_features = X.shape
    many = n_samples > n_features
    limit = min(n_components, n_samples, n_features)
    # Rows that are all equal have no variance to divide by.
    with np.errstate(invalid="ignore"):
        axes = PCA(limit, svd_solver="covariance_eigh" if many else "full").fit(X)
    variances = axes.explained_variance_
    kept = variances > 1e-10 * max(variances[0], 1e-20)
    return axes.components_[kept].T if kept.any() else np.zeros((n_features, 1))
