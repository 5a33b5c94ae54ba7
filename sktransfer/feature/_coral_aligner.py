from sktransfer.feature._moments import symmetric_power
from sktransfer.feature._second_moments import SecondMomentAligner

__all__ = ["CORALAligner", "coral_map"]

_FLOOR = 1e-8


class CORALAligner(SecondMomentAligner):
    r"""Correlation alignment: give source rows the covariance of the target.

    Source rows are whitened and coloured again with the covariance of the target;
    target rows stay as they are, so a model fitted on mapped source rows serves raw
    target rows.

    Assumes that the domains differ by an affine change of the features (scale, units,
    correlation, offset) while the classes keep their places relative to each other.
    Reads no labels. Several source domains count as one.

    Cost: one pass over the rows of fit, ``O((n_source + n_target) p^2 + p^3)`` time,
    ``O(p^2)`` memory beside the rows; float32 rows stay float32.

    Parameters
    ----------
    regularization : float or "auto", default="auto"
        Added to the diagonal of both covariances, in units of the mean variance of
        both domains. "auto": both covariances are shrunk towards their mean variances
        instead, by the same share: the larger one that the rule of Ledoit and Wolf
        gives for them. The published method adds the identity to the covariances of
        standardised columns, which is 1.0 here.
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
    sktransfer.LinearTransportAligner : The map that moves rows least.
    sktransfer.MMDAligner : Finds few components on which the domains agree.

    Notes
    -----
    With the regularised covariances :math:`C_s` and :math:`C_t` the map is
    :math:`A = C_s^{-1/2} C_t^{1/2}` [1]_. Without regularisation and with covariances
    of full rank, the mapped source rows have the covariance of the target exactly.
    Directions in which the source does not vary are left flat.

    References
    ----------
    .. [1] B. Sun, J. Feng, K. Saenko. Return of Frustratingly Easy Domain Adaptation.
       AAAI, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sktransfer import CORALAligner
    >>> rng = np.random.RandomState(0)
    >>> X = np.r_[rng.normal(size=(200, 2)), 5 * rng.normal(size=(200, 2)) + 1]
    >>> sample_domain = np.r_[np.ones(200), -np.ones(200)]
    >>> aligner = CORALAligner(regularization=0.0)
    >>> Z = aligner.fit_transform(X, sample_domain=sample_domain)
    >>> bool(np.allclose(np.cov(Z[:200].T), np.cov(X[200:].T)))
    True
    """

    def __init__(self, *, regularization="auto", align_mean=True):
        self.regularization = regularization
        self.align_mean = align_mean

    def _matrix(self, source, target):
        return coral_map(source, target)


def coral_map(source_covariance, target_covariance, floor=_FLOOR):
    """Return the matrix that whitens the one covariance and colours with the other.

    Parameters
    ----------
    source_covariance, target_covariance : ndarray of shape (n_features, n_features)
        Covariances.
    floor : float, default=1e-8
        Smallest eigenvalue of the source that is divided by, as a share of its largest.

    Returns
    -------
    ndarray of shape (n_features, n_features)
        The map, for rows from the left.
    """
    whiten = symmetric_power(source_covariance, -0.5, floor)
    return whiten @ symmetric_power(target_covariance, 0.5)
