import numpy as np
from scipy import sparse
from sklearn.utils.extmath import safe_sparse_dot

from sktransfer._validation import check_choice, check_integer, check_number
from sktransfer.base import BaseAligner
from sktransfer.feature._structural_correspondence import (
    correspondence_directions,
    mutual_information,
    pivot_predictors,
    presence,
    presence_levels,
    rank_pivots,
)

__all__ = ["CorrespondenceAligner"]


class CorrespondenceAligner(BaseAligner):
    r"""Structural correspondence: features that predict the same pivots correspond.

    Pivots are features that are frequent in both domains and, where the source has
    labels, tell its classes apart. For each pivot a linear model predicts from the
    other features of all rows whether it is present. Directions that many of these
    models share are the correspondences between the domains' own features; each row
    gets its projections on them as further columns.

    Assumes that the domains use other features for the same thing, which occur with the
    same pivots: words of reviews, say. Reads the labels of the source, unless
    ``pivot_selection="frequency"``. Several source domains count as one.

    Cost: with q other features and n rows of both domains one factorisation,
    ``O(n q min(n, q) + min(n, q)^3)`` time and ``8 min(n, q)^2`` bytes, shared by all
    pivots, and dense arrays of n times `n_pivots` and q times `n_pivots`. Sparse rows
    are never made dense and stay sparse in the output.

    Parameters
    ----------
    n_pivots : int, default=100
        Largest number of pivots; never more than half of the features.
    n_components : int, default=50
        Largest number of columns that are added.
    pivot_selection : {"auto", "mutual_info", "frequency"}, default="auto"
        "mutual_info": pivots of the largest mutual information with the source's
        labels. "frequency": those most frequent in the domain in which they are rarer.
        "auto": the first where the source has class labels, else the second.
    min_count : int, default=10
        A pivot is present in at least so many rows of each domain, or in half of its
        rows where they are few.
    regularization : float, default=1.0
        Penalty of the predictors, in units of the mean squared norm of the columns.
    scale : float, default=1.0
        Root mean squared length of the added columns' rows, in units of that of the
        centred rows.

    Attributes
    ----------
    pivots_ : ndarray of shape (n_chosen,)
        Columns of the pivots, best first.
    components_ : ndarray of shape (n_features, n_components)
        What rows are multiplied with for the added columns; zero at pivots.
    singular_values_ : ndarray of shape (n_components,)
        Of the matrix of predictors, for the directions kept.
    offset_ : ndarray of shape (n_components,)
        What is subtracted then.
    n_components_ : int
        Number of columns added.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.MarginalizedDenoiser : Rebuilds all features instead of pivots.
    sktransfer.FeatureAugmenter : Where some target rows are labelled.

    Notes
    -----
    A feature is present in a row where it is positive; one that is positive in all rows
    or in none, where it is above its mean. The weights of the predictors are the
    columns of a matrix; its leading left singular vectors :math:`\theta` give
    :math:`(x, s\,(x - \bar x) \theta)` [1]_, with one factor s for all directions.
    Pivots by mutual information are those of [2]_. The predictors are ridge regressions
    in place of the modified Huber loss of the papers: they share one factorisation and
    need no step size.

    References
    ----------
    .. [1] J. Blitzer, R. McDonald, F. Pereira. Domain Adaptation with Structural
       Correspondence Learning. EMNLP, 2006.
    .. [2] J. Blitzer, M. Dredze, F. Pereira. Biographies, Bollywood, Boom-boxes and
       Blenders: Domain Adaptation for Sentiment Classification. ACL, 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import CorrespondenceAligner
    >>> good = np.arange(40) % 2
    >>> X = np.zeros((40, 4))
    >>> X[:, 0] = good  # "excellent", in both domains
    >>> X[:20, 1], X[20:, 2] = good[:20], good[20:]  # a word of each domain
    >>> y = np.r_[good[:20], np.full(20, -1)]
    >>> aligner = CorrespondenceAligner(n_components=1).fit(X, y)
    >>> aligner.pivots_
    array([0])
    >>> np.round(np.abs(aligner.components_[:, 0] / aligner.components_[1, 0]), 2)
    array([0., 1., 1., 0.])
    """

    def __init__(
        self,
        *,
        n_pivots=100,
        n_components=50,
        pivot_selection="auto",
        min_count=10,
        regularization=1.0,
        scale=1.0,
    ):
        self.n_pivots = n_pivots
        self.n_components = n_components
        self.pivot_selection = pivot_selection
        self.min_count = min_count
        self.regularization = regularization
        self.scale = scale

    def _check_params(self):
        check_integer("n_pivots", self.n_pivots, low=1)
        check_integer("n_components", self.n_components, low=1)
        check_choice(
            "pivot_selection",
            self.pivot_selection,
            ("auto", "mutual_info", "frequency"),
        )
        check_integer("min_count", self.min_count, low=1)
        check_number("regularization", self.regularization, low=0, low_open=True)
        check_number("scale", self.scale, low=0, low_open=True)

    def _fit(self, X_source, y_source, X_target, y_target):
        self._check_params()
        stack = sparse.vstack if sparse.issparse(X_source) else np.vstack
        X = stack([X_source, X_target])
        X = X.tocsr() if sparse.issparse(X) else X
        levels = presence_levels(X)
        self.pivots_ = self._choose(X_source, y_source, X_target, levels)
        others = np.setdiff1d(np.arange(X.shape[1]), self.pivots_)
        weights = pivot_predictors(
            X[:, others],
            presence(X[:, self.pivots_], levels[self.pivots_]),
            self.regularization,
        )
        directions, values = correspondence_directions(weights, self.n_components)
        components = np.zeros((X.shape[1], len(values)))
        components[others] = directions
        self._finish(X, components)
        self.singular_values_ = values
        self.n_components_ = len(values)
        self._n_features_out = X.shape[1] + len(values)

    def _choose(self, X_source, y_source, X_target, levels):
        counts = [_column_sums(presence(X, levels)) for X in (X_source, X_target)]
        candidates = rank_pivots(
            *counts,
            X_source.shape[0],
            X_target.shape[0],
            self.min_count,
            self._scores(X_source, y_source, levels),
        )
        n_pivots = min(self.n_pivots, X_source.shape[1] // 2)
        if not len(candidates[:n_pivots]):
            raise ValueError(
                "CorrespondenceAligner found no pivot among the "
                f"{X_source.shape[1]} features: none varies and is present in "
                f"min_count={self.min_count} rows of each domain, or in half of them; "
                "at least two features are needed. Lower min_count, or use features "
                "that both domains have."
            )
        return candidates[:n_pivots]

    def _scores(self, X_source, y_source, levels):
        """Mutual information with the labels, or None."""
        if self.pivot_selection == "frequency":
            return None
        usable = y_source is not None and y_source.ndim == 1
        usable = usable and y_source.dtype.kind != "f" and bool(np.any(y_source >= 0))
        if not usable:
            if self.pivot_selection == "auto":
                return None
            raise ValueError(
                "pivot_selection='mutual_info' needs class labels of source rows, got "
                "none. Pass y to fit, or set pivot_selection='frequency'."
            )
        classes, sizes = np.unique(y_source[y_source >= 0], return_counts=True)
        if len(classes) == 1 and self.pivot_selection == "auto":
            return None
        rows = [np.flatnonzero(y_source == label) for label in classes]
        counts = [_column_sums(presence(X_source[row], levels)) for row in rows]
        return mutual_information(np.array(counts), sizes)

    def _finish(self, X, components):
        """Scale the directions, and store them in the type of X."""
        projected = safe_sparse_dot(X, components)
        offset = projected.mean(axis=0)
        length = np.square(projected - offset).sum()
        mean = np.asarray(X.mean(axis=0, dtype=np.float64)).ravel()
        entries = X.data if sparse.issparse(X) else X
        goal = np.square(entries, dtype=np.float64).sum() - X.shape[0] * mean @ mean
        factor = self.scale * np.sqrt(max(goal, 0.0) / length) if length > 0 else 0.0
        self.components_ = (factor * components).astype(X.dtype)
        self.offset_ = (factor * offset).astype(X.dtype)

    def _map(self, X, domain):
        return X.copy() if self.is_identity_ else self._map_target(X)

    def _map_source(self, X):
        return self._map_target(X)

    def _map_target(self, X):
        components = self.components_.astype(X.dtype, copy=False)
        added = np.asarray(safe_sparse_dot(X, components))
        added -= self.offset_.astype(X.dtype, copy=False)
        if sparse.issparse(X):
            return sparse.hstack([X, added], format="csr", dtype=X.dtype)
        return np.hstack([X, added])

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _column_sums(mask):
    return np.asarray(mask.sum(axis=0)).ravel().astype(int)
