from sktransfer._validation import check_integer
from sktransfer.base import BaseAligner
from sktransfer.feature._principal_axes import (
    count_components,
    principal_axes,
    project,
)

__all__ = ["SubspaceAligner"]


class SubspaceAligner(BaseAligner):
    r"""Subspace alignment: turn the source's principal axes onto the target's.

    Each domain is reduced to its own principal components; the source's axes are then
    expressed by those of the target, so that both domains have the same coordinates.

    Assumes that the classes lie in a few directions of large variance in each domain,
    and that those directions differ between the domains by little more than a rotation.
    Reads no labels. Several source domains count as one.

    Cost: two principal component analyses, ``O(n p min(n, p))`` time.

    Parameters
    ----------
    n_components : int, default=None
        Number of components. None: as many as both domains have, at most
        ``min(n_source, n_target, n_features)``.

    Attributes
    ----------
    source_components_ : ndarray of shape (n_features, n_kept)
        The source's axes, aligned: what centred source rows are multiplied with.
    target_components_ : ndarray of shape (n_features, n_kept)
        The target's axes.
    alignment_ : ndarray of shape (n_kept, n_kept)
        Products of the source's axes with the target's.
    source_mean_ : ndarray of shape (n_features,)
        Mean of the source rows of fit.
    target_mean_ : ndarray of shape (n_features,)
        Mean of the target rows of fit.
    n_components_ : int
        Number of components.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.GeodesicFlowAligner : Takes all subspaces between the two.
    sktransfer.CORALAligner : Matches the whole covariance instead of directions.

    Notes
    -----
    With :math:`P_s` and :math:`P_t` the leading principal axes, source rows are mapped
    to :math:`(x - \bar x_s) P_s P_s^T P_t`, target rows to
    :math:`(x - \bar x_t) P_t` [1]_.

    References
    ----------
    .. [1] B. Fernando, A. Habrard, M. Sebban, T. Tuytelaars. Unsupervised Visual Domain
       Adaptation Using Subspace Alignment. ICCV, 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import SubspaceAligner
    >>> rng = np.random.RandomState(0)
    >>> rows = rng.normal(size=(100, 3)) * [5, 2, 0.1]
    >>> X = np.r_[rows, rows[:, [1, 0, 2]]]
    >>> sample_domain = np.r_[np.ones(100), -np.ones(100)]
    >>> aligner = SubspaceAligner(n_components=2)
    >>> aligner.fit_transform(X, sample_domain=sample_domain).shape
    (200, 2)
    """

    def __init__(self, n_components=None):
        self.n_components = n_components

    def _fit(self, X_source, y_source, X_target, y_target):
        check_integer("n_components", self.n_components, low=1, also=(None,))
        wanted = count_components(self.n_components, X_source, X_target)
        source, target = (
            principal_axes(X_source, wanted),
            principal_axes(X_target, wanted),
        )
        self.source_mean_, self.target_mean_ = source.mean_, target.mean_
        self.alignment_ = source.components_ @ target.components_.T
        self.source_components_ = source.components_.T @ self.alignment_
        self.target_components_ = target.components_.T.copy()
        self.n_components_ = self._n_features_out = wanted

    def _map_source(self, X):
        return project(X, self.source_mean_, self.source_components_)

    def _map_target(self, X):
        return project(X, self.target_mean_, self.target_components_)
