import numpy as np
from scipy.special import expit, log_expit, log_softmax, softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from sktransfer.parameter._linear_losses import LogisticLoss, SoftmaxLoss
from sktransfer.parameter._shared_tasks import BaseSharedMultiTask

__all__ = ["SharedMultiTaskClassifier"]

_DOMAIN = {"sample_domain": True}


class SharedMultiTaskClassifier(ClassifierMixin, BaseSharedMultiTask):
    r"""Logistic regressions of several domains that share their parameters.

    Every domain, source or target, is a task with coefficients and intercepts of its
    own, all fitted together; more than two classes multinomially. They share a mean
    ("mean"), a few directions ("low_rank"), or the few features that matter
    ("group_sparse"). A new row gets the model of its domain; without `sample_domain`
    that of the target.

    Assumes that the domains differ in how the features speak for the classes, a shift
    of concept, but not much: coefficients near each other, or on common directions or
    features. The shares of the classes and the distribution of the features may differ
    freely. Reads the labels of all domains; unlabelled rows are left out.

    Cost: "mean" some Newton steps, each some products of ``O(n p n_classes)``. The
    others some hundred to thousand steps of one such product, and for "low_rank" the
    decomposition of the coefficients in each.

    It hurts where the domains have little in common, and where few domains, each with
    many rows, outvote a target with few. With very few labelled target rows the
    intercepts are unsure. Features should be scaled, by the same numbers in all
    domains.

    Parameters
    ----------
    sharing : {"mean", "low_rank", "group_sparse"}, default="mean"
        What the domains share.
    alpha : float, default=1.0
        "mean": penalty on half the squared norm of the shared coefficients. Otherwise
        the weight of the norm of all coefficients. Beside the sum of the log losses:
        1 / C of `sklearn.linear_model.LogisticRegression`.
    task_alpha : float, default=10.0
        For "mean": penalty on half the squared distance of each domain's coefficients
        from the shared ones. Large: one model for all, but for the intercepts; with a
        large `alpha` instead, a logistic regression of each domain.
    max_iter : int, default=10000
        Bound on the steps.
    tol : float, default=1e-7
        They stop when the gradient is this part of what it was.

    Attributes
    ----------
    coef_ : ndarray of shape (n_tasks, n_outputs, n_features)
        Coefficients of the domains that have labelled rows of two or more classes. One
        output for two classes, one a class for more.
    intercept_ : ndarray of shape (n_tasks, n_outputs)
        Their intercepts.
    domains_ : ndarray of shape (n_tasks,)
        Their numbers, ascending: target domains first.
    shared_coef_ : ndarray of shape (n_outputs, n_features)
        The shared coefficients of "mean"; otherwise the mean over the domains. It is
        the model of domains without labelled rows.
    shared_intercept_ : ndarray of shape (n_outputs,)
        Its intercepts: the shared coefficients meet the scores at the centre of each
        domain, in the mean over the domains.
    n_iter_ : int
        Number of steps.
    classes_ : ndarray of shape (n_classes,)
        Classes of all domains.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    SharedMultiTaskRegressor : The same for values.
    SourceRegularizedClassifier : Fits the source first and then the target near it.
    sktransfer.FeatureAugmenter : "mean" with equal penalties, before any model.

    Notes
    -----
    For domains t with row weights :math:`s_i`, "mean" is [1]_, with log loss in place
    of the hinge,

    .. math:: \min_{W_0, V_t, b_t} \; - \sum_t \sum_{i \in t} s_i
        \log p(y_i \mid (W_0 + V_t) x_i + b_t) + \frac{\lambda_1}{2} \sum_t \| V_t \|^2
        + \frac{\lambda_2}{2} \| W_0 \|^2

    with :math:`\lambda_1` = `task_alpha` and :math:`\lambda_2` = `alpha`. The others
    penalise the matrix W of all coefficients, one row for each class of each domain:
    "low_rank" by :math:`\alpha \| W \|_*`, the sum of its singular values,
    "group_sparse" by :math:`\alpha \sum_j \| W_{\cdot j} \|`, as in multi-task feature
    learning [2]_, by accelerated proximal gradient with restarts [3]_.

    The intercepts are not penalised. So a domain tells apart only the classes that it
    has, and one with a single class says nothing: its model is the shared part. For
    classes that a domain lacks, its intercepts follow those of the other domains.

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
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sktransfer import SharedMultiTaskClassifier
    >>> rng = np.random.RandomState(0)
    >>> domain = np.repeat([1, 2, 3, -1], [100, 100, 100, 10])
    >>> w = np.ones(20) + 0.5 * rng.normal(size=(4, 20))
    >>> X, X_new = rng.normal(size=(310, 20)), rng.normal(size=(1000, 20))
    >>> y = np.where(np.sum(X * w[domain], axis=1) > 0, "yes", "no")
    >>> y_new = np.where(X_new @ w[-1] > 0, "yes", "no")
    >>> model = SharedMultiTaskClassifier().fit(X, y, sample_domain=domain)
    >>> alone = LogisticRegression().fit(X[300:], y[300:])
    >>> round(model.score(X_new, y_new), 2), round(alone.score(X_new, y_new), 2)
    (0.82, 0.64)
    """

    __metadata_request__predict_proba = _DOMAIN
    __metadata_request__predict_log_proba = _DOMAIN
    __metadata_request__decision_function = _DOMAIN

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
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats) and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target"; every number
            is a task. None: labelled rows are one source domain, unlabelled rows the
            target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        self._check_parameters()
        rows = self._labelled_rows(X, y, sample_domain, sample_weight, fits_source=True)
        self.classes_, codes = np.unique(rows.y, return_inverse=True)
        n_classes = len(self.classes_)
        if n_classes < 2:
            raise ValueError(
                f"{type(self).__name__} needs rows of at least two classes, got one "
                f"class: {self.classes_[0]!r}."
            )
        two = n_classes == 2
        loss, n_outputs = (LogisticLoss(), 1) if two else (SoftmaxLoss(), n_classes)
        self._fit_rows(rows, codes, sample_domain, loss, n_outputs)
        self.coef_, self.intercept_ = self._coef, self._intercept
        self.shared_coef_, self.shared_intercept_ = self._shared, self._common
        return self

    def decision_function(self, X, *, sample_domain=None):
        """Return the scores of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to score.
        sample_domain : array-like of shape (n_samples,), default=None
            Which domain's model each row gets, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples,) or (n_samples, n_classes)
            One score a class; for two classes the log-odds of the second.
        """
        X = self._checked_rows(X, sample_domain)
        scores = self._task_scores(X, sample_domain)
        return scores[:, 0] if scores.shape[1] == 1 else scores

    def predict(self, X, *, sample_domain=None):
        """Predict classes.

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
            Predicted classes.
        """
        scores = self.decision_function(X, sample_domain=sample_domain)
        if scores.ndim == 1:
            return self.classes_[(scores > 0).astype(int)]
        return self.classes_[np.argmax(scores, axis=1)]

    def predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Which domain's model each row gets, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Probabilities, in the order of `classes_`.
        """
        scores = self.decision_function(X, sample_domain=sample_domain)
        if scores.ndim == 1:
            return np.column_stack([expit(-scores), expit(scores)])
        return softmax(scores, axis=1)

    def predict_log_proba(self, X, *, sample_domain=None):
        """Predict logarithms of class probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Which domain's model each row gets, as in `predict`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes)
            Log-probabilities, in the order of `classes_`.
        """
        scores = self.decision_function(X, sample_domain=sample_domain)
        if scores.ndim == 1:
            return np.column_stack([log_expit(-scores), log_expit(scores)])
        return log_softmax(scores, axis=1)

    def score(self, X, y, sample_weight=None, *, sample_domain=None):
        """Return the accuracy.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        y : array-like of shape (n_samples,)
            Their true labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows.
        sample_domain : array-like of shape (n_samples,), default=None
            Which domain's model each row gets, as in `predict`.

        Returns
        -------
        float
            Share of rows predicted right.
        """
        predicted = self.predict(X, sample_domain=sample_domain)
        return accuracy_score(y, predicted, sample_weight=sample_weight)
