from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score

from sktransfer.parameter._linear_losses import SquaredLoss
from sktransfer.parameter._shared_tasks import BaseSharedMultiTask

__all__ = ["SharedMultiTaskRegressor"]


class SharedMultiTaskRegressor(RegressorMixin, BaseSharedMultiTask):
    r"""Linear regressions of several domains that share their parameters.

    Every domain, source or target, is a task with coefficients and an intercept of its
    own, all fitted together. They share a mean ("mean"), a few directions ("low_rank"),
    or the few features that matter ("group_sparse"). A new row gets the model of its
    domain; without `sample_domain` that of the target.

    Assumes that the domains differ in how the features speak for the value, a shift of
    concept, but not much: coefficients near each other, or on common directions or
    features. Levels and the distribution of the features may differ freely. Reads the
    labels of all domains; unlabelled rows are left out.

    Cost: "mean" a singular value decomposition of each domain,
    ``O(n p min(n, p))`` in all, and one linear system of the smaller of the numbers of
    rows and features. The others some hundred to thousand steps of ``O(n p)``, and for
    "low_rank" the decomposition of the coefficients in each.

    It hurts where the domains have little in common, and where few domains, each with
    many rows, outvote a target with few. The shared part is penalised, too: with few
    domains and a large `alpha` it is smaller than their mean. Features should be
    scaled, by the same numbers in all domains.

    Parameters
    ----------
    sharing : {"mean", "low_rank", "group_sparse"}, default="mean"
        What the domains share.
    alpha : float, default=1.0
        "mean": penalty on half the squared norm of the shared coefficients. Otherwise
        the weight of the norm of all coefficients. Beside the sum of half squared
        errors, as in `sklearn.linear_model.Ridge`.
    task_alpha : float, default=10.0
        For "mean": penalty on half the squared distance of each domain's coefficients
        from the shared ones. Large: one model for all, but for the intercepts; with a
        large `alpha` instead, a ridge regression of each domain.
    max_iter : int, default=10000
        Bound on the steps of "low_rank" and "group_sparse".
    tol : float, default=1e-7
        They stop when the gradient is this part of what it was.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_features)
        Coefficients of the domains that have labelled rows.
    intercept_ : ndarray of shape (n_tasks,)
        Their intercepts.
    domains_ : ndarray of shape (n_tasks,)
        Their numbers, ascending: target domains first.
    shared_coef_ : ndarray of shape (n_features,)
        The shared coefficients of "mean"; otherwise the mean over the domains. It is
        the model of domains without labelled rows.
    shared_intercept_ : float
        Its intercept: the shared coefficients meet the mean value of each domain, in
        the mean over the domains.
    n_iter_ : int
        Number of steps; 1 for the closed form.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    SharedMultiTaskClassifier : The same for classes.
    SourceRegularizedRegressor : Fits the source first and then the target near it.
    sktransfer.FeatureAugmenter : "mean" with equal penalties, before any model.

    Notes
    -----
    For domains t with row weights :math:`s_i`, "mean" is [1]_

    .. math:: \min_{w_0, v_t, b_t} \; \tfrac{1}{2} \sum_t \sum_{i \in t} s_i
        (y_i - (w_0 + v_t)^T x_i - b_t)^2 + \frac{\lambda_1}{2} \sum_t \| v_t \|^2
        + \frac{\lambda_2}{2} \| w_0 \|^2

    with :math:`\lambda_1` = `task_alpha` and :math:`\lambda_2` = `alpha`. It is ridge
    regression with the kernel :math:`x^T x' (1 / \lambda_2 + [t = t'] / \lambda_1)`. At
    the minimum :math:`w_0 = \sum_t w_t / (T + \lambda_2 / \lambda_1)`.

    The others penalise the matrix W of all coefficients, one row a domain: "low_rank"
    by :math:`\alpha \| W \|_*`, the sum of its singular values, "group_sparse" by
    :math:`\alpha \sum_j \| W_{\cdot j} \|`, as in multi-task feature learning [2]_.
    Both are solved by accelerated proximal gradient with restarts [3]_.

    References
    ----------
    .. [1] T. Evgeniou, M. Pontil. Regularized Multi-Task Learning. KDD, 2004.
    .. [2] A. Argyriou, T. Evgeniou, M. Pontil. Convex Multi-Task Feature Learning.
       Machine Learning 73, 2008.
    .. [3] B. O'Donoghue, E. Candès. Adaptive Restart for Accelerated Gradient Schemes.
       Foundations of Computational Mathematics 15, 2015.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> from sktransfer import SharedMultiTaskRegressor
    >>> rng = np.random.RandomState(0)
    >>> domain = np.repeat([1, 2, 3, -1], [100, 100, 100, 10])
    >>> X = rng.normal(size=(310, 20))
    >>> w = np.ones(20) + 0.2 * rng.normal(size=(4, 20))
    >>> y = np.sum(X * w[domain], axis=1) + domain + rng.normal(size=310)
    >>> model = SharedMultiTaskRegressor().fit(X, y, sample_domain=domain)
    >>> alone = Ridge().fit(X[300:], y[300:])
    >>> X_new = rng.normal(size=(200, 20))
    >>> y_new = X_new @ w[-1] - 1
    >>> round(model.score(X_new, y_new), 2), round(alone.score(X_new, y_new), 2)
    (0.94, 0.25)
    """

    def __init__(
        self,
        sharing="mean",
        *,
        alpha=1.0,
        task_alpha=10.0,
        max_iter=10000,
        tol=1e-7,
    ):
        self.sharing = sharing
        self.alpha = alpha
        self.task_alpha = task_alpha
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Fit all domains together.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of all domains, in any order.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are marked NaN and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target"; every number
            is a task. None: labelled rows are one source domain, unlabelled rows the
            target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        self._check_parameters()
        rows = self._labelled_rows(X, y, sample_domain, sample_weight, fits_source=True)
        self._fit_rows(rows, rows.y, sample_domain, SquaredLoss(), 1)
        self.coef_, self.intercept_ = self._coef[:, 0], self._intercept[:, 0]
        self.shared_coef_ = self._shared[0]
        self.shared_intercept_ = float(self._common[0])
        return self

    def predict(self, X, *, sample_domain=None):
        """Predict values.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Which domain's model each row gets. None: the target's; several target
            domains need it. Domains without labelled rows in fit get the shared part;
            numbers unknown to fit do so with "mean" and are an error otherwise.

        Returns
        -------
        ndarray of shape (n_samples,)
            Predicted values.
        """
        X = self._checked_rows(X, sample_domain)
        return self._task_scores(X, sample_domain)[:, 0]

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the coefficient of determination.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,)
            Their true values.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Which domain's model each row gets, as in `predict`.

        Returns
        -------
        float
            R squared of the predictions.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return r2_score(y, predicted, sample_weight=sample_weight)
