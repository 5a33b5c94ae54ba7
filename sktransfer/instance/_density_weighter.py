"""Weights from the ratio of two kernel density estimates."""

import numpy as np
from sklearn.utils import check_random_state

from sktransfer._validation import check_integer, check_number
from sktransfer.instance._kernel_density import fit_density_ratio
from sktransfer.instance._ratio_weighter import BaseRatioWeighter
from sktransfer.instance._smallest_sample import smallest_sample

__all__ = ["DensityWeighter"]


class DensityWeighter(BaseRatioWeighter):
    r"""Weigh source rows by the ratio of two kernel density estimates.

    Both densities may have any form: clusters, skewed columns, ends. They are estimated
    apart and divided, in logarithms, so that nothing becomes 0 / 0.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Reads no labels.

    Cost: ``O(n_source m p)`` with m = `max_centers`, in blocks: memory grows with
    neither. 100,000 + 100,000 rows of 20 columns take some seconds.

    It hurts in many columns, from about ten: no number of rows fills the space, and the
    ratio becomes one of distances to the nearest rows. Reduce the features first, or
    take `DiscriminativeWeighter`.

    Parameters
    ----------
    bandwidth : {"scott", "silverman", "cv"} or float, default="scott"
        Width of the kernels in each column, in standard deviations of the domain
        there. "scott" and "silverman": by their rules, for the smaller number of
        different centres; "cv": that of 17 widths around Scott's with the largest
        likelihood of different rows left out, both domains together; or a number.
    max_centers : int, default=5000
        Largest number of rows of each domain that get a kernel; if there are more,
        they are drawn.
    clip : float, default=None
        Largest ratio to its mean; larger ones are cut.
    flatten : float, default=1.0
        Exponent of the ratio, 0 to 1: smaller ones make the weights more even.
    random_state : int, RandomState instance or None, default=0
        Draws the centres. It depends on the content of the rows and not on their order.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    bandwidth_ : ndarray of shape (n_source_domains,)
        The width used with each source domain, in standard deviations.
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
    sktransfer.GaussianWeighter : A Gaussian for each domain; takes many columns.
    sktransfer.DiscriminativeWeighter : The ratio without the densities.

    Notes
    -----
    With m centres c, the standard deviations :math:`s_k` of a domain and the bandwidth
    h, its density is [1]_

    .. math::

       p(x) = \frac1m \sum_c \prod_k \frac1{h s_k}
       \varphi\!\left( \frac{x_k - c_k}{h s_k} \right),

    :math:`\varphi` the normal density. A source row of fit is a centre of its own
    density too, as it is one of `weigh`: without its own kernel a row far from all
    others would seem to lie where there is no source, and outweigh them. Only "cv"
    leaves rows out, to choose the width. Where all rows of a domain are given k times
    they count once. A domain whose rows are all equal takes the standard deviations of
    the other.

    References
    ----------
    .. [1] M. Sugiyama, T. Suzuki, T. Kanamori. Density Ratio Estimation in Machine
       Learning, chapter 2. Cambridge University Press, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import DensityWeighter
    >>> rng = np.random.RandomState(0)
    >>> source, target = rng.uniform(size=2000), np.sqrt(rng.uniform(size=2000))
    >>> X, sample_domain = np.r_[source, target][:, None], np.repeat([1, -1], 2000)
    >>> weighter = DensityWeighter().fit(X, sample_domain=sample_domain)
    >>> weighter.weigh([[0.25], [0.5], [0.75]]).round(1)  # the ratio is 2 x
    array([0.5, 1.1, 1.5])
    """

    def __init__(
        self,
        bandwidth="scott",
        *,
        max_centers=5000,
        clip=None,
        flatten=1.0,
        random_state=0,
    ):
        self.bandwidth = bandwidth
        self.max_centers = max_centers
        self.clip = clip
        self.flatten = flatten
        self.random_state = random_state

    def _fit_ratio(self, X_source, X_target):
        rules = ("scott", "silverman", "cv")
        check_number("bandwidth", self.bandwidth, low=0, low_open=True, also=rules)
        check_integer("max_centers", self.max_centers, low=1)
        ratio = fit_density_ratio(
            smallest_sample(X_source)[0].astype(np.float64, copy=False),
            smallest_sample(X_target)[0].astype(np.float64, copy=False),
            self.bandwidth,
            self.max_centers,
            check_random_state(self.random_state),
        )
        return ratio, None

    @property
    def bandwidth_(self):
        """The bandwidth used with each source domain."""
        return np.array([ratio.bandwidth for ratio in self.ratios_])
