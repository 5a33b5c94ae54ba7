import numpy as np

from sktransfer._validation import check_integer
from sktransfer.base import BaseAligner
from sktransfer.feature._geodesic_flow import (
    geodesic_flow_factor,
    subspace_disagreement,
)
from sktransfer.feature._principal_axes import (
    count_components,
    principal_axes,
    project,
)

__all__ = ["GeodesicFlowAligner"]

_MOST = 100


class GeodesicFlowAligner(BaseAligner):
    r"""Geodesic flow kernel: compare rows over all subspaces between the domains.

    The principal subspaces of source and target are joined by the shortest path; rows
    are compared by the mean of their projections on all subspaces on it. That is a
    kernel of finite rank, and the output is its feature map: inner products and
    distances of mapped rows are those of the kernel.

    Assumes that each domain lies near a subspace of few dimensions, and that one turns
    gradually into the other. Reads no labels. Several source domains count as one.

    Cost: three principal component analyses, ``O(n p min(n, p))`` time, and
    ``O(p n_components^2)``; no ``p x p`` matrix beyond those.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the subspaces; the output has twice as many columns. None: where
        the disagreement of the domains' subspaces with the joint one comes to its
        largest value, at most 100 and at most half the number of features.

    Attributes
    ----------
    factor_ : ndarray of shape (n_features, 2 * n_kept)
        What centred rows are multiplied with; ``factor_ @ factor_.T`` is the kernel.
    disagreement_ : ndarray of shape (n_tried,) or None
        Disagreement of the subspaces of dimension 1, 2, ...; None if `n_components`
        was given.
    source_mean_ : ndarray of shape (n_features,)
        Mean of the source rows of fit.
    target_mean_ : ndarray of shape (n_features,)
        Mean of the target rows of fit.
    n_components_ : int
        Dimension of the subspaces.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.SubspaceAligner : Turns one subspace onto the other.

    Notes
    -----
    With orthonormal bases :math:`\Phi(t)` along the geodesic from the source's subspace
    at :math:`t = 0` to the target's at :math:`t = 1`, the kernel is [1]_

    .. math::

       k(x, z) = x^T \Bigl( \int_0^1 \Phi(t) \Phi(t)^T dt \Bigr) z .

    Rows are centred by their own domain's mean first.

    References
    ----------
    .. [1] B. Gong, Y. Shi, F. Sha, K. Grauman. Geodesic Flow Kernel for Unsupervised
       Domain Adaptation. CVPR, 2012.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import GeodesicFlowAligner
    >>> rng = np.random.RandomState(0)
    >>> rows = rng.normal(size=(100, 4)) * [5, 2, 0.1, 0.1]
    >>> X = np.r_[rows, rows[:, [0, 2, 1, 3]]]
    >>> sample_domain = np.r_[np.ones(100), -np.ones(100)]
    >>> aligner = GeodesicFlowAligner(n_components=2)
    >>> aligner.fit_transform(X, sample_domain=sample_domain).shape
    (200, 4)
    """

    def __init__(self, n_components=None):
        self.n_components = n_components

    def _fit(self, X_source, y_source, X_target, y_target):
        check_integer("n_components", self.n_components, low=1, also=(None,))
        wanted = count_components(self.n_components, X_source, X_target)
        if self.n_components is None:
            wanted = max(1, min(wanted, X_source.shape[1] // 2, _MOST))
        source = principal_axes(X_source, wanted)
        target = principal_axes(X_target, wanted)
        self.source_mean_, self.target_mean_ = source.mean_, target.mean_
        P_source, P_target = source.components_.T, target.components_.T
        self.disagreement_ = None
        if self.n_components is None:
            joint = principal_axes(np.vstack([X_source, X_target]), wanted)
            self.disagreement_ = subspace_disagreement(
                P_source, P_target, joint.components_.T
            )
            most = self.disagreement_.max()
            wanted = 1 + int(np.argmax(self.disagreement_ >= most - 1e-3))
        self.factor_ = geodesic_flow_factor(P_source[:, :wanted], P_target[:, :wanted])
        self.n_components_ = wanted
        self._n_features_out = 2 * wanted

    def _map_source(self, X):
        return project(X, self.source_mean_, self.factor_)

    def _map_target(self, X):
        return project(X, self.target_mean_, self.factor_)
