"""Weights from the ratio of two Gaussian densities."""

import numpy as np

from sktransfer._validation import check_choice, check_number
from sktransfer.instance._gaussian_ratio import fit_gaussian_ratio
from sktransfer.instance._ratio_weighter import BaseRatioWeighter
from sktransfer.instance._smallest_sample import smallest_sample

__all__ = ["GaussianWeighter"]


class GaussianWeighter(BaseRatioWeighter):
    r"""Weigh source rows by the ratio of two Gaussian densities.

    Each domain is described by its mean and covariance. Nothing is searched for, and a
    few rows a column are enough. The densities are never formed, only their logarithms,
    so that 1,000 columns are no matter.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and both are about Gaussian. Reads no labels.

    Cost: ``O((n_source + n_target) p^2 + p^3)`` time, ``O((n_source + n_target) p)``
    memory. 100,000 + 100,000 rows of 20 columns take less than a second.

    It hurts where a domain has several clusters or heavy tails: a target that is wider
    than the source makes the outermost source rows count most. In many columns the
    ratio runs over many powers of ten, and the weights collapse on a few rows, with a
    `WeightCollapseWarning`: `flatten` or `covariance="shared"` moderate it.

    Parameters
    ----------
    covariance : {"full", "diag", "shared"}, default="full"
        "full": a covariance for each domain; "diag": only its variances; "shared": one
        covariance for both, and then the log ratio is linear in the columns.
    regularization : float or "auto", default="auto"
        Share, 0 to 1, of the covariance that is replaced by the mean variance, on
        standardised columns. "auto": by the formula of Ledoit and Wolf.
    clip : float, default=None
        Largest ratio to its mean; larger ones are cut.
    flatten : float, default=1.0
        Exponent of the ratio, 0 to 1: smaller ones make the weights more even.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    shrinkage_ : ndarray of shape (n_source_domains, 2)
        The shares used, of each source domain and of the target.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    ratios_ : list
        For each source domain, the logarithm of the ratio as a function of rows.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.DensityWeighter : Densities of any form, in few columns.
    sktransfer.DiscriminativeWeighter : The ratio by a classifier of the domain.

    Notes
    -----
    With means :math:`\mu` and covariances :math:`\Sigma` of source and target [1]_,

    .. math::

       \log \frac{p_t(x)}{p_s(x)} = \tfrac12 (x - \mu_s)^T \Sigma_s^{-1} (x - \mu_s)
       - \tfrac12 (x - \mu_t)^T \Sigma_t^{-1} (x - \mu_t)
       + \tfrac12 \log \frac{|\Sigma_s|}{|\Sigma_t|} .

    Columns are first divided by their standard deviation over both domains, so that
    their units do not matter. A covariance S becomes
    :math:`(1 - \lambda) S + \lambda \frac{\mathrm{tr} S}{p} I` [2]_. Where all rows
    of a domain are given k times they count once. A domain whose rows are all equal
    takes the covariance of the other.

    References
    ----------
    .. [1] H. Shimodaira. Improving Predictive Inference Under Covariate Shift by
       Weighting the Log-Likelihood Function. Journal of Statistical Planning and
       Inference 90, 2000.
    .. [2] O. Ledoit, M. Wolf. A Well-Conditioned Estimator for Large-Dimensional
       Covariance Matrices. Journal of Multivariate Analysis 88, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import GaussianWeighter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(2000, 1)), rng.normal(size=(2000, 1)) + 1]
    >>> sample_domain = np.repeat([1, -1], 2000)
    >>> weighter = GaussianWeighter().fit(X, sample_domain=sample_domain)
    >>> np.log(weighter.weigh([[-1.0], [0.5], [2.0]])).round(1)  # x - 1 / 2
    array([-1.5,  0. ,  1.6])
    """

    def __init__(
        self, covariance="full", *, regularization="auto", clip=None, flatten=1.0
    ):
        self.covariance = covariance
        self.regularization = regularization
        self.clip = clip
        self.flatten = flatten

    def _fit_ratio(self, X_source, X_target):
        check_choice("covariance", self.covariance, ("full", "diag", "shared"))
        check_number(
            "regularization", self.regularization, low=0, high=1, also=("auto",)
        )
        ratio = fit_gaussian_ratio(
            smallest_sample(X_source)[0].astype(np.float64, copy=False),
            smallest_sample(X_target)[0].astype(np.float64, copy=False),
            self.covariance,
            self.regularization,
        )
        return ratio, None

    @property
    def shrinkage_(self):
        """Shares of the mean variance in the covariances used."""
        return np.array([ratio.shrinkage for ratio in self.ratios_])
