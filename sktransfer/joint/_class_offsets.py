"""Potentials of whole classes by Newton's method: what projections find slowly.

Where classes lie apart, a projection of rows or columns passes hardly any mass from one
to another. One number a class, added to the potentials of its rows, is a small problem.
"""

import numpy as np

__all__ = ["offsets_that_agree", "offsets_to_shares"]

_LARGEST_STEP = 5.0
_LARGEST_OFFSET = 40.0
_NEWTON_STEPS = 30
_HALVINGS = 20
_SMALL = 1e-10


def offsets_to_shares(masses, shares):
    """Return the offsets at which the classes get their shares of the mass.

    Parameters
    ----------
    masses : ndarray of shape (n_target, n_classes)
        Shares of the classes in each target row; rows sum to one.
    shares : ndarray of shape (n_classes,)
        The wanted shares, which sum to one.

    Returns
    -------
    ndarray of shape (n_classes,)
        Offsets, none above 40: with masses times their exponentials, rows divided by
        their sums, the means of the columns are the shares, or come nearer to them.
    """
    return _newton([masses], shares, np.eye(len(shares)))[0]


def offsets_that_agree(masses):
    """Return the offsets at which several sources give the same class shares.

    Parameters
    ----------
    masses : list of ndarray of shape (n_target, n_classes)
        Shares of the classes in each target row, for each source.

    Returns
    -------
    ndarray of shape (n_sources, n_classes)
        Offsets, none above 40; each class's sum to zero over the sources.
    """
    n_sources, n_classes = len(masses), masses[0].shape[1]
    centring = np.eye(n_sources) - 1 / n_sources
    basis = np.kron(centring, np.eye(n_classes))
    return _newton(masses, np.zeros(len(basis)), basis)


def _newton(masses, linear, basis):
    """Minimise the mean over sources of ``mean_j log sum_c masses_jc exp(d_c)``.

    Less ``linear @ d``, over offsets d in the span of the basis.
    """
    n_sources = len(masses)
    offsets = np.zeros(len(linear))
    value, shares = _value(masses, linear, offsets)
    for _ in range(_NEWTON_STEPS):
        means = [share.mean(axis=0) for share in shares]
        slope = basis.T @ (np.concatenate(means) / n_sources - linear)
        if np.abs(slope).sum() <= _SMALL:
            break
        curvature = np.zeros((len(linear), len(linear)))
        for k, (share, mean) in enumerate(zip(shares, means, strict=True)):
            own = slice(k * len(mean), (k + 1) * len(mean))
            curvature[own, own] = np.diag(mean) - share.T @ share / len(share)
        curvature = basis.T @ curvature @ basis / n_sources
        step = basis @ np.linalg.lstsq(curvature, -slope, rcond=_SMALL)[0]
        step *= min(1, _LARGEST_STEP / max(np.abs(step).max(), _SMALL))
        for _ in range(_HALVINGS):
            found, shares_there = _value(masses, linear, offsets + step)
            if found < value:
                break
            step = step / 2
        else:
            break
        offsets, value, shares = offsets + step, found, shares_there
    offsets *= min(1, _LARGEST_OFFSET / max(np.abs(offsets).max(), _SMALL))
    return offsets.reshape(n_sources, -1)


def _value(masses, linear, offsets):
    value, shares = -linear @ offsets, []
    for mass, own in zip(masses, offsets.reshape(len(masses), -1), strict=True):
        parts = mass * np.exp(own - own.max())
        sums = parts.sum(axis=1, keepdims=True)
        value += (own.max() + np.log(sums).mean()) / len(masses)
        shares.append(parts / sums)
    return value, shares
