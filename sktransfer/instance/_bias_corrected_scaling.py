"""Temperature scaling with a bias for each class, by maximum likelihood.

Logits l become ``scale * l + bias``; log-probabilities serve as logits, since softmax
forgets a constant of the row.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import log_softmax

__all__ = ["Scaling", "fit_scaling", "is_informative", "logits_of"]

_FLOOR = 1.2e-7
_PRIOR = 1e-3
# Models of different folds share rows, so logits vary more than those of one model: two
# standard deviations let through a tenth of useless classifiers.
_SURE = 3.0


@dataclass(frozen=True)
class Scaling:
    """A calibration map; call it with logits to get probabilities."""

    scale: float
    bias: np.ndarray

    def __call__(self, logits):
        """Return calibrated probabilities of shape (n_samples, n_classes)."""
        return np.exp(log_softmax(self.scale * logits + self.bias, axis=1))


def logits_of(probabilities):
    """Return logarithms of probabilities, none taken for smaller than 1.2e-7."""
    return np.log(np.maximum(probabilities, _FLOOR))


def fit_scaling(logits, labels, *, bias=True, max_iter=50):
    """Fit scale and biases by Newton's method on the convex log-likelihood.

    A weak normal prior around scale one and bias zero (the weight of a thousandth of a
    row) keeps them finite where the classes are separated. The scale is not negative:
    predictions of rows left out of a fit go against the labels where the classifier has
    learnt nothing but class shares, and those of other rows do not.

    Parameters
    ----------
    logits : ndarray of shape (n_samples, n_classes)
        Of rows that the classifier has not learnt from.
    labels : ndarray of shape (n_samples,)
        Class numbers.
    bias : bool, default=True
        False: only the scale (temperature scaling).
    max_iter : int, default=50
        Bound on the steps.

    Returns
    -------
    Scaling
    """
    n_classes = logits.shape[1]
    start = np.r_[1.0, np.zeros(n_classes if bias else 0)]
    params = start.copy()
    objective = _objective(params, start, logits, labels)
    for _ in range(max_iter):
        gradient, hessian = _derivatives(params, logits, labels)
        gradient -= _PRIOR * (params - start)
        move = np.linalg.solve(hessian, gradient)
        length = 1.0
        while length > 1e-10:
            after = _objective(params + length * move, start, logits, labels)
            if after <= objective + 1e-14 * abs(objective):
                break
            length *= 0.5
        params = params + length * move
        gained, objective = objective - after, after
        if length <= 1e-10 or np.abs(move).max() < 1e-9 or gained < 0:
            break
    if params[0] <= 0:
        shares = np.bincount(labels, minlength=n_classes) / len(labels)
        return Scaling(0.0, np.log(shares) if bias else np.zeros(n_classes))
    return Scaling(float(params[0]), _biases(params, n_classes))


def is_informative(scaling, logits, labels):
    """Whether calibrated probabilities tell more of the labels than class shares do.

    A scale of zero gives the class shares, so twice the gain in log-likelihood is the
    square of a standard normal number where the logits say nothing.

    Parameters
    ----------
    scaling : Scaling
        Fitted to these rows, with biases.
    logits : ndarray of shape (n_samples, n_classes)
        Of rows that the classifier has not learnt from.
    labels : ndarray of shape (n_samples,)
        Class numbers.

    Returns
    -------
    bool
        Whether that number would be above three.
    """
    logs = log_softmax(scaling.scale * logits + scaling.bias, axis=1)
    shares = np.bincount(labels, minlength=logits.shape[1]) / len(labels)
    gain = np.sum(logs[np.arange(len(labels)), labels] - np.log(shares[labels]))
    return bool(2.0 * gain > _SURE**2)


def _biases(params, n_classes):
    return params[1:] if len(params) > 1 else np.zeros(n_classes)


def _log_probabilities(params, logits):
    return log_softmax(params[0] * logits + _biases(params, logits.shape[1]), axis=1)


def _objective(params, start, logits, labels):
    logs = _log_probabilities(params, logits)[np.arange(len(labels)), labels]
    return 0.5 * _PRIOR * np.square(params - start).sum() - logs.sum()


def _derivatives(params, logits, labels):
    """Return the gradient of the log-likelihood, and minus its Hessian with prior."""
    p = np.exp(_log_probabilities(params, logits))
    mean = np.einsum("ij,ij->i", p, logits)
    gradient = np.empty(len(params))
    gradient[0] = np.sum(logits[np.arange(len(labels)), labels] - mean)
    hessian = np.empty((len(params), len(params)))
    centred = logits - mean[:, None]
    hessian[0, 0] = np.einsum("ij,ij,ij->", p, centred, centred)
    if len(params) > 1:
        gradient[1:] = np.bincount(labels, minlength=p.shape[1]) - p.sum(axis=0)
        hessian[0, 1:] = hessian[1:, 0] = np.einsum("ij,ij->j", p, centred)
        hessian[1:, 1:] = np.diag(p.sum(axis=0)) - p.T @ p
    hessian[np.diag_indices_from(hessian)] += _PRIOR
    return gradient, hessian
