import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors

from sktransfer._validation import check_choice, check_integer
from sktransfer._weights import accepts_weights
from sktransfer.instance._choice import canonical_order
from sktransfer.instance._local_learning import (
    distinct_neighborhoods,
    local_probabilities,
    neighbors,
    tricube,
)
from sktransfer.joint._base import BaseProbabilisticClassifier
from sktransfer.joint._self_training import (
    check_probabilistic,
    join_rows,
    takes_sparse,
)

__all__ = ["LocalTransferClassifier"]


class LocalTransferClassifier(BaseProbabilisticClassifier):
    r"""Local learning: each row is predicted by a model of the source rows around it.

    For every row to predict, a clone of the estimator is fitted on the nearest
    labelled source rows and the nearest labelled target rows [1]_. Which source rows
    count is so selected anew for each row. Rows with the same neighbours share one
    model; where all neighbours have one label, no model is fitted: that class gets
    probability one.

    Assumes covariate shift, and a distance that means something: scale the features.
    Reads the labels of both domains, as far as given; unlabelled target rows are not
    needed. Several source domains count as one. It hurts in many columns, where all
    rows are about equally far, where the target lies outside the source, and with few
    neighbours, from which the estimator learns noise.

    Cost: ``fit`` builds search trees only; ``predict`` costs one fit of the estimator
    on at most ``2 n_neighbors`` rows for each different neighbourhood (about 2 ms for
    the default one), and for each row with ``weights="distance"``. Sparse rows are
    taken if the estimator takes them.

    Parameters
    ----------
    estimator : classifier, default=None
        Classifier with `predict_proba`. None:
        ``LogisticRegression(max_iter=1000)``.
    n_neighbors : int, default=30
        Number of nearest source rows, and of nearest labelled target rows; all of them
        where there are fewer.
    weights : {"uniform", "distance"}, default="uniform"
        "distance": neighbours count less the further they are; the estimator must then
        take `sample_weight`.
    n_jobs : int, default=None
        Number of processes that fit models, as in joblib.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.InstanceSelector : Selects source rows once for all target rows.

    Notes
    -----
    The weight of a neighbour at distance d is the tricube
    :math:`(1 - (d / d_{max})^3)^3`, with :math:`d_{max}` the distance of the furthest
    one, and at least 0.001.

    References
    ----------
    .. [1] L. Bottou, V. Vapnik. Local Learning Algorithms. Neural Computation, 1992.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LocalTransferClassifier
    >>> rng = np.random.RandomState(0)
    >>> X_source = rng.normal(size=(400, 2))
    >>> y_source = (X_source[:, 0] ** 2 + X_source[:, 1] > 1).astype(int)
    >>> X_target = rng.normal(loc=1.0, scale=0.5, size=(100, 2))
    >>> y_target = (X_target[:, 0] ** 2 + X_target[:, 1] > 1).astype(int)
    >>> X = np.r_[X_source, X_target]
    >>> y = np.r_[y_source, np.full(100, -1)]
    >>> model = LocalTransferClassifier(n_neighbors=20).fit(X, y)
    >>> round(model.score(X_target, y_target), 2)
    0.97
    """

    def __init__(
        self, estimator=None, *, n_neighbors=30, weights="uniform", n_jobs=None
    ):
        self.estimator = estimator
        self.n_neighbors = n_neighbors
        self.weights = weights
        self.n_jobs = n_jobs

    def _check_parameters(self):
        check_integer("n_neighbors", self.n_neighbors, low=1)
        check_choice("weights", self.weights, ("uniform", "distance"))
        check_integer("n_jobs", self.n_jobs, also=(None,))
        estimator = self.estimator
        if estimator is None:
            estimator = LogisticRegression(max_iter=1000)
        check_probabilistic(estimator, type(self).__name__)
        if self.weights == "distance" and not accepts_weights(estimator):
            raise TypeError(
                f"{estimator!r} takes no sample_weight. Use an estimator that does, or "
                "weights='uniform'."
            )
        return estimator

    def _source_and_target(self, domains):
        # What is predicted later is the target: fit may do without.
        source = ~domains.is_target & domains.labeled
        return np.flatnonzero(source), np.flatnonzero(domains.is_target)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._learner = self._check_parameters()
        given = np.flatnonzero(y_target >= 0)
        pools = [(X_source, y_source)]
        if len(given):
            pools.append((X_target[given], y_target[given]))
        orders = [canonical_order(X, y) for X, y in pools]
        sorted_rows = [X[order] for (X, _), order in zip(pools, orders, strict=True)]
        self._finders = [NearestNeighbors().fit(X) for X in sorted_rows]
        self._rows = join_rows(*sorted_rows) if len(given) else sorted_rows[0]
        labels = [y[order] for (_, y), order in zip(pools, orders, strict=True)]
        self._labels = np.concatenate(labels)

    def _neighbors(self, X):
        """Return numbers of the neighbours from each domain, and their distances."""
        numbers, distances, first = [], [], 0
        for finder in self._finders:
            found, how_far = neighbors(finder, X, self.n_neighbors)
            numbers.append(found + first)
            distances.append(how_far)
            first += finder.n_samples_fit_
        return np.hstack(numbers), np.hstack(distances)

    def _groups(self, X):
        """Return the rows to learn from, their weights, and the group of each query."""
        numbers, distances = self._neighbors(X)
        if self.weights == "uniform":
            groups, group_of = distinct_neighborhoods(numbers)
            return groups, None, group_of.ravel()
        order = np.argsort(numbers, axis=1)
        numbers = np.take_along_axis(numbers, order, axis=1)
        weights = np.take_along_axis(tricube(distances), order, axis=1)
        return numbers, weights, np.arange(len(numbers))

    def _scores(self, X):
        groups, weights, group_of = self._groups(X)
        by_group = np.argsort(group_of, kind="stable")
        ends = np.cumsum(np.bincount(group_of, minlength=len(groups)))[:-1]
        members = np.split(by_group, ends)
        found = local_probabilities(
            self._learner,
            self._rows,
            self._labels,
            groups,
            weights,
            [X[rows] for rows in members],
            len(self.classes_),
            self.n_jobs,
        )
        probabilities = np.empty((X.shape[0], len(self.classes_)))
        probabilities[by_group] = np.concatenate(found)
        return probabilities

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = takes_sparse(self.estimator)
        return tags
