"""The Gaussian in the middle of several ones, and the way to it."""

import numpy as np

from sktransfer.feature._moments import symmetric_power

__all__ = ["bures_barycenter", "monge_map"]

_FLOOR = 1e-8


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


def bures_barycenter(covariances, *, n_iter=100, tol=1e-10, floor=_FLOOR):
    r"""Return the covariance of least mean squared distance to others.

    The distance is that of Bures and Wasserstein: what the optimal transport between
    centred Gaussians costs. Each step transports the present covariance by the mean of
    its maps to the others, :math:`B \leftarrow A B A` with :math:`A = \frac1K \sum_k
    T_{B \to C_k}`.

    Parameters
    ----------
    covariances : ndarray of shape (n_domains, n_features, n_features)
        Covariances, all of the same weight.
    n_iter : int, default=100
        Largest number of steps.
    tol : float, default=1e-10
        Relative change to stop at.
    floor : float, default=1e-8
        Smallest eigenvalue that is divided by, as a share of the largest.

    Returns
    -------
    barycenter : ndarray of shape (n_features, n_features)
        The covariance.
    converged : bool
        Whether `tol` was reached.

    References
    ----------
    P. C. Álvarez-Esteban, E. del Barrio, J. A. Cuesta-Albertos, C. Matrán. A
    Fixed-Point Approach to Barycenters in Wasserstein Space. Journal of Mathematical
    Analysis and Applications, 2016.
    """
    barycenter = np.mean(covariances, axis=0)
    for _ in range(n_iter):
        root = symmetric_power(barycenter, 0.5, floor)
        whiten = symmetric_power(barycenter, -0.5, floor)
        middle = np.mean(
            [symmetric_power(root @ each @ root, 0.5) for each in covariances], axis=0
        )
        before, half = barycenter, whiten @ middle
        barycenter = half @ half.T
        change = np.linalg.norm(barycenter - before)
        if change <= tol * np.linalg.norm(barycenter):
            return barycenter, True
    return barycenter, False
