"""InstanceSelector: leave out the source rows that do not help the target."""

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

from sktransfer._kernels import check_kernel, kernel_matrix, kernel_mean, resolve_gamma
from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseSelector, BaseWeighter
from sktransfer.instance._agreement import agreement_scores, target_model
from sktransfer.instance._choice import canonical_order, choose
from sktransfer.instance._landmarks import landmark_weights
from sktransfer.instance._nearest import nearest_scores

__all__ = ["InstanceSelector"]

_STRATEGIES = ("nearest", "density_ratio", "landmarks", "agreement")
# A landmark has at least this part of the weight that it had if all were equal.
_LANDMARK_SHARE = 0.01


class InstanceSelector(BaseSelector):
    r"""Leave out the source rows that do not help the target.

    Four strategies say which rows stay. ``"nearest"`` keeps rows that are among the
    nearest neighbours of target rows; ``"density_ratio"`` keeps the rows to which a
    weighter gives the largest weights; ``"landmarks"`` [1]_ keeps rows whose mean in
    the kernel's space is that of the target; ``"agreement"`` [2]_ drops misleading
    rows, those whose label a model of the target contradicts.

    The first three assume covariate shift: the same label for the same features, and
    source rows in the region of the target. They hurt where the domains do not overlap
    (use an aligner first), and where the source is small, for what is left out is then
    missed more than what it misled; in many columns the nearest rows are often the
    same few. ``"agreement"`` assumes that P(y | X) differs on some source rows; with
    an unlabelled target it hurts where the source model is mostly wrong there, for
    then it drops the right rows.

    ``"nearest"`` reads no labels, ``"density_ratio"`` those of the source if `weighter`
    does, ``"landmarks"`` those of the source, ``"agreement"`` those of both domains;
    it uses the target's if they hold two classes. `balance` reads the source's. Labels
    of regression are read by none.

    ``"nearest"`` costs O(n_target log n_source) in few columns and O(n_source n_target)
    in many; ``"landmarks"`` O(n_source^2) memory and about a thousand products of
    that size, which hurts above 10,000 source rows; the others what `weighter` or
    `estimator` cost.

    Parameters
    ----------
    strategy : {"nearest", "density_ratio", "landmarks", "agreement"}, default="nearest"
        What makes a row worth keeping.
    fraction : float in (0, 1], default=None
        Part of the source rows to keep, those of the highest scores. None, and no
        `n_select`: "nearest" keeps every row that is a neighbour of a target row,
        "density_ratio" half of the rows, "landmarks" the rows with more than a
        hundredth of the mean weight, "agreement" all that are not contradicted.
    n_select : int, default=None
        Number of source rows to keep; only one of `fraction` and `n_select`.
    balance : bool, default=False
        Keep the proportions of the source's classes, and at least one row of each;
        unlabelled source rows count as a class. The number of rows is that which the
        strategy would keep otherwise. "landmarks" does so in any case if `fraction` or
        `n_select` is given.
    n_neighbors : int, default=5
        Of "nearest": neighbours of each target row; all rows if there are fewer.
    weighter : BaseWeighter, default=None
        Of "density_ratio": a clone of it weighs the source rows; it sees no labels of
        the target. None: ``KernelMeanMatchingWeighter()``.
    estimator : classifier, default=None
        Of "agreement": its clones are the models of source and target; it needs
        `predict_proba`. None: ``LogisticRegression(max_iter=1000)``.
    kernel : {"linear", "rbf", "laplacian", "poly", "cosine"} or callable, default="rbf"
        Of "landmarks".
    gamma : float, "median" or None, default="median"
        Width of the kernel; "median": one over the median squared distance between
        rows of both domains, None: 1 / n_features.
    degree : float, default=3
        Of the kernel "poly".
    coef0 : float, default=1.0
        Of the kernel "poly".

    Attributes
    ----------
    support_ : ndarray of shape (n_samples,), bool
        The rows of fit that stay; all target rows do.
    sample_weight_ : ndarray of shape (n_samples,)
        The same as 0 and 1.
    scores_ : ndarray of shape (n_samples,)
        Score of each source row (higher: kept first), NaN for target rows. "nearest":
        the number of target rows that have it as a neighbour plus less than one for
        being near; "density_ratio": the weight; "landmarks": the weight over the mean
        weight; "agreement": the probability of the row's label, or one half for
        unlabelled rows and classes that the target model does not know (these are
        never contradicted).
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has them.

    See Also
    --------
    sktransfer.TransferClassifier : Takes the selector as its `adapter`.
    sktransfer.KernelMeanMatchingWeighter : Weighs the rows instead.

    Notes
    -----
    Rows of equal scores are taken in the order of their content, so that the result
    does not depend on the order of the rows.

    "landmarks" minimises :math:`\frac12 b^T K b - \kappa^T b` over
    :math:`b \ge 0`, where :math:`K` is the kernel matrix of the source rows and
    :math:`\kappa_i` the mean kernel value of source row i with the target rows, with
    :math:`\sum_{y_i = c} b_i = n_c / n` for each class c. Up to a constant this is
    half the squared maximum mean discrepancy. It is the relaxation of the choice of a
    subset, whose members would all have the same b, so that no class-balanced subset
    has a lower objective.

    "agreement" without two labelled classes of the target predicts the target by a
    model of the source, and fits the target model on the half of each predicted class
    that is predicted with the highest probability.

    References
    ----------
    .. [1] B. Gong, K. Grauman, F. Sha, "Connecting the dots with landmarks:
       discriminatively learning domain-invariant features for unsupervised domain
       adaptation", ICML 2013.
    .. [2] J. Jiang, C. Zhai, "Instance weighting for domain adaptation in NLP",
       ACL 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer.instance import InstanceSelector
    >>> X = np.array([[0.0], [1.0], [2.0], [9.0], [1.1], [1.9]])
    >>> y = np.array([0, 0, 1, 1, -1, -1])
    >>> InstanceSelector(n_neighbors=1).fit(X, y).support_
    array([False,  True,  True, False,  True,  True])
    """

    def __init__(
        self,
        strategy="nearest",
        *,
        fraction=None,
        n_select=None,
        balance=False,
        n_neighbors=5,
        weighter=None,
        estimator=None,
        kernel="rbf",
        gamma="median",
        degree=3,
        coef0=1.0,
    ):
        self.strategy = strategy
        self.fraction = fraction
        self.n_select = n_select
        self.balance = balance
        self.n_neighbors = n_neighbors
        self.weighter = weighter
        self.estimator = estimator
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0

    @property
    def _reads_target_labels(self):
        return self.strategy == "agreement"

    def _select(self, X_source, y_source, X_target, y_target):
        self._check_params(len(X_source))
        # In an order of their own, rows give the same in whatever order they came.
        order = canonical_order(X_source, y_source)
        X, y = X_source[order], None if y_source is None else y_source[order]
        order_target = canonical_order(X_target, y_target)
        X_target = X_target[order_target]
        y_target = None if y_target is None else y_target[order_target]
        strategy = getattr(self, f"_by_{self.strategy}")
        natural, sorted_scores = strategy(X, y, X_target, y_target)
        kept, scores = np.empty(len(X), bool), np.empty(len(X))
        kept[order] = self._choose(natural, sorted_scores, y)
        scores[order] = sorted_scores
        return kept, scores

    def _check_params(self, n_source):
        check_choice("strategy", self.strategy, _STRATEGIES)
        check_number(
            "fraction", self.fraction, low=0, low_open=True, high=1, also=(None,)
        )
        check_integer("n_select", self.n_select, low=1, also=(None,))
        check_choice("balance", self.balance, (True, False))
        check_integer("n_neighbors", self.n_neighbors, low=1)
        if self.fraction is not None and self.n_select is not None:
            raise ValueError(
                f"Only one of `fraction` and `n_select` may be given, got "
                f"fraction={self.fraction!r} and n_select={self.n_select!r}. Leave one "
                "at None."
            )
        if self.n_select is not None and self.n_select > n_source:
            raise ValueError(
                f"`n_select` must be at most the number of source rows, {n_source}, "
                f"got {self.n_select}. Lower it, or use `fraction`."
            )

    def _choose(self, natural, scores, y):
        counted = self.fraction is not None or self.n_select is not None
        classes = self._classes_to_balance(y, counted)
        if not counted and classes is None:
            return natural
        n_select = self._count(natural, len(scores))
        if classes is not None:
            n_select = self._enough_for_each(n_select, len(np.unique(classes)))
        return choose(scores, n_select, classes)

    def _classes_to_balance(self, y, counted):
        if self.balance and _is_float(y):
            raise ValueError(
                "`balance` must be False for regression, whose labels are no classes; "
                "got balance=True and labels that are not whole numbers."
            )
        balance = self.balance or (self.strategy == "landmarks" and counted)
        return _classes(y) if balance else None

    def _count(self, natural, n_source):
        if self.n_select is not None:
            return int(self.n_select)
        if self.fraction is not None:
            return max(1, int(np.floor(self.fraction * n_source + 0.5)))
        return max(1, int(natural.sum()))

    def _enough_for_each(self, n_select, n_classes):
        if self.n_select is not None and n_select < n_classes:
            raise ValueError(
                "`n_select` must be at least the number of classes when the selection "
                f"is balanced, {n_classes} here (unlabelled source rows count as one), "
                f"got {self.n_select}."
            )
        return max(n_select, n_classes)

    def _by_nearest(self, X, y, X_target, y_target):
        votes, scores = nearest_scores(X, X_target, self.n_neighbors)
        return votes > 0, scores

    def _by_density_ratio(self, X, y, X_target, y_target):
        weighter = self.weighter
        if weighter is None:
            weighter = _default_weighter()
        if not isinstance(weighter, BaseWeighter):
            raise ValueError(
                "`weighter` must be a weighter of sktransfer (a BaseWeighter) or None, "
                f"got {weighter!r}."
            )
        # NaN marks a missing label beyond doubt; -1 might be taken for a class.
        labels = np.full(len(X) + len(X_target), np.nan)
        if _classes(y) is not None:
            labels[: len(X)] = np.where(y >= 0, y, np.nan)
        fitted = clone(weighter).fit(
            np.concatenate([X, X_target]),
            labels,
            sample_domain=np.repeat([1, -1], [len(X), len(X_target)]),
        )
        scores = fitted.sample_weight_[: len(X)].astype(np.float64)
        return choose(scores, max(1, (len(X) + 1) // 2)), scores

    def _by_landmarks(self, X, y, X_target, y_target):
        check_kernel(self.kernel)
        check_number("degree", self.degree, low=0)
        check_number("coef0", self.coef0)
        X, X_target = X.astype(np.float64), X_target.astype(np.float64)
        both = np.concatenate([X, X_target])
        params = {
            "kernel": self.kernel,
            "gamma": resolve_gamma(self.gamma, both, kernel=self.kernel),
            "degree": self.degree,
            "coef0": self.coef0,
        }
        gram = kernel_matrix(X, **params)
        weights = landmark_weights(
            gram, kernel_mean(X, X_target, **params), _classes(y)
        )
        scores = weights * len(X)
        return scores > _LANDMARK_SHARE, scores

    def _by_agreement(self, X, y, X_target, y_target):
        if _classes(y) is None or not np.any(y >= 0):
            raise ValueError(
                "strategy='agreement' needs source rows labelled with classes, got "
                f"{'labels of regression' if _is_float(y) else 'no label'}. Use "
                "'nearest', 'density_ratio' or 'landmarks', which need none."
            )
        estimator = self.estimator
        if estimator is None:
            estimator = LogisticRegression(max_iter=1000)
        if not hasattr(estimator, "predict_proba"):
            raise ValueError(
                "`estimator` must be a classifier with predict_proba or None, got "
                f"{estimator!r}. CalibratedClassifierCV adds it to any classifier."
            )
        model = target_model(estimator, X, y, X_target, y_target)
        contradicted, scores = agreement_scores(model, X, y)
        return ~contradicted, scores


def _default_weighter():
    # Only this strategy needs it.
    from sktransfer.instance._kernel_mean_matching import KernelMeanMatchingWeighter

    return KernelMeanMatchingWeighter()


def _is_float(y):
    return y is not None and y.dtype.kind == "f"


def _classes(y):
    """Labels that are classes, or None."""
    return None if _is_float(y) else y
