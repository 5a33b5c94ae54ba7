import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils import check_random_state

from sktransfer._kernels import content_subsample, resolve_gamma
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._location_scale import (
    LocationScaleProblem,
    column_spread,
    match_moments,
    solve_location_scale,
)

__all__ = ["LocationScaleAligner"]


class LocationScaleAligner(OneToOneFeatureMixin, BaseAligner):
    r"""Location and scale: stretch and move each source column onto the target's.

    Each column of the source gets a positive scale and an offset, such that the maximum
    mean discrepancy (MMD) of the mapped source rows to the target rows is small; target
    rows stay as they are, so a model fitted on mapped source rows serves raw target
    rows. The search starts from equal means and standard deviations, which are wrong
    where the domains hold other shares of rows or outliers.

    Assumes that the domains differ by units and offsets of single columns, the same for
    all rows; correlations are left alone. If the classes have other shares in the
    target than in the source, that difference is taken for a move, too. Reads no
    labels. Several source domains count as one.

    Cost: each of up to `n_iter` steps takes ``O(m^2 p)`` time for m = `max_samples`
    rows of each domain and p columns; memory is ``O(m p)``, kernels are made in blocks.
    "linear" costs two means and deviations.

    Parameters
    ----------
    kernel : {"rbf", "linear"}, default="rbf"
        "rbf": the MMD of a Gaussian kernel is minimised. "linear": means and standard
        deviations are matched and nothing else, which for a single column is the limit
        of a wide kernel.
    gamma : float, "median" or None, default="median"
        Width of "rbf" on columns divided by `spread_`, so that units do not matter. A
        number; "median": 1 over the median squared distance between target rows; None:
        1 / n_features.
    regularization : float, default=0.03
        Weight of the mean squared move of the source's entries, in units of each
        column's spread over both domains: what pulls towards no change. A pure change
        of location and scale is undone to about a tenth at 0.03, to a hundredth at
        0.001; larger values are safer where the domains differ in more than that.
    n_iter : int, default=100
        Largest number of steps of the search.
    tol : float, default=1e-6
        The search ends when no entry of the gradient is larger.
    max_samples : int or None, default=1000
        Number of rows drawn from each domain for the kernel; None: all. The start is
        taken from all rows.
    random_state : int, RandomState instance or None, default=0
        For that draw. It depends on the content of the rows and not on their order.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        What source rows are multiplied with. One in columns that are constant in either
        domain.
    offset_ : ndarray of shape (n_features,)
        What is added to them then.
    spread_ : ndarray of shape (n_features,)
        What columns are divided by for the kernel: the standard deviation of the
        target, of the source where the target's is zero, or one.
    gamma_ : float or None
        The width used; None with "linear".
    mmd_before_ : float or None
        Squared MMD of the rows drawn, columns divided by `spread_`, before; None with
        "linear".
    mmd_after_ : float or None
        The same after the map.
    n_iter_ : int
        Number of steps.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.CORALAligner : Matches all covariances, not only the variances.
    sktransfer.MMDAligner : Projects to components of small MMD.

    Notes
    -----
    With :math:`z_i = w \odot x_i + b`, :math:`\bar x` the mean of the source and
    :math:`u_j` the spread of column j over both domains, counted alike, the map is
    found by

    .. math::

       \min_{w > 0, b} \; \mathrm{MMD}^2(\{z_i\}, \{x^t_k\}) + \frac{\lambda}{n_s p}
       \sum_{ij} \frac{(z_{ij} - x_{ij})^2}{u_j^2} ,

    by L-BFGS on :math:`\log w`. It is the location-scale map of [1]_ with one scale and
    offset for all classes, so that labels are not needed and new source rows can be
    mapped. The result is never worse than equal moments, nor than no change.

    References
    ----------
    .. [1] K. Zhang, B. Schölkopf, K. Muandet, Z. Wang. Domain Adaptation under Target
       and Conditional Shift. ICML, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LocationScaleAligner
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(400, 1))
    >>> X[200:] = 5 * X[200:] + 2
    >>> sample_domain = np.r_[np.ones(200), -np.ones(200)]
    >>> aligner = LocationScaleAligner(regularization=0.001)
    >>> aligner = aligner.fit(X, sample_domain=sample_domain)
    >>> bool(4 < aligner.scale_[0] < 6), bool(1 < aligner.offset_[0] < 3)
    (True, True)
    """

    def __init__(
        self,
        *,
        kernel="rbf",
        gamma="median",
        regularization=0.03,
        n_iter=100,
        tol=1e-6,
        max_samples=1000,
        random_state=0,
    ):
        self.kernel = kernel
        self.gamma = gamma
        self.regularization = regularization
        self.n_iter = n_iter
        self.tol = tol
        self.max_samples = max_samples
        self.random_state = random_state

    def _check_params(self):
        check_choice("kernel", self.kernel, ("rbf", "linear"))
        check_number("gamma", self.gamma, low=0, low_open=True, also=("median", None))
        check_number("regularization", self.regularization, low=0)
        check_integer("n_iter", self.n_iter, low=1)
        check_number("tol", self.tol, low=0)
        check_integer("max_samples", self.max_samples, low=1, also=(None,))

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        self.spread_ = column_spread(X_source, X_target)
        self.scale_, self.offset_ = match_moments(X_source, X_target)
        self.gamma_ = self.mmd_before_ = self.mmd_after_ = None
        self.n_iter_ = 0
        if self.kernel == "rbf":
            self._minimise(X_source, X_target)

    def _minimise(self, X_source, X_target):
        rng = check_random_state(self.random_state)
        source, target = (self._sample(X, rng) for X in (X_source, X_target))
        # One row has no distances: the source's have to do.
        self.gamma_ = resolve_gamma(self.gamma, target if len(target) > 1 else source)
        problem = LocationScaleProblem.from_rows(
            source, target, self.gamma_, self.regularization
        )
        centre = source.mean(axis=0)
        start = problem.parameters(self.scale_, self.offset_ / self.spread_, centre)
        parameters, self.n_iter_ = solve_location_scale(
            problem, start, max_iter=self.n_iter, tol=self.tol
        )
        self.scale_, offset = problem.map_of(parameters, centre)
        self.offset_ = offset * self.spread_
        self.mmd_before_ = float(problem.discrepancy(np.zeros_like(parameters))[0])
        self.mmd_after_ = float(problem.discrepancy(parameters)[0])

    def _sample(self, X, rng):
        """Rows in an order of their own, so that sums come out alike."""
        n_rows = X.shape[0] if self.max_samples is None else self.max_samples
        rows = X[content_subsample(X, n_rows, rng)].astype(np.float64)
        return rows / self.spread_

    def _map_source(self, X):
        mapped = X * self.scale_.astype(X.dtype)
        mapped += self.offset_.astype(X.dtype)
        return mapped

    def _map_target(self, X):
        return X.copy()
