"""Weights from the density ratio that makes the target rows most likely."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from sktransfer._validation import check_integer, check_number
from sktransfer.instance._centre_kernels import (
    draw_centres,
    gamma_grid,
)
from sktransfer.instance._distinct_rows_weighter import BaseDistinctRowsWeighter
from sktransfer.instance._kliep import fit_kliep
from sktransfer.instance._kliep_search import SearchRows, Trial, choose_gamma
from sktransfer.instance._source_sums import SourceSums, log_sum

__all__ = ["KLIEPWeighter"]

_SEARCH_ROWS = 1000


class KLIEPWeighter(BaseDistinctRowsWeighter):
    r"""Weigh source rows by the density ratio that makes the target most likely.

    The ratio of the target's density to the source's is a sum of Gaussian kernels
    around target rows with coefficients >= 0. Among all such sums of mean one over the
    source rows, the one is taken whose logarithm has the largest mean over the target
    rows (Kullback-Leibler importance estimation procedure). The programme is convex and
    is solved to its optimum; `gap_` says how near.

    Assumes covariate shift: the domains differ in the mix of rows, not in what a row's
    label is, and the target lies where there are source rows. Reads no labels.

    Cost: ``O((n_source + n_target) n_centers p)`` time for the distances, about ten
    steps of ``O(n_target n_centers^2)`` time at most for the solution, and for each
    width tried some tens of steps of ``O(cv n_centers)`` time for each of at most 1,000
    target rows. ``16 n_target n_centers`` bytes. 100,000 + 100,000 rows of 20 columns
    take less than a second.

    It hurts in many columns: where the domains differ in most of them few source rows
    lie near any centre, and the weights rest on these. Far from all centres the ratio
    is near zero, whatever the densities are.

    Parameters
    ----------
    gamma : float, "cv" or "median", default="cv"
        Width of the kernel ``exp(-gamma |x - c|^2)``: a number; "median": 1 over the
        median squared distance between rows, at most 50 distinct ones of each domain;
        "cv": the multiple of that which gives held-out rows the best ratio.
    gammas : sequence of float, default=(0.0625, 0.25, 1.0, 4.0, 16.0)
        The multiples that "cv" tries, from the middle one outwards until it gets worse.
    n_centers : int, default=100
        Number of distinct target rows that are centres.
    cv : int, default=5
        Number of folds of "cv", fewer where a domain has fewer distinct rows. Equal
        rows are in one fold.
    clip : float, default=None
        Largest ratio to its mean; larger ones are cut.
    flatten : float, default=1.0
        Exponent of the ratio, 0 to 1: smaller ones make the weights more even.
    tol : float, default=1e-8
        Largest distance of the objective from its optimum.
    max_iter : int, default=200
        Largest number of Newton steps; some are enough.
    random_state : int, RandomState instance or None, default=0
        Draws centres and folds, by the content of the rows and not by their order.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    gamma_ : ndarray of shape (n_source_domains,)
        Width used for each source domain.
    score_ : ndarray of shape (n_source_domains,)
        Mean log ratio of held-out target rows at that width; -inf where no width was
        chosen by "cv".
    objective_ : ndarray of shape (n_source_domains,)
        Mean log ratio of the target rows: an estimate of the divergence of the domains.
    gap_ : ndarray of shape (n_source_domains,)
        How far below its optimum the objective is at most.
    n_iter_ : ndarray of shape (n_source_domains,)
        Number of Newton steps; zero where the point that they begin at was enough.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    ratios_ : list
        For each source domain, the logarithm of the ratio as a function of rows, with
        the values above, the `centres` that have weight and their `log_coefficients`.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.ULSIFWeighter : The same kernels fitted by least squares.
    sktransfer.DiscriminativeWeighter : The ratio from a classifier of the domain.

    Notes
    -----
    With centres :math:`c_l`, source rows :math:`x^s_i` and target rows :math:`x^t_j`
    the coefficients solve [1]_

    .. math::

       \max_{a \ge 0} \frac1{n_t} \sum_j \log \sum_l a_l k(x^t_j, c_l)
       \quad \text{subject to} \quad
       \frac1{n_s} \sum_i \sum_l a_l k(x^s_i, c_l) = 1 .

    Each step solves the quadratic model of the objective under the same bounds. With
    the kernels scaled to mean one over the source, the optimum is at most the logarithm
    of the largest partial derivative above the objective; that is the gap.

    The paper holds out target rows alone. The width is then chosen too narrow: narrow
    kernels have room between the few source rows that they are scaled by. Here a fold
    of source rows is held out too, and the ratio scaled by it. All sums are taken in
    logarithms, so that no distance is too large.

    The search is made cheap in four ways. It sees at most 1,000 distinct target rows,
    drawn at random. From the middle width it goes on to narrower kernels as long as
    they are better, or, if the first ones are not, to wider ones: a better width behind
    a worse one is not seen. The programmes of the folds are solved together, each to at
    most 0.003 below its optimum, which is what `score_` may be off by. And a width is
    given up on the way where its mean log ratio, with all that the programmes may still
    gain, is more than three standard errors of the difference below the best one's.

    References
    ----------
    .. [1] M. Sugiyama, S. Nakajima, H. Kashima, P. von Bünau, M. Kawanabe. Direct
       Importance Estimation with Model Selection and Its Application to Covariate Shift
       Adaptation. NeurIPS, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import KLIEPWeighter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(500, 1)), 0.5 * rng.normal(size=(500, 1)) + 1]
    >>> sample_domain = np.repeat([1, -1], 500)
    >>> weighter = KLIEPWeighter().fit(X, sample_domain=sample_domain)
    >>> weights = weighter.sample_weight_[:500]
    >>> round(float(np.average(X[:500, 0], weights=weights)), 1)
    1.0
    >>> bool(weighter.gap_[0] < 1e-8)
    True
    """

    def __init__(
        self,
        *,
        gamma="cv",
        gammas=(0.0625, 0.25, 1.0, 4.0, 16.0),
        n_centers=100,
        cv=5,
        clip=None,
        flatten=1.0,
        tol=1e-8,
        max_iter=200,
        random_state=0,
    ):
        self.gamma = gamma
        self.gammas = gammas
        self.n_centers = n_centers
        self.cv = cv
        self.clip = clip
        self.flatten = flatten
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    def _check_params(self):
        check_integer("n_centers", self.n_centers, low=1)
        check_integer("cv", self.cv, low=2)
        check_number("tol", self.tol, low=0, low_open=True)
        check_integer("max_iter", self.max_iter, low=1)

    def _fit_rows(self, source, target):
        self._check_params()
        rng = check_random_state(self.random_state)
        gammas = gamma_grid(self.gamma, self.gammas, source, target)
        centres = draw_centres(target, self.n_centers, rng)
        searched = isinstance(self.gamma, str) and self.gamma == "cv"
        n_folds = min(self.cv, len(source), len(target)) if searched else 1
        folds = rng.permutation(len(source)) % n_folds
        sums = SourceSums(source, centres, gammas, folds)
        distances = np.empty((len(target), len(centres)))
        for _ in centres.blocks(target, out=distances):
            pass
        best, trial = self._choose(distances, target.weights, gammas, sums, rng)
        ratio = fit_kliep(
            distances,
            target.weights,
            centres,
            gammas[best],
            log_sum(sums[best], axis=0),
            start=trial.start,
            score=trial.score,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        self._warn_if_unfinished(ratio)
        return ratio, None

    def _choose(self, distances, weights, gammas, sums, rng):
        """Return the number of the best width, and what it gave."""
        n_folds = len(sums.shares)
        if n_folds == 1:
            # No row can be held out: the width nearest to the median heuristic's.
            away = np.abs(np.log(np.sort(self.gammas)))
            return (int(np.argmin(away)) if len(gammas) > 1 else 0), Trial(-np.inf)
        drawn = slice(None)
        if len(weights) > _SEARCH_ROWS:
            drawn = np.sort(rng.choice(len(weights), _SEARCH_ROWS, replace=False))
        folds = rng.permutation(len(weights[drawn])) % n_folds
        rows = SearchRows.of(
            gammas[0] * distances[drawn], gammas[0], weights[drawn], folds, n_folds
        )
        return choose_gamma(rows, gammas, sums)

    def _warn_if_unfinished(self, ratio):
        if ratio.gap > self.tol:
            warnings.warn(
                f"KLIEPWeighter stopped after {ratio.n_iter} steps with an objective "
                f"up to {ratio.gap:.1e} below the optimum, more than tol={self.tol}. "
                "Raise max_iter or tol.",
                ConvergenceWarning,
                stacklevel=8,
            )

    @property
    def gamma_(self):
        """Width of the kernel, by source domain."""
        return self._of_ratios("gamma")

    @property
    def score_(self):
        """Mean log ratio of held-out target rows, by source domain."""
        return self._of_ratios("score")

    @property
    def objective_(self):
        """Mean log ratio of the target rows, by source domain."""
        return self._of_ratios("objective")

    @property
    def gap_(self):
        """Largest distance of the objective from its optimum, by source domain."""
        return self._of_ratios("gap")

    @property
    def n_iter_(self):
        """Newton steps, by source domain."""
        return self._of_ratios("n_iter")

    def _of_ratios(self, name):
        return np.array([getattr(ratio, name) for ratio in self.ratios_])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags
