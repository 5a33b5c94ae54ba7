import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from sktransfer._validation import check_choice
from sktransfer.feature._bures_barycenter import bures_barycenter, monge_map
from sktransfer.feature._domain_numbers import domain_positions, ordered_domains
from sktransfer.feature._second_moments import (
    SecondMomentAligner,
    map_affinely,
    regularized_moments,
)

__all__ = ["LinearTransportAligner"]


class LinearTransportAligner(SecondMomentAligner):
    r"""Linear optimal transport: the map between Gaussians that moves rows least.

    Source rows get the mean and the covariance of the target by the optimal transport
    map between the Gaussians of both domains; target rows stay as they are, so a model
    fitted on mapped source rows serves raw target rows. With several domains, each can
    be mapped to the Gaussian in the middle of all instead.

    Assumes that the domains differ by an affine change of the features that keeps their
    axes roughly in place (a positive definite matrix). Reads no labels.

    Cost: one pass over the rows of fit, ``O((n_source + n_target) p^2 + p^3)`` time,
    ``O(p^2)`` memory beside the rows; "barycenter" takes some ten times ``O(K p^3)``
    for K domains. float32 rows stay float32.

    Parameters
    ----------
    regularization : float or "auto", default="auto"
        Added to the diagonal of both covariances, in units of the mean variance of
        the domains. "auto": the covariances are shrunk towards their mean variances
        instead, all by the same share: the largest that the rule of Ledoit and Wolf
        gives for one of them.
    align_mean : bool, default=True
        Whether to bring the means together, too.
    reference : {"target", "barycenter"}, default="target"
        What domains are mapped to. "target": source rows to the target; several source
        domains count as one, several target domains too. "barycenter": every source and
        target domain by a map of its own to the Wasserstein barycenter of the Gaussians
        of all, each of the same weight. Then target rows change, too, and rows are told
        apart by their numbers in `sample_domain`, which `transform` needs if there are
        several target domains; a number that was not in fit is an error.

    Attributes
    ----------
    map_ : ndarray of shape (n_features, n_features)
        With "target": what source rows, less their mean, are multiplied with.
    source_mean_ : ndarray of shape (n_features,)
        With "target": mean of the source rows of fit.
    target_mean_ : ndarray of shape (n_features,)
        With "target": mean of the target rows of fit.
    domains_ : ndarray of shape (n_domains,)
        With "barycenter": the domains' numbers in the order of what follows: sources
        first, each kind by the means of their rows.
    maps_ : ndarray of shape (n_domains, n_features, n_features)
        With "barycenter": what the rows of each domain, less their mean, are multiplied
        with.
    means_ : ndarray of shape (n_domains, n_features)
        With "barycenter": mean of each domain.
    barycenter_ : ndarray of shape (n_features, n_features)
        With "barycenter": its covariance. Its mean is the mean of the means.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.CORALAligner : Another map between the same covariances.
    sktransfer.OptimalTransportAligner : Moves rows, not only their covariance.
    sktransfer.MMDAligner : Finds few components on which the domains agree.

    Notes
    -----
    With the regularised covariances :math:`C_s` and :math:`C_t` the map is [1]_

    .. math::

       A = C_s^{-1/2} \bigl(C_s^{1/2} C_t C_s^{1/2}\bigr)^{1/2} C_s^{-1/2} .

    Without regularisation and with covariances of full rank, the mapped source rows
    have the mean and the covariance of the target exactly. Directions in which the
    source does not vary are left flat.

    The covariance :math:`B` of the barycenter solves :math:`B = \frac1K \sum_k
    (B^{1/2} C_k B^{1/2})^{1/2}` and is found by a fixed-point iteration [2]_.

    References
    ----------
    .. [1] R. Flamary, K. Lounici, A. Ferrari. Concentration Bounds for Linear Monge
       Mapping Estimation and Optimal Transport Domain Adaptation. arXiv:1905.10155,
       2019.
    .. [2] P. C. Álvarez-Esteban, E. del Barrio, J. A. Cuesta-Albertos, C. Matrán. A
       Fixed-Point Approach to Barycenters in Wasserstein Space. Journal of Mathematical
       Analysis and Applications, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import LinearTransportAligner
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(200, 2)), 5 * rng.normal(size=(200, 2)) + 1]
    >>> sample_domain = np.r_[np.ones(200), -np.ones(200)]
    >>> aligner = LinearTransportAligner(regularization=0.0)
    >>> Z = aligner.fit_transform(X, sample_domain=sample_domain)
    >>> bool(np.allclose(np.cov(Z[:200].T), np.cov(X[200:].T)))
    True
    """

    def __init__(self, *, regularization="auto", align_mean=True, reference="target"):
        self.regularization = regularization
        self.align_mean = align_mean
        self.reference = reference

    def _matrix(self, source, target):
        return monge_map(source, target)

    def _fit_domains(self, X, y, domains):
        check_choice("reference", self.reference, ("target", "barycenter"))
        if self.reference == "target" or not domains.has_target:
            return super()._fit_domains(X, y, domains)
        self._n_features_out, self.is_identity_ = X.shape[1], False
        return self._fit_barycenter(X, domains.domain)

    def _fit_barycenter(self, X, domain):
        self._check_params()
        self.domains_ = ordered_domains(X, domain)
        self.means_, covariances = regularized_moments(
            [X[domain == number] for number in self.domains_], self.regularization
        )
        self.barycenter_, converged = bures_barycenter(covariances)
        if not converged:
            warnings.warn(
                f"{type(self).__name__}: the barycenter still moved after 100 steps. "
                "Raise regularization, or leave out columns that hardly vary in one of "
                "the domains.",
                ConvergenceWarning,
                stacklevel=4,
            )
        self.maps_ = np.array(
            [monge_map(each, self.barycenter_) for each in covariances]
        )

    def _map(self, X, domain):
        if self.is_identity_ or self.reference == "target":
            return super()._map(X, domain)
        positions = domain_positions(
            domain, self.domains_, X.shape[0], name=type(self).__name__, part="map"
        )
        mapped = np.empty_like(X)
        for position, mean in enumerate(self.means_):
            rows = positions == position
            goal = self.means_.mean(axis=0) if self.align_mean else mean
            mapped[rows] = map_affinely(X[rows], self.maps_[position], mean, goal)
        return mapped
