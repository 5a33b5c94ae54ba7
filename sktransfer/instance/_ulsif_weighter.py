"""Weights from a density ratio fitted by least squares."""

from numbers import Real

import numpy as np
from sklearn.utils import check_random_state

from sktransfer._validation import check_integer, check_number
from sktransfer.instance._centre_kernels import check_grid, draw_centres, gamma_grid
from sktransfer.instance._distinct_rows_weighter import BaseDistinctRowsWeighter
from sktransfer.instance._ulsif import ULSIFRatio, all_rows
from sktransfer.instance._ulsif_search import choose

__all__ = ["ULSIFWeighter"]


class ULSIFWeighter(BaseDistinctRowsWeighter):
    r"""Weigh source rows by a density ratio fitted by least squares.

    The ratio of the target's density to the source's is a sum of Gaussian kernels
    around target rows, with the coefficients of the least squared error (unconstrained
    least-squares importance fitting). They are known in closed form, and so is the
    error on left-out rows, by which the kernel's width and the penalty are chosen. With
    `alpha` above zero the ratio is that of the target to a mixture of both domains
    (relative importance fitting), which has no extremes: it is nowhere above 1 / alpha.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Reads no labels.

    Cost: ``O((n_source + n_target) n_centers p)`` time for the distances and ``O(n
    n_centers^2 + n_centers^3)`` for the fit, n being n_source, with `alpha` n_source +
    n_target. Each width tried costs as much as a fit to 700 rows of each domain on 40
    centres; penalties cost nearly nothing. ``8 n_source n_centers`` bytes. 100,000 +
    100,000 rows of 20 columns take about a second.

    It hurts in many columns where the domains differ in most of them: then a narrow
    kernel meets no source row and its coefficient is held by the penalty alone. Far
    from all centres the ratio is near zero, whatever the densities are.

    Parameters
    ----------
    alpha : float, default=0.0
        Share of the target in the mixture that the ratio is relative to, in [0, 1).
        Near 1 the ratio is near one wherever there are target rows.
    gamma : float, "cv" or "median", default="cv"
        Width of the kernel ``exp(-gamma |x - c|^2)``: a number; "median": 1 over the
        median squared distance between rows, at most 50 distinct ones of each domain;
        "cv": the multiple of that with the least error on left-out rows.
    gammas : sequence of float, default=(0.0625, 0.25, 1.0, 4.0, 16.0)
        The multiples that "cv" tries: the middle one, then smaller ones as long as the
        error falls, and larger ones if no smaller one was better.
    ridge : float or "cv", default="cv"
        Penalty on the squared coefficients, a number >= 0, or chosen with the width.
        Less than 1e-12 times the number of centres counts as that.
    ridges : sequence of float, default=(0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
        The penalties that "cv" tries.
    n_centers : int, default=100
        Number of distinct target rows that are centres.
    clip : float, default=None
        Largest ratio to its mean; larger ones are cut.
    flatten : float, default=1.0
        Exponent of the ratio, 0 to 1: smaller ones make the weights more even.
    random_state : int, RandomState instance or None, default=0
        Draws the centres, by the content of the rows and not by their order.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    gamma_ : ndarray of shape (n_source_domains,)
        Width used for each source domain.
    ridge_ : ndarray of shape (n_source_domains,)
        Penalty used for each source domain.
    score_ : ndarray of shape (n_source_domains,)
        Loss J of left-out rows at these, lower is better.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    ratios_ : list
        For each source domain, the logarithm of the ratio as a function of rows, with
        the values above, the `centres` and their `coefficients`.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.KLIEPWeighter : The same kernels fitted by likelihood.
    sktransfer.KernelMeanMatchingWeighter : Matches means, without a ratio.

    Notes
    -----
    With :math:`r(x) = \sum_l \theta_l k(x, c_l)`, means :math:`E_s, E_t` over the rows
    of the domains and the penalty :math:`\lambda`, the coefficients minimise [1]_ [2]_

    .. math::

       J(r) + \tfrac{\lambda}2 \theta^T \theta, \quad
       J(r) = \tfrac{1 - \alpha}2 E_s[r^2] + \tfrac{\alpha}2 E_t[r^2] - E_t[r] ,

    whose optimum over all functions is
    :math:`r = p_t / (\alpha p_t + (1 - \alpha) p_s)`. At :math:`\alpha = 1` this is one
    and there is nothing to estimate, so that 1 is an error.

    Where the sum is negative the ratio is zero. (In [1]_ negative coefficients are set
    to zero instead. Wide kernels need coefficients of both signs: without them, and
    with the best width and penalty for each way, the error on domains of known ratio
    was alike in one column and up to three times as large in five.)

    `score_` is J with each row's ratio from the fit to the others, the centres being
    kept; equal rows are left out together, and a domain's only row never. It is that of
    at most 700 distinct rows of each domain and 40 of the centres, with a penalty that
    is smaller in proportion to these. More rows overfit less: where a domain has more,
    the choice is by what J would be with all of them, if its excess over the loss of
    rows that stay in the fit falls as one over their number, and `score_` is right to
    single precision. The ratio itself is fitted to all rows, on all centres, in double
    precision.

    References
    ----------
    .. [1] T. Kanamori, S. Hido, M. Sugiyama. A Least-squares Approach to Direct
       Importance Estimation. Journal of Machine Learning Research 10, 2009.
    .. [2] M. Yamada, T. Suzuki, T. Kanamori, H. Hachiya, M. Sugiyama. Relative
       Density-Ratio Estimation for Robust Distribution Comparison. Neural Computation
       25, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import ULSIFWeighter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(500, 1)), 0.5 * rng.normal(size=(500, 1)) + 1]
    >>> sample_domain = np.repeat([1, -1], 500)
    >>> weighter = ULSIFWeighter().fit(X, sample_domain=sample_domain)
    >>> weights = weighter.sample_weight_[:500]
    >>> round(float(np.average(X[:500, 0], weights=weights)), 1)
    1.0
    >>> relative = ULSIFWeighter(alpha=0.5).fit(X, sample_domain=sample_domain)
    >>> bool(relative.effective_sample_size_ > weighter.effective_sample_size_)
    True
    """

    def __init__(
        self,
        *,
        alpha=0.0,
        gamma="cv",
        gammas=(0.0625, 0.25, 1.0, 4.0, 16.0),
        ridge="cv",
        ridges=(0.0001, 0.001, 0.01, 0.1, 1.0, 10.0),
        n_centers=100,
        clip=None,
        flatten=1.0,
        random_state=0,
    ):
        self.alpha = alpha
        self.gamma = gamma
        self.gammas = gammas
        self.ridge = ridge
        self.ridges = ridges
        self.n_centers = n_centers
        self.clip = clip
        self.flatten = flatten
        self.random_state = random_state

    def _ridge_grid(self):
        check_number("ridge", self.ridge, low=0, also=("cv",))
        ridges = check_grid("ridges", self.ridges)
        return ridges if isinstance(self.ridge, str) else np.array([float(self.ridge)])

    def _check_alpha(self):
        if isinstance(self.alpha, Real) and self.alpha == 1:
            raise ValueError(
                f"`alpha` must be a finite number in [0, 1), got {self.alpha!r}. At 1 "
                "the ratio is that of the target to itself: every weight is one, and "
                "there is nothing to estimate."
            )
        check_number("alpha", self.alpha, low=0, high=1, high_open=True)

    def _fit_rows(self, source, target):
        self._check_alpha()
        check_integer("n_centers", self.n_centers, low=1)
        ridges, rng = self._ridge_grid(), check_random_state(self.random_state)
        gammas = gamma_grid(self.gamma, self.gammas, source, target)
        centres = draw_centres(target, self.n_centers, rng)
        alpha = float(self.alpha)
        gamma, ridge, score = choose(source, target, centres, gammas, ridges, alpha)
        source, target = source.as_given(), target.as_given()
        loss, kernels = all_rows(source, target, centres, gamma, alpha)
        ratio = ULSIFRatio(centres, loss.minimize(ridge), gamma, ridge, score)
        if kernels is None:
            return ratio, None
        return ratio, ratio.of_kernels(kernels)[source.groups]

    @property
    def gamma_(self):
        """Width of the kernel, by source domain."""
        return np.array([ratio.gamma for ratio in self.ratios_])

    @property
    def ridge_(self):
        """Penalty, by source domain."""
        return np.array([ratio.ridge for ratio in self.ratios_])

    @property
    def score_(self):
        """Loss of left-out rows, by source domain."""
        return np.array([ratio.score for ratio in self.ratios_])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
