from sktransfer._validation import check_choice, check_integer
from sktransfer.parameter._transfer_trees import BaseTransferTrees

__all__ = ["TransferForestClassifier"]


class TransferForestClassifier(BaseTransferTrees):
    r"""A random forest of the source, refined on a few labelled target rows.

    Every tree of the forest is refined by itself on all labelled target rows, and the
    class shares of the refined trees are averaged. "ser", structure expansion and
    reduction: every leaf is expanded by the tree grown on the target rows that reach
    it, and subtrees that classify the target rows no better than a leaf are cut off.
    "strut", structure transfer: splits keep their features and get new thresholds,
    which divide the target rows most like the source's. "mix" holds both forests.

    "ser" assumes that the target refines or merges regions of the source, "strut" that
    the same features speak for the same classes at other thresholds: a shift, scaling
    or reflection of single features. "mix" needs neither for sure. Reads the labels of
    the source, unless a fitted forest is given, and those of the target; unlabelled
    rows are left out.

    Cost: growing the forest, and ``O(n_target log(n_target))`` for each level of each
    tree; trees are spread over `n_jobs` processes by joblib.

    It hurts with very few labelled target rows: regions that none reaches become a leaf
    in every tree. Then a given or grown source forest alone may be better.

    Parameters
    ----------
    source : object, default=None
        Fitted `sklearn.ensemble.RandomForestClassifier` or another forest of
        classification trees. None: one is grown on the labelled source rows.
        Cross-validation clones parameters and drops their fit: wrap a given forest in
        `sklearn.frozen.FrozenEstimator` there.
    method : {"ser", "strut", "mix"}, default="mix"
        How the trees are refined.
    n_estimators : int, default=100
        Number of source trees. "mix" refines each in both ways.
    max_depth : int, default=None
        Largest depth of the source trees and, by itself, of each branch that expands a
        leaf. None: until the leaves are pure.
    min_samples_leaf : int, default=1
        Fewest distinct rows on either side of a split, on growing and with "strut".
    max_features : {"sqrt", "log2"}, int, float or None, default="sqrt"
        Number of features drawn for each split that is grown, as in
        `sklearn.ensemble.RandomForestClassifier`.
    bootstrap : bool, default=True
        Whether each source tree is grown on a sample with replacement of the distinct
        source rows.
    random_state : int, RandomState instance or None, default=None
        Draws samples and features.
    n_jobs : int, default=None
        Number of parallel jobs, as joblib counts them.

    Attributes
    ----------
    trees_ : list of object
        The refined trees, for "mix" two for each source tree: read-only arrays `left`,
        `right`, `feature`, `threshold`, `value` (shares of the classes) and `weight`,
        one entry a node; -1 where a leaf has no child.
    source_trees_ : list of object
        The source's trees in this form.
    classes_ : ndarray of shape (n_classes,)
        Classes of the source and of the target.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    TransferTreeClassifier : One such tree, and the definitions.
    SourceRegularizedClassifier : The same idea for linear models.

    Notes
    -----
    The refinements, and their union, are those of [1]_; their formulas are given with
    `TransferTreeClassifier`. The samples are drawn from the distinct rows, so a row
    given twice is a row of twice the weight, and the order of the rows does not matter.

    References
    ----------
    .. [1] N. Segev, M. Harel, S. Mannor, K. Crammer, R. El-Yaniv. Learn on Source,
       Refine on Target: A Model Transfer Learning Framework with Random Forests. IEEE
       Transactions on Pattern Analysis and Machine Intelligence 39, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> from sktransfer import TransferForestClassifier
    >>> rng = np.random.RandomState(0)
    >>> X, X_target = rng.normal(size=(400, 4)), rng.normal(size=(540, 4)) + 1
    >>> y = X[:, 0] + X[:, 1] > 0
    >>> y_target = X_target[:, 0] + X_target[:, 1] > 2
    >>> source = RandomForestClassifier(50, random_state=0).fit(X, y)
    >>> model = TransferForestClassifier(source, random_state=0)
    >>> model = model.fit(X_target[:40], y_target[:40])
    >>> for fitted in (source, model):
    ...     print(round(fitted.score(X_target[40:], y_target[40:]), 2))
    0.56
    0.86
    """

    def __init__(
        self,
        source=None,
        *,
        method="mix",
        n_estimators=100,
        max_depth=None,
        min_samples_leaf=1,
        max_features="sqrt",
        bootstrap=True,
        random_state=None,
        n_jobs=None,
    ):
        self.source = source
        self.method = method
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Grow the source's forest and refine it on the labelled target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order. With a given source forest the source
            rows are left out.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats) and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with a given source forest, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        self._check_parameters()
        check_integer("n_estimators", self.n_estimators, low=1)
        check_choice("bootstrap", self.bootstrap, (True, False))
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        return self._fit_trees(
            rows,
            n_trees=self.n_estimators,
            bootstrap=self.bootstrap,
            max_features=self.max_features,
            n_jobs=self.n_jobs,
        )
