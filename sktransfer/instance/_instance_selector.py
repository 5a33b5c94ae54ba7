"""InstanceSelector: leave out the source rows that do not help the target."""

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted

from sktransfer._label_codes import label_codes
from sktransfer._validation import check_choice, check_integer
from sktransfer.base import BaseSelector
from sktransfer.instance._choice import Wanted, canonical_order, check_wanted
from sktransfer.instance._strategies import (
    STRATEGIES,
    SelectorRows,
    classes_of,
    is_float,
    sparse_or_why,
)

__all__ = ["InstanceSelector"]


class InstanceSelector(BaseSelector):
    r"""Leave out the source rows that do not help the target.

    Seven strategies say which rows stay. ``"nearest"`` keeps rows that are among the
    nearest neighbours of target rows; ``"density_ratio"`` the rows to which a weighter
    gives the largest weights; ``"landmarks"`` [1]_ and ``"herding"`` [2]_ rows whose
    mean in the kernel's space is that of the target, weighted or picked one by one;
    ``"agreement"`` [3]_ drops rows whose label a model of the target contradicts;
    ``"influence"`` [4]_ rows without which a linear model of the source would have a
    smaller loss on the labelled target rows; ``"dynamic"`` keeps rows around target
    rows whose label the models of these neighbourhoods do not contradict.

    The first four assume covariate shift: the same label for the same features, and
    source rows in the region of the target. They hurt where the domains do not overlap
    (use an aligner first), and where the source is small, for what is left out is then
    missed more than what it misled; in many columns the nearest rows are often the
    same few. The others assume that P(y | X) differs on some source rows. With an
    unlabelled target "agreement" hurts where the source model is mostly wrong there;
    "influence" hurts where few target rows are labelled, whose noise it follows.

    ``"nearest"`` and ``"herding"`` read no labels, ``"density_ratio"`` those of the
    source if `weighter` does, ``"landmarks"`` and ``"dynamic"`` those of the source,
    ``"agreement"`` and ``"influence"`` those of both domains; "agreement" uses the
    target's if they hold two classes, "influence" needs them. `balance` reads the
    source's. Labels of regression are read by "influence" alone.

    Cost: ``"nearest"`` ``O(n_target log n_source)`` in few columns and
    ``O(n_source n_target)`` in many; ``"herding"``
    ``O(p n_source (n_target + n_kept))`` in little memory (give `n_select` where the
    source is large); ``"landmarks"`` ``O(n_source^2)`` memory and about a thousand
    products of that size, which hurts above 10,000 source rows; ``"influence"``
    ``O(n_source p^2 + p^3)``; ``"dynamic"`` a fit for each different neighbourhood; the
    others what `weighter` or `estimator` cost. Sparse rows are taken, if `weighter` or
    `estimator` takes them and `kernel` is a name; not by ``"influence"``, whose second
    derivatives are by all pairs of columns.

    Parameters
    ----------
    strategy : str, default="nearest"
        What makes a row worth keeping: "nearest", "density_ratio", "landmarks",
        "herding", "agreement", "influence" or "dynamic".
    fraction : float in (0, 1], default=None
        Part of the source rows to keep, those of the highest scores. None, and no
        `n_select`: "nearest" keeps every row that is a neighbour of a target row,
        "density_ratio" half of the rows, "landmarks" the rows with more than a
        hundredth of the mean weight, "herding" the most picks whose mean is as near to
        the target's as that is known, "agreement" all that are not contradicted,
        "influence" all without which the loss would not fall, "dynamic" neighbours
        that are not contradicted.
    n_select : int, default=None
        Number of source rows to keep; only one of `fraction` and `n_select`.
    balance : bool, default=False
        Keep the proportions of the source's classes, and at least one row of each;
        unlabelled source rows count as a class. The number of rows is that which the
        strategy would keep otherwise. "landmarks" does so in any case if `fraction` or
        `n_select` is given.
    n_neighbors : int, default=5
        Of "nearest" and "dynamic": neighbours of each target row; all rows if there
        are fewer. For "dynamic" 20 to 50 are better.
    weighter : BaseWeighter, default=None
        Of "density_ratio": a clone of it weighs the source rows; it sees no labels of
        the target. None: ``KernelMeanMatchingWeighter()``. Without `weigh` it has no
        weights of other rows: `score_samples` then smooths those of the source rows.
    estimator : estimator, default=None
        Of "agreement" and "dynamic": a classifier with `predict_proba`, of which
        clones are fitted; None: ``LogisticRegression(max_iter=1000)``. Of "influence":
        a LogisticRegression, of which only `C` is used, or a Ridge, of which only
        `alpha` is; None: the one for the kind of the labels, with penalty 1. Values
        that are all whole numbers look like classes: pass ``Ridge()`` for them.
    kernel : {"linear", "rbf", "laplacian", "poly", "cosine"} or callable, default="rbf"
        Of "landmarks" and "herding".
    gamma : float, "median" or None, default="median"
        Width of the kernel, also of the one that smooths weights; "median": one over
        the median squared distance between rows of both domains, None: 1 / n_features.
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
        weight; "herding": n_source for the first pick, then falling by one, rows that
        are not picked by their witness function; "agreement": the probability of the
        row's label, or one half for unlabelled rows and classes that the target model
        does not know (these are never contradicted); "influence": by how much the mean
        loss on the target rises without the row, zero without label; "dynamic": the
        sum over target rows near it of the probability of its label.
    n_features_in_ : int
        Number of columns.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X has them.

    See Also
    --------
    sktransfer.TransferClassifier : Takes the selector as its `adapter`.
    sktransfer.KernelMeanMatchingWeighter : Weighs the rows instead.
    sktransfer.LocalTransferClassifier : Selects rows for each row to predict.

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
    .. [2] Y. Chen, M. Welling, A. Smola, "Super-samples from kernel herding", UAI 2010.
    .. [3] J. Jiang, C. Zhai, "Instance weighting for domain adaptation in NLP",
       ACL 2007.
    .. [4] P. W. Koh, P. Liang, "Understanding black-box predictions via influence
       functions", ICML 2017.

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
        return self.strategy in ("agreement", "influence")

    @property
    def _needs_target_labels(self):
        return self.strategy == "influence"

    def _check_X(self, X, *, reset):
        if sparse.issparse(X) and (why := sparse_or_why(self)):
            raise TypeError(
                f"Sparse data was passed for X, but dense data is required by "
                f"strategy={self.strategy!r}: {why}. Reduce the columns, for example "
                "by TruncatedSVD, pass X.toarray(), or use strategy='nearest'."
            )
        return super()._check_X(X, reset=reset)

    def _select(self, X_source, y_source, X_target, y_target):
        check_choice("strategy", self.strategy, tuple(STRATEGIES))
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_wanted(self.fraction, self.n_select, self.balance, X_source.shape[0])
        # In an order of their own, rows give the same in whatever order they came.
        order = canonical_order(X_source, y_source)
        rows = self._rows(X_source, y_source, order, X_target, y_target)
        wanted = self._wanted(rows.y, len(order))
        strategy = STRATEGIES[self.strategy]
        natural, sorted_scores, self._scorer = strategy(self, rows, wanted)
        kept, scores = np.empty(len(order), bool), np.empty(len(order))
        kept[order] = wanted.choose(natural, sorted_scores)
        scores[order] = sorted_scores
        return kept, scores

    def _rows(self, X, y, order, X_target, y_target):
        order_target = canonical_order(X_target, y_target)
        return SelectorRows(
            X[order],
            None if y is None else y[order],
            X_target[order_target],
            None if y_target is None else y_target[order_target],
            self._label_names,
        )

    def _wanted(self, y, n_source):
        if self.balance and is_float(y):
            raise ValueError(
                "`balance` must be False for regression, whose labels are no classes; "
                "got balance=True and labels that are not whole numbers."
            )
        wanted = Wanted(n_source, self.fraction, self.n_select, None)
        if self.balance or (self.strategy == "landmarks" and wanted.counted):
            return Wanted(n_source, self.fraction, self.n_select, classes_of(y))
        return wanted

    def score_samples(self, X, y=None):
        """Score any rows as candidates for the source: higher is more useful.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that may come from the source.
        y : array-like of shape (n_samples,), default=None
            Their labels; "agreement", "influence" and "dynamic" need them, the others
            read none. Rows without a label, or of a class that was not in fit, are
            neutral.

        Returns
        -------
        ndarray of shape (n_samples,)
            Scores. "nearest", "density_ratio", "agreement" and "dynamic": on the scale
            of `scores_`, and the same for source rows of fit (but for ties in distance,
            and for weights that are cross-fitted). With a weighter that has no `weigh`:
            the mean weight of the source rows around, by a Gaussian kernel, also for
            rows of fit; of weights of classes it is the ratio of the densities of the
            rows. "dynamic" asks the models of all target rows to which a row is as near
            as their neighbours of fit. "landmarks" and "herding": the witness function,
            the mean kernel value with the target less that with the rows that stay.
            "influence": the score to first order in one row. Ones if there was no
            target row in fit.
        """
        check_is_fitted(self)
        X = self._check_X(X, reset=False)
        if not np.isnan(self.scores_).any():
            return np.ones(X.shape[0])
        return self._scorer(X, self._codes(y, X.shape[0]))

    def _codes(self, y, n_samples):
        if not self._scorer.reads_labels:
            return None
        if y is None:
            raise ValueError(
                f"strategy={self.strategy!r} judges rows by their labels: "
                "`score_samples` needs y, got None."
            )
        return label_codes(y, self._label_names, n_samples)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = sparse_or_why(self) is None
        return tags
