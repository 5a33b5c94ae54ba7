"""How much the classes differ between domains, against the domains as a whole."""

import numpy as np
from scipy import sparse
from sklearn.linear_model import RidgeClassifier

__all__ = ["estimate_balance", "proxy_distance"]


def proxy_distance(X_source, X_target):
    """Return the proxy A-distance 2 (1 - 2 err) of a linear classifier of domains.

    The error is the balanced one on the rows themselves, of a ridge classifier.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains.

    Returns
    -------
    float
        Between 0 (not to be told apart) and 2.
    """
    errors = []
    parts = (X_source, X_target)
    is_target = np.r_[np.zeros(X_source.shape[0]), np.ones(X_target.shape[0])]
    stacked = _stacked(parts)
    model = RidgeClassifier(class_weight="balanced").fit(stacked, is_target)
    for rows, label in zip(parts, (0, 1), strict=True):
        errors.append(np.mean(model.predict(rows) != label))
    return max(0.0, 2.0 * (1.0 - 2.0 * float(np.mean(errors))))


def estimate_balance(X_source, y_source, X_target, y_target):
    """Return the share of the classes' mean distance in its sum with the domains'.

    Parameters
    ----------
    X_source, X_target : {ndarray, sparse matrix} of shape (n_samples, n_features)
        Rows of the domains.
    y_source, y_target : ndarray of shape (n_samples,)
        Class numbers; of the target, pseudo-labels.

    Returns
    -------
    float
        Between 0, only the domains as a whole differ, and 1, only the classes do.
        0.5 where no class is in both domains, or nothing differs.
    """
    common = np.intersect1d(y_source, y_target)
    common = common[common >= 0]
    if len(common) == 0:
        return 0.5
    whole = proxy_distance(X_source, X_target)
    classes = np.mean(
        [
            proxy_distance(X_source[y_source == c], X_target[y_target == c])
            for c in common
        ]
    )
    return float(classes / (classes + whole)) if classes + whole > 0 else 0.5


def _stacked(parts):
    if sparse.issparse(parts[0]):
        return sparse.vstack(parts).tocsr()
    return np.vstack(parts)
