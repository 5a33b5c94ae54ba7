import numpy as np
from scipy.special import expit, softmax
from sklearn.ensemble import HistGradientBoostingClassifier

from sktransfer._validation import check_number
from sktransfer.joint._self_training import check_probabilistic
from sktransfer.parameter._boosted_start import class_shares, start_scores
from sktransfer.parameter._boosted_transfer import BaseBoostedTransfer
from sktransfer.parameter._given_model import given_probabilities
from sktransfer.parameter._linear_losses import LogisticLoss, SoftmaxLoss
from sktransfer.parameter._merged_rows import merged_rows
from sktransfer.parameter._source_models import joined_classes
from sktransfer.parameter._source_transfer import BaseSourceTransferClassifier

__all__ = ["BoostedTransferClassifier"]


class BoostedTransferClassifier(BaseSourceTransferClassifier, BaseBoostedTransfer):
    r"""Boosted trees on the target, starting from the probabilities of a source model.

    The source model, of any kind, is kept as it is. Its probabilities for the labelled
    target rows are where gradient boosting starts, in place of the shares of the
    classes: each round adds trees that fit what the sum so far has wrong there. How
    many rounds are added, none among the choices, is found by folds of the labelled
    target rows. scikit-learn's `warm_start` is not made for this: it bins the new rows
    anew, so that the old trees are wrong while new ones are fitted.

    Assumes that the source is wrong in some regions only, or everywhere by some amount,
    whatever the shift: where target rows do not contradict it, it stays. Reads the
    labels of the source, unless a fitted source model is given, and those of the
    target; unlabelled rows are left out.

    Cost: one fit on the source rows, and ``n_folds + 1`` times gradient boosting on the
    labelled target rows, as slow as
    `sklearn.ensemble.GradientBoostingClassifier`: a tree takes ``O(n p log(n))``. With
    some ten thousands of labelled target rows it is slow, and a model of the target
    alone is to be tried first.

    It hurts where the source is of no use: it is undone tree by tree, while a model of
    the target alone starts better. With few labelled target rows the number of rounds
    is chosen with care, and the source is often kept as it is.

    Parameters
    ----------
    source : object, default=None
        Fitted classifier with `predict_proba`, which should not have seen the labelled
        target rows; classes and named features are matched by name. None: `estimator`
        is fitted on the labelled source rows. Cross-validation clones parameters and
        drops their fit: wrap a given model in `sklearn.frozen.FrozenEstimator` there.
    estimator : classifier, default=None
        What is fitted on the source rows, with `predict_proba`. It is cloned. None:
        `sklearn.ensemble.HistGradientBoostingClassifier` with trees of depth 3,
        ``min_samples_leaf=1`` and ``l2_regularization=1``.
    n_estimators : int or "cv", default="cv"
        Number of rounds; each is one tree, or one a class for more than two. 0: the
        source. "cv": by log loss on folds of the labelled target rows, the fewest
        within one standard error of the best.
    learning_rate : float, default=0.1
        Factor of what each tree adds.
    max_depth : int or None, default=3
        Largest depth of a tree.
    max_leaf_nodes : int or None, default=None
        Largest number of leaves of a tree.
    min_samples_leaf : int, default=5
        Fewest rows in a leaf, counted with their weights.
    l2_regularization : float, default=1.0
        Penalty on half the squared values of the leaves. Without it, a leaf in which
        the source is sure and wrong gets a very large value.
    smoothing : float, default=1e-3
        Share of the uniform distribution mixed into the source's probabilities before
        the first round, so that rows of which it is sure can be learned, too. With 0
        they are cut at 1.2e-7, as scikit-learn does with `init`.
    max_estimators : int, default=100
        Largest number of rounds for "cv".
    n_folds : int, default=5
        Number of folds for "cv"; with fewer labelled target rows, one a row.
    n_iter_no_change : int, default=20
        The folds stop when their loss has not fallen for so many rounds.

    Attributes
    ----------
    n_estimators_ : int
        Number of rounds; 0 where the labelled target rows are of one class.
    trees_ : list of list of object
        The trees of each round, one, or one a class: `tree`, a regression tree whose
        splits count, and `value`, what each node adds to the log-odds of the second
        class, or to the score of a class.
    cv_losses_ : ndarray of shape (n_rounds_tried + 1,) or None
        Mean log loss out of fold after 0, 1, 2, … rounds. None without "cv".
    source_estimator_ : classifier
        The source model, fitted or given.
    classes_ : ndarray of shape (n_classes,)
        Classes of the source and of the target.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    BoostedTransferRegressor : The same for values.
    TransferForestClassifier : Changes the source's trees in place of adding new ones.
    LinearInterpolationClassifier : Blends the source with a model of the target.

    Notes
    -----
    This is hypothesis transfer [1]_ by gradient boosting [2]_. With the probabilities q
    of the source, smoothed, the scores start from :math:`\log q(x)`, for two classes
    from the log-odds. In each round a tree for each score is fitted, by least squares,
    to the negative gradients :math:`-g_i` of the log loss on the labelled target rows.
    With the second derivatives :math:`h_i` and row weights :math:`s_i`, a leaf R adds,
    times the learning rate,

    .. math:: - \frac{\sum_{i \in R} s_i g_i}{\sum_{i \in R} s_i h_i + \lambda} ,

    one Newton step with the penalty :math:`\lambda` of [3]_. With a constant source,
    no penalty and no smoothing it is `sklearn.ensemble.GradientBoostingClassifier`, but
    for a factor of (n_classes - 1) / n_classes that scikit-learn has for more than two
    classes.

    A class that the source lacks starts from its share of the labelled target rows. NaN
    is taken as missing where the source model does so; trees send it to the better
    side. Equal rows count as one row of their weight.

    References
    ----------
    .. [1] I. Kuzborskij, F. Orabona. Stability and Hypothesis Transfer Learning. ICML,
       2013.
    .. [2] J. H. Friedman. Greedy Function Approximation: A Gradient Boosting Machine.
       Annals of Statistics 29, 2001.
    .. [3] T. Chen, C. Guestrin. XGBoost: A Scalable Tree Boosting System. KDD, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import HistGradientBoostingClassifier
    >>> from sktransfer import BoostedTransferClassifier
    >>> rng = np.random.RandomState(0)
    >>> X, X_target = rng.uniform(size=(1000, 4)), rng.uniform(size=(600, 4))
    >>> y = X.sum(axis=1) > 2
    >>> y_target = (X_target.sum(axis=1) > 2) & (X_target[:, 0] < 0.7)
    >>> source = HistGradientBoostingClassifier(random_state=0).fit(X, y)
    >>> model = BoostedTransferClassifier(source).fit(X_target[:100], y_target[:100])
    >>> for fitted in (source, model):
    ...     print(round(fitted.score(X_target[100:], y_target[100:]), 2))
    0.76
    0.92
    """

    def __init__(
        self,
        source=None,
        estimator=None,
        *,
        n_estimators="cv",
        learning_rate=0.1,
        max_depth=3,
        max_leaf_nodes=None,
        min_samples_leaf=5,
        l2_regularization=1.0,
        smoothing=1e-3,
        max_estimators=100,
        n_folds=5,
        n_iter_no_change=20,
    ):
        self.source = source
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.max_depth = max_depth
        self.max_leaf_nodes = max_leaf_nodes
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.smoothing = smoothing
        self.max_estimators = max_estimators
        self.n_folds = n_folds
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Boost the source's probabilities on the labelled target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order. With a given source model the source
            rows are left out.
        y : array-like of shape (n_samples,)
            Labels; unlabelled rows are marked -1 (integers), "" (strings) or NaN
            (floats) and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with a given source model, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted classifier.
        """
        settings = self._check_settings()
        check_number("smoothing", self.smoothing, low=0, high=1, high_open=True)
        if self.estimator is not None:
            check_probabilistic(self.estimator, type(self).__name__)
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        if self.source is None:
            self._check_two_classes(rows.source.y)
        default = HistGradientBoostingClassifier(
            max_depth=3,
            min_samples_leaf=1,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        )
        self._set_source(rows.source, default, "predict_proba")
        target = merged_rows(rows.target)
        self.classes_ = joined_classes([self.source_estimator_], target.y)
        self._new_shares = np.zeros(len(self.classes_))
        self.n_estimators_, self.trees_, self.cv_losses_ = 0, [], None
        codes = np.searchsorted(self.classes_, target.y)
        if len(codes) == 0:
            self._warn_no_labelled_target()
        elif len(np.unique(codes)) == 1:
            self._warn_source_alone(
                "got labelled target rows of one class only",
                "Label target rows of at least two classes.",
            )
        else:
            self._boost_classes(target, codes, settings)
        return self

    def _check_two_classes(self, y):
        held = np.unique(y)
        if len(held) < 2:
            raise ValueError(
                f"{type(self).__name__} needs labelled source rows of at least two "
                f"classes, got one class: {held[0]!r}. Give a fitted model as "
                "`source`, or fit an ordinary classifier on the target rows."
            )

    def _boost_classes(self, target, codes, settings):
        n_classes = len(self.classes_)
        known = np.isin(self.classes_, self.source_estimator_.classes_)
        shares = self._source_shares(target.X)

        def new_shares(train):
            return class_shares(codes[train], target.weight[train], n_classes, known)

        def starts(train):
            return start_scores(shares, new_shares(train), self.smoothing)

        loss = LogisticLoss() if n_classes == 2 else SoftmaxLoss()
        every = np.arange(len(codes))
        targets = loss.targets(codes, np.arange(n_classes))
        self._new_shares = new_shares(every)
        certain = np.finfo(np.float64).eps
        kept = -np.log(np.clip(shares[every, codes], certain, 1 - certain))
        self._boost(target, targets, starts, kept, loss, settings)

    def _source_shares(self, X):
        names = getattr(self, "feature_names_in_", None)
        return given_probabilities(self.source_estimator_, X, self.classes_, names)

    def _stages(self, X):
        """Yield the probabilities after 0, 1, 2, … rounds."""
        shares = self._source_shares(X)
        yield shares
        start = start_scores(shares, self._new_shares, self.smoothing)
        for scores in self._staged_scores(start, X):
            if len(self.classes_) == 2:
                yield np.column_stack([expit(-scores), expit(scores)])
            else:
                yield softmax(scores, axis=1)

    def _scores(self, X):
        *_, shares = self._stages(X)
        return shares

    def staged_predict_proba(self, X, *, sample_domain=None):
        """Predict class probabilities after each round of trees.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the target's model.

        Yields
        ------
        ndarray of shape (n_samples, n_classes)
            The source's probabilities first, then those after 1, 2, … rounds.
        """
        yield from self._stages(self._checked_rows(X, sample_domain))

    def staged_predict(self, X, *, sample_domain=None):
        """Predict classes after each round of trees.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the target's model.

        Yields
        ------
        ndarray of shape (n_samples,)
            The source's classes first, then those after 1, 2, … rounds.
        """
        for shares in self.staged_predict_proba(X, sample_domain=sample_domain):
            yield self.classes_[np.argmax(shares, axis=1)]
