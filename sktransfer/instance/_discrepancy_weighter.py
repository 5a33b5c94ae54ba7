"""Weights of least discrepancy for linear regression."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.instance._discrepancy_program import least_discrepancy
from sktransfer.instance._matching_base import BaseMatchingWeighter, by_source_domain

__all__ = ["DiscrepancyWeighter"]


class DiscrepancyWeighter(BaseMatchingWeighter):
    r"""Weigh source rows so that no two linear models differ more in one domain.

    The discrepancy is the largest difference, between the domains, of the mean squared
    difference of two linear models. It bounds how much worse a linear regression that
    fits the weighted source can be on the target. Only the second moments of the rows
    count, which makes the weights a convex programme: they are within a certified gap
    of the best.

    Assumes covariate shift, and squared loss with linear models: use it under `Ridge`
    and its like. The weights are no density ratio: under a flexible model they mean
    little. The target lies where there are source rows. Several source domains are
    weighted to it one by one, each to mean one; to take them as one, give them one
    number. Reads no labels.

    Cost: ``O(n_source p^4 / 4 + p^6)`` a step, of which there are some twenty, or
    ``O(n_source^3)`` where there are fewer rows than second moments, in
    ``O((n_source + n_target) p)`` memory. 100,000 + 100,000 rows of 20 columns take
    some ten seconds. With more than 2,000 rows and 62 columns the programme is solved
    on working sets of rows, and most weights are zero.

    It hurts where columns have unlike units: the largest eigenvalue is that of the
    largest column, so scale the columns first.

    Parameters
    ----------
    fit_intercept : bool, default=True
        Whether the models have an intercept: a column of ones is added, so that means
        count, too. False: the programme of the paper.
    regularization : float, default=1e-3
        How much the weights are drawn towards equal ones, in units of the discrepancy
        before. Where many weights reach the least discrepancy it chooses even ones
        among them, at no loss. 0: none.
    clip : float, default=None
        Weights above `clip` times their mean count as that. `discrepancy_` is of
        the weights before.
    flatten : float, default=1.0
        Weights are taken to this power, 0 to 1, after `clip`; 0 gives equal weights.
    tol : float, default=1e-4
        Gap at which to stop, in units of the discrepancy before.
    max_iter : int, default=100
        Largest number of steps.

    Attributes
    ----------
    sample_weight_ : ndarray of shape (n_samples,)
        One weight for each row of fit: of mean one on source rows, one on target rows.
    discrepancy_ : float or ndarray of shape (n_source_domains,)
        Spectral norm of the difference of second moments, with the weights; here and
        below, with several source domains a value for each.
    discrepancy_before_ : float or ndarray of shape (n_source_domains,)
        The same with equal weights.
    discrepancy_bound_ : float or ndarray of shape (n_source_domains,)
        No weights have a discrepancy below this.
    gap_ : float or ndarray of shape (n_source_domains,)
        How far the objective is at most above its minimum.
    effective_sample_size_ : float
        Number of equally weighted source rows with as much information.
    n_iter_ : int or ndarray of shape (n_source_domains,)
        Number of steps.
    converged_ : bool or ndarray of shape (n_source_domains,)
        Whether the gap is below `tol`.
    source_domains_ : ndarray of shape (n_source_domains,)
        Numbers of the source domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.KernelMeanMatchingWeighter : Matches means of a kernel, in which
        ``kernel="poly", degree=2`` has the same second moments, in another norm.
    sktransfer.TransferRegressor : Takes the weighter in its slot.

    Notes
    -----
    For models :math:`h(x) = u^T x` with :math:`\|u\| \le \Lambda` the discrepancy is
    :math:`4 \Lambda^2 \|M(w)\|_2` with [1]_

    .. math::

       M(w) = \sum_i w_i x_i x_i^T - \frac1{n_t} \sum_j x^t_j (x^t_j)^T ,

    the sums over source and target rows. The weights minimise

    .. math::

       \|M(w)\|_2 + r \|M(1/n_s)\|_2 \Bigl( n_s \sum_i w_i^2 - 1 \Bigr), \quad
       w_i \ge 0, \quad \sum_i w_i = 1,

    r being `regularization`, by an interior-point method. Its dual matrices give
    `discrepancy_bound_` and `gap_`: the larger r, the less `discrepancy_bound_` says.

    References
    ----------
    .. [1] Y. Mansour, M. Mohri, A. Rostamizadeh. Domain Adaptation: Learning Bounds and
       Algorithms. COLT, 2009.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import DiscrepancyWeighter
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(200, 2)), 0.5 * rng.normal(size=(100, 2)) + 1]
    >>> sample_domain = np.repeat([1, -1], [200, 100])
    >>> weighter = DiscrepancyWeighter().fit(X, sample_domain=sample_domain)
    >>> weighter.discrepancy_ < 0.001 * weighter.discrepancy_before_
    True
    >>> weights = weighter.sample_weight_[:200]
    >>> np.average(X[:200], axis=0, weights=weights) - X[200:].mean(axis=0) < 0.01
    array([ True,  True])
    """

    def __init__(
        self,
        *,
        fit_intercept=True,
        regularization=1e-3,
        clip=None,
        flatten=1.0,
        tol=1e-4,
        max_iter=100,
    ):
        self.fit_intercept = fit_intercept
        self.regularization = regularization
        self.clip = clip
        self.flatten = flatten
        self.tol = tol
        self.max_iter = max_iter

    def _match(self, X_source, X_target):
        check_choice("fit_intercept", self.fit_intercept, (True, False))
        check_number("regularization", self.regularization, low=0)
        check_number("tol", self.tol, low=0, low_open=True)
        check_integer("max_iter", self.max_iter, low=1)
        result = least_discrepancy(
            self._design(X_source),
            self._design(X_target),
            regularization=self.regularization,
            tol=self.tol,
            max_iter=self.max_iter,
        )
        if not result.converged:
            warnings.warn(
                f"DiscrepancyWeighter stopped after {result.n_iter} steps: the "
                f"objective is within {result.gap:.1e} of its minimum, asked for was "
                f"{self.tol * result.before:.1e}. Raise max_iter or tol; scaling the "
                "features often helps.",
                ConvergenceWarning,
                stacklevel=4,
            )
        return result

    def _keep(self, matches, weights):
        self.discrepancy_before_ = by_source_domain([m.before for m in matches])
        self.discrepancy_ = by_source_domain([m.after for m in matches])
        self.discrepancy_bound_ = by_source_domain([m.bound for m in matches])
        self.gap_ = by_source_domain([m.gap for m in matches])
        self.n_iter_ = by_source_domain([m.n_iter for m in matches])
        self.converged_ = by_source_domain([m.converged for m in matches])

    def _design(self, X):
        X = X.astype(np.float64, copy=False)
        return np.c_[X, np.ones(X.shape[0])] if self.fit_intercept else X
