from sktransfer.parameter._transfer_trees import BaseTransferTrees

__all__ = ["TransferTreeClassifier"]


class TransferTreeClassifier(BaseTransferTrees):
    r"""A decision tree of the source, refined on a few labelled target rows.

    The tree is grown on the labelled source rows, or given, and then changed. "ser",
    structure expansion and reduction: every leaf is expanded by the tree grown on the
    target rows that reach it, and subtrees that classify the target rows no better than
    a leaf are cut off. "strut", structure transfer: splits keep their features and get
    new thresholds, which divide the target rows most like the source's. "mix" averages
    both.

    "ser" assumes that the target refines or merges regions of the source, "strut" that
    the same features speak for the same classes at other thresholds: a shift, scaling
    or reflection of single features. Reads the labels of the source, unless a fitted
    tree is given, and those of the target; unlabelled rows are left out.

    Cost: growing one tree, and ``O(n_target log(n_target))`` for each level of it.

    It hurts with very few labelled target rows: a single row makes a leaf its own, and
    regions that none reaches become a leaf ("ser") or part of a neighbour ("strut"). A
    forest evens much of this out.

    Parameters
    ----------
    source : object, default=None
        Fitted `sklearn.tree.DecisionTreeClassifier`. None: one is grown on the labelled
        source rows. Cross-validation clones parameters and drops their fit: wrap a
        given tree in `sklearn.frozen.FrozenEstimator` there.
    method : {"ser", "strut", "mix"}, default="ser"
        How the tree is refined.
    max_depth : int, default=None
        Largest depth of the source tree and, by itself, of each branch that expands a
        leaf. None: until the leaves are pure.
    min_samples_leaf : int, default=1
        Fewest distinct rows on either side of a split, on growing and with "strut".
    random_state : int, RandomState instance or None, default=None
        Decides between splits that are equally good.

    Attributes
    ----------
    trees_ : list of object
        The refined tree, two for "mix": read-only arrays `left`, `right`, `feature`,
        `threshold`, `value` (shares of the classes) and `weight`, one entry a node; -1
        where a leaf has no child. In leaves, `value` and `weight` are of the target
        rows, except where "ser" finds none.
    source_trees_ : list of object
        The source's tree in this form.
    classes_ : ndarray of shape (n_classes,)
        Classes of the source and of the target.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    TransferForestClassifier : Many such trees.
    SourceRegularizedClassifier : The same idea for linear models.

    Notes
    -----
    Both refinements are those of [1]_. "ser" cuts off a subtree, from the bottom up, if
    the number of target rows that a leaf of their majority gets wrong is at most what
    the subtree gets wrong. Subtrees that no target row reaches go as well; the leaf
    keeps the shares that the source has there (the published program falls back to
    those of the parent).

    "strut" goes from the top down. With the shares :math:`Q_l, Q_r` of the classes that
    the source has on both sides of a split, and target rows S with shares
    :math:`Q'_l, Q'_r` on the sides of a threshold, it maximises the divergence gain

    .. math:: \mathrm{DG} = 1 - \frac{|S_l|}{|S|} \mathrm{JSD}(Q_l, Q'_l)
        - \frac{|S_r|}{|S|} \mathrm{JSD}(Q_r, Q'_r)

    over the thresholds half-way between neighbouring values at which the information
    gain on S has a local maximum. JSD is the Jensen-Shannon divergence in bits. Where
    the gain is larger with :math:`Q_l` and :math:`Q_r` exchanged, the subtrees are. A
    node whose rows are of one class, or cannot be divided, becomes a leaf.

    References
    ----------
    .. [1] N. Segev, M. Harel, S. Mannor, K. Crammer, R. El-Yaniv. Learn on Source,
       Refine on Target: A Model Transfer Learning Framework with Random Forests. IEEE
       Transactions on Pattern Analysis and Machine Intelligence 39, 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import TransferTreeClassifier
    >>> rng = np.random.RandomState(0)
    >>> X, X_target = rng.uniform(size=(400, 2)), rng.uniform(size=(530, 2))
    >>> y = (X[:, 0] > 0.5) & (X[:, 1] > 0.3)
    >>> y_target = (X_target[:, 0] > 0.7) & (X_target[:, 1] > 0.2)
    >>> X_fit, y_fit = np.r_[X, X_target[:30]], np.r_[y, y_target[:30]]
    >>> domain = np.repeat([1, -1], [400, 30])
    >>> model = TransferTreeClassifier(method="strut", random_state=0)
    >>> model = model.fit(X_fit, y_fit, sample_domain=domain)
    >>> model.trees_[0].n_nodes
    5
    >>> round(model.score(X_target[30:], y_target[30:]), 2)
    0.97
    """

    def __init__(
        self,
        source=None,
        *,
        method="ser",
        max_depth=None,
        min_samples_leaf=1,
        random_state=None,
    ):
        self.source = source
        self.method = method
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.random_state = random_state

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Grow the source's tree and refine it on the labelled target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order. With a given source tree the source
            rows are left out.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats) and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with a given source tree, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        self._check_parameters()
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        return self._fit_trees(
            rows, n_trees=1, bootstrap=False, max_features=None, n_jobs=None
        )
