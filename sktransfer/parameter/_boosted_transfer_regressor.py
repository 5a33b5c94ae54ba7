from sklearn.ensemble import HistGradientBoostingRegressor

from sktransfer.parameter._boosted_transfer import BaseBoostedTransfer
from sktransfer.parameter._given_model import given_values
from sktransfer.parameter._linear_losses import SquaredLoss
from sktransfer.parameter._merged_rows import merged_rows
from sktransfer.parameter._source_transfer import BaseSourceTransferRegressor

__all__ = ["BoostedTransferRegressor"]


class BoostedTransferRegressor(BaseSourceTransferRegressor, BaseBoostedTransfer):
    r"""Boosted trees on the target, starting from the predictions of a source model.

    The source model, of any kind, is kept as it is. Its predictions for the labelled
    target rows are where gradient boosting starts, in place of their mean: each tree
    fits what the sum so far leaves unexplained there. How many trees are added, none
    among the choices, is found by folds of the labelled target rows. scikit-learn's
    `warm_start` is not made for this: it bins the new rows anew, so that the old trees
    are wrong while new ones are fitted.

    Assumes that the source is wrong in some regions only, or everywhere by some amount,
    whatever the shift: where target rows do not contradict it, it stays. Reads the
    labels of the source, unless a fitted source model is given, and those of the
    target; unlabelled rows are left out.

    Cost: one fit on the source rows, and ``n_folds + 1`` times gradient boosting on the
    labelled target rows, as slow as `sklearn.ensemble.GradientBoostingRegressor`: a
    tree takes ``O(n p log(n))``. With some ten thousands of labelled target rows it is
    slow, and a model of the target alone is to be tried first.

    It hurts where the source is of no use: it is undone tree by tree, while a model of
    the target alone starts better. With few labelled target rows the number of trees is
    chosen with care, and the source is often kept as it is.

    Parameters
    ----------
    source : object, default=None
        Fitted regressor, which should not have seen the labelled target rows. None:
        `estimator` is fitted on the labelled source rows. Cross-validation clones
        parameters and drops their fit: wrap a given model in
        `sklearn.frozen.FrozenEstimator` there.
    estimator : regressor, default=None
        What is fitted on the source rows. It is cloned. None:
        `sklearn.ensemble.HistGradientBoostingRegressor` with trees of depth 3,
        ``min_samples_leaf=1`` and ``l2_regularization=1``.
    n_estimators : int or "cv", default="cv"
        Number of trees. 0: the source. "cv": by squared error on folds of the labelled
        target rows, the fewest within one standard error of the best.
    learning_rate : float, default=0.1
        Factor of what each tree adds.
    max_depth : int or None, default=3
        Largest depth of a tree.
    max_leaf_nodes : int or None, default=None
        Largest number of leaves of a tree.
    min_samples_leaf : int, default=5
        Fewest rows in a leaf, counted with their weights.
    l2_regularization : float, default=1.0
        Penalty on half the squared values of the leaves: so many more rows in each leaf
        for which the source is right.
    max_estimators : int, default=100
        Largest number of trees for "cv".
    n_folds : int, default=5
        Number of folds for "cv"; with fewer labelled target rows, one a row.
    n_iter_no_change : int, default=20
        The folds stop when their loss has not fallen for so many trees.

    Attributes
    ----------
    n_estimators_ : int
        Number of trees.
    trees_ : list of list of object
        One tree in each: `tree`, a regression tree whose splits count, and `value`,
        what each node adds.
    cv_losses_ : ndarray of shape (n_trees_tried + 1,) or None
        Mean of half the squared errors out of fold after 0, 1, 2, … trees. None without
        "cv".
    source_estimator_ : regressor
        The source model, fitted or given.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    BoostedTransferClassifier : The same for classes.
    LinearInterpolationRegressor : Blends the source with a model of the target.
    SourceRegularizedRegressor : Stays near the coefficients of a linear source.

    Notes
    -----
    This is hypothesis transfer [1]_ by gradient boosting [2]_: the trees are those of
    the residuals :math:`r_i = y_i - f(x_i)` of the source f. With row weights
    :math:`s_i`, a leaf R of a tree adds, times the learning rate,

    .. math:: \frac{\sum_{i \in R} s_i r_i}{\sum_{i \in R} s_i + \lambda} ,

    with the residuals that are left so far and the penalty :math:`\lambda` of [3]_.
    With a constant source and no penalty it is
    `sklearn.ensemble.GradientBoostingRegressor`.

    NaN is taken as missing where the source model does so; trees send it to the better
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
    >>> from sklearn.ensemble import HistGradientBoostingRegressor
    >>> from sktransfer import BoostedTransferRegressor
    >>> rng = np.random.RandomState(0)
    >>> X, X_target = rng.uniform(size=(1000, 4)), rng.uniform(size=(600, 4))
    >>> y = np.sin(6 * X).sum(axis=1)
    >>> y_target = np.sin(6 * X_target).sum(axis=1) + (X_target[:, 0] > 0.7)
    >>> source = HistGradientBoostingRegressor(random_state=0).fit(X, y)
    >>> model = BoostedTransferRegressor(source).fit(X_target[:100], y_target[:100])
    >>> for fitted in (source, model):
    ...     print(round(fitted.score(X_target[100:], y_target[100:]), 2))
    0.84
    0.98
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
        self.max_estimators = max_estimators
        self.n_folds = n_folds
        self.n_iter_no_change = n_iter_no_change

    def fit(self, X, y, *, sample_domain=None, sample_weight=None):
        """Boost the source's predictions on the labelled target rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Source and target rows, in any order. With a given source model the source
            rows are left out.
        y : array-like of shape (n_samples,)
            Values; unlabelled rows are marked NaN and left out.
        sample_domain : array-like of shape (n_samples,), default=None
            Positive integers or "source", negative integers or "target". None: labelled
            rows are the source, or, with a given source model, the target.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of both domains.

        Returns
        -------
        self : object
            The fitted regressor.
        """
        settings = self._check_settings()
        if self.estimator is not None and (
            not hasattr(self.estimator, "fit") or isinstance(self.estimator, type)
        ):
            raise TypeError(
                f"`estimator` must be a regressor or None, got {self.estimator!r}. "
                "Pass an instance of a scikit-learn class."
            )
        rows = self._labelled_rows(
            X, y, sample_domain, sample_weight, fits_source=self.source is None
        )
        default = HistGradientBoostingRegressor(
            max_depth=3,
            min_samples_leaf=1,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=0,
        )
        self._set_source(rows.source, default, "predict")
        target = merged_rows(rows.target)
        self.n_estimators_, self.trees_, self.cv_losses_ = 0, [], None
        if len(target.y) == 0:
            self._warn_no_labelled_target()
            return self
        start, loss, values = self._start(target.X), SquaredLoss(), target.y[:, None]
        kept = loss.values(start, values)
        self._boost(target, values, lambda _: start, kept, loss, settings)
        return self

    def _start(self, X):
        names = getattr(self, "feature_names_in_", None)
        return given_values(self.source_estimator_, X, names)[:, None]

    def _stages(self, X):
        """Yield the values after 0, 1, 2, … trees."""
        start = self._start(X)
        yield start[:, 0].copy()
        for scores in self._staged_scores(start, X):
            yield scores[:, 0].copy()

    def _predict(self, X):
        *_, values = self._stages(X)
        return values

    def staged_predict(self, X, *, sample_domain=None):
        """Predict values after each tree.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows to predict for.
        sample_domain : array-like of shape (n_samples,), default=None
            Where the rows are from; it is checked, but all get the target's model.

        Yields
        ------
        ndarray of shape (n_samples,)
            The source's values first, then those after 1, 2, … trees.
        """
        yield from self._stages(self._checked_rows(X, sample_domain))
