from sktransfer.feature._moments import symmetric_power
from sktransfer.feature._second_moments import SecondMomentAligner

__all__ = ["LinearTransportAligner", "monge_map"]

_FLOOR = 1e-8


class LinearTransportAligner(SecondMomentAligner):
    r"""Linear optimal transport: the map between Gaussians that moves rows least.

    Source rows get the mean and the covariance of the target by the optimal transport
    map between the Gaussians of both domains; target rows stay as they are, so a model
    fitted on mapped source rows serves raw target rows.

    Assumes that the domains differ by an affine change of the features that keeps their
    axes roughly in place (a positive definite matrix). Reads no labels. Several source
    domains count as one.

    Cost: ``O((n_source + n_target) p^2 + p^3)`` time for fit, ``O(p^2)`` memory beside
    the rows; float32 rows stay float32.

    Parameters
    ----------
    regularization : float or "auto", default="auto"
        Added to the diagonal of both covariances, in units of the mean variance of
        both domains. "auto": each covariance is shrunk towards its mean variance by
        the rule of Ledoit and Wolf instead.
    align_mean : bool, default=True
        Whether to move the mean of the source to that of the target, too.

    Attributes
    ----------
    map_ : ndarray of shape (n_features, n_features)
        The matrix that source rows, less their mean, are multiplied with.
    source_mean_ : ndarray of shape (n_features,)
        Mean of the source rows of fit.
    target_mean_ : ndarray of shape (n_features,)
        Mean of the target rows of fit.
    is_identity_ : bool
        Whether there was no target row, so that nothing is changed.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Their names, if X has string column names.

    See Also
    --------
    sktransfer.CORALAligner : Another map between the same covariances.
    sktransfer.MMDAligner : Finds few components on which the domains agree.

    Notes
    -----
    With the regularised covariances :math:`C_s` and :math:`C_t` the map is [1]_

    .. math::

       A = C_s^{-1/2} \bigl(C_s^{1/2} C_t C_s^{1/2}\bigr)^{1/2} C_s^{-1/2} .

    Without regularisation and with covariances of full rank, the mapped source rows
    have the mean and the covariance of the target exactly. Directions in which the
    source does not vary are left flat.

    References
    ----------
    .. [1] R. Flamary, K. Lounici, A. Ferrari. Concentration Bounds for Linear Monge
       Mapping Estimation and Optimal Transport Domain Adaptation. arXiv:1905.10155,
       2019.

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

    def __init__(self, *, regularization="auto", align_mean=True):
        self.regularization = regularization
        self.align_mean = align_mean

    def _matrix(self, source, target):
        return monge_map(source, target)


def monge_map(source_covariance, target_covariance, floor=_FLOOR):
    """Return the optimal transport map between two centred Gaussians.

    Parameters
    ----------
    source_covariance, target_covariance : ndarray of shape (n_features, n_features)
        Covariances.
    floor : float, default=1e-8
        Smallest eigenvalue of the source that is divided by, as a share of its largest.

    Returns
    -------
    ndarray of shape (n_features, n_features)
        Symmetric positive semi-definite.
    """
    root = symmetric_power(source_covariance, 0.5, floor)
    whiten = symmetric_power(source_covariance, -0.5, floor)
    middle = symmetric_power(root @ target_covariance @ root, 0.5)
    return whiten @ middle @ whiten
