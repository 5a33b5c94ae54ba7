import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._invariant_features import (
    ball_maximum,
    column_scale,
    moment_gaps,
    moment_p_values,
)

__all__ = ["InvariantFeatureSelector"]


class InvariantFeatureSelector(BaseAligner):
    r"""Feature MMD: leave out the columns by which the domains differ most.

    Columns are weighted such that the maximum mean discrepancy (MMD) between source and
    target is as large as it can be; those of large weight vary with the domain and are
    left out of both. The others are kept as they are, with their names.

    Assumes that the shift sits in some columns and that the others are enough for the
    labels. A column that carries the shift and the label alike is lost. Reads no
    labels. Several source domains count as one.

    Cost: ``O(n p^2 + p^3)`` time and some ``p x p`` matrices for p columns with
    ``degree=2``; ``O(n p)``, and less for sparse rows, with ``degree=1``. Sparse rows
    are never made dense.

    Parameters
    ----------
    n_features_to_select : int, default=None
        Number of columns to keep, those of smallest weight. None: by `threshold`.
    threshold : float or "auto", default="auto"
        Columns of larger weight are left out; weights have norm one. "auto": the mean
        of the weights, and only columns whose mean or mean square differs significantly
        are left out, so that at least one stays.
    alpha : float, default=0.05
        Chance that "auto" leaves out any column though there is no shift; the tests
        are corrected for the number of columns.
    degree : {1, 2}, default=2
        Of the polynomial kernel. 2 compares means and second moments of all pairs of
        columns; 1 compares means only, for thousands of columns.

    Attributes
    ----------
    weights_ : ndarray of shape (n_features,)
        Weight of each column, of norm one; zero where nothing differs.
    p_values_ : ndarray of shape (n_features,)
        Of the test of each column, not corrected.
    threshold_ : float or None
        The threshold used; None with `n_features_to_select`.
    support_ : ndarray of shape (n_features,), bool
        The columns kept.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.InstanceSelector : Leaves out rows instead of columns.
    sktransfer.LocationScaleAligner : Moves shifted columns instead.

    Notes
    -----
    With the kernel :math:`k_w(x, y) = (\sum_j w_j x_j y_j + 1)^2` on columns
    standardised over both domains, the squared MMD is :math:`\sum_{ij} w_i w_j
    D_{ij}^2 + 2 \sum_j w_j \delta_j^2`, with :math:`\delta` the difference of the means
    and :math:`D` that of the matrices of second moments. It is maximised over
    :math:`w \ge 0, \|w\| \le 1` [1]_. The problem is not convex, but since no entry is
    negative the maximum over the ball alone has no negative entry, and that is one
    eigendecomposition and one root: the global maximum, without a solver. (Over weights
    that sum to one the maximum would be a single column.)

    References
    ----------
    .. [1] S. Uguroglu, J. Carbonell. Feature Selection for Transfer Learning. ECML
       PKDD, 2011.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import InvariantFeatureSelector
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(200, 3))
    >>> X[100:, 1] += 3
    >>> sample_domain = np.r_[np.ones(100), -np.ones(100)]
    >>> selector = InvariantFeatureSelector().fit(X, sample_domain=sample_domain)
    >>> selector.get_support()
    array([ True, False,  True])
    >>> selector.get_feature_names_out(["age", "height", "weight"])
    array(['age', 'weight'], dtype=object)
    """

    def __init__(
        self, n_features_to_select=None, *, threshold="auto", alpha=0.05, degree=2
    ):
        self.n_features_to_select = n_features_to_select
        self.threshold = threshold
        self.alpha = alpha
        self.degree = degree

    def _check_params(self):
        check_integer(
            "n_features_to_select", self.n_features_to_select, low=1, also=(None,)
        )
        check_number("threshold", self.threshold, low=0, also=("auto",))
        check_number("alpha", self.alpha, low=0, high=1)
        check_choice("degree", self.degree, (1, 2))

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        scale = column_scale(X_source, X_target)
        self.weights_ = ball_maximum(
            *moment_gaps(X_source, X_target, scale, self.degree)
        )
        self.p_values_ = moment_p_values(X_source, X_target, scale)
        self.support_ = self._kept()
        self._n_features_out = int(self.support_.sum())

    def _kept(self):
        weights, n_features = self.weights_, len(self.weights_)
        self.threshold_ = None
        if self.n_features_to_select is not None:
            if self.n_features_to_select > n_features:
                raise ValueError(
                    f"n_features_to_select={self.n_features_to_select} is more than "
                    f"the {n_features} features of X. Lower it, or leave it None."
                )
            # Rounded, so that columns that differ alike stay in their order.
            order = np.argsort(np.round(weights, 10), kind="stable")
            return np.isin(np.arange(n_features), order[: self.n_features_to_select])
        if self.threshold == "auto":
            # Equal weights shall not fall on both sides of their mean by rounding.
            self.threshold_ = float(weights.mean()) * (1 + 1e-8)
            differs = self.p_values_ <= self.alpha / n_features
            return ~(differs & (weights > self.threshold_))
        self.threshold_ = float(self.threshold)
        kept = weights <= self.threshold_
        if not kept.any():
            raise ValueError(
                f"threshold={self.threshold} leaves no column: the smallest weight is "
                f"{weights.min():.3g}. Raise it, or set n_features_to_select."
            )
        return kept

    def _map(self, X, domain):
        return X.copy() if self.is_identity_ else X[:, np.flatnonzero(self.support_)]

    def _map_source(self, X):
        return self._map(X, None)

    def _map_target(self, X):
        return self._map(X, None)

    def get_support(self, indices=False):
        """Return which columns are kept.

        Parameters
        ----------
        indices : bool, default=False
            Whether to return their numbers instead of a mask.

        Returns
        -------
        ndarray
            The mask of shape (n_features,), or the numbers of the columns kept.
        """
        check_is_fitted(self)
        if self.is_identity_:
            support = np.ones(self.n_features_in_, dtype=bool)
        else:
            support = self.support_
        return np.flatnonzero(support) if indices else support.copy()

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns kept.

        Parameters
        ----------
        input_features : array-like of str, default=None
            Names of the input columns; None: those seen in fit.

        Returns
        -------
        ndarray of str
            The names.
        """
        check_is_fitted(self)
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return names[self.get_support()]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
